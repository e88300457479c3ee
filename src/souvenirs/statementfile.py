"""The format of statement files, and how to verify them without Django or a database.

Everything here needs only Python, so that whoever receives a statement can verify it with a copy of
this one file: ``python statementfile.py FILE``, or ``python -m souvenirs.statementfile FILE`` where
the app is installed.

A statement file is ASCII text. Each line is a JSON object in its canonical form, followed by a line
feed: keys in ascending order, no spaces, no numbers but integers, and ``\\u`` escapes for whatever
is not ASCII. So there is exactly one file for each statement.

* Line 1 is the content. Its keys are those of :data:`KEYS`.
* Line 2 is ``{"hash":"..."}``, the SHA-256 of line 1 without its line feed, in hexadecimal. The
  ``previous`` of a statement is the hash of the one before it for the same customer.
* Each further line is a *leaf*, one for each active user: ``{"salt":"...","user":"..."}`` with 16
  random bytes in hexadecimal and the primary key of the user as text; or ``{"leaf":"..."}`` with
  the hash alone, of a user who has been erased, or whom this copy of the file does not name.

The hash of a leaf is ``SHA-256(0x00 || salt || user)``, with the user in UTF-8. Leaves are in
ascending order of their hashes, which tells nothing about the users. The ``root`` is that of the
Merkle tree over them as in RFC 6962, section 2.1: a node is ``SHA-256(0x01 || left || right)``.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

FORMAT = "souvenirs-statement-1"

#: The keys of the content, with what their values are.
KEYS = {
    "active_users": "the number of active users, and of leaves",
    "coverage": "what the figures are made of",
    "customer": "the customer: of, key and label; null for everyone",
    "days": "the number of users active on each local day, by date",
    "definition": "who counts as an active user",
    "end": "the end of the period, exclusive, in UTC",
    "format": "souvenirs-statement-1",
    "issued": "when the statement was issued, in UTC",
    "issuer": "who issued it, or null",
    "number": "the position among the statements of the customer, from 1",
    "plan": "the plan that the customer was on, or null",
    "previous": "the hash of the statement before it for the customer, null for the first one",
    "quota": "the number of users in the plan, or null",
    "root": "the root of the Merkle tree over the leaves",
    "start": "the start of the period, inclusive, in UTC",
    "time_zone": "the time zone of the period and its days",
}

#: The number of bytes of a salt.
SALT = 16

#: In hexadecimal, a salt and a hash. Upper case would be a second form of the same bytes.
SALT_TEXT, HASH_TEXT = re.compile("[0-9a-f]{32}"), re.compile("[0-9a-f]{64}")

#: A moment in UTC.
MOMENT_TEXT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?Z", re.ASCII)

#: What the command exits with.
INTACT, CHANGED, NOT_COUNTED = 0, 1, 3


class InvalidStatement(ValueError):
    """A file is not a statement as it was issued; the message says where."""


class Leaf(NamedTuple):
    """An active user of a statement; without the user and the salt, only the hash."""

    hash: bytes
    salt: bytes | None = None
    user: str | None = None

    @classmethod
    def of(cls, user: str, salt: bytes) -> Leaf:
        """Return the leaf of a user. Raises ValueError for text that UTF-8 cannot encode."""
        return cls(hashlib.sha256(b"\x00" + salt + user.encode()).digest(), salt, user)

    def hidden(self) -> Leaf:
        """Return the leaf without its user."""
        return Leaf(self.hash)

    def line(self) -> bytes:
        if self.salt is None:
            return canonical({"leaf": self.hash.hex()})
        return canonical({"salt": self.salt.hex(), "user": self.user})


@dataclass(frozen=True)
class StatementFile:
    """The content of a file that has been verified."""

    content: Mapping[str, Any]
    #: The hash of the content, in hexadecimal.
    hash: str
    #: The active users that the file names.
    users: frozenset[str]

    @property
    def hidden(self) -> int:
        """The number of active users that the file does not name."""
        return int(self.content["active_users"]) - len(self.users)

    def counts(self, user: str) -> bool | None:
        """Whether a user is counted; None if the file cannot tell, because it hides some users."""
        if user in self.users:
            return True
        return None if self.hidden else False


def canonical(value: Any) -> bytes:
    """Return JSON in the one form that the files have."""
    text = json.dumps(value, ensure_ascii=True, sort_keys=True, separators=(",", ":"))
    return text.encode("ascii")


def hash_of(body: bytes) -> str:
    """Return the hash of the content in canonical form, in hexadecimal."""
    return hashlib.sha256(body).hexdigest()


def root_of(hashes: Sequence[bytes]) -> str:
    """Return the root of the Merkle tree over the hashes of leaves, in hexadecimal.

    That of no leaves is the hash of the empty string, as in RFC 6962.
    """
    if not hashes:
        return hashlib.sha256().hexdigest()
    level = list(hashes)
    while len(level) > 1:
        # A node without a neighbour is passed on as it is, not paired with itself: the largest
        # power of two below the number of leaves is on the left, as in RFC 6962.
        alone = level[len(level) & ~1 :]
        pairs = zip(level[::2], level[1::2], strict=False)
        level = [hashlib.sha256(b"\x01" + left + right).digest() for left, right in pairs]
        level += alone
    return level[0].hex()


def lines_of(body: bytes, hash: str, leaves: Iterable[Leaf]) -> Iterator[bytes]:
    """Generate the lines of a file, of the content in canonical form and its hash.

    The leaves have to ascend by their hashes.
    """
    yield body + b"\n"
    yield canonical({"hash": hash}) + b"\n"
    for leaf in leaves:
        yield leaf.line() + b"\n"


def verified(data: bytes) -> StatementFile:
    """Return what is in a file. Raises InvalidStatement if any byte of it has changed."""
    lines = data.split(b"\n")
    if lines.pop() != b"" or len(lines) < 2:
        raise InvalidStatement("The file does not end as a statement does: a part is missing.")
    content, hashed, *rest = (_object(line, number) for number, line in enumerate(lines, 1))
    if content.get("format") != FORMAT:
        raise InvalidStatement(f"Line 1 is not the content of a statement in format {FORMAT!r}.")
    if hashed != {"hash": hash_of(lines[0])}:
        raise InvalidStatement("The hash in line 2 is not that of line 1: one of them has changed.")
    _check(content)
    leaves = [_leaf(each, number) for number, each in enumerate(rest, 3)]
    for number, (one, other) in enumerate(pairwise(leaves), 4):
        if one.hash >= other.hash:
            raise InvalidStatement(f"Line {number} is not in the order of the hashes of leaves.")
    if len(leaves) != content["active_users"]:
        raise InvalidStatement(
            f"The file has {len(leaves):,} leaves for {content['active_users']:,} active users."
        )
    if root_of([leaf.hash for leaf in leaves]) != content["root"]:
        raise InvalidStatement("The leaves do not have the root in line 1: one of them is wrong.")
    named = [leaf.user for leaf in leaves if leaf.user is not None]
    users = frozenset(named)
    if len(users) != len(named):
        raise InvalidStatement("A user is counted twice.")
    return StatementFile(content, hashed["hash"], users)


def _object(line: bytes, number: int) -> dict[str, Any]:
    """Return the object in a line, which has to be in canonical form."""
    try:
        found = json.loads(line.decode("ascii"), parse_float=_refused, parse_constant=_refused)
        is_canonical = isinstance(found, dict) and canonical(found) == line
    except (ValueError, RecursionError):
        is_canonical = False
    if not is_canonical:
        raise InvalidStatement(f"Line {number} is not an object in canonical JSON.")
    return dict(found)


def _refused(number: str) -> Any:
    raise ValueError(f"{number} is not an integer")


def _check(content: Mapping[str, Any]) -> None:
    """Refuse what no statement has, also in a file whose hashes have been made to match."""
    if content.keys() != KEYS.keys():
        wrong = ", ".join(sorted(content.keys() ^ KEYS.keys()))
        raise InvalidStatement(f"The content has not the keys of {FORMAT!r}: see {wrong}.")
    count, number, previous = (content[key] for key in ("active_users", "number", "previous"))
    if not (_is_whole(count, 0) and _is_whole(number, 1)):
        raise InvalidStatement("The number of active users or of the statement is not a number.")
    if (previous is None) != (number == 1):
        raise InvalidStatement(f"Statement {number} has the wrong previous hash, {previous!a}.")
    for key in ("start", "end", "issued"):
        if not _is_moment(content[key]):
            raise InvalidStatement(f"{key} is not a moment in UTC: {content[key]!a}.")
    # Without the Z, which sorts after the fraction of a second.
    if content["start"][:-1] >= content["end"][:-1]:
        raise InvalidStatement("The period ends before it starts, or is empty.")
    quota, days = content["quota"], content["days"]
    if not (quota is None or _is_whole(quota, 0)):
        raise InvalidStatement(f"The quota is neither null nor a number: {quota!a}.")
    if not (isinstance(days, dict) and all(_is_whole(count, 0) for count in days.values())):
        raise InvalidStatement("The days do not have a number of users each.")
    customer = content["customer"]
    if customer is not None and not (
        isinstance(customer, dict)
        and customer.keys() == {"of", "key", "label"}
        and all(isinstance(value, str) for value in customer.values())
    ):
        raise InvalidStatement(f"The customer is neither null nor a group: {customer!a}.")


def _is_moment(value: Any) -> bool:
    if not (isinstance(value, str) and MOMENT_TEXT.fullmatch(value)):
        return False
    try:
        datetime.fromisoformat(value[:-1])
    except ValueError:
        return False
    return True


def _is_whole(value: Any, least: int) -> bool:
    return type(value) is int and value >= least


def _leaf(found: Mapping[str, Any], number: int) -> Leaf:
    values = tuple(found[key] for key in sorted(found))
    if all(isinstance(value, str) for value in values):
        if list(found) == ["leaf"] and HASH_TEXT.fullmatch(values[0]):
            return Leaf(bytes.fromhex(values[0]))
        if list(found) == ["salt", "user"] and SALT_TEXT.fullmatch(values[0]):
            try:
                return Leaf.of(values[1], bytes.fromhex(values[0]))
            except UnicodeEncodeError:
                pass  # half a character
    raise InvalidStatement(f"Line {number} is not a leaf.")


def check_follows(statement: StatementFile, before: StatementFile) -> None:
    """Raise InvalidStatement unless a statement is the next one of the same customer."""
    here, there = statement.content, before.content
    if customer_of(here) != customer_of(there):
        raise InvalidStatement("The two statements are of different customers.")
    if here["number"] != there["number"] + 1 or here["previous"] != before.hash:
        raise InvalidStatement(
            f"Statement {here['number']} does not follow this statement {there['number']}: its "
            f"previous hash is {here['previous']!a}."
        )


def customer_of(content: Mapping[str, Any]) -> tuple[str, str]:
    """Return the field and the key that identify the customer; empty for everyone."""
    customer = content["customer"] or {"of": "", "key": ""}
    return customer["of"], customer["key"]


def summary(content: Mapping[str, Any], hash: str) -> str:
    """Return what a statement says, in one line."""
    customer = content["customer"]
    whose = "everyone" if customer is None else f"{customer['label']!a}"
    return (
        f"statement {content['number']} of {whose}, {content['active_users']:,} active users from "
        f"{content['start']} to {content['end']}, hash {hash}"
    )


def verified_files(names: Sequence[str], hash: str | None = None) -> list[StatementFile]:
    """Return what is in the files; each has to follow the one before, for the same customer.

    ``hash`` is that of the last one, as it is known from elsewhere. Raises InvalidStatement.
    """
    found = [_read(name) for name in names]
    for (before, of_before), (name, statement) in pairwise(zip(names, found, strict=True)):
        try:
            check_follows(statement, of_before)
        except InvalidStatement as error:
            raise InvalidStatement(f"{name} does not follow {before}. {error}") from None
    if hash is not None and found[-1].hash != hash.strip().lower():
        raise InvalidStatement(f"{names[-1]} is another statement: its hash is {found[-1].hash}.")
    return found


def _read(name: str) -> StatementFile:
    try:
        return verified(Path(name).read_bytes())
    except OSError as error:
        raise InvalidStatement(f"{name} cannot be read: {error.strerror}.") from None
    except InvalidStatement as error:
        raise InvalidStatement(f"{name} is not intact. {error}") from None


def sentence_about(user: str, statement: StatementFile) -> str:
    """Return whether a user is in the count, as a sentence."""
    match statement.counts(user):
        case True:
            return f"User {user} is in the count."
        case False:
            return f"User {user} is not in the count."
    return (
        f"User {user} is not among the {len(statement.users):,} users that the file names. It does "
        f"not name {statement.hidden:,} others."
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Verify files that the command line names, and return what to exit with."""
    parser = argparse.ArgumentParser(
        prog="statementfile",
        description="Verifies statement files of django-souvenirs, without Django or a database. "
        "Exits with 0 if no byte has changed, 1 if one has, and 3 if --user is not in the count.",
    )
    add_arguments(parser)
    options = parser.parse_args(arguments)
    try:
        found = verified_files(options.files, options.hash)
    except InvalidStatement as error:
        sys.stderr.write(f"{error}\n")
        return CHANGED
    for name, statement in zip(options.files, found, strict=True):
        _say(f"{name} is intact: {summary(statement.content, statement.hash)}.")
    if options.user is None:
        return INTACT
    _say(sentence_about(options.user, found[-1]))
    return INTACT if found[-1].counts(options.user) else NOT_COUNTED


def _say(sentence: str) -> None:
    """Print a sentence, with escapes for what the terminal cannot show, as on standard error."""
    encoding = sys.stdout.encoding or "utf-8"
    sys.stdout.write(f"{sentence.encode(encoding, 'backslashreplace').decode(encoding)}\n")


def add_arguments(parser: argparse.ArgumentParser, nargs: str = "+") -> None:
    """Add the files to a parser, and what else may be asked about them."""
    parser.add_argument(
        "files",
        nargs=nargs,
        metavar="FILE",
        help="statement file; of several, each has to follow the one before for the same customer",
    )
    parser.add_argument(
        "--hash", metavar="HASH", help="hash that the last file must have, such as that on a bill"
    )
    parser.add_argument(
        "--user", metavar="KEY", help="primary key of a user: say whether the last file counts them"
    )


if __name__ == "__main__":  # pragma: no cover - in a process of its own
    sys.exit(main())
