"""Digest what is not digested yet."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from functools import cached_property
from itertools import groupby
from time import time
from typing import NamedTuple

from django.db import models, router

from ..calendar import DAY_LEVEL, MONTH_LEVEL, Cell, bound, cell_of, moment_of
from ..models import Digest, Souvenir
from ..sets import CorruptDigest
from .folding import fold, rebuild
from .refreshing import refresh
from .rows import cells_of, days_in_use


class Batch(NamedTuple):
    """What one transaction did: in which day or month, and with how many souvenirs."""

    cell: Cell
    souvenirs: int


class Digester:
    """Digests the days that have an undigested souvenir in ``[since, until)``, aware moments.

    None leaves an end open. Each step is a transaction of its own: going on to the next one or not
    is up to the caller. What fails does not keep the rest from being done. Raises RuntimeError
    inside a transaction.
    """

    def __init__(self, since: datetime | None = None, until: datetime | None = None) -> None:
        self.alias = router.db_for_write(Souvenir)
        self.since, self.until = since, until
        #: Days and months that could not be made anew, because a part of them is corrupt.
        self.failed: list[Cell] = []
        #: What is wrong with digests that are corrupt and whose souvenirs have been deleted.
        self.lost: list[CorruptDigest] = []

    def waiting(self) -> int:
        """Return how many souvenirs are not digested."""
        return self._undigested(self.since).count()

    def due(self) -> list[Cell]:
        """Return the days and months to make anew, once all of these souvenirs are digested.

        Some of the last may turn out not to have changed.
        """
        cells = set(self._stale())
        for day in cells_of(DAY_LEVEL, self._undigested(self.since)):
            cells.update([day, cell_of(MONTH_LEVEL, day.start)])
        return sorted(cell for cell in cells if _is_over(cell))

    @cached_property
    def days(self) -> list[Cell]:
        """The days that :meth:`rebuild` makes anew."""
        return days_in_use(self.alias, self.since, self.until)

    def run(self) -> Iterator[Batch]:
        """Digest, and make anew the days and months that are over and have changed."""
        yield from self.fold()
        yield from self.refresh()

    def fold(self) -> Iterator[Batch]:
        """Fold souvenirs into buckets, by months and, where the range ends in one, by its days."""
        since = self.since
        while (day := next(cells_of(DAY_LEVEL, self._undigested(since)), None)) is not None:
            month = cell_of(MONTH_LEVEL, day.start)
            cell = month if month.is_inside(self.since, self.until) else day
            folded = fold(cell, self.alias)
            self._lose(folded.lost)
            if folded.souvenirs:
                yield Batch(cell, folded.souvenirs)
            # One with more souvenirs than a transaction takes has its turn again.
            since = moment_of(cell.start if folded.souvenirs else cell.end)

    def rebuild(self) -> Iterator[Batch]:
        """Make all digests anew from their souvenirs, where these have not been deleted."""
        for day in self.days:
            self._lose(rebuild(day, self.alias))
            yield Batch(day, 0)
        yield from self.run()

    def refresh(self) -> Iterator[Batch]:
        """Make days and months anew, month by month."""
        cells = [cell for cell in self._stale() if _is_over(cell)]
        for _, group in groupby(cells, key=lambda cell: cell_of(MONTH_LEVEL, cell.start)):
            of_month = list(group)
            failed = refresh(of_month, self.alias)
            self.failed += failed
            yield from (Batch(cell, 0) for cell in of_month if cell not in failed)

    def _lose(self, errors: list[CorruptDigest]) -> None:
        known = {str(error) for error in self.lost}
        self.lost += [error for error in errors if str(error) not in known]

    def _undigested(self, since: datetime | None) -> models.QuerySet[Souvenir]:
        souvenirs = Souvenir.objects.using(self.alias).filter(digested=False).order_by()
        if since is not None:
            souvenirs = souvenirs.filter(when__gte=bound(since))
        if self.until is not None:
            souvenirs = souvenirs.filter(when__lt=bound(self.until))
        return souvenirs

    def _stale(self) -> list[Cell]:
        digests = Digest.objects.using(self.alias).filter(
            kind=Digest.ACTIVE, level__gte=DAY_LEVEL, is_stale=True
        )
        found = digests.order_by("start").values_list("level", "start")
        cells = [Cell(level, start) for level, start in found]
        return [cell for cell in cells if cell.overlaps(self.since, self.until)]


def _is_over(cell: Cell) -> bool:
    return cell.end <= time()
