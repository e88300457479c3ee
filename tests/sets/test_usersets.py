"""Sets of users against Python's own, and their bytes against every kind of damage."""

import copy
import operator
import pickle
from array import array
from datetime import datetime
from enum import IntEnum
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from souvenirs.sets import usersets
from souvenirs.sets.usersets import HEADER, LAST_NUMBER, CorruptDigest, Label, UserSet, checksum_of
from tests import fuzz
from tests.conftest import INSTANT, at

LABEL = Label("active", 1, at(2016, 1, 1), 7)
#: Each differs from LABEL in one part.
OTHER_LABELS = [
    LABEL._replace(kind="registered"),
    LABEL._replace(level=2),
    LABEL._replace(start=LABEL.start + INSTANT),
    LABEL._replace(start=LABEL.start.replace(tzinfo=ZoneInfo("Europe/Paris"))),
    LABEL._replace(version=8),
]

OPERATORS = [operator.and_, operator.or_, operator.sub, operator.xor]

numbers = st.integers(0, LAST_NUMBER)
runs = st.builds(
    lambda start, size: set(range(start, min(start + size, LAST_NUMBER + 1))),
    numbers,
    st.integers(0, 9_999),
)
members = st.sets(numbers) | st.sets(st.integers(0, 100)) | runs


def users(*ids):
    return UserSet.from_ids(ids)


# Making sets


@given(st.lists(numbers))
@example([0, LAST_NUMBER])
def test_ids_come_back_once_each_and_in_order(ids):
    assert list(UserSet.from_ids(ids)) == sorted(set(ids))


@pytest.mark.parametrize(
    "ids",
    [
        iter([3, 1, 3, LAST_NUMBER]),
        array("I", [3, 1, 3, LAST_NUMBER]),
        array("Q", [3, 1, 3, LAST_NUMBER]),
        memoryview(array("I", [3, 1, 3, LAST_NUMBER])),
        memoryview(array("I", [3, 0, 1, 0, 3, 0, LAST_NUMBER]))[::2],
        IntEnum("Users", {"ANN": 1, "BOB": 3, "EVE": LAST_NUMBER}),
    ],
    ids=["iterator", "array", "wider array", "memoryview", "every other one", "subclass of int"],
)
def test_ids_come_in_anything_that_holds_ints(ids):
    assert UserSet.from_ids(ids) == users(1, 3, LAST_NUMBER)


def test_array_stays_as_it_is():
    ids = array("I", [3, 1])
    made = UserSet.from_ids(ids)
    ids[0] = 5
    assert list(made) == [1, 3]


@pytest.mark.parametrize("stray", [True, 1.0, "1", None, b"1"])
def test_what_is_no_int_is_refused_by_name(stray):
    with pytest.raises(TypeError, match=f"must be an int, not {stray!r}: map"):
        UserSet.from_ids([1, stray, 2])


@pytest.mark.parametrize("ids", [b"1234", bytearray(b"1234"), memoryview(b"1234")])
def test_raw_bytes_are_no_ids(ids):
    with pytest.raises(TypeError, match=r"read them with memoryview\(...\)\.cast\('I'\)"):
        UserSet.from_ids(ids)


@pytest.mark.parametrize("stray", [-1, LAST_NUMBER + 1, 2**64])
def test_ids_out_of_range_are_refused_by_name(stray):
    with pytest.raises(ValueError, match=f"from 0 to 4294967295, not {stray}: map"):
        UserSet.from_ids([1, stray, 2])


# Set algebra


@pytest.mark.parametrize("combine", OPERATORS)
@given(one=members, other=members)
def test_operators_are_those_of_sets(combine, one, other):
    combined = combine(UserSet.from_ids(one), UserSet.from_ids(other))
    assert list(combined) == sorted(combine(one, other))


@given(members, st.integers(0, 200), st.integers(0, 200))
def test_page_is_a_slice_in_order(ids, start, stop):
    assert UserSet.from_ids(ids).page(start, stop) == sorted(ids)[start:stop]


@given(one=members, other=members)
def test_counts_and_comparisons_are_those_of_sets(one, other):
    ours, others = UserSet.from_ids(one), UserSet.from_ids(other)
    assert len(ours) == len(one)
    assert bool(ours) == bool(one)
    assert ours.count_common(others) == len(one & other)
    assert ours.count_union(others) == len(one | other)
    assert ours.isdisjoint(others) == one.isdisjoint(other)
    assert (ours <= others) == (one <= other)
    assert (ours >= others) == (one >= other)
    assert (ours == others) == (one == other)


@given(st.lists(members, max_size=5))
@example([])
@example([set()])
@example([{1}])
@example([{1}, {2}])
@example([{1}, {2}, {LAST_NUMBER}])
def test_union_of_any_number_of_sets(sets):
    union = UserSet.union(UserSet.from_ids(ids) for ids in sets)
    assert set(union) == set().union(*sets)


