"""Digest what is not digested yet."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from functools import cached_property
from time import time
from typing import NamedTuple

from django.db import models, router

from ..buckets import DAY, MONTH, Cell, cell_of, moment_of
from ..instants import outward
from ..models import Digest, Souvenir
from ..usersets import CorruptDigest
from .folding import fold, rebuild, refresh
from .rows import cells_of, days_in_use


class Step(NamedTuple):
    """What one transaction did: to which day or month, and with how many souvenirs."""

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
        cells = {cell for level in (DAY, MONTH) for cell in self._stale(level)}
        for day in cells_of(DAY, self._undigested(self.since)):
            cells.update([day, cell_of(MONTH, day.start)])
        return sorted(cell for cell in cells if _is_over(cell))

    @cached_property
    def days(self) -> list[Cell]:
        """The days that :meth:`rebuild` makes anew."""
        return days_in_use(self.alias, self.since, self.until)

    def run(self) -> Iterator[Step]:
        """Digest, and make anew the days and months that are over and have changed."""
        yield from self.fold()
        yield from self.refresh()

    def fold(self) -> Iterator[Step]:
        """Fold souvenirs into buckets, day after day."""
        since = self.since
        while (day := next(cells_of(DAY, self._undigested(since)), None)) is not None:
            try:
                folded = fold(day, self.alias)
            except CorruptDigest as error:
                self.lost.append(error)
                since = moment_of(day.end)
                continue
            yield Step(day, folded)
            # A day with more souvenirs than one transaction takes has its turn again.
            since = moment_of(day.start)

    def rebuild(self) -> Iterator[Step]:
        """Make all digests anew from their souvenirs, where these have not been deleted."""
        for day in self.days:
            self.lost += rebuild(day, self.alias)
            yield Step(day, 0)
        yield from self.run()

    def refresh(self) -> Iterator[Step]:
        """Make days and months anew."""
        for level in (DAY, MONTH):
            for cell in self._stale(level):
                # One that is not over gets stale again with the next souvenir.
                if not _is_over(cell):
                    continue
                if refresh(cell, self.alias):
                    yield Step(cell, 0)
                else:
                    self.failed.append(cell)

    def _undigested(self, since: datetime | None) -> models.QuerySet[Souvenir]:
        souvenirs = Souvenir.objects.using(self.alias).filter(digested=False).order_by()
        if since is not None:
            souvenirs = souvenirs.filter(when__gte=outward(since))
        if self.until is not None:
            souvenirs = souvenirs.filter(when__lt=outward(self.until))
        return souvenirs

    def _stale(self, level: int) -> list[Cell]:
        digests = Digest.objects.using(self.alias).filter(
            kind=Digest.ACTIVE, level=level, is_stale=True
        )
        starts = digests.order_by("start").values_list("start", flat=True)
        cells = [Cell(level, start) for start in starts]
        return [cell for cell in cells if cell.overlaps(self.since, self.until)]


def _is_over(cell: Cell) -> bool:
    return cell.end <= time()
