"""Days and months made anew from what they consist of."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from itertools import groupby

from ..calendar import DAY_LEVEL, MONTH_LEVEL, Cell, cell_of
from ..models import Digest
from ..resilience import RareLog
from ..sets import CorruptDigest, UserSet
from .rows import buckets_in, locked, retried, users_in, write, write_days

logger = RareLog(__name__)


def refresh(cells: Collection[Cell], alias: str) -> list[Cell]:
    """Make days of one month, and that month, anew from their parts.

    Returns those that could not be, because a part of them is corrupt; they stay stale.
    """
    days = sorted(cell for cell in cells if cell.level == DAY_LEVEL)
    month = cell_of(MONTH_LEVEL, min(cell.start for cell in cells))

    def work() -> list[Cell]:
        with locked(month, alias) as digest:
            failed = _refresh_days(days, month, alias) if days else []
            if month in cells:
                try:
                    users = UserSet.union(parts_of(month, alias))
                except CorruptDigest as error:
                    logger.exception("%s Its month stays stale.", error)
                    failed.append(month)
                else:
                    write(digest, users, alias, is_stale=False)
        return failed

    return retried(work)


def _refresh_days(days: list[Cell], month: Cell, alias: str) -> list[Cell]:
    made: list[tuple[Digest, UserSet]] = []
    failed: list[Cell] = []
    digests = Digest.objects.using(alias).filter(kind=Digest.ACTIVE, level=DAY_LEVEL).defer("body")
    rows = digests.filter(start__gte=days[0].start, start__lt=days[-1].end)
    parts = dict.fromkeys(days, UserSet())
    for day, buckets in _by_day(month, alias):
        if day in parts:
            try:
                parts[day] = UserSet.union(map(users_in, buckets))
            except CorruptDigest as error:
                logger.exception("%s Its day stays stale.", error)
                failed.append(day)
    made = [
        (row, parts[day])
        for row in rows
        if (day := Cell(DAY_LEVEL, row.start)) in parts and day not in failed
    ]
    write_days(made, alias)
    return failed


def _by_day(month: Cell, alias: str) -> Iterator[tuple[Cell, Iterator[Digest]]]:
    buckets = buckets_in(month, alias).iterator(chunk_size=100)
    return groupby(buckets, key=lambda bucket: cell_of(DAY_LEVEL, bucket.start))


def parts_of(cell: Cell, alias: str) -> Iterator[UserSet]:
    """Generate the sets that make up a day or a month: those of its buckets or of its days.

    A day that is stale or corrupt is replaced by its buckets. Raises CorruptDigest.
    """
    if cell.level == DAY_LEVEL:
        yield from map(users_in, buckets_in(cell, alias).iterator(chunk_size=100))
        return
    days = Digest.objects.using(alias).filter(kind=Digest.ACTIVE, level=DAY_LEVEL)
    for day in days.filter(start__gte=cell.start, start__lt=cell.end).iterator(chunk_size=100):
        try:
            if not day.is_stale:
                yield users_in(day)
                continue
        except CorruptDigest:
            logger.exception("The digest of a day is corrupt: those of its buckets are used.")
        yield from parts_of(Cell(DAY_LEVEL, day.start), alias)
