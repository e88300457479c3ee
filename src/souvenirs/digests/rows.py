"""Digests under lock: what all who change them have in common.

Whoever changes a digest holds the lock of the row of its month, from before the first look at what
goes into it to the commit. Whoever changes that of a bucket marks its day and its month as stale in
the same transaction, and whoever makes these anew takes the mark off. So where there is none, all
that has been committed to a bucket is in its day and its month.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any, TypeVar

from django.db import OperationalError, connections, models, transaction

from ..calendar import (
    BUCKETS,
    DAY_LEVEL,
    MONTH_LEVEL,
    Cell,
    bound,
    cell_of,
    moment_of,
    second_of,
    stored,
)
from ..models import Digest, Souvenir
from ..sets import UserSet, checksum_of
from ..stores import label_of

T = TypeVar("T")

#: How often a transaction is tried that the engine, or another digester, makes give up.
TRIES = 8

#: As many ids as one statement names.
IDS = 5_000


#: What a new version changes.
WRITTEN = ("version", "count", "checksum", "body", "is_stale")


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
    digests = Digest.objects.using(alias).filter(kind=Digest.ACTIVE, level__in=BUCKETS)
    return digests.filter(start__gte=cell.start, start__lt=cell.end).order_by("start")


def strays_in(day: Cell, alias: str) -> models.QuerySet[Digest]:
    """Return the digests that start in a day and are of no level that there is: damaged ones."""
    digests = Digest.objects.using(alias).filter(kind=Digest.ACTIVE)
    digests = digests.filter(start__gte=day.start, start__lt=day.end)
    return digests.exclude(level__in=[*BUCKETS, DAY_LEVEL, MONTH_LEVEL])


def stray_in_words(stray: Digest) -> str:
    return f"A digest from {moment_of(stray.start)} has a level that does not exist, {stray.level}."


def days_in_use(
    alias: str, since: datetime | None = None, until: datetime | None = None
) -> list[Cell]:
    """Return the days with a digest or a digested souvenir that overlap ``[since, until)``."""
    digests = Digest.objects.using(alias).filter(kind=Digest.ACTIVE).exclude(level=MONTH_LEVEL)
    days = {cell_of(DAY_LEVEL, start) for start in digests.values_list("start", flat=True)}
    days.update(cells_of(DAY_LEVEL, Souvenir.objects.using(alias).filter(digested=True)))
    return sorted(day for day in days if day.overlaps(since, until))


def cells_of(level: int, souvenirs: models.QuerySet[Souvenir]) -> Iterator[Cell]:
    """Generate the cells of a level that hold some of these souvenirs, in order.

    What comes into a cell after it was generated is left to the next time.
    """
    souvenirs = rest = souvenirs.order_by()
    while (first := rest.aggregate(first=models.Min("when"))["first"]) is not None:
        cell = cell_of(level, second_of(stored(first)))
        yield cell
        rest = souvenirs.filter(when__gte=bound(moment_of(cell.end)))


@contextmanager
def locked(cell: Cell, alias: str) -> Iterator[Digest]:
    """Hold all digests in the month of a day or a month, in a transaction of its own.

    Gives the digest of the cell, a new one where there is none. Raises RuntimeError inside another
    transaction, whose end nobody here knows.
    """
    month = cell_of(MONTH_LEVEL, cell.start)
    rows = digests_of(month, alias)
    if not rows.exists():
        new = Digest(level=MONTH_LEVEL, start=month.start)
        Digest.objects.using(alias).bulk_create([new], ignore_conflicts=True)
    connection = connections[alias]
    # Only the TestCase of a site may have begun a transaction already.
    is_within = connection.in_atomic_block
    with transaction.atomic(using=alias, durable=True):
        if connection.vendor == "postgresql" and not is_within:
            # REPEATABLE READ would show what is read under the lock as it was before the wait for
            # it, unless the row itself has been changed meanwhile.
            with connection.cursor() as cursor:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL READ COMMITTED")
        if connection.features.has_select_for_update:
            lock = rows.select_for_update().defer("body").get()
        else:
            # Where there are no locks of rows, whoever writes first keeps all others from writing.
            rows.update(version=models.F("version"))
            lock = rows.defer("body").get()
        yield lock if cell == month else digest_of(cell, alias)


def digest_of(cell: Cell, alias: str) -> Digest:
    """Return the digest of a cell, whose month is held; a new one where there is none."""
    return digests_of(cell, alias).first() or Digest(level=cell.level, start=cell.start)


def users_in(digest: Digest) -> UserSet:
    """Return the users in a digest; raises CorruptDigest."""
    if digest.is_stale and not digest.version and not digest.body:
        return UserSet()  # nobody has been put in yet
    cell = Cell(digest.level, digest.start)
    return UserSet.from_bytes(digest.body, label_of(cell, digest.version))


def filled(digest: Digest, users: UserSet) -> Digest:
    """Put users into a digest, as its next version, and return it; not written yet."""
    digest.version += 1
    label = label_of(Cell(digest.level, digest.start), digest.version)
    digest.count = len(users)
    digest.checksum = checksum_of(label, len(users))
    digest.body = users.to_bytes(label)
    return digest


def write(digest: Digest, users: UserSet, alias: str, *, is_stale: bool | None = None) -> None:
    """Write users in place of those in a digest, whose month is held.

    Raises Contended where somebody changed it all the same.
    """
    same = Digest.objects.using(alias).filter(pk=digest.pk, version=digest.version)
    filled(digest, users)
    if is_stale is not None:
        digest.is_stale = is_stale
    if same.update(**{name: getattr(digest, name) for name in WRITTEN}) != 1:
        raise Contended(str(digest))


def write_days(made: Sequence[tuple[Digest, UserSet]], alias: str) -> None:
    """Write days, whose month is held, anew: as :func:`write` does, but all of them at once."""
    columns = ", ".join(f"{connections[alias].ops.quote_name(name)} = %s" for name in WRITTEN)
    table = connections[alias].ops.quote_name(Digest._meta.db_table)
    rows = []
    for digest, users in made:
        read = digest.version
        digest.is_stale = False
        filled(digest, users)
        values = [_prepared(digest, name, alias) for name in WRITTEN]
        rows.append([*values, digest.pk, read])
    if not rows:
        return
    with connections[alias].cursor() as cursor:
        cursor.executemany(f"UPDATE {table} SET {columns} WHERE id = %s AND version = %s", rows)
        if cursor.rowcount != len(rows):
            raise Contended(f"{len(rows) - cursor.rowcount} of {len(rows)} days")


def _prepared(digest: Digest, name: str, alias: str) -> Any:
    field: Any = Digest._meta.get_field(name)
    return field.get_db_prep_save(getattr(digest, name), connections[alias])


def mark_stale(days: Collection[Cell], alias: str) -> None:
    """Have nobody read these days, of a month that is held, nor the month, until made anew."""
    digests = Digest.objects.using(alias).filter(kind=Digest.ACTIVE)
    starts = [day.start for day in days]
    of_days = digests.filter(level=DAY_LEVEL, start__in=starts)
    known = set(of_days.values_list("start", flat=True))
    of_days.update(is_stale=True)
    digests.bulk_create(
        [Digest(level=DAY_LEVEL, start=start) for start in sorted(set(starts) - known)]
    )
    for month in {cell_of(MONTH_LEVEL, start) for start in starts}:
        digests_of(month, alias).update(is_stale=True)


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