def test_union_leaves_its_parts_alone():
    parts = [users(1), users(2), users(3)]
    UserSet.union(parts)
    assert parts == [users(1), users(2), users(3)]


@given(members)
def test_equal_sets_have_equal_hashes_however_they_were_made(ids):
    made = UserSet.from_ids(ids)
    combined = UserSet.union(UserSet.from_ids([number]) for number in list(ids)[:100]) | made
    assert hash(combined) == hash(made)


@pytest.mark.parametrize(
    ("user", "is_in"),
    [
        (0, True),
        (LAST_NUMBER, True),
        (1, False),
        (-1, False),
        (LAST_NUMBER + 1, False),
        ("0", False),
    ],
)
def test_membership_asks_about_anything(user, is_in):
    assert (user in users(0, LAST_NUMBER)) is is_in


@pytest.mark.parametrize("operate", [*OPERATORS, operator.le])
def test_operators_take_no_other_sets(operate):
    with pytest.raises(TypeError, match="UserSet"):
        operate(users(1), {1})


def test_no_set_equals_anything_else():
    assert users(1) != {1}
    assert UserSet() != 0


@pytest.mark.parametrize(
    ("made", "shown"),
    [
        (users(), "<UserSet of 0>"),
        (users(5, 4, 3, 2, 1), "<UserSet of 5: 1, 2, 3, 4, 5>"),
        (UserSet.from_ids(range(1_100)), "<UserSet of 1100: 0, 1, 2, 3, 4, ...>"),
    ],
)
def test_repr_is_short(made, shown):
    assert repr(made) == shown


@pytest.mark.parametrize(
    "duplicate", [copy.copy, copy.deepcopy, lambda made: pickle.loads(pickle.dumps(made))]
)
def test_copies_are_equal(duplicate):
    assert duplicate(users(1, LAST_NUMBER)) == users(1, LAST_NUMBER)


# Bytes


@given(members)
@example(set())
def test_bytes_come_back_as_the_set(ids):
    made = UserSet.from_ids(ids)
    assert UserSet.from_bytes(made.to_bytes(LABEL), LABEL) == made


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_bytes_come_in_any_form(kind):
    assert UserSet.from_bytes(kind(users(1, 2).to_bytes(LABEL)), LABEL) == users(1, 2)


def test_bytes_of_old_stay_readable():
    head = "555352010300000000000000a2a17b4a7e2a1564"
    body = "3a300000020000000000010001000000180000001c00000001000200ffff"
    assert UserSet.from_bytes(bytes.fromhex(head + body), LABEL) == users(1, 2, 131_071)


def test_writing_leaves_iterators_at_work():
    made = UserSet.union(users(number) for number in range(9_000))
    ids = iter(made)
    next(ids)
    made.to_bytes(LABEL)
    assert list(ids) == list(range(1, 9_000))


def test_runs_are_written_short():
    made = UserSet.union([users(number) for number in range(9_000)])
    assert len(made.to_bytes(LABEL)) < 50


def test_same_instant_is_the_same_place():
    paris = LABEL._replace(start=LABEL.start.astimezone(ZoneInfo("Europe/Paris")))
    assert UserSet.from_bytes(users(1).to_bytes(LABEL), paris) == users(1)


def test_two_instants_of_one_wall_time_are_two_places():
    first = LABEL._replace(start=datetime(2016, 10, 30, 2, 30, tzinfo=ZoneInfo("Europe/Paris")))
    second = LABEL._replace(start=first.start.replace(fold=1))
    with pytest.raises(CorruptDigest):
        UserSet.from_bytes(users(1).to_bytes(first), second)


@pytest.mark.parametrize("other", OTHER_LABELS, ids=str)
def test_bytes_do_not_match_in_another_place(other):
    with pytest.raises(CorruptDigest, match="checksum does not match its bytes and its place"):
        UserSet.from_bytes(users(1).to_bytes(LABEL), other)


@pytest.mark.thorough
def test_every_flipped_bit_is_found():
    containers = [1, 2], range(70_000, 75_000), range(2**31, 2**31 + 9_999, 2)  # one of each kind
    data = UserSet.union(map(UserSet.from_ids, containers)).to_bytes(LABEL)
    for bit in range(8 * len(data)):
        damaged = bytearray(data)
        damaged[bit // 8] ^= 1 << bit % 8
        with pytest.raises(CorruptDigest):
            UserSet.from_bytes(damaged, LABEL)


def test_every_truncation_and_extension_is_found():
    data = users(1, 2, 70_000).to_bytes(LABEL)
    for size in range(len(data)):
        for damaged in (data[:size], data[len(data) - size :], data + bytes(size + 1)):
            with pytest.raises(CorruptDigest):
                UserSet.from_bytes(damaged, LABEL)


def test_corruption_is_told_in_a_sentence():
    with pytest.raises(CorruptDigest) as caught:
        UserSet.from_bytes(b"", LABEL)
    assert str(caught.value) == (
        "The 'active' digest of level 1 from 2016-01-01 00:00:00+00:00, version 7, is corrupt: "
        "it is too short, 0 bytes."
    )


def forged(count, body):
    """Bytes with the right checksum, as only a bug or a forger makes them."""
    checksum = usersets._checksum(LABEL, count, body)
    return HEADER.pack(usersets.FORMAT, count, checksum) + body


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (bytes(100), "it starts with"),
        (forged(1, users(1).to_bytes(LABEL)[HEADER.size : -1]), "it holds no bitmap"),
        (forged(0, b""), "it holds no bitmap"),
        (forged(2, users(1).to_bytes(LABEL)[HEADER.size :]), "it holds 1 users instead of 2"),
    ],
    ids=["format", "cut bitmap", "no bitmap", "count"],
)
def test_corruption_gives_its_reason(data, reason):
    with pytest.raises(CorruptDigest, match=reason):
        UserSet.from_bytes(data, LABEL)


