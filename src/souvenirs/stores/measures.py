"""What the database says about the tables, in little time however many rows they have."""

from __future__ import annotations

import time
from datetime import datetime
from functools import cached_property
from typing import NamedTuple

from django.db import DatabaseError, connections, models
from django.db.backends.base.base import BaseDatabaseWrapper

from ..calendar import BUCKETS, moment_of, second_of, stored
from ..models import (
    Annotation,
    Delivery,
    Digest,
    Figure,
    Souvenir,
    Statement,
    StatementLeaf,
    UserNumber,
)
from .digesttable import DigestTable
from .sizes import SIZES
from .souvenirs import SouvenirQuerySet, souvenirs_in

TABLES: tuple[type[models.Model], ...] = (
    Souvenir,
    Digest,
    UserNumber,
    Annotation,
    Figure,
    Delivery,
    Statement,
    StatementLeaf,
)

#: How many rows are counted at most; beyond, the statistics of the engine give an estimate.
COUNTED = 100_000

#: How many pages of SQLite's file are looked at to find the size of a table.
PAGES = 50_000

#: SQL for the estimated number of rows of a table.
ESTIMATES = {
    "postgresql": "SELECT reltuples FROM pg_class WHERE oid = quote_ident(%s)::regclass",
    "mysql": "SELECT table_rows FROM information_schema.tables"
    " WHERE table_schema = DATABASE() AND table_name = %s",
}

#: SQL for the names of the indexes of a table that can be used.
INDEXES = {
    "postgresql": "SELECT c.relname FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid"
    " WHERE i.indisvalid AND i.indrelid = quote_ident(%s)::regclass",
    "mysql": "SELECT DISTINCT index_name FROM information_schema.statistics"
    " WHERE table_schema = DATABASE() AND table_name = %s",
    "sqlite": "SELECT name FROM sqlite_master WHERE type = 'index' AND tbl_name = %s",
}

#: SQL for the Unix time of the server's clock.
CLOCKS = {
    "postgresql": "SELECT EXTRACT(EPOCH FROM clock_timestamp())",
    "mysql": "SELECT UNIX_TIMESTAMP(SYSDATE(6))",
}


class RowCount(NamedTuple):
    """A number of rows; an estimate if there are more than are counted."""

    rows: int
    is_estimate: bool


class TableSize(NamedTuple):
    """The rows of a table, and its bytes with its indexes; None if the engine does not tell."""

    table: str
    rows: RowCount
    size: int | None


class MissingIndex(NamedTuple):
    """An index that the app needs and the database lacks, and the SQL that creates it."""

    name: str
    table: str
    statement: str


