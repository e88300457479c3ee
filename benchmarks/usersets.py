"""What checked sets of users cost beside bare bitmaps: reading days from bytes and uniting them."""

from __future__ import annotations

import argparse
import platform
import random
from array import array
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import compress

import pyroaring
import xxhash
from _common import alternate, digits, ms, print_table, say
from pyroaring import FrozenBitMap

from souvenirs.sets.usersets import HEADER, Label, UserSet

USERS = 128_000_000
LABEL = Label("active", 1, datetime(2016, 1, 1, tzinfo=UTC), 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--users", type=int, default=USERS, help=f"{USERS} by default")
    parser.add_argument("--seconds", type=float, default=10, help="how long to repeat each work")
    options = parser.parse_args()

    chance = random.Random(0)
    say(f"Making 30 days of {options.users:,} users, which takes minutes...")
    days = [a_day(chance, options.users).to_bytes(LABEL) for _ in range(30)]
    say("Making 8,000 hours of a million users...")
    hours = [some(chance, 1_100).to_bytes(LABEL) for _ in range(8_000)]

    print("## Sets of users\n")
    print(
        f"Python {platform.python_version()}, pyroaring {pyroaring.__version__}, "
        f"xxhash {xxhash.VERSION}.\n\n"
        "Sets are read from bytes and united: days on each of which 10 to 30 % of "
        f"{options.users:,} users were active, and hours of 1,100 out of a million users. "
        '"Bare" is pyroaring alone; "checked" includes checksums.\n'
    )
    works = {"1 day": days[:1], "7 days": days[:7], "30 days": days, "8,000 hours": hours}
    rows = [measured(title, blobs, options.seconds) for title, blobs in works.items()]
    print_table(["from bytes", "bare", "checked", "checked / bare"], rows)

    rows = [
        [title, f"{sum(map(len, blobs)) / sum(map(count, blobs)):.2f}"]
        for title, blobs in {
            "hours, 1,100 of a million users": hours,
            "a day, 26,400 of a million users": [some(chance, 26_400).to_bytes(LABEL)],
            f"days, 10 to 30 % of {options.users:,} users": days,
        }.items()
    ]
    print_table(["stored", "bytes per user"], rows)


def a_day(chance: random.Random, users: int) -> UserSet:
    """From 10 to 30 % of the users."""
    odds = chance.uniform(0.1, 0.3)
    # A random byte for each of them, turned into 0 or 1.
    is_active = bytes(byte < 256 * odds for byte in range(256))
    parts = []
    for first in range(0, users, 10**6):
        ids = range(first, min(first + 10**6, users))
        chosen = compress(ids, chance.randbytes(len(ids)).translate(is_active))
        parts.append(UserSet.from_ids(array("I", chosen)))
    return UserSet.union(parts)


def some(chance: random.Random, size: int) -> UserSet:
    return UserSet.from_ids(chance.sample(range(10**6), size))


def count(blob: bytes) -> int:
    return len(UserSet.from_bytes(blob, LABEL))


def measured(title: str, blobs: Sequence[bytes], seconds: float) -> list[str]:
    """A row of the table, if both give the same number of users."""
    say(f"  {title}")
    bodies = [blob[HEADER.size :] for blob in blobs]

    def bare() -> int:
        return len(FrozenBitMap.union(*[FrozenBitMap.deserialize(body) for body in bodies]))

    def checked() -> int:
        return len(UserSet.union(UserSet.from_bytes(blob, LABEL) for blob in blobs))

    (expected, answer), taken = alternate([bare, checked], seconds)
    assert answer == expected
    ratio = taken[1] / taken[0]
    return [title, *map(ms, taken), f"{ratio:,.{digits(ratio)}f} x"]


if __name__ == "__main__":
    main()
