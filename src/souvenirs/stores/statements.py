"""What erasing and exporting a user reach in statements.

Whoever issues a statement holds a lock from before the users are read until they are committed, and
an erasure takes it after the user's souvenirs are gone. So either the statement was committed
before, and the erasure finds the user in it, or the user is no longer found when it is issued.
"""

from __future__ import annotations

from typing import Any

from django.db import models, router

from ..calendar import Bounds, bound
from ..models import Statement, StatementLeaf, StatementLock
from .activeusers import ActiveUsers, IsMember
from .base import Store
from .transactions import locking, retried


def lock_statements(alias: str) -> None:
    """Lock all statements until the transaction ends."""
    lock = StatementLock.objects.using(alias).filter(pk=StatementLock.ONLY)
    times = models.F("times") + 1
    if not lock.update(times=times):
        StatementLock.objects.using(alias).bulk_create(
            [StatementLock(pk=StatementLock.ONLY)], ignore_conflicts=True
        )
        lock.update(times=times)


def statements_with(key: Any) -> list[Statement]:
    """Return the statements that count a user, in the order in which they were issued."""
    statements = Statement.objects.using(router.db_for_write(Statement))
    return list(statements.filter(leaves__user=key).order_by("issued", "pk"))


def erase_from_statements(key: Any) -> int:
    """Drop a user and the salt from the leaves of all statements; return how many there were."""
    alias = router.db_for_write(StatementLeaf)

    def work() -> int:
        with locking(alias):
            lock_statements(alias)
            leaves = StatementLeaf.objects.using(alias).filter(user=key)
            return leaves.update(user=None, salt=None)

    return retried(work)


def last_souvenir(store: Store) -> int:
    """Return the largest primary key of a souvenir; 0 if there is none."""
    return store.souvenirs.aggregate(last=models.Max("pk"))["last"] or 0


def users_left_by(
    store: Store, users: ActiveUsers, bounds: Bounds, last: int
) -> tuple[ActiveUsers, ActiveUsers]:
    """Return which users left a souvenir in a range, and which of these did so by the last one.

    ``last`` is the primary key of that souvenir. Souvenirs that have been pruned are not known.
    """
    start, end = map(bound, bounds)
    inside = store.souvenirs.filter(IsMember("user_id", users), when__gte=start, when__lt=end)
    keys = inside.order_by().values_list("user_id", flat=True).distinct()
    return ActiveUsers(keys.iterator()), ActiveUsers(keys.filter(pk__lte=last).iterator())