class Measures:
    """Measures the tables of one database; souvenirs by their moments in UTC."""

    def __init__(self, alias: str, kind: str) -> None:
        self.alias = alias
        self.kind = kind

    @property
    def _connection(self) -> BaseDatabaseWrapper:
        return connections[self.alias]

    @property
    def _souvenirs(self) -> SouvenirQuerySet:
        return souvenirs_in(self.alias)

    def clock_skew(self) -> float | None:
        """Return by how many seconds the server's clock is ahead of ours; None without a server."""
        statement = CLOCKS.get(self._connection.vendor)
        if statement is None:
            return None
        with self._connection.cursor() as cursor:
            before = time.time()
            cursor.execute(statement)
            [seconds] = cursor.fetchone()
            after = time.time()
        # The server read its clock at some moment in between.
        return min(float(seconds) - before, 0) + max(float(seconds) - after, 0)

    def tables(self) -> list[TableSize]:
        """Return the size of each table of the app."""
        return [
            TableSize(model._meta.db_table, self._rows(model), self._size(model._meta.db_table))
            for model in TABLES
        ]

    def missing_indexes(self) -> list[MissingIndex]:
        """Return the indexes of souvenirs that are gone or, on PostgreSQL, invalid."""
        table = Souvenir._meta.db_table
        with self._connection.cursor() as cursor:
            cursor.execute(INDEXES[self._connection.vendor], [table])
            there = {name for (name,) in cursor.fetchall()}
        editor = self._connection.schema_editor(collect_sql=True)
        return [
            MissingIndex(index.name, table, f"{index.create_sql(Souvenir, editor)};")
            for index in Souvenir._meta.indexes
            if index.name not in there
        ]

    def oldest(self) -> datetime | None:
        """Return the moment of the earliest souvenir that pruning would delete."""
        return _first(self._souvenirs.filter(seal=None).order_by("when"))

    def newest(self, before: datetime | None = None) -> datetime | None:
        """Return the moment of the latest souvenir before a moment."""
        return _first(self._souvenirs.between(None, before).order_by("-when"))

    def first(self) -> datetime | None:
        """Return the start of history: of the first digest, or of the first souvenir."""
        start = self._buckets().aggregate(first=models.Min("start"))["first"]
        moments = [_first(self._souvenirs.order_by("when")), start and moment_of(start)]
        return min(filter(None, moments), default=None)

    def from_moment(self, start: datetime) -> RowCount:
        """Return the number of souvenirs from a moment on."""
        return _bounded(self._souvenirs.between(start, None))

    def undigested(self) -> RowCount:
        return _bounded(self._souvenirs.undigested())

    def recorded(self, start: datetime, end: datetime) -> RowCount:
        """Return the number of souvenirs recorded in ``[start, end)``, pruned ones included.

        If there are more than are counted, or if they have been pruned, it is estimated by the
        members of the digests of buckets.
        """
        counted = _bounded(self._souvenirs.between(start, end))
        buckets = self._buckets().filter(start__gte=second_of(start), start__lt=second_of(end))
        members = int(buckets.aggregate(sum=models.Sum("count"))["sum"] or 0)
        return RowCount(members, is_estimate=True) if members > counted.rows else counted

    def _buckets(self) -> models.QuerySet[Digest]:
        return DigestTable(self.alias, self.kind).all().filter(level__in=BUCKETS)

    def _rows(self, model: type[models.Model]) -> RowCount:
        counted = _bounded(model._default_manager.using(self.alias).order_by())
        if not counted.is_estimate:
            return counted
        estimated = self._estimate(model)
        return RowCount(max(estimated, counted.rows), is_estimate=True)

    def _estimate(self, model: type[models.Model]) -> int:
        statement = ESTIMATES.get(self._connection.vendor)
        if statement is not None:
            return int(self._value(statement, model._meta.db_table) or 0)
        # SQLite has no statistics: the range of the keys, which grow by one.
        keys = model._default_manager.using(self.alias).order_by()
        ends = [keys.aggregate(end=end("pk"))["end"] for end in (models.Min, models.Max)]
        return int(ends[1] - ends[0]) + 1

    def _size(self, table: str) -> int | None:
        if self._connection.vendor == "sqlite":
            if self._pages > PAGES:
                return None  # finding the pages of a table takes long in a large file
            try:
                size = self._value(SIZES["sqlite"], table)
            except DatabaseError:
                return None  # compiled without dbstat
        else:
            size = self._value(SIZES[self._connection.vendor], table)
        return None if size is None else int(size)

    @cached_property
    def _pages(self) -> int:
        """The pages of SQLite's file."""
        with self._connection.cursor() as cursor:
            cursor.execute("PRAGMA page_count")
            [pages] = cursor.fetchone()
        return int(pages)

    def _value(self, statement: str, table: str) -> float | None:
        with self._connection.cursor() as cursor:
            cursor.execute(statement, [table])
            [value] = cursor.fetchone()
        return None if value is None else float(value)


def _first(souvenirs: SouvenirQuerySet) -> datetime | None:
    when = souvenirs.values_list("when", flat=True).first()
    return None if when is None else stored(when)


def _bounded(rows: models.QuerySet[models.Model]) -> RowCount:
    counted = rows[: COUNTED + 1].count()
    return RowCount(min(counted, COUNTED), is_estimate=counted > COUNTED)
