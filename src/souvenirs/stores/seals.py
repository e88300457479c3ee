"""The inventories of months, and the seals that show whether digests and souvenirs belong together.

The *inventory* of a month is a digest of another level. It says which buckets have a digest, and
which of these are pruned, so that a deleted or moved digest is noticed.

Each change to a month gives its inventory a new *seal*, and puts the same seal into one digested
souvenir of the month. If one table is restored from a backup without the other, the seals of every
month that has changed since are different, and a comparison tells which table is older.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from enum import Enum
from typing import Any, NamedTuple

from ..calendar import (
    BUCKETS,
    INVENTORY_LEVEL,
    MONTH_LEVEL,
    GridCell,
    cell_of,
    moment_of,
)
from ..sets import Label, UserSet

#: The lowest bits of a seal: whether a souvenir has it, whether some of the month are pruned, and
#: whether the digests may lack users whose souvenirs are gone.
HAS_SOUVENIR, HAS_PRUNED, IS_UNKNOWN = 1, 2, 4
FLAGS = 3

#: Buckets in an inventory are numbers: the place in the month, the length, whether it is pruned.
QUARTER = BUCKETS[-1]
PLACES, PRUNED = 2**12, 2**14


class Agreement(Enum):
    """How the digests and the souvenirs of a month belong together."""

    AGREED = "agreed"
    #: The digests lack later changes; no souvenir has been pruned, so they can be rebuilt.
    DIGESTS_OLDER = "digests are older"
    #: Some souvenirs of the digests are gone, as if they had been pruned.
    SOUVENIRS_OLDER = "souvenirs are older"
    #: The souvenir with the seal is gone: the digest table finds out how.
    SEAL_IS_GONE = "the sealed souvenir is gone"
    #: The digests may lack users whose souvenirs are gone.
    UNKNOWN = "unknown"


class Inventory(NamedTuple):
    """The seal of a month, and whether each of its buckets is pruned."""

    seal: int
    buckets: Mapping[GridCell, bool]

    @classmethod
    def from_bytes(cls, kind: str, month: GridCell, seal: int, body: Any) -> Inventory:
        """Return an inventory as it is stored; raises CorruptDigest."""
        buckets = {}
        for number in UserSet.from_bytes(body, label_of(kind, month, seal)):
            level = BUCKETS[number % PRUNED // PLACES]
            start = month.start + number % PLACES * QUARTER
            buckets[GridCell(level, start)] = number >= PRUNED
        return cls(seal, buckets)

    def users(self, month: GridCell) -> UserSet:
        """Return the set that stands for the buckets."""
        return UserSet.from_ids(
            (start - month.start) // QUARTER + BUCKETS.index(level) * PLACES + pruned * PRUNED
            for (level, start), pruned in self.buckets.items()
        )

    def within(self, cell: GridCell) -> list[GridCell]:
        """Return the buckets that start in a cell, in order."""
        return sorted(
            (bucket for bucket in self.buckets if cell.start <= bucket.start < cell.end),
            key=lambda bucket: bucket.start,
        )


def label_of(kind: str, month: GridCell, seal: int) -> Label:
    return Label(kind, INVENTORY_LEVEL, moment_of(month.start), seal)


def next_seal(previous: int, *, has_souvenir: bool, has_pruned: bool) -> int:
    """Return a seal greater than all previous ones, from the clock unless it was set back."""
    number = max((previous >> FLAGS) + 1, time.time_ns() // 1_000)
    return (number << FLAGS) + HAS_SOUVENIR * has_souvenir + HAS_PRUNED * has_pruned


def agreement(digests: int | None, souvenirs: int | None) -> Agreement:
    """Compare the seals of a month in both tables; None if a table has none."""
    if digests is not None and digests & IS_UNKNOWN:
        return Agreement.UNKNOWN
    if souvenirs == digests:
        return Agreement.AGREED
    if souvenirs is None:
        # Without a souvenir, unless there should be one.
        is_gone = digests is not None and digests & HAS_SOUVENIR
        return Agreement.SEAL_IS_GONE if is_gone else Agreement.AGREED
    if digests is not None and souvenirs < digests:
        return Agreement.SOUVENIRS_OLDER
    return Agreement.UNKNOWN if souvenirs & HAS_PRUNED else Agreement.DIGESTS_OLDER


def apart(
    digests: Mapping[GridCell, int], souvenirs: Mapping[GridCell, int]
) -> dict[GridCell, Agreement]:
    """Return the months that do not agree, by the seals of both tables."""
    months = digests.keys() | souvenirs.keys()
    found = {month: agreement(digests.get(month), souvenirs.get(month)) for month in sorted(months)}
    return {month: how for month, how in found.items() if how is not Agreement.AGREED}


def apart_sentence(month: GridCell, how: Agreement) -> str:
    """Describe the fault of a month that does not agree."""
    older = {
        Agreement.DIGESTS_OLDER: "the digests are older than the souvenirs",
        Agreement.SOUVENIRS_OLDER: "souvenirs have been deleted without pruning, or are older than "
        "the digests",
    }
    reason = older.get(how, "some souvenirs are gone, and their digests may be older")
    return f"The tables of souvenirs and digests do not belong together in {month}: {reason}."


def missing_sentence(cell: GridCell) -> str:
    """Describe the fault of a digest that is gone."""
    return f"The digest of {cell} is gone."


def by_month(seals: Collection[tuple[int, int]]) -> dict[GridCell, int]:
    """Return the greatest seal of each month, from seconds and seals."""
    found: dict[GridCell, int] = {}
    for second, seal in seals:
        month = cell_of(MONTH_LEVEL, second)
        found[month] = max(seal, found.get(month, 0))
    return found
