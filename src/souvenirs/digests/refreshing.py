"""Rebuild the digests of days, local days and months from their parts."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterator

from ..calendar import DAY_LEVEL, HOUR_LEVEL, MONTH_LEVEL, GridCell, cell_of
from ..resilience import ThrottledLogger
from ..sets import CorruptDigest, UserSet
from ..stores import Digest, DigestTable, missing_sentence, retried

logger = ThrottledLogger(__name__)


def refresh(cells: Collection[GridCell], digests: DigestTable) -> list[GridCell]:
    """Rebuild days and local days of a month, and that month, from their parts.

    Returns those that could not be rebuilt because a part is corrupt; they stay stale.
    """
    of_buckets = [cell for cell in cells if cell.level != MONTH_LEVEL]
    month = cell_of(MONTH_LEVEL, min(cell.start for cell in cells))

    def work() -> list[GridCell]:
        with digests.locked(month) as digest:
            failed = _refresh_from_buckets(of_buckets, month, digests) if of_buckets else []
            if month in cells:
                try:
                    users = UserSet.union(parts_of(month, digests))
                except CorruptDigest as error:
                    logger.exception("%s Its month stays stale.", error)
                    failed.append(month)
                else:
                    digests.write(digest, users, is_stale=False)
        return failed

    return retried(work)


def _refresh_from_buckets(
    cells: list[GridCell], month: GridCell, digests: DigestTable
) -> list[GridCell]:
    """Rebuild days and local days; delete a day without buckets, and a local day that splits one.

    A local day without buckets stays, as an empty set: nobody would know that it need not be built.
    """
    sums = {cell: _Sum() for cell in cells}
    for gone in digests.missing_in(month):
        for cell in cells:
            sums[cell].is_failed |= cell.meets((gone.start, gone.end))
    first, end = min(cell.start for cell in cells), max(cell.end for cell in cells)
    buckets = digests.buckets_in(month).filter(start__gt=first - HOUR_LEVEL, start__lt=end)
    coming = deque(sorted(cells, key=lambda cell: cell.start))
    current: list[GridCell] = []
    for bucket in buckets.iterator(chunk_size=100):
        place = bucket.cell
        for cell in current:
            if cell.end <= place.start:
                sums[cell].finish()
        while coming and coming[0].start < place.end:
            current.append(coming.popleft())
        current = [cell for cell in current if place.start < cell.end]
        for cell in current:
            sums[cell].is_split |= not cell.start <= place.start < place.end <= cell.end
        if current:
            _add(bucket, [sums[cell] for cell in current])
    made = []
    levels = {cell.level for cell in cells}
    for row in digests.inside(month).filter(level__in=levels).defer("body"):
        if row.cell not in sums or sums[row.cell].is_failed:
            continue
        found = sums[row.cell]
        if found.is_split or (row.level == DAY_LEVEL and not found.has_buckets):
            digests.of(row.cell).delete()
        else:
            made.append((row, found.finish()))
    digests.write_many(made, is_stale=False)
    return [cell for cell in cells if sums[cell].is_failed]


class _Sum:
    """The union of the buckets of a cell, as they come."""

    def __init__(self) -> None:
        self.has_buckets = self.is_failed = self.is_split = False
        self.parts: list[UserSet] = []

    def add(self, users: UserSet) -> None:
        self.has_buckets = True
        self.parts.append(users)

    def finish(self) -> UserSet:
        users = UserSet.union(self.parts)
        self.parts = [users]
        return users


def _add(bucket: Digest, sums: list[_Sum]) -> None:
    try:
        users = bucket.users()
    except CorruptDigest as error:
        logger.exception("%s Its day stays stale.", error)
        for each in sums:
            each.is_failed = True
    else:
        for each in sums:
            each.add(users)


def parts_of(cell: GridCell, digests: DigestTable) -> Iterator[UserSet]:
    """Generate the sets that make up a day, a local day or a month: its buckets, or its days.

    A stale or corrupt day is replaced by its buckets. Raises CorruptDigest.
    """
    if cell.level != MONTH_LEVEL:
        for gone in digests.missing_in(cell):
            raise CorruptDigest(missing_sentence(gone))
        for bucket in digests.buckets_in(cell).iterator(chunk_size=100):
            yield bucket.users()
        return
    days = {cell_of(DAY_LEVEL, start) for start in digests.starts_in(cell)}
    for day in digests.days_in(cell).iterator(chunk_size=100):
        days.discard(day.cell)
        try:
            if day.is_fresh:
                yield day.users()
                continue
        except CorruptDigest:
            logger.exception("The digest of a day is corrupt; its buckets are used instead.")
        yield from parts_of(day.cell, digests)
    for unlisted in sorted(days):
        yield from parts_of(unlisted, digests)
