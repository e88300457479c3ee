"""Stored sets of users, damaged in every way: ``python -m tests.fuzz --seconds 60``.

Sets of many shapes are written under their labels; then bits flip, bytes are lost, added, zeroed
and shuffled, and whole blobs end up in the place of others. Whatever the damage, the answer is
CorruptDigest, or exactly the set that was written where the damage changed nothing. Bytes whose
damage the checksum covers up, which takes a forger, may decode to a set of the right length, but
raise nothing else and crash nothing. ``--seed`` makes a run the same again. Exit code 1 and the
damaged bytes, where anything else happened.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from souvenirs.sets import usersets
from souvenirs.sets.usersets import HEADER, CorruptDigest, Label, UserSet

#: Cases in a round, which shares one pool of sets.
ROUND = 2_000


class Blob(NamedTuple):
    users: UserSet
    label: Label
    data: bytes


class Case(NamedTuple):
    """What is read under which label: another blob, in part or whole, or one that is as it was."""

    data: bytes
    label: Label


def a_label(chance: random.Random) -> Label:
    start = datetime(2016, 1, 1, tzinfo=UTC) + timedelta(hours=chance.randrange(100_000))
    return Label(
        chance.choice(["active", "registered"]), chance.randrange(3), start, chance.randrange(50)
    )


def a_set(chance: random.Random) -> UserSet:
    """Nobody, few, many, or long runs: each kind of container of Roaring, and some of them."""
    size = chance.choice([0, 1, 2, 50, 1_100, 9_000])
    reach = chance.choice([size, 4 * size, 10**6, 2**32])
    first = chance.randrange(2**32 - min(reach, 2**32 - 1))
    return UserSet.from_ids(
        first + chance.randrange(max(1, min(reach, 2**32 - first))) for _ in range(size)
    )


def a_blob(chance: random.Random) -> Blob:
    users, label = a_set(chance), a_label(chance)
    return Blob(users, label, users.to_bytes(label))


def flip_a_bit(chance: random.Random, blob: Blob, other: Blob) -> Case:
    return flip_bits(chance, blob, 1)


def flip_some_bits(chance: random.Random, blob: Blob, other: Blob) -> Case:
    return flip_bits(chance, blob, chance.randrange(2, 20))


def flip_bits(chance: random.Random, blob: Blob, count: int) -> Case:
    data = bytearray(blob.data)
    for _ in range(count):
        # Half of them in what tells the shape of the bitmap.
        end = chance.choice([len(data), min(len(data), 60)])
        data[chance.randrange(end)] ^= 1 << chance.randrange(8)
    return Case(bytes(data), blob.label)


def truncate(chance: random.Random, blob: Blob, other: Blob) -> Case:
    start, end = a_span(chance, blob.data)
    return Case(blob.data[:start] + blob.data[end:], blob.label)


def extend(chance: random.Random, blob: Blob, other: Blob) -> Case:
    more = chance.choice([bytes, chance.randbytes])(chance.randrange(1, 100))
    start = chance.choice([0, HEADER.size, len(blob.data), a_span(chance, blob.data)[0]])
    return Case(blob.data[:start] + more + blob.data[start:], blob.label)


def zero_fill(chance: random.Random, blob: Blob, other: Blob) -> Case:
    start, end = a_span(chance, blob.data)
    return Case(blob.data[:start] + bytes(end - start) + blob.data[end:], blob.label)


def scribble(chance: random.Random, blob: Blob, other: Blob) -> Case:
    start, end = a_span(chance, blob.data)
    return Case(blob.data[:start] + chance.randbytes(end - start) + blob.data[end:], blob.label)


def random_bytes(chance: random.Random, blob: Blob, other: Blob) -> Case:
    begin = chance.choice([b"", usersets.FORMAT, blob.data[: HEADER.size]])
    return Case(begin + chance.randbytes(chance.randrange(200)), blob.label)


def swap(chance: random.Random, blob: Blob, other: Blob) -> Case:
    return Case(other.data, blob.label)


def splice(chance: random.Random, blob: Blob, other: Blob) -> Case:
    start = chance.choice([HEADER.size, a_span(chance, blob.data)[0]])
    return Case(blob.data[:start] + other.data[start:], blob.label)


def relabel(chance: random.Random, blob: Blob, other: Blob) -> Case:
    part = chance.choice(Label._fields)
    return Case(blob.data, blob.label._replace(**{part: getattr(other.label, part)}))


def a_span(chance: random.Random, data: bytes) -> tuple[int, int]:
    """Somewhere, anything from a byte to all of it."""
    start = chance.choice([0, chance.randrange(len(data))])
    return start, chance.choice([len(data), chance.randrange(start, len(data)) + 1])


DAMAGES: list[Callable[[random.Random, Blob, Blob], Case]] = [
    flip_a_bit,
    flip_some_bits,
    truncate,
    extend,
    zero_fill,
    scribble,
    random_bytes,
    swap,
    splice,
    relabel,
]


def reseal(case: Case) -> Case:
    """The same bytes with the checksum that they would need, for as many users as they claim."""
    head, body = case.data[: HEADER.size].ljust(HEADER.size, b"\0"), case.data[HEADER.size :]
    _, count, _ = HEADER.unpack(head)
    checksum = usersets._checksum(case.label, count, body)
    return Case(HEADER.pack(usersets.FORMAT, count, checksum) + body, case.label)


def read(case: Case) -> UserSet | None:
    try:
        return UserSet.from_bytes(case.data, case.label)
    except CorruptDigest:
        return None


def fuzz_round(seed: str) -> Counter[str]:
    """The outcomes of a round, counted; AssertionError, or whatever was raised, on a wrong one."""
    chance = random.Random(seed)
    blobs = [a_blob(chance) for _ in range(40)]
    outcomes: Counter[str] = Counter()
    for _ in range(ROUND):
        blob, other = chance.sample(blobs, 2)
        damage = chance.choice(DAMAGES)
        case = damage(chance, blob, other)
        unharmed = case in [(one.data, one.label) for one in (blob, other)]
        try:
            users = read(case)
            expected = blob.users if case.data == blob.data else other.users
            assert users == (expected if unharmed else None)
            forged = read(resealed := reseal(case))
            assert forged is None or len(forged) == HEADER.unpack_from(resealed.data)[1]
        except Exception as error:
            error.add_note(f"{damage.__name__} of a round {seed!r}: {case}")
            raise
        outcomes[f"{damage.__name__}: {'unharmed' if unharmed else 'detected'}"] += 1
        outcomes[f"forged: {'refused' if forged is None else 'decoded'}"] += 1
    return outcomes


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description="Damage digests.")
    parser.add_argument("--seconds", type=float, default=60, help="how long (default: 60)")
    parser.add_argument("--seed", type=int, default=0, help="of the sets and the damages")
    options = parser.parse_args(arguments)
    outcomes: Counter[str] = Counter()
    rounds, end = 0, time.monotonic() + options.seconds
    while time.monotonic() < end:
        outcomes += fuzz_round(f"{options.seed}, {rounds}")
        rounds += 1
    for outcome, count in sorted(outcomes.items()):
        print(f"{count:12,} {outcome}")
    print(f"Everything held in {rounds * ROUND:,} cases.")


if __name__ == "__main__":
    main(sys.argv[1:])
