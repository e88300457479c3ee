"""Rebuild the digests of days and months from their parts."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from itertools import groupby

from ..calendar import DAY_LEVEL, MONTH_LEVEL, GridCell, cell_of
from ..resilience import ThrottledLogger
from ..sets import CorruptDigest, UserSet
from ..stores import DigestTable, missing_sentence, retried

logger = ThrottledLogger(__name__)


def refresh(cells: Collection[GridCell], digests: DigestTable) -> list[GridCell]:
    """Rebuild days of a month, and that month, from their parts.

    Returns those that could not be rebuilt because a part is corrupt; they stay stale.
    """
    days = sorted(cell for cell in cells if cell.level == DAY_LEVEL)
    month = cell_of(MONTH_LEVEL, min(cell.start for cell in cells))

    def work() -> list[GridCell]:
        with digests.locked(month) as digest:
            failed = _refresh_days(days, month, digests) if days else []
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


def _refresh_days(days: list[GridCell], month: GridCell, digests: DigestTable) -> list[GridCell]:
    rows = digests.days_in(month).defer("body").filter(start__range=(days[0].start, days[-1].start))
    failed = [cell_of(DAY_LEVEL, bucket.start) for bucket in digests.missing_in(month)]
    parts = dict.fromkeys(days, UserSet())
    in_use = set()
    buckets = digests.buckets_in(month).filter(start__gte=days[0].start, start__lt=days[-1].end)
    for day, of_day in groupby(
        buckets.iterator(chunk_size=100), key=lambda bucket: cell_of(DAY_LEVEL, bucket.start)
    ):
        if day in parts:
            in_use.add(day)
            try:
                parts[day] = UserSet.union(bucket.users() for bucket in of_day)
            except CorruptDigest as error:
                logger.exception("%s Its day stays stale.", error)
                failed.append(day)
    made = []
    for row in rows:
        if row.cell in in_use and row.cell not in failed:
            made.append((row, parts[row.cell]))
        elif row.cell in parts and row.cell not in failed:
            digests.of(row.cell).delete()
    digests.write_many(made, is_stale=False)
    return [day for day in dict.fromkeys(failed) if day in parts]


def parts_of(cell: GridCell, digests: DigestTable) -> Iterator[UserSet]:
    """Generate the sets that make up a day or a month: its buckets, or its days.

    A stale or corrupt day is replaced by its buckets. Raises CorruptDigest.
    """
    if cell.level == DAY_LEVEL:
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
