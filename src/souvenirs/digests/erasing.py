"""Export and erase the data stored about a user."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from django.db import transaction

from ..calendar import DAY_LEVEL, LOCAL_LEVEL, MONTH_LEVEL, GridCell, cell_of, moment_of
from ..conf import conf
from ..recording import backlog, rate_limiter
from ..scope import scope, scoped
from ..sets import CorruptDigest, UserSet, is_number, primary_key
from ..stores import (
    Agreement,
    Digest,
    DigestTable,
    SouvenirQuerySet,
    Statement,
    Store,
    committing,
    erase_from_statements,
    forget_number,
    get_store,
    numbers_of,
    retried,
    statements_with,
)

logger = logging.getLogger(__name__)

LEVELS = {DAY_LEVEL: "day", MONTH_LEVEL: "month", LOCAL_LEVEL: "local day"}


class Erased(NamedTuple):
    """How many souvenirs were deleted, and how many digests and statements the user was in."""

    souvenirs: int
    digests: int
    statements: int = 0


def export_user(user: Any) -> dict[str, Any]:
    """Return everything stored about a user, as a dict that can be serialized as JSON.

    ``user`` is a user or a primary key. The dict has the moments at which they were seen, the
    digests that contain them, and the statements that count them; moments are in UTC, in ISO 8601.
    The key is a string unless it is an integer that digests use as it is. Raises ValueError if
    ``user`` is neither, and CorruptDigest.
    """
    key: Any = primary_key(user)
    store = get_store()
    number = numbers_of([key], store.alias).get(key)
    return {
        "user": key if is_number(key) else str(key),
        "souvenirs": [moment.isoformat() for moment in store.souvenirs.of_user(key).moments()],
        "digests": [
            _exported(digest, digests)
            for digests in store.digests.kinds()
            for digest in _all(digests)
            if number is not None and number in digest.users()
        ],
        "statements": [_statement(each) for each in statements_with(key)],
    }


def _statement(statement: Statement) -> dict[str, Any]:
    content = statement.content
    customer = content["customer"]
    return {
        "customer": None if customer is None else customer["label"],
        "number": content["number"],
        "start": content["start"],
        "end": content["end"],
    }


def _exported(digest: Digest, digests: DigestTable) -> dict[str, str]:
    cell = {
        "level": LEVELS.get(min(digest.level, LOCAL_LEVEL), "bucket"),
        "start": moment_of(digest.start).isoformat(),
        "end": moment_of(digest.cell.end).isoformat(),
    }
    return cell if digests.is_of_souvenirs else {**cell, "kind": digest.kind}


def erase_user(user: Any) -> Erased:
    """Remove a user from all souvenirs, digests and statements; past counts change.

    The number of users of a statement stays, and nothing in it says who one of them was.
    ``user`` is a user or a primary key. Digesting at the same time cannot bring the user back; a
    souvenir left afterwards is a new one. Reads every digest once, or twice for a primary key that
    digests store under another number. Raises ValueError if ``user`` is neither, and RuntimeError
    inside a transaction. Raises CorruptDigest for an unreadable digest, after all others have been
    changed: rebuild the digest, then call this function again.
    """
    key = primary_key(user)
    with committing():
        erasure = _Erasure(key, get_store())
        with transaction.atomic(using=erasure.store.alias, durable=True):
            pass  # refused before anything has been done
        if (rest := backlog.backlog()) is not None:
            rest.drop_user(key)
        rate_limiter.mark_erased(scoped(key))
        erasure.run()
    if erasure.corrupt:
        raise CorruptDigest(
            f"User {key} may still be in digests that cannot be read ({len(erasure.corrupt):,}). "
            f"Run manage.py digest_souvenirs --rebuild, then this again. {erasure.corrupt[0]}"
        )
    return Erased(erasure.souvenirs, erasure.digests, erasure.statements)


class _Erasure:
    """The erasure of one user, one month at a time, under the locks of the digesters."""

    def __init__(self, key: Any, store: Store) -> None:
        self.key, self.store = key, store
        self.numbers: set[int] = set()
        self.souvenirs = self.digests = self.statements = 0
        self.corrupt: list[CorruptDigest] = []

    def run(self) -> None:
        # The number is kept until no digest has it, so that a killed erasure can be run again.
        self._erase(self._learn_number)
        if self.souvenirs:
            retried(self.store.digests.seal_first)
        if self.numbers and not (self.corrupt or is_number(self.key)):
            self._erase(self._forget_number)
        # Last, so that no statement that is issued now can find the user.
        self.statements = erase_from_statements(self.key)

    def _erase(self, before_each_round: Callable[[], None]) -> None:
        before_each_round()
        while months := list(self._souvenirs().cells(MONTH_LEVEL)):
            for month in months:
                self._erase_from(month, self.store.digests)
            # A concurrent digester may have given the user another number.
            before_each_round()
        # The user can no longer be digested; every digester that had begun to has committed.
        for digests in self.store.digests.kinds():
            for month in self._months(digests):
                self._erase_from(month, digests)

    def _learn_number(self) -> None:
        self.numbers.update(numbers_of([self.key], self.store.alias).values())

    def _forget_number(self) -> None:
        """Delete the number of the user: their next souvenir is that of a new user."""
        self._learn_number()
        forget_number(self.key, self.store.alias)

    def _months(self, digests: DigestTable) -> list[GridCell]:
        """The months with a digest that contains the user, in order."""
        months = set()
        for digest in _all(digests):
            try:
                if self._is_in(digest.users()):
                    months.add(cell_of(MONTH_LEVEL, digest.start))
            except CorruptDigest as error:
                self.corrupt.append(error)
        return sorted(months)

    def _erase_from(self, month: GridCell, digests: DigestTable) -> None:
        def work() -> tuple[int, int]:
            with digests.locked(month):
                self._learn_number()
                if not digests.is_of_souvenirs:
                    return 0, len(self._erase_from_digests(month, digests))
                is_sealed = digests.agreement(month) is Agreement.AGREED
                deleted, _ = self._souvenirs().in_cell(month).delete()
                changed = self._erase_from_digests(month, digests)
                if is_sealed and (deleted or changed):
                    digests.seal(month, changed=changed)
                digests.mark_figures([month])
                return deleted, len(changed)

        deleted, changed = retried(work)
        self.souvenirs += deleted
        self.digests += changed

    def _erase_from_digests(self, month: GridCell, digests: DigestTable) -> list[GridCell]:
        changed = []
        for digest in digests.inside(month):
            try:
                users = digest.users()
            except CorruptDigest:
                continue  # _months() finds and reports it
            if self._is_in(users):
                rest = users - UserSet.from_ids(self.numbers)
                if rest or digest.level >= DAY_LEVEL:
                    digests.write(digest, rest)
                else:
                    digests.of(digest.cell).delete()
                changed.append(digest.cell)
        for day in {cell_of(DAY_LEVEL, cell.start) for cell in changed}:
            if not digests.buckets_in(day).exists():
                digests.of(day).delete()
        return changed

    def _is_in(self, users: UserSet) -> bool:
        return any(number in users for number in self.numbers)

    def _souvenirs(self) -> SouvenirQuerySet:
        return self.store.souvenirs.of_user(self.key)


def _all(digests: DigestTable) -> Iterator[Digest]:
    return digests.all().order_by("level", "start").iterator(chunk_size=50)


def erase_deleted_user(instance: Any, using: str, **kwargs: Any) -> None:
    """Erase a user who is being deleted, once the deletion is committed; log a failure.

    For ``SOUVENIRS_ON_USER_DELETE = "erase"``.
    """
    if conf.ON_USER_DELETE != "erase":
        return
    key, tenant = instance.pk, scope()

    def erase() -> None:
        try:
            if scope() != tenant:
                raise RuntimeError("The deletion was committed after the tenant had been left.")
            erase_user(key)
        except Exception:
            logger.exception("Could not erase user %s: run manage.py erase_user %s.", key, key)

    transaction.on_commit(erase, using=using)
