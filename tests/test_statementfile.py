"""A statement file is verified without Django, and no byte of it can change unnoticed."""

import hashlib
import json
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from souvenirs import statementfile
from souvenirs.statementfile import (
    FORMAT,
    InvalidStatement,
    Leaf,
    StatementFile,
    canonical,
    check_follows,
    hash_of,
    lines_of,
    main,
    root_of,
    verified,
)

#: Users of all kinds: integers, a UUID, words, quotes, and letters that JSON escapes.
USERS = ["1", "2", "17", "0b6c2b4e-9d0f-4c11-8a1c-6f0c6d1f0e55", 'o"brien\\', "Zoë", "名前"]


def leaves_of(users, seed=1):
    chance = random.Random(seed)
    leaves = [Leaf.of(user, chance.randbytes(statementfile.SALT)) for user in users]
    return sorted(leaves, key=lambda leaf: leaf.hash)


def content_of(leaves, **fields):
    return {
        "active_users": len(leaves),
        "coverage": {
            "digested": True,
            "first_souvenir": "2015-01-01T09:00:00Z",
            "grace_days": 3,
            "grace_passed": True,
            "over": True,
            "pruned": None,
        },
        "customer": {"of": "organization", "key": "4", "label": "Acme"},
        "days": {"2016-01-31": 3, "2016-02-01": 0},
        "definition": "Users with at least one souvenir in [start, end).",
        "end": "2016-02-29T00:00:00Z",
        "format": FORMAT,
        "issued": "2016-03-03T00:00:00.000001Z",
        "issuer": None,
        "number": 1,
        "plan": "pro",
        "previous": None,
        "quota": 10,
        "root": root_of([leaf.hash for leaf in leaves]),
        "start": "2016-01-31T00:00:00Z",
        "time_zone": "UTC",
        **fields,
    }


def written(leaves, **fields):
    """A file with these leaves and fields, whose hash is right whatever they are."""
    body = canonical(content_of(leaves, **fields))
    return b"".join(lines_of(body, hash_of(body), leaves))


LEAVES = leaves_of(USERS)
FILE = written(LEAVES)
#: The same, of which two users have been erased.
ERASED = written([LEAVES[0].hidden(), *LEAVES[1:4], LEAVES[4].hidden(), *LEAVES[5:]])


def is_found(data):
    try:
        verified(data)
    except InvalidStatement:
        return True
    return False


# The root


def root_of_rfc_6962(hashes):
    """The definition in section 2.1, to the letter."""
    if not hashes:
        return hashlib.sha256(b"").digest()
    if len(hashes) == 1:
        return hashes[0]
    split = 1
    while split * 2 < len(hashes):
        split *= 2
    left, right = root_of_rfc_6962(hashes[:split]), root_of_rfc_6962(hashes[split:])
    return hashlib.sha256(b"\x01" + left + right).digest()


@pytest.mark.parametrize("count", [*range(18), 33, 100])
def test_root_is_that_of_rfc_6962(count):
    hashes = [leaf.hash for leaf in leaves_of(map(str, range(count)))]
    assert root_of(hashes) == root_of_rfc_6962(hashes).hex()


def test_leaf_is_the_hash_of_a_zero_the_salt_and_the_user():
    leaf = Leaf.of("Zoë", bytes(16))
    assert leaf.hash == hashlib.sha256(bytes(17) + b"Zo\xc3\xab").digest()


# Verifying


@pytest.mark.parametrize("users", [[], ["1"], USERS])
def test_file_that_is_as_it_was_verifies(users):
    leaves = leaves_of(users)
    assert verified(written(leaves)) == StatementFile(
        content_of(leaves), hash_of(canonical(content_of(leaves))), frozenset(users)
    )


def test_file_without_erased_users_has_the_same_root_and_count():
    whole, rest = verified(FILE), verified(ERASED)
    assert (rest.content, rest.hash) == (whole.content, whole.hash)
    assert (len(rest.users), rest.hidden) == (len(USERS) - 2, 2)


def test_hash_is_that_of_the_first_line():
    assert verified(FILE).hash == hashlib.sha256(FILE.splitlines()[0]).hexdigest()


@pytest.mark.parametrize("data", [FILE, ERASED], ids=["whole", "erased"])
def test_ten_thousand_changed_bytes_are_found(data):
    chance = random.Random(20160229)
    for _ in range(5_000):
        place, other = chance.randrange(len(data)), chance.randrange(1, 256)
        changed = bytearray(data)
        changed[place] ^= other
        assert is_found(bytes(changed)), (place, other)


def test_every_bit_that_flips_is_found():
    data = written(leaves_of(["1", "é"]))
    for place in range(len(data)):
        for bit in range(8):
            changed = bytearray(data)
            changed[place] ^= 1 << bit
            assert is_found(bytes(changed)), (place, bit)


def test_every_byte_that_is_lost_or_added_is_found():
    for place in range(len(FILE)):
        assert is_found(FILE[:place]), place
        assert is_found(FILE[:place] + FILE[place + 1 :]), place
        for added in (b" ", b"\n", b"0", FILE[place : place + 1]):
            assert is_found(FILE[:place] + added + FILE[place:]), (place, added)
    assert is_found(FILE + b"\n")


