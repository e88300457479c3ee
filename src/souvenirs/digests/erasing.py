"""What is stored about one user: export it, erase it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, NamedTuple

from django.db import models, router, transaction

from ..calendar import DAY_LEVEL, MONTH_LEVEL, Cell, cell_of, moment_of, stored
from ..conf import conf
from ..models import Digest, Souvenir, UserNumber
from ..sets import CorruptDigest, UserSet, is_number, numbers_of, primary_key
from .folding import souvenirs_in
from .rows import cells_of, locked, retried, users_in, write

logger = logging.getLogger(__name__)

LEVELS = {DAY_LEVEL: "day", MONTH_LEVEL: "month"}


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
        "souvenirs": [stored(moment).isoformat() for moment in moments],
        "digests": [
            {
                "level": LEVELS.get(digest.level, "bucket"),
                "start": moment_of(digest.start).isoformat(),
                "end": moment_of(Cell(digest.level, digest.start).end).isoformat(),
            }
            for digest in _digests(alias).iterator(chunk_size=50)
            if number is not None and number in users_in(digest)
        ],
    }


def erase_user(user: Any) -> Erased:
    """Take a user, given as the user or the primary key, out of all souvenirs and digests.

    All counts of the past change accordingly. Whoever digests at the same time cannot bring the
    user back; a souvenir left afterwards is new. Reads every digest once, or twice where the key is
    not its own number. Raises ValueError for what is no user, RuntimeError inside a transaction,
    and CorruptDigest where one cannot be read, after all others; called again, it goes on.
    """
    key = primary_key(user)
    erasure = _Erasure(key, router.db_for_write(Souvenir))
    with transaction.atomic(using=erasure.alias, durable=True):
        pass  # refused before anything has been done
    erasure.run()
    if erasure.corrupt:
        raise CorruptDigest(
            f"User {key} may still be in digests that cannot be read ({len(erasure.corrupt):,}). "
            f"Run manage.py digest_souvenirs --rebuild, then this again. {erasure.corrupt[0]}"
        )
    return Erased(erasure.souvenirs, erasure.digests)


class _Erasure:
    """What is done to one user, one month at a time, under the locks of the digesters."""

    def __init__(self, key: Any, alias: str) -> None:
        self.key, self.alias = key, alias
        self.numbers: set[int] = set()
        self.souvenirs = self.digests = 0
        self.corrupt: list[CorruptDigest] = []

    def run(self) -> None:
        # As long as a digest has it, the number is known: whoever is killed can begin again.
        self._erase(self._learn_number)
        if self.numbers and not (self.corrupt or is_number(self.key)):
            self._erase(self._forget_number)

    def _erase(self, before_each_round: Callable[[], None]) -> None:
        before_each_round()
        while months := list(cells_of(MONTH_LEVEL, self._souvenirs())):
            for month in months:
                self._erase_from(month)
            # Whoever was just digesting the user may have given another one.
            before_each_round()
        # Nobody can digest the user any more; whoever had begun to has committed.
        for month in self._months():
            self._erase_from(month)

    def _learn_number(self) -> None:
        self.numbers.update(numbers_of([self.key], self.alias).values())

    def _forget_number(self) -> None:
        """Learn the number of the user, and take it away: the next souvenir is of somebody new."""
        self._learn_number()
        UserNumber.objects.using(self.alias).filter(user_id=self.key).delete()

    def _months(self) -> list[Cell]:
        """The months in which a digest has the user, in order."""
        months = set()
        for digest in _digests(self.alias).iterator(chunk_size=50):
            try:
                if self._is_in(users_in(digest)):
                    months.add(cell_of(MONTH_LEVEL, digest.start))
            except CorruptDigest as error:
                self.corrupt.append(error)
        return sorted(months)

    def _erase_from(self, month: Cell) -> None:
        def work() -> tuple[int, int]:
            with locked(month, self.alias):
                souvenirs = souvenirs_in(month, self.alias).filter(user_id=self.key)
                self._learn_number()
                deleted, _ = souvenirs.delete()
                return deleted, self._erase_from_digests(month)

        souvenirs, digests = retried(work)
        self.souvenirs += souvenirs
        self.digests += digests

    def _erase_from_digests(self, month: Cell) -> int:
        changed = 0
        for digest in _digests(self.alias).filter(start__gte=month.start, start__lt=month.end):
            try:
                users = users_in(digest)
            except CorruptDigest:
                continue  # found again, and told of, with all the others
            if self._is_in(users):
                write(digest, users - UserSet.from_ids(self.numbers), self.alias)
                changed += 1
        return changed

    def _is_in(self, users: UserSet) -> bool:
        return any(number in users for number in self.numbers)

    def _souvenirs(self) -> models.QuerySet[Souvenir]:
        return Souvenir.objects.using(self.alias).filter(user_id=self.key)


def _digests(alias: str) -> models.QuerySet[Digest]:
    return Digest.objects.using(alias).filter(kind=Digest.ACTIVE).order_by("level", "start")


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
