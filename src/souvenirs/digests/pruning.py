"""Delete souvenirs that are in their digests."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

from django.db import models, router

from ..calendar import DAY_LEVEL, HOUR_LEVEL, Cell, bound, cell_of, checked, moment_of, second_of
from ..models import Souvenir
from .comparison import compare
from .folding import souvenirs_in
from .rows import buckets_in, cells_of, delete, locked, retried

#: As many souvenirs as one transaction deletes.
ROWS = 5_000


class NotInDigest(Exception):
    """Souvenirs are marked as digested, but their digest does not hold all of their users."""


class PrunedHour(NamedTuple):
    """How many souvenirs of an hour were deleted."""

    hour: Cell
    souvenirs: int


class Pruner:
    """Deletes the souvenirs of the hours that ended at or before a moment and are wholly digested.

    A digest is marked before the first of its souvenirs is deleted, and for good: what is left of
    them, or comes late, tells nothing by itself. Raises RuntimeError inside a transaction.
    """

    def __init__(self, before: datetime) -> None:
        self.alias = router.db_for_write(Souvenir)
        self.before = moment_of(cell_of(HOUR_LEVEL, second_of(checked(before, "before"))).start)
        #: How many souvenirs were left alone, because their hour is not wholly digested.
        self.left = 0

    def waiting(self) -> int:
        """Return how many souvenirs lie in these hours, digested or not."""
        return self._souvenirs().count()

    def run(self, dry_run: bool = False) -> Iterator[PrunedHour]:
        """Delete hour by hour, in short transactions; with ``dry_run`` only say what would be.

        Raises CorruptDigest or NotInDigest where a digest does not hold the users of its
        souvenirs; nothing of that hour is deleted then.
        """
        for hour in cells_of(HOUR_LEVEL, self._souvenirs()):
            souvenirs = souvenirs_in(hour, self.alias)
            digested = souvenirs.filter(digested=True)
            if not retried(lambda hour=hour: self._is_prunable(hour, dry_run)):  # type: ignore[misc]
                self.left += souvenirs.count()
                continue
            if dry_run:
                yield PrunedHour(hour, digested.count())
                continue
            while ids := list(digested.values_list("pk", flat=True)[:ROWS]):
                yield PrunedHour(hour, retried(lambda ids=ids: delete(ids, self.alias)))  # type: ignore[misc]

    def _souvenirs(self) -> models.QuerySet[Souvenir]:
        souvenirs = Souvenir.objects.using(self.alias).order_by()
        return souvenirs.filter(when__lt=bound(self.before))

    def _is_prunable(self, hour: Cell, dry_run: bool) -> bool:
        with locked(cell_of(DAY_LEVEL, hour.start), self.alias):
            if souvenirs_in(hour, self.alias).filter(digested=False).exists():
                return False
            if compare(hour, self.alias).missing:
                raise NotInDigest(
                    f"The digests of {hour} lack users of souvenirs that are marked as digested."
                )
            if not dry_run:
                buckets_in(hour, self.alias).update(is_pruned=True)
        return True
