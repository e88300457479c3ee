"""What is stored about one user: export it, erase it."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from django.db import models, router, transaction

from ..buckets import DAY, MONTH, Cell, cell_of, moment_of, second_of
from ..conf import conf
from ..instants import checked, utc
from ..models import Digest, Souvenir, UserNumber
from ..recording import primary_key
from ..stores.numbers import is_number, numbers_of
from ..usersets import CorruptDigest, UserSet
from .folding import souvenirs_in
from .rows import buckets_in, locked, retried, users_in, write

logger = logging.getLogger(__name__)

LEVELS = {DAY: "day", MONTH: "month"}


class Erased(NamedTuple):
    """How many souvenirs were deleted, and from how many digests the user was taken."""

    souvenirs: int
    digests: int


def export_user(user: Any) -> dict[str, Any]:
    """Return all that is stored about a user, given as the user or the primary key, for JSON.

    That is when they were seen, and which digests they are in; moments are in UTC and ISO 8601. The
    key is text unless it is a number. Raises ValueError for what is no user, and CorruptDigest.
    """
    key: Any = primary_key(user)
    alias = router.db_for_write(Souvenir)
    souvenirs = Souvenir.objects.using(alias).filter(user_id=key).order_by("when")
    moments = souvenirs.values_list("when", flat=True)
    number = numbers_of([key], alias).get(key)
    return {
        "user": key if is_number(key) else str(key),
        "souvenirs": [utc(checked(moment, "when")).isoformat() for moment in moments],
        "digests": [
            {
                "level": LEVELS.get(digest.level, "bucket"),
                "start": moment_of(digest.start).isoformat(),
                "end": moment_of(Cell(digest.level, digest.start).end).isoformat(),
            }
            for digest in _digests(alias)
            if number is not None and number in users_in(digest)
        ],
    }


def erase_user(user: Any) -> Erased:
    """Take a user, given as the user or the primary key, out of all souvenirs and digests.

    All counts of the past change accordingly. Whoever digests at the same time cannot bring the
    user back; a souvenir left afterwards is new. Reads every digest once. Raises ValueError for
    what is no user, RuntimeError inside a transaction, and CorruptDigest where one cannot be read,
    after all others.
    """
    key: Any = primary_key(user)
    alias = router.db_for_write(Souvenir)
    erasure = _Erasure(key, alias)
    for day in erasure.days_of_souvenirs():
        erasure.erase_from_day(day)
    # Nobody can digest the user any more; whoever had begun to has committed.
    for cell in sorted(erasure.cells_of_digests(), key=lambda cell: cell.level):
        erasure.erase_from(cell)
    UserNumber.objects.using(alias).filter(user_id=key).delete()
    if erasure.corrupt:
        raise CorruptDigest(
            f"User {key} may still be in digests that cannot be read ({len(erasure.corrupt):,}). "
            f"Run manage.py digest_souvenirs --rebuild, then this again. {erasure.corrupt[0]}"
        )
    return Erased(erasure.souvenirs, erasure.digests)


class _Erasure:
    """What is done to one user, one day or month at a time, under the locks of the digesters."""

    def __init__(self, key: Any, alias: str) -> None:
        self.key, self.alias = key, alias
        self.souvenirs = self.digests = 0
        self.months: set[Cell] = set()
        self.corrupt: list[CorruptDigest] = []

    def days_of_souvenirs(self) -> Iterator[Cell]:
        while (first := self._souvenirs().aggregate(first=models.Min("when"))["first"]) is not None:
            yield cell_of(DAY, second_of(utc(checked(first, "when"))))

    def cells_of_digests(self) -> set[Cell]:
        """Days that have the user in any digest, and all months that such a digest was made into.

        A month is not looked into but erased from under its lock: one may be in the making.
        """
        number = self._number()
        days: set[Cell] = set()
        for digest in _digests(self.alias):
            cell = Cell(digest.level, digest.start)
            try:
                if number in users_in(digest):
                    (self.months if cell.level == MONTH else days).add(
                        cell_of(max(cell.level, DAY), cell.start)
                    )
            except CorruptDigest as error:
                self.corrupt.append(error)
        self.months.update(cell_of(MONTH, day.start) for day in days)
        return days | self.months

    def erase_from_day(self, day: Cell) -> None:
        def work() -> tuple[int, int]:
            with locked(day, self.alias) as digest:
                deleted, _ = souvenirs_in(day, self.alias).filter(user_id=self.key).delete()
                return deleted, self._erase_from_digests([digest, *buckets_in(day, self.alias)])

        self._count(*retried(work))
        self.months.add(cell_of(MONTH, day.start))

    def erase_from(self, cell: Cell) -> None:
        if cell.level == DAY:
            self.erase_from_day(cell)
            return

        def work() -> int:
            with locked(cell, self.alias) as digest:
                return self._erase_from_digests([digest])

        self._count(0, retried(work))

    def _erase_from_digests(self, digests: Iterable[Digest]) -> int:
        number = self._number()
        changed = 0
        for digest in digests:
            try:
                users = users_in(digest)
            except CorruptDigest:
                continue  # found again, and told of, with all the others
            if number in users:
                write(digest, users - UserSet.from_ids([number]), self.alias)
                changed += 1
        return changed

    def _number(self) -> Any:
        return numbers_of([self.key], self.alias).get(self.key)

    def _souvenirs(self) -> models.QuerySet[Souvenir]:
        return Souvenir.objects.using(self.alias).filter(user_id=self.key).order_by()

    def _count(self, souvenirs: int, digests: int) -> None:
        self.souvenirs += souvenirs
        self.digests += digests


def _digests(alias: str) -> Iterator[Digest]:
    digests = Digest.objects.using(alias).filter(kind=Digest.ACTIVE)
    return digests.order_by("level", "start").iterator(chunk_size=50)


def erase_deleted_user(instance: Any, using: str, **kwargs: Any) -> None:
    """Erase a user who is being deleted, once that is committed; failing, it is logged.

    For ``SOUVENIRS_ON_USER_DELETE = "erase"``.
    """
    key = instance.pk

    def erase() -> None:
        try:
            erase_user(key)
        except Exception:
            logger.exception("Could not erase user %s: run manage.py erase_user %s.", key, key)

    if conf.ON_USER_DELETE == "erase":
        transaction.on_commit(erase, using=using)
