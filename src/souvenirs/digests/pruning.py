"""Delete souvenirs that are in their digests."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

from django.db import models, router

from ..buckets import DAY, HOUR, Cell, cell_of, moment_of, second_of
from ..instants import checked, outward, utc
from ..models import Souvenir
from ..stores.numbers import numbers_of
from ..stores.reading import words
from ..usersets import UserSet
from .folding import souvenirs_in
from .rows import buckets_in, delete, locked, retried, users_in

#: As many souvenirs as one transaction deletes.
ROWS = 5_000


class NotInDigest(Exception):
    """Souvenirs are marked as digested, but their digest does not hold all of their users."""


class Step(NamedTuple):
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
        self.before = utc(checked(before, "before"))

    def waiting(self) -> int:
        """Return how many souvenirs lie before the moment, digested or not."""
        return self._souvenirs().count()

    def run(self, dry_run: bool = False) -> Iterator[Step]:
        """Delete hour by hour, in short transactions; with ``dry_run`` only say what would be.

        An hour with a souvenir that is not digested is left alone. Raises CorruptDigest or
        NotInDigest where a digest does not hold the users of its souvenirs; nothing of that hour is
        deleted then.
        """
        for hour in self._hours():
            digested = souvenirs_in(hour, self.alias).filter(digested=True)
            if not retried(lambda hour=hour: self._is_prunable(hour, dry_run)):  # type: ignore[misc]
                continue
            if dry_run:
                yield Step(hour, digested.count())
                continue
            while ids := list(digested.values_list("pk", flat=True)[:ROWS]):
                yield Step(hour, retried(lambda ids=ids: delete(ids, self.alias)))  # type: ignore[misc]

    def _souvenirs(self) -> models.QuerySet[Souvenir]:
        souvenirs = Souvenir.objects.using(self.alias).order_by()
        return souvenirs.filter(when__lt=outward(self.before))

    def _hours(self) -> Iterator[Cell]:
        souvenirs = self._souvenirs()
        while (first := souvenirs.aggregate(first=models.Min("when"))["first"]) is not None:
            hour = cell_of(HOUR, second_of(utc(checked(first, "when"))))
            if moment_of(hour.end) > self.before:
                return
            yield hour
            souvenirs = souvenirs.filter(when__gte=outward(moment_of(hour.end)))

    def _is_prunable(self, hour: Cell, dry_run: bool) -> bool:
        with locked(cell_of(DAY, hour.start), self.alias):
            if souvenirs_in(hour, self.alias).filter(digested=False).exists():
                return False
            digests = buckets_in(hour, self.alias)
            users = UserSet.union(map(users_in, digests))
            # Others may have come since the first question: they are not digested yet.
            digested = souvenirs_in(hour, self.alias).filter(digested=True)
            keys = set(digested.values_list("user_id", flat=True).distinct())
            numbers = numbers_of(keys, self.alias)
            if len(numbers) < len(keys) or not UserSet.from_ids(numbers.values()) <= users:
                raise NotInDigest(
                    f"The digests of {words(hour)} lack users of souvenirs that are marked as "
                    "digested: nothing is deleted. Run manage.py digest_souvenirs --rebuild."
                )
            if not dry_run:
                digests.update(is_pruned=True)
        return True
