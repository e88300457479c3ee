"""Check digests against souvenirs and against each other."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from functools import cached_property, partial
from typing import NamedTuple

from ..calendar import DAY_LEVEL, HOUR_LEVEL, MONTH_LEVEL, GridCell, cell_of
from ..sets import CorruptDigest, UserSet, checksum_of
from ..stores import (
    Agreement,
    Digest,
    DigestTable,
    apart_sentence,
    get_store,
    missing_sentence,
    retried,
)
from .comparison import compare, is_alike
from .refreshing import parts_of


class Verified(NamedTuple):
    """A verified day, local day or month, and a sentence for each difference found in it."""

    cell: GridCell
    differences: list[str]


class Verifier:
    """Compares digests of all kinds with each other, and with the souvenirs not yet deleted.

    Verifies the days and months that overlap ``[since, until)``, aware datetimes; None leaves an
    end open. Changes nothing. Raises RuntimeError inside a transaction.
    """

    def __init__(self, since: datetime | None = None, until: datetime | None = None) -> None:
        self.store = get_store()
        self.since, self.until = since, until

    @cached_property
    def cells(self) -> list[tuple[DigestTable, GridCell]]:
        """The days and months to verify, each with its kind of digests."""
        return [
            (digests, cell)
            for digests in self.store.digests.kinds()
            for cell in self._cells_of(digests)
        ]

    def _cells_of(self, digests: DigestTable) -> list[GridCell]:
        days = digests.days_in_use(self.since, self.until)
        others = [*digests.months(), *(each.cell for each in digests.local_days().defer("body"))]
        asked = {cell for cell in others if cell.overlaps(self.since, self.until)}
        return sorted({*days, *asked, *(cell_of(MONTH_LEVEL, day.start) for day in days)})

    def run(self) -> Iterator[Verified]:
        """Verify each day or month in turn, under the lock of its digests."""
        for digests, cell in self.cells:
            yield Verified(cell, retried(partial(self._verify, digests, cell)))

    def _verify(self, digests: DigestTable, cell: GridCell) -> list[str]:
        if not digests.of(cell).exists():
            return [f"{digests.describe(cell)}: the digest is missing."]
        if not digests.of(cell_of(MONTH_LEVEL, cell.start)).exists():
            return []  # reported for the month; without its digest there is nothing to lock
        with digests.locked(cell) as digest:
            found: list[str] = []
            if cell.level == MONTH_LEVEL:
                how = digests.agreement(cell)
                found += [] if how is Agreement.AGREED else [apart_sentence(cell, how)]
            if cell.level == DAY_LEVEL:
                found += map(stray_sentence, digests.strays_in(cell))
                found += map(missing_sentence, digests.missing_in(cell))
                if not _is_sound(cell, digests):
                    for hour in self._hours_in(cell, digests):
                        found += _differences_in_hour(hour, digests)
            return found + _differences_from_parts(digest, digests)

    def _hours_in(self, day: GridCell, digests: DigestTable) -> list[GridCell]:
        """Return the hours of a day with a digest or a digested souvenir."""
        starts = digests.buckets_in(day).values_list("start", flat=True)
        hours = {cell_of(HOUR_LEVEL, start) for start in starts}
        if digests.is_of_souvenirs:
            hours.update(self.store.souvenirs.in_cell(day).digested().cells(HOUR_LEVEL))
        return sorted(hours)


def stray_sentence(digest: Digest) -> str:
    """Describe the fault of a digest whose level does not exist."""
    return f"A digest from {digest.label.start} has a level that does not exist, {digest.level}."


def _is_sound(day: GridCell, digests: DigestTable) -> bool:
    """Whether it is known without looking at each hour of a day that none has a difference."""
    if any(_flaws(digest, digests) for digest in digests.buckets_in(day).iterator()):
        return False
    return not digests.is_of_souvenirs or is_alike(day)


def _differences_in_hour(hour: GridCell, digests: DigestTable) -> list[str]:
    found = [text for digest in digests.buckets_in(hour) for text in _flaws(digest, digests)]
    if found or not digests.is_of_souvenirs:
        return found
    missing, extra = compare(hour)
    if missing:
        found.append(f"{hour}: users with a souvenir who are not in the digest: {missing}.")
    if extra:
        found.append(f"{hour}: users in the digest without a souvenir: {extra}.")
    return found


def _differences_from_parts(digest: Digest, digests: DigestTable) -> list[str]:
    """Compare a day or a month with its parts, unless it is stale."""
    if digest.is_stale:
        return []
    if found := _flaws(digest, digests):
        return found
    try:
        if digest.users() == UserSet.union(parts_of(digest.cell, digests)):
            return []
    except CorruptDigest:
        return []  # reported for that part
    return [f"{digests.describe(digest.cell)}: the digest differs from its parts."]


def _flaws(digest: Digest, digests: DigestTable) -> list[str]:
    try:
        users = digest.users()
    except CorruptDigest as error:
        return [str(error)]
    stored = digest.count, digest.checksum
    if digest.version and stored != (len(users), checksum_of(digest.label, len(users))):
        return [f"{digests.describe(digest.cell)}: the stored count differs from the digest."]
    return []