def test_no_two_files_say_the_same():
    """What JSON allows besides, such as spaces and escapes, is no statement."""
    first, *rest = FILE.split(b"\n")
    content = json.loads(first)
    for other in (
        json.dumps(content).encode(),
        json.dumps(content, separators=(",", ":"), sort_keys=False).encode()[:-1] + b" }",
        first.replace(b"Acme", b"Acm\\u0065"),
        first.replace(b'"number":1', b'"number":1.0'),
        first.replace(b'"number":1', b'"number":1,"number":1'),
        first.replace(b'"number":1', b'"number":01'),
        first.replace(b'"number":1', b'"number":NaN'),
        first.replace(b'"grace_days":3', b'"grace_days":3.5'),
        first.replace(b'"grace_days":3', b'"grace_days":NaN'),
        b"\xef\xbb\xbf" + first,
    ):
        data = b"\n".join(
            [other, canonical({"hash": hashlib.sha256(other).hexdigest()}), *rest[1:]]
        )
        assert is_found(data), other


LINES = FILE.splitlines(keepends=True)
HEX = LEAVES[0].hash.hex()


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "a part is missing"),
        (LINES[0], "a part is missing"),
        (FILE[:-1], "a part is missing"),
        (FILE.replace(b"\n", b"\r\n"), "Line 1 is not an object in canonical JSON"),
        (b"[" * 100_000 + b"\n{}\n", "Line 1 is not an object in canonical JSON"),
        (b"[]\n{}\n", "Line 1 is not an object in canonical JSON"),
        (b"{}\n{}\n", "not the content of a statement in format 'souvenirs-statement-1'"),
        (written(LEAVES, format="souvenirs-statement-2"), "not the content of a statement"),
        (LINES[0] + LINES[0] + b"".join(LINES[2:]), "The hash in line 2 is not that of line 1"),
        (written(LEAVES, colour="red"), "has not the keys of 'souvenirs-statement-1': see colour"),
        (written(LEAVES, active_users=6), "has 7 leaves for 6 active users"),
        (written(LEAVES, active_users=True), "is not a number"),
        (written(LEAVES, active_users=-1), "is not a number"),
        (written(LEAVES, number=0), "is not a number"),
        (written(LEAVES, number=2), "Statement 2 has the wrong previous hash, None"),
        (written(LEAVES, previous=HEX), "Statement 1 has the wrong previous hash"),
        (written(LEAVES, start="2016-01-31"), "start is not a moment in UTC: '2016-01-31'"),
        (written(LEAVES, issued=None), "issued is not a moment in UTC: None"),
        (written(LEAVES, end="2016-02-30T00:00:00Z"), "end is not a moment in UTC: '2016-02-30"),
        (written(LEAVES, start="2016-02-29T00:00:00Z"), "The period ends before it starts"),
        (written(LEAVES, start="2016-02-29T00:00:00.000001Z"), "The period ends before it starts"),
        (written(LEAVES, quota="10"), "The quota is neither null nor a number: '10'"),
        (written(LEAVES, quota=-1), "The quota is neither null nor a number: -1"),
        (written(LEAVES, days=[]), "The days do not have a number of users each"),
        (written(LEAVES, days={"2016-01-31": None}), "The days do not have a number of users each"),
        (written(LEAVES, customer="Acme"), "The customer is neither null nor a group: 'Acme'"),
        (written(LEAVES, customer={"of": "organization"}), "neither null nor a group"),
        (written(LEAVES, customer={"of": "plan", "key": 4, "label": ""}), "neither null nor a g"),
        (written(LEAVES, root=HEX), "The leaves do not have the root in line 1"),
        (written(LEAVES[::-1]), "Line 4 is not in the order"),
        (written([LEAVES[0], LEAVES[0]]), "Line 4 is not in the order"),
        (b"".join([*LINES[:3], *LINES[4:]]), "has 6 leaves for 7 active users"),
        (
            written(sorted([*LEAVES, Leaf.of("17", bytes(16))], key=lambda leaf: leaf.hash)),
            "A user is counted twice",
        ),
        (b"".join(LINES[:2]) + b"{}\n", "Line 3 is not a leaf"),
        (b"".join(LINES[:2]) + canonical({"leaf": 1}) + b"\n", "Line 3 is not a leaf"),
        (b"".join(LINES[:2]) + canonical({"leaf": HEX.upper()}) + b"\n", "Line 3 is not a leaf"),
        (b"".join(LINES[:2]) + canonical({"user": "1"}) + b"\n", "Line 3 is not a leaf"),
        (
            b"".join(LINES[:2]) + canonical({"salt": "AB" * 16, "user": "1"}) + b"\n",
            "Line 3 is not a leaf",
        ),
        (
            b"".join(LINES[:2]) + canonical({"salt": "ab" * 16, "user": "\ud800"}) + b"\n",
            "Line 3 is not a leaf",
        ),
    ],
)
def test_what_is_wrong_is_said(data, sentence):
    with pytest.raises(InvalidStatement) as caught:
        verified(data)
    assert sentence in str(caught.value)


