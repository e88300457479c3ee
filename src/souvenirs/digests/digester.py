"""Digest all undigested souvenirs."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from functools import cached_property
from itertools import groupby
from time import perf_counter, time
from typing import NamedTuple

from ..calendar import DAY_LEVEL, MONTH_LEVEL, GridCell, cell_of, moment_of
from ..sets import CorruptDigest
from ..stores import DigestTable, SouvenirQuerySet, get_store
from .folding import ROWS, fold, rebuild
from .layout import lay_out, wanted_local_days
from .refreshing import refresh
from .repairing import Apart, months_to_repair, repair

#: How long a transaction should take, in seconds: the caller may want to stop after each.
STEP = 0.25

#: Souvenirs in the first transaction, whose pace is not known.
FIRST_ROWS = 1_000

#: The most days in a transaction.
DAYS = 32


class Pace:
    """How much work fits into a step of about ``STEP`` seconds, from the first size to ``most``.

    Whatever its size, a step takes some time: less work than at first would not make it short.
    """

    def __init__(self, size: int, most: int) -> None:
        self.size, self.least, self.most = size, size, most

    def adapt(self, done: int, seconds: float) -> None:
        """Adapt the size to how long a step took; a short one, with less to do, proves little."""
        if done >= self.size or seconds > STEP:
            fitting = round(done * STEP / seconds)
            self.size = max(self.least, min(fitting, 2 * self.size, self.most))


class Batch(NamedTuple):
    """A transaction that folded in souvenirs of a day or month or, with 0, rebuilt its digest."""

    cell: GridCell
    souvenirs: int
    #: How long it took, with the other digests that it rebuilt.
    seconds: float


class Digester:
    """Digests the days that have an undigested souvenir in ``[since, until)``, aware datetimes.

    None leaves an end open. Each batch is a transaction of its own, and the caller decides whether
    to go on to the next one. A failed digest does not stop the others. Raises RuntimeError inside a
    transaction.
    """

    def __init__(self, since: datetime | None = None, until: datetime | None = None) -> None:
        self.store = get_store()
        self.since, self.until = since, until
        #: Descriptions of days and months that could not be rebuilt, because a part is corrupt.
        self.failed: list[str] = []
        #: Descriptions of months whose digests may lack users whose souvenirs are gone.
        self.apart: list[str] = []
        #: The errors of digests that are corrupt and whose souvenirs have been deleted.
        self.unrecoverable: list[CorruptDigest] = []

    def waiting(self) -> int:
        """Return the number of undigested souvenirs."""
        return self._undigested(self.since).count()

    def due(self) -> list[GridCell]:
        """Return the digests to rebuild once all of these souvenirs are digested.

        Some of those of undigested souvenirs may turn out not to have changed.
        """
        cells = {cell for digests in self._kinds for cell in self._stale(digests)}
        days = list(self._undigested(self.since).cells(DAY_LEVEL))
        for day in days:
            cells.update([day, cell_of(MONTH_LEVEL, day.start)])
        cells.update(wanted_local_days(self.store.digests, (day.start for day in days)))
        return sorted(cell for cell in cells if _is_over(cell))

    @cached_property
    def days(self) -> list[GridCell]:
        """The days whose digests :meth:`rebuild` rebuilds."""
        return self.store.digests.days_in_use(self.since, self.until)

    def run(self) -> Iterator[Batch]:
        """Repair, fold, then rebuild the days and months that are over and have changed."""
        yield from self.repair()
        yield from self.fold()
        self.lay_out()
        yield from self.refresh()

    def repair(self, *, accept: bool = False) -> Iterator[Batch]:
        """Repair months whose digests have been deleted, or restored from an older backup."""
        for month in months_to_repair(self.store):
            if not month.overlaps(self.since, self.until):
                continue
            began = perf_counter()
            try:
                self._record_loss(repair(month, accept=accept))
            except Apart as error:
                self.apart.append(str(error))
            else:
                yield Batch(month, 0, perf_counter() - began)

    def fold(self) -> Iterator[Batch]:
        """Fold souvenirs into buckets, by month, or by day in a month partly out of range."""
        pace = Pace(FIRST_ROWS, ROWS // 2)
        since = self.since
        while (day := next(self._undigested(since).cells(DAY_LEVEL), None)) is not None:
            month = cell_of(MONTH_LEVEL, day.start)
            cell = month if month.is_inside(self.since, self.until) else day
            at, since = moment_of(cell.start), moment_of(cell.end)
            while at < since:
                began = perf_counter()
                folded = fold(cell, at, pace.size)
                seconds = perf_counter() - began
                pace.adapt(folded.souvenirs, seconds)
                at = folded.until
                self._record_loss(folded.unrecoverable)
                if folded.souvenirs:
                    yield Batch(cell, folded.souvenirs, seconds)

    def rebuild(self) -> Iterator[Batch]:
        """Rebuild all digests whose souvenirs have not been deleted."""
        yield from self.repair(accept=True)
        for day in self.days:
            began = perf_counter()
            self._record_loss(rebuild(day))
            yield Batch(day, 0, perf_counter() - began)
        yield from self.run()

    def lay_out(self) -> None:
        """Create the digests of local days that are to be built, and delete those out of use."""
        for digests in self._kinds:
            lay_out(digests, self.since, self.until)

    def refresh(self) -> Iterator[Batch]:
        """Rebuild stale days, local days and months of all kinds, some of a month at a time."""
        pace = Pace(1, DAYS)
        for digests in self._kinds:
            cells = [cell for cell in self._stale(digests) if _is_over(cell)]
            for month, group in groupby(cells, key=lambda cell: cell_of(MONTH_LEVEL, cell.start)):
                # The month comes last: it is made of its days.
                of_month = sorted(group, key=lambda cell: (cell == month, cell.start))
                while of_month:
                    step, of_month = of_month[: pace.size], of_month[pace.size :]
                    began = perf_counter()
                    failed = refresh(step, digests)
                    seconds = perf_counter() - began
                    pace.adapt(len(step), seconds)
                    self.failed += map(digests.describe, failed)
                    yield from (Batch(cell, 0, seconds) for cell in step if cell not in failed)

    @property
    def _kinds(self) -> list[DigestTable]:
        return self.store.digests.kinds()

    def _record_loss(self, errors: list[CorruptDigest]) -> None:
        known = {str(error) for error in self.unrecoverable}
        self.unrecoverable += [error for error in errors if str(error) not in known]

    def _undigested(self, since: datetime | None) -> SouvenirQuerySet:
        return self.store.souvenirs.undigested().between(since, self.until)

    def _stale(self, digests: DigestTable) -> list[GridCell]:
        return [cell for cell in digests.stale() if cell.overlaps(self.since, self.until)]


def _is_over(cell: GridCell) -> bool:
    return cell.end <= time()
