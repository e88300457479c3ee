"""Delete souvenirs whose users are in a digest."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import datetime
from functools import partial
from typing import NamedTuple

from ..calendar import (
    DAY_LEVEL,
    HOUR_LEVEL,
    MONTH_LEVEL,
    GridCell,
    cell_of,
    checked,
    moment_of,
    second_of,
)
from ..sets import CorruptDigest
from ..stores import (
    Agreement,
    SouvenirQuerySet,
    apart_sentence,
    delete_souvenirs,
    get_store,
    retried,
)
from .comparison import compare, is_alike, is_small

#: Largest number of souvenirs deleted in a transaction.
ROWS = 5_000


class NotInDigest(Exception):
    """Souvenirs are marked as digested, but their digest does not contain all of their users."""


class PrunedHour(NamedTuple):
    """The number of souvenirs of an hour that a transaction deleted."""

    hour: GridCell
    souvenirs: int


class Pruner:
    """Deletes the souvenirs of the fully digested hours of UTC that ended at or before a moment.

    A digest is marked before the first of its souvenirs is deleted. The mark is permanent, because
    souvenirs that remain or are added later are not all of them. Raises RuntimeError inside a
    transaction.
    """

    def __init__(self, before: datetime) -> None:
        self.store = get_store()
        self.before = moment_of(cell_of(HOUR_LEVEL, second_of(checked(before, "before"))).start)
        #: The number of souvenirs that were kept because their hour is not fully digested.
        self.left = 0

    def waiting(self) -> int:
        """Return the number of souvenirs in these hours, digested or not."""
        return self._souvenirs().count()

    def run(self, dry_run: bool = False) -> Iterator[PrunedHour]:
        """Delete hour by hour, in short transactions; with ``dry_run``, only count.

        Raises CorruptDigest or NotInDigest if a digest does not contain the users of its souvenirs;
        no souvenir of that hour is deleted then.
        """
        if not dry_run and self._souvenirs().exists():
            retried(partial(self.store.digests.seal_first, self.before))
        for cell in self._cells():
            hours, fault = retried(partial(self._prepare, cell, dry_run))
            for hour in hours:
                digested = self.store.souvenirs.in_cell(hour).digested()
                if dry_run:
                    yield PrunedHour(hour, digested.count())
                    continue
                # A souvenir with a seal is deleted in a later run, once another one has the seal.
                unsealed = digested.filter(seal=None)
                while ids := list(unsealed.values_list("pk", flat=True)[:ROWS]):
                    deleted = retried(partial(delete_souvenirs, ids, self.store.alias))
                    yield PrunedHour(hour, deleted)
                    if len(ids) < ROWS:
                        break
            if fault is not None:
                raise fault

    def _souvenirs(self) -> SouvenirQuerySet:
        return self.store.souvenirs.between(None, self.before)

    def _cells(self) -> Iterator[GridCell]:
        """Generate the months to prune; one with many souvenirs day by day."""
        for month in self._souvenirs().cells(MONTH_LEVEL):
            if is_small(month):
                yield month
            else:
                yield from self._souvenirs().in_cell(month).cells(DAY_LEVEL)

    def _prepare(self, cell: GridCell, dry_run: bool) -> tuple[list[GridCell], Exception | None]:
        """Mark the hours of a day or a month that can be pruned, up to a fault; return both."""
        digests, souvenirs = self.store.digests, self._souvenirs().in_cell(cell)
        hours: list[GridCell] = []
        with digests.locked(cell):
            if (how := digests.agreement(cell)) is not Agreement.AGREED:
                raise NotInDigest(apart_sentence(cell_of(MONTH_LEVEL, cell.start), how))
            undigested = set(souvenirs.undigested().cells(HOUR_LEVEL))
            fault, is_verified = None, is_alike(cell)
            for hour in souvenirs.cells(HOUR_LEVEL):
                if hour in undigested:
                    continue
                if not is_verified and (fault := _fault_in(hour)):
                    break
                hours.append(hour)
            if hours and not dry_run:
                self._mark(hours, kept=undigested)
        self.left += sum(self.store.souvenirs.in_cell(hour).count() for hour in undigested)
        return hours, fault

    def _mark(self, hours: list[GridCell], kept: Collection[GridCell]) -> None:
        """Mark the buckets of these hours; the seal may stay on a souvenir of the hours kept."""
        digests, span = self.store.digests, GridCell(hours[-1].end - hours[0].start, hours[0].start)
        buckets = [
            GridCell(*found) for found in digests.buckets_in(span).values_list("level", "start")
        ]
        marked = set(hours)
        pruned = [bucket for bucket in buckets if cell_of(HOUR_LEVEL, bucket.start) in marked]
        digests.mark_pruned(span, [bucket.start for bucket in pruned])
        digests.seal(span, changed=pruned, apart_from=span, kept=kept)


def _fault_in(hour: GridCell) -> CorruptDigest | NotInDigest | None:
    try:
        missing = compare(hour).missing
    except CorruptDigest as error:
        return error
    if not missing:
        return None
    return NotInDigest(
        f"The digests of {hour} lack users of souvenirs that are marked as digested."
    )
