"""Delete souvenirs whose users are in a digest."""

from __future__ import annotations

from collections.abc import Iterator
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
from ..stores import (
    Agreement,
    SouvenirQuerySet,
    apart_sentence,
    delete_souvenirs,
    get_store,
    retried,
)
from .comparison import compare

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
        for hour in self._souvenirs().cells(HOUR_LEVEL):
            souvenirs = self.store.souvenirs.in_cell(hour)
            digested = souvenirs.digested()
            if not retried(partial(self._is_prunable, hour, dry_run)):
                self.left += souvenirs.count()
                continue
            if dry_run:
                yield PrunedHour(hour, digested.count())
                continue
            # A souvenir with a seal is deleted in a later run, once another one has the seal.
            unsealed = digested.filter(seal=None)
            while ids := list(unsealed.values_list("pk", flat=True)[:ROWS]):
                deleted = retried(partial(delete_souvenirs, ids, self.store.alias))
                yield PrunedHour(hour, deleted)

    def _souvenirs(self) -> SouvenirQuerySet:
        return self.store.souvenirs.between(None, self.before)

    def _is_prunable(self, hour: GridCell, dry_run: bool) -> bool:
        digests = self.store.digests
        with digests.locked(cell_of(DAY_LEVEL, hour.start)):
            if self.store.souvenirs.in_cell(hour).undigested().exists():
                return False
            if (how := digests.agreement(hour)) is not Agreement.AGREED:
                raise NotInDigest(apart_sentence(cell_of(MONTH_LEVEL, hour.start), how))
            if compare(hour).missing:
                raise NotInDigest(
                    f"The digests of {hour} lack users of souvenirs that are marked as digested."
                )
            if not dry_run:
                digests.mark_pruned(hour)
                pruned = [digest.cell for digest in digests.buckets_in(hour).defer("body")]
                digests.seal(hour, changed=pruned, apart_from=hour)
        return True
