"""Digest what is not digested yet."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from itertools import groupby
from time import time
from typing import Any, NamedTuple

from django.db import models, router

from ..buckets import DAY, MONTH, Cell, cell_of, moment_of, second_of
from ..instants import checked, outward, utc
from ..models import Digest, Souvenir
from .folding import fold, rebuild
from .refreshing import refresh


class Step(NamedTuple):
    """What one transaction did: in which day or month, and with how many souvenirs."""

    cell: Cell
    souvenirs: int


class Digester:
    """Digests the days that have an undigested souvenir in ``[since, until)``, aware moments.

    None leaves an end open. Each step is a transaction of its own: going on to the next one or not
    is up to the caller. Raises RuntimeError inside a transaction.
    """

    def __init__(self, since: datetime | None = None, until: datetime | None = None) -> None:
        self.alias = router.db_for_write(Souvenir)
        self.since, self.until = since, until
        #: Days and months that could not be made anew, because a part of them is corrupt.
        self.failed: list[Cell] = []

    def waiting(self) -> int:
        """Return how many souvenirs are not digested."""
        return self._undigested(self.since).count()

    def run(self) -> Iterator[Step]:
        """Digest, and make anew the days and months that are over and have changed."""
        yield from self.fold()
        yield from self.refresh()

    def fold(self) -> Iterator[Step]:
        """Fold souvenirs into buckets, month after month."""
        since = self.since
        while (first := self._first_undigested(since)) is not None:
            month = cell_of(MONTH, second_of(first))
            yield Step(month, fold(month, self.alias))
            # A month with more souvenirs than one transaction takes has its turn again.
            since = moment_of(month.start)

    def rebuild(self) -> Iterator[Step]:
        """Make all digests anew from their souvenirs, where these have not been deleted."""
        for day in self._cells(level=DAY):
            rebuild(day, self.alias)
            yield Step(day, 0)
        yield from self.run()

    def refresh(self) -> Iterator[Step]:
        """Make days and months anew, month by month."""
        now = time()
        # One that is not over would get stale again with the next souvenir.
        cells = [cell for cell in self._cells(level__gte=DAY, is_stale=True) if cell.end <= now]
        for start, group in groupby(cells, key=lambda cell: cell_of(MONTH, cell.start).start):
            self.failed += refresh(list(group), self.alias)
            yield Step(Cell(MONTH, start), 0)

    def _undigested(self, since: datetime | None) -> models.QuerySet[Souvenir]:
        souvenirs = Souvenir.objects.using(self.alias).filter(digested=False).order_by()
        if since is not None:
            souvenirs = souvenirs.filter(when__gte=outward(since))
        if self.until is not None:
            souvenirs = souvenirs.filter(when__lt=outward(self.until))
        return souvenirs

    def _first_undigested(self, since: datetime | None) -> datetime | None:
        moment = self._undigested(since).aggregate(first=models.Min("when"))["first"]
        return None if moment is None else utc(checked(moment, "when"))

    def _cells(self, **conditions: Any) -> list[Cell]:
        digests = Digest.objects.using(self.alias).filter(kind=Digest.ACTIVE, **conditions)
        found = digests.order_by("start").values_list("level", "start")
        cells = [Cell(level, start) for level, start in found]
        return [cell for cell in cells if cell.overlaps(self.since, self.until)]