@pytest.mark.thorough
def test_no_damage_gives_other_users():
    """A short form of ``python -m tests.fuzz``."""
    outcomes = sum((fuzz.fuzz_round(f"test, {number}") for number in range(5)), fuzz.Counter())
    assert all(outcomes[f"{damage.__name__}: detected"] > 100 for damage in fuzz.DAMAGES)


# Counts without their sets


def test_checksums_of_old_stay_good():
    assert checksum_of(LABEL, 3) == -570_617_537_653_986_881


@given(st.integers(-(2**63), 2**63 - 1), st.integers(0, 2**31), st.integers(0, 2**31))
def test_checksum_fits_its_column(count, level, version):
    label = Label("active", level, at(2016, 1, 1), version)
    assert -(2**63) <= checksum_of(label, count) < 2**63


@pytest.mark.parametrize("other", OTHER_LABELS, ids=str)
def test_checksum_of_another_place_differs(other):
    assert checksum_of(other, 3) != checksum_of(LABEL, 3)


@pytest.mark.parametrize("count", [*(3 ^ 1 << bit for bit in range(32)), -3])
def test_checksum_of_another_count_differs(count):
    assert checksum_of(LABEL, count) != checksum_of(LABEL, 3)


@pytest.mark.parametrize("start", [at(1, 1, 1), at(9999, 12, 31, 23, 59, 59, 999_999)])
def test_checksum_reaches_the_ends_of_time(start):
    east, west = (
        LABEL._replace(start=start.replace(tzinfo=ZoneInfo(name)))
        for name in ("Pacific/Auckland", "Pacific/Honolulu")
    )
    assert checksum_of(east, 0) != checksum_of(west, 0)


# Flags


@given(st.sets(st.integers(0, 5_000), min_size=1))
def test_flags_and_bits_say_who_is_in_the_set(ids):
    users = UserSet.from_ids(ids)
    flags, bits = users.flags(), users.bits()
    places = range(max(ids) + 1)
    assert list(flags) == [place in ids for place in places]
    assert [bits[place // 8] >> place % 8 & 1 for place in places] == list(flags)
    assert len(bits) == max(ids) // 8 + 1


#: Each is stored in its own way by Roaring's format, in one container of 65,536 numbers.
ARRAY, BITMAP, RUNS = range(0, 60_000, 97), range(0, 65_536, 3), [*range(9), *range(99, 65_536)]


@pytest.mark.parametrize(
    "containers",
    [
        {0: ARRAY},
        {0: BITMAP},
        {0: RUNS},
        {2: ARRAY, 5: BITMAP},
        {1: RUNS, 2: BITMAP, 4: ARRAY},
        {0: BITMAP, 1: RUNS, 2: ARRAY, 3: RUNS, 9: BITMAP},
        {number: RUNS if number % 4 == 1 else ARRAY for number in range(17)},
        {0: range(0, 8_192, 2)},
        {0: range(0, 8_194, 2)},
    ],
)
def test_flags_and_bits_of_numbers_that_are_stored_in_any_way(containers):
    ids = [number * 65_536 + member for number, of in containers.items() for member in of]
    flags, bits = bytearray(max(ids) + 1), bytearray(max(ids) // 8 + 1)
    for each in ids:
        flags[each] = 1
        bits[each // 8] |= 1 << each % 8
    # Sets that have been stored, and combined, are in other shapes than those just made.
    made = UserSet.from_ids(ids)
    stored = UserSet.from_bytes(made.to_bytes(LABEL), LABEL)
    combined = UserSet.from_range(0, max(ids) + 1) - (UserSet.from_range(0, max(ids) + 1) - made)
    for users in (made, stored, combined):
        assert users.flags() == flags
        assert users.bits() == bits


@pytest.mark.parametrize(
    ("ids", "is_dense"), [([], False), ([0], True), ([63], True), ([64], False), ([1, 127], True)]
)
def test_a_set_is_dense_where_flags_take_little_room(ids, is_dense):
    assert UserSet.from_ids(ids).is_dense is is_dense
