"""Digests under lock: what all who change them have in common.

Whoever changes the digests of the buckets of a day holds the lock of the day's row from before the
first look at the souvenirs to the commit, and marks the row of the month in the same transaction.
Whoever makes a day or a month anew holds the lock of that row before looking at its parts. So a
mark is set either before the parts are read, which then have the change in them, or after the new
digest has been committed, which it then makes stale.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

from django.db import OperationalError, connections, models, transaction

from ..buckets import HOUR, MONTH, Cell, cell_of
from ..models import Digest, Souvenir
from ..stores.reading import label_of
from ..usersets import UserSet, checksum_of

T = TypeVar("T")

#: How often a transaction is tried that the engine, or another digester, makes give up.
TRIES = 8

#: As many ids as one statement names.
IDS = 5_000


class Contended(Exception):
    """Somebody changed a digest in spite of its lock."""


def retried(work: Callable[[], T]) -> T:
    """Return what ``work`` does in a transaction of its own, tried again where that fails.

    Deadlocks, serialization failures and locks that are not given in time pass by themselves. The
    last failure is raised.
    """
    for attempt in range(1, TRIES):
        try:
            return work()
        except (OperationalError, Contended):
            time.sleep(random.uniform(0, 0.01 * 2**attempt))  # noqa: S311
    return work()


def digests_of(cell: Cell, alias: str) -> models.QuerySet[Digest]:
    """Return the digests of active users of just that cell, which are one or none."""
    digests = Digest.objects.using(alias).filter(kind=Digest.ACTIVE)
    return digests.filter(level=cell.level, start=cell.start)


def buckets_in(cell: Cell, alias: str) -> models.QuerySet[Digest]:
    """Return the digests of the buckets in a day or a month, in order."""
    digests = Digest.objects.using(alias).filter(kind=Digest.ACTIVE, level__lte=HOUR)
    return digests.filter(start__gte=cell.start, start__lt=cell.end).order_by("start")


@contextmanager
def locked(cell: Cell, alias: str) -> Iterator[Digest]:
    """Hold the row of a day or a month, in a transaction of its own.

    Both are created where they are missing, so that there is no bucket without them. Raises
    RuntimeError inside another transaction, whose end nobody here knows.
    """
    if not digests_of(cell, alias).exists():
        both = {cell, cell_of(MONTH, cell.start)}
        missing = [Digest(level=each.level, start=each.start) for each in both]
        Digest.objects.using(alias).bulk_create(missing, ignore_conflicts=True)
    connection = connections[alias]
    # Only the TestCase of a site may have begun a transaction already.
    is_within = connection.in_atomic_block
    with transaction.atomic(using=alias, durable=True):
        if connection.vendor == "postgresql" and not is_within:
            # REPEATABLE READ would show what is read under the lock as it was before the wait for
            # it, unless the row itself has been changed meanwhile.
            with connection.cursor() as cursor:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL READ COMMITTED")
        rows = digests_of(cell, alias)
        if connection.features.has_select_for_update:
            rows = rows.select_for_update()
        else:
            # Where there are no locks of rows, whoever writes first keeps all others from writing.
            rows.update(version=models.F("version"))
        yield rows.get()


def users_in(digest: Digest) -> UserSet:
    """Return the users in a digest; raises CorruptDigest."""
    if not digest.version:
        return UserSet()
    cell = Cell(digest.level, digest.start)
    return UserSet.from_bytes(digest.body, label_of(cell, digest.version))


def write(digest: Digest, users: UserSet, alias: str, **changes: Any) -> None:
    """Put these users in place of those in a digest, whose lock is held.

    Raises Contended where somebody changed it all the same.
    """
    version = digest.version + 1
    label = label_of(Cell(digest.level, digest.start), version)
    changes |= {
        "version": version,
        "count": len(users),
        "checksum": checksum_of(label, len(users)),
        "body": users.to_bytes(label),
    }
    if digest.pk is None:
        for name, value in changes.items():
            setattr(digest, name, value)
        digest.save(using=alias, force_insert=True)
        return
    same = Digest.objects.using(alias).filter(pk=digest.pk, version=digest.version)
    if same.update(**changes) != 1:
        raise Contended(str(digest))


def mark_stale(day: Cell, alias: str) -> None:
    """Have nobody read a day, whose lock is held, and its month until they are made anew.

    Even where they are marked already: only the lock keeps one that is just being made from being
    taken for fresh.
    """
    for cell in (day, cell_of(MONTH, day.start)):
        digests_of(cell, alias).update(is_stale=True)


def delete(ids: Sequence[int], alias: str) -> int:
    """Delete these souvenirs and return how many they were."""
    return _for_ids("DELETE FROM {table} WHERE id IN ({ids})", ids, alias)


def claim(ids: Sequence[int], alias: str) -> int:
    """Mark exactly these souvenirs as digested: others may have come since they were read."""
    return _for_ids("UPDATE {table} SET digested = TRUE WHERE id IN ({ids})", ids, alias)


def _for_ids(sql: str, ids: Sequence[int], alias: str) -> int:
    table = connections[alias].ops.quote_name(Souvenir._meta.db_table)
    done = 0
    with connections[alias].cursor() as cursor:
        for first in range(0, len(ids), IDS):
            named = ",".join(map(str, ids[first : first + IDS]))
            cursor.execute(sql.format(table=table, ids=named))
            done += cursor.rowcount
    return done