def test_upper_case_is_not_another_form_of_a_salt():
    """Python reads both as the same bytes, and so the same leaf."""
    salt = next(line for line in LINES if b'"salt"' in line)
    text = json.loads(salt)["salt"]
    assert is_found(FILE.replace(text.encode(), text.upper().encode()))


# Users


def test_user_is_in_the_count_or_not():
    assert verified(FILE).counts("17") is True
    assert verified(FILE).counts("18") is False


def test_nobody_knows_of_a_user_whom_a_file_may_hide():
    assert verified(ERASED).counts("18") is None


# Files after one another


def follow(before, leaves=(), **fields):
    statement = verified(before)
    number = statement.content["number"] + 1
    return written(list(leaves), **{"number": number, "previous": statement.hash, **fields})


def test_statement_follows_the_one_before():
    second = follow(FILE)
    check_follows(verified(second), verified(FILE))
    check_follows(verified(follow(second)), verified(second))


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (FILE, "Statement 1 does not follow this statement 1"),
        (follow(FILE, number=3), "Statement 3 does not follow this statement 1"),
        (follow(FILE, previous=HEX), f"its previous hash is {HEX!r}"),
        (follow(FILE, customer=None), "of different customers"),
        (
            follow(FILE, customer={"of": "plan", "key": "4", "label": "Acme"}),
            "of different customers",
        ),
    ],
)
def test_statement_that_does_not_follow(data, sentence):
    with pytest.raises(InvalidStatement) as caught:
        check_follows(verified(data), verified(FILE))
    assert sentence in str(caught.value)


# The program


@pytest.fixture
def files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, data in {
        "1.txt": FILE,
        "2.txt": follow(FILE, LEAVES),
        "everyone.txt": written([], customer=None),
        "erased.txt": ERASED,
        "changed.txt": FILE.replace(b"Acme", b"Acne"),
    }.items():
        Path(name).write_bytes(data)


HASH = hashlib.sha256(LINES[0].rstrip()).hexdigest()


@pytest.mark.usefixtures("files")
@pytest.mark.parametrize(
    ("arguments", "status", "output"),
    [
        (
            ["1.txt"],
            0,
            "1.txt is intact: statement 1 of 'Acme', 7 active users from 2016-01-31T00:00:00Z to "
            f"2016-02-29T00:00:00Z, hash {HASH}.",
        ),
        (["everyone.txt"], 0, "statement 1 of everyone, 0 active users"),
        (["1.txt", "2.txt"], 0, "2.txt is intact: statement 2 of 'Acme'"),
        (["2.txt", "1.txt"], 1, "1.txt does not follow 2.txt. Statement 1 does not follow"),
        (["1.txt", "--hash", f" {HASH.upper()}\n"], 0, "1.txt is intact"),
        (["1.txt", "--hash", HEX], 1, f"1.txt is another statement: its hash is {HASH}."),
        (["changed.txt"], 1, "changed.txt is not intact. The hash in line 2 is not that of line 1"),
        (["missing.txt"], 1, "missing.txt cannot be read: No such file or directory."),
        (["1.txt", "--user", "17"], 0, "User 17 is in the count."),
        (["1.txt", "--user", "18"], 3, "User 18 is not in the count."),
        (
            ["erased.txt", "--user", "18"],
            3,
            "User 18 is not among the 5 users that the file names. It does not name 2 others.",
        ),
    ],
)
def test_program_says_in_a_sentence_what_it_found(capsys, arguments, status, output):
    assert main(arguments) == status
    out, err = capsys.readouterr()
    assert output in (err if status == 1 else out)
    assert (out == "") == (status == 1)


def environment(path, **more):
    return {"PATH": os.environ["PATH"], "PYTHONPATH": path, **more}


@pytest.mark.usefixtures("files")
def test_terminal_that_lacks_a_letter_is_no_sign_of_a_change():
    """Else the error of Python, which exits with 1 too, would be taken for one."""
    command = [sys.executable, statementfile.__file__, "1.txt", "--user", "Zoë"]
    done = subprocess.run(
        command, env=environment("", PYTHONIOENCODING="ascii"), capture_output=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith(b"User Zo\\xeb is in the count.\n")


@pytest.mark.usefixtures("files")
def test_program_needs_neither_django_nor_the_rest_of_the_app(tmp_path):
    """With -S, Python finds nothing that has been installed."""
    source = Path(statementfile.__file__)
    copy = tmp_path / "copied.py"
    copy.write_text(source.read_text())
    for program, path in (
        ([str(copy)], ""),
        (["-m", "souvenirs.statementfile"], str(source.parents[1])),
    ):
        for name, status in (("1.txt", 0), ("changed.txt", 1)):
            command = [sys.executable, "-S", *program, name]
            ended = subprocess.run(command, env=environment(path), capture_output=True, timeout=60)
            assert ended.returncode == status, ended.stderr
