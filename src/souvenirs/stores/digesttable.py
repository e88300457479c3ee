"""The table of digests, and the lock under which it is changed.

The lock is a row lock on the digest of the month. It is taken before reading anything that goes
into a digest of that month, and held until the change is committed. A change to a bucket marks its
day and its month as stale in the same transaction; rebuilding them clears the mark. So a day or a
month that is not stale contains everything that has been committed to its buckets.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any, TypeVar

from django.db import OperationalError, connections, models, transaction

from ..calendar import BUCKETS, DAY_LEVEL, MONTH_LEVEL, GridCell, cell_of
from ..models import Digest
from ..sets import UserSet
from .souvenirs import souvenirs_in

T = TypeVar("T")

#: How many times a transaction that conflicts with another one is tried.
TRIES = 8

#: The columns that a new version changes.
WRITTEN = ("version", "count", "checksum", "body", "is_stale")


class Contended(Exception):
    """A digest was changed in spite of its lock."""


def retried(work: Callable[[], T]) -> T:
    """Return what ``work``, a transaction of its own, returns; try it again if it fails.

    Deadlocks, serialization failures and lock timeouts are temporary. The last failure is raised.
    """
    for attempt in range(1, TRIES):
        try:
            return work()
        except (OperationalError, Contended):
            time.sleep(random.uniform(0, 0.01 * 2**attempt))  # noqa: S311
    return work()


def is_of_souvenirs(kind: str) -> bool:
    """Whether the digests of a kind are folded from souvenirs."""
    return kind == Digest.ACTIVE


class DigestTable:
    """The digests of one kind in a database."""

    def __init__(self, alias: str, kind: str) -> None:
        self.alias, self.kind = alias, kind
        self.is_of_souvenirs = is_of_souvenirs(kind)

    def kinds(self) -> list[DigestTable]:
        """Return this table, and one for each other kind in the database."""
        kinds = Digest.objects.using(self.alias).order_by("kind").values_list("kind", flat=True)
        tables, last = [self], ""
        # By an index probe for each kind; DISTINCT would read the whole index.
        while last := kinds.filter(kind__gt=last).first() or "":
            if last != self.kind:
                tables.append(DigestTable(self.alias, last))
        return tables

    def describe(self, subject: GridCell | str) -> str:
        """Return the subject with the kind of these digests, unless they are of souvenirs."""
        return f"{subject}" if self.is_of_souvenirs else f"{subject} ({self.kind})"

    def all(self) -> models.QuerySet[Digest]:
        return Digest.objects.using(self.alias).filter(kind=self.kind)

    def of(self, cell: GridCell) -> models.QuerySet[Digest]:
        """Return the digest of a cell: one or none."""
        return self.all().filter(level=cell.level, start=cell.start)

    def inside(self, cell: GridCell) -> models.QuerySet[Digest]:
        """Return the digests of all levels that start in a cell, its own included, in order."""
        started = self.all().filter(start__gte=cell.start, start__lt=cell.end)
        return started.order_by("level", "start")

    def buckets_in(self, cell: GridCell) -> models.QuerySet[Digest]:
        """Return the digests of the buckets in a day or a month, in order."""
        return self.inside(cell).filter(level__in=BUCKETS).order_by("start")

    def days_in(self, month: GridCell) -> models.QuerySet[Digest]:
        return self.inside(month).filter(level=DAY_LEVEL)

    def strays_in(self, day: GridCell) -> models.QuerySet[Digest]:
        """Return the digests that start in a day and whose level does not exist: damaged ones."""
        return self.inside(day).exclude(level__in=[*BUCKETS, DAY_LEVEL, MONTH_LEVEL])

    def months(self) -> list[GridCell]:
        return [
            GridCell(MONTH_LEVEL, start)
            for start in self.all().filter(level=MONTH_LEVEL).values_list("start", flat=True)
        ]

    def stale(self) -> list[GridCell]:
        """Return the days and months to be rebuilt, in order of their starts."""
        stale = self.all().filter(level__gte=DAY_LEVEL, is_stale=True).order_by("start")
        return [GridCell(level, start) for level, start in stale.values_list("level", "start")]

    def days_in_use(self, since: datetime | None, until: datetime | None) -> list[GridCell]:
        """Return the days with a digest or digested souvenirs that overlap ``[since, until)``."""
        starts = self.all().exclude(level=MONTH_LEVEL).values_list("start", flat=True)
        days = {cell_of(DAY_LEVEL, start) for start in starts}
        if self.is_of_souvenirs:
            days.update(souvenirs_in(self.alias).digested().cells(DAY_LEVEL))
        return sorted(day for day in days if day.overlaps(since, until))

    @contextmanager
    def locked(self, cell: GridCell) -> Iterator[Digest]:
        """Lock all digests in the month of a day or a month, in a transaction of its own.

        Yields the digest of the cell, a new one if there is none. Raises RuntimeError inside
        another transaction, because the lock would last until that one ends.
        """
        month = cell_of(MONTH_LEVEL, cell.start)
        rows = self.of(month)
        if not rows.exists():
            Digest.objects.using(self.alias).bulk_create([self.new(month)], ignore_conflicts=True)
        connection = connections[self.alias]
        # Only a TestCase of the site can have begun a transaction already.
        is_within = connection.in_atomic_block
        with transaction.atomic(using=self.alias, durable=True):
            if connection.vendor == "postgresql" and not is_within:
                # Under REPEATABLE READ, what is read under the lock would be as old as the start
                # of the wait for it, unless the locked row itself has been changed meanwhile.
                with connection.cursor() as cursor:
                    cursor.execute("SET TRANSACTION ISOLATION LEVEL READ COMMITTED")
            if connection.features.has_select_for_update:
                lock = rows.select_for_update().defer("body").get()
            else:
                # Without row locks, the first to write keeps all others from writing.
                rows.update(version=models.F("version"))
                lock = rows.defer("body").get()
            yield lock if cell == month else self.of(cell).first() or self.new(cell)

    def new(self, cell: GridCell) -> Digest:
        """Return a digest of a cell that is not in the database yet."""
        return Digest(kind=self.kind, level=cell.level, start=cell.start)

    # The methods below need the lock of the month.

    def buckets(self, cells: Collection[GridCell]) -> dict[GridCell, Digest]:
        """Return the digests of buckets of the same length, new ones for those without."""
        if not cells:
            return {}
        first, last = min(cells), max(cells)
        there = self.all().filter(level=first.level, start__range=(first.start, last.start))
        known = {digest.cell: digest for digest in there.iterator()}
        return {cell: known.get(cell) or self.new(cell) for cell in cells}

    def create(self, digests: Collection[Digest]) -> None:
        Digest.objects.using(self.alias).bulk_create(digests)

    def write(self, digest: Digest, users: UserSet, *, is_stale: bool | None = None) -> None:
        """Replace the users of a digest; raises Contended if it was changed since it was read."""
        self.write_many([(digest, users)], is_stale=is_stale)

    def write_many(
        self, digests: Sequence[tuple[Digest, UserSet]], *, is_stale: bool | None = None
    ) -> None:
        """Replace the users of several digests at once; see :meth:`write`."""
        if not digests:
            return
        connection = connections[self.alias]
        quoted = connection.ops.quote_name
        columns = ", ".join(f"{quoted(name)} = %s" for name in WRITTEN)
        fields: list[Any] = [Digest._meta.get_field(name) for name in WRITTEN]
        rows = []
        for digest, users in digests:
            read = digest.version
            digest.put(users)
            if is_stale is not None:
                digest.is_stale = is_stale
            values = [getattr(digest, name) for name in WRITTEN]
            prepared = zip(fields, values, strict=True)
            row = [field.get_db_prep_save(value, connection) for field, value in prepared]
            rows.append([*row, digest.pk, read])
        table = quoted(Digest._meta.db_table)
        with connection.cursor() as cursor:
            cursor.executemany(f"UPDATE {table} SET {columns} WHERE id = %s AND version = %s", rows)
            if cursor.rowcount != len(rows):
                raise Contended(f"{len(rows) - cursor.rowcount} of {len(rows)} digests")

    def mark_stale(self, days: Collection[GridCell]) -> None:
        """Mark these days of a month, and the month, so that they are not read until rebuilt."""
        starts = {day.start for day in days}
        digests = self.all().filter(level=DAY_LEVEL, start__in=starts)
        missing = starts.difference(digests.values_list("start", flat=True))
        digests.update(is_stale=True)
        self.create([self.new(GridCell(DAY_LEVEL, start)) for start in sorted(missing)])
        for month in {cell_of(MONTH_LEVEL, start) for start in starts}:
            self.of(month).update(is_stale=True)

    def mark_pruned(self, hour: GridCell) -> None:
        """Mark the buckets of an hour permanently: their souvenirs may be deleted."""
        self.buckets_in(hour).update(is_pruned=True)
