"""Any number of values in one query, in as few parameters as the engine allows.

A report may ask about thousands of periods and a set may hold a million users. A parameter for
each would run into the limits of every engine, so they travel as one array or one JSON document,
which the engine reads as a table.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias

from django.db import NotSupportedError, models
from django.db.backends.base.base import BaseDatabaseWrapper

from .usersets import UserSet

Field: TypeAlias = "models.Field[Any, Any]"


def values_table(
    connection: BaseDatabaseWrapper, fields: Sequence[Field], rows: Iterable[Sequence[Any]]
) -> tuple[str, list[Any]]:
    """Return SQL for a table ``v`` and its parameters.

    Its columns are ``n``, the position of a row counted from 0, and ``c0``, ``c1``... with the
    values, each prepared and typed as the field in its place would store it.
    """
    prepare = [field.get_db_prep_value for field in fields]
    prepared = [[prepare[i](value, connection) for i, value in enumerate(row)] for row in rows]
    types = [field.db_type(connection) for field in fields]
    places = range(len(fields))
    columns = ", ".join(f"c{i}" for i in places)
    if connection.vendor == "postgresql":
        arrays = ", ".join(f"%s::{db_type}[]" for db_type in types)
        table = f"unnest({arrays}) WITH ORDINALITY AS u({columns}, position)"
        lists = [list(column) for column in zip(*prepared, strict=True)] or [[] for _ in places]
        return f"(SELECT position - 1 AS n, {columns} FROM {table}) v", lists
    document = json.dumps(prepared, default=str)
    if connection.vendor == "sqlite":
        extracts = ", ".join(f"json_extract(value, '$[{i}]') AS c{i}" for i in places)
        return f"(SELECT key AS n, {extracts} FROM json_each(%s)) v", [document]
    if connection.vendor == "mysql":
        # JSON_TABLE has no UUIDs, but their column reads them from text.
        shown = ["char(36)" if db_type == "uuid" else db_type for db_type in types]
        paths = ", ".join(f"c{i} {db_type} PATH '$[{i}]'" for i, db_type in enumerate(shown))
        table = f"JSON_TABLE(%s, '$[*]' COLUMNS (position FOR ORDINALITY, {paths})) t"
        columns = ", ".join(f"c{i}{_collation(db_type)} AS c{i}" for i, db_type in enumerate(types))
        return f"(SELECT position - 1 AS n, {columns} FROM {table}) v", [document]
    raise NotSupportedError(
        f"souvenirs runs on PostgreSQL, MariaDB, MySQL and SQLite, not on {connection.vendor}."
    )


def _collation(db_type: str | None) -> str:
    """Keys are compared as they are written; the column may have any collation of its own."""
    return " COLLATE utf8mb4_bin" if str(db_type).startswith(("char", "varchar")) else ""


class IsOneOf(models.Func):
    """A condition: the column is one of these values, however many they are."""

    output_field = models.BooleanField()
    conditional = True

    def __init__(self, column: str, field: Field, values: Iterable[Any]) -> None:
        super().__init__(models.F(column))
        self.value_field = field
        self.values = values

    def as_sql(  # type: ignore[override]
        self, compiler: Any, connection: BaseDatabaseWrapper, **context: Any
    ) -> tuple[str, list[Any]]:
        column, column_params = compiler.compile(self.source_expressions[0])
        sql, params = one_of(connection, column, self.value_field, self.values)
        return sql, [*column_params, *params]


def one_of(
    connection: BaseDatabaseWrapper, column: str, field: Field, values: Iterable[Any]
) -> tuple[str, list[Any]]:
    """Return SQL, and its parameters, that says whether a column is one of these values."""
    if isinstance(values, UserSet):
        if values.is_dense and connection.vendor in FLAG:
            return _is_flagged(connection.vendor, column, values)
        # Numbers as they are: to prepare a million of them one by one takes seconds.
        if connection.vendor == "sqlite":
            return f"{column} IN (SELECT value FROM json_each(%s))", [str(list(values))]
        if connection.vendor == "postgresql":
            array = f"%s::{field.db_type(connection)}[]"
            return f"{column} IN (SELECT unnest({array}))", [list(values)]
    table, params = values_table(connection, [field], ((value,) for value in values))
    return f"{column} IN (SELECT c0 FROM {table})", params


#: Whether the flag of a number in a column is set, in a string of bytes or of bits.
FLAG = {
    "sqlite": "substr(%s, {column} + 1, 1) = x'01'",
    "postgresql": "get_bit(%s::bytea, {column}::int) = 1",
    "mysql": "ORD(SUBSTRING(%s, {column} DIV 8 + 1, 1)) >> MOD({column}, 8) & 1 = 1",
}


def _is_flagged(vendor: str, column: str, users: UserSet) -> tuple[str, list[Any]]:
    """SQL that looks up the flag of a number, in whatever order the rows come.

    A list of a million values would be made a table of, or be sorted, for each query.
    """
    flags = users.flags() if vendor == "sqlite" else users.bits()
    # Outside of the string an engine would find an error, or look from its end.
    within = f"{column} BETWEEN 0 AND {users.max()}"
    flag = FLAG[vendor].format(column=column)
    return f"CASE WHEN {within} THEN {flag} ELSE 1 = 0 END", [flags]


class Rank(models.Func):
    """How many of these values, in ascending order, are less than or equal to the column.

    A binary search: nothing is sent to the engine but comparisons of the column as it stands, so
    that no time-zone table and no date function of the engine has a say.
    """

    output_field = models.IntegerField()

    #: SQLite takes four times as long to read twice as many.
    LIMIT = 4_000

    def __init__(self, column: str, field: Field, values: Sequence[Any]) -> None:
        super().__init__(models.F(column))
        self.value_field = field
        self.values = values

    def as_sql(  # type: ignore[override]
        self, compiler: Any, connection: BaseDatabaseWrapper, **context: Any
    ) -> tuple[str, list[Any]]:
        """Return the search written out."""
        column, _ = compiler.compile(self.source_expressions[0])
        params: list[Any] = []

        def search(low: int, high: int) -> str:
            if low == high:
                return str(low)
            middle = (low + high) // 2
            params.append(self.value_field.get_db_prep_value(self.values[middle], connection))
            below = search(low, middle)
            above = search(middle + 1, high)
            return f"CASE WHEN {column} < %s THEN {below} ELSE {above} END"

        return search(0, len(self.values)), params

    def as_postgresql(
        self, compiler: Any, connection: BaseDatabaseWrapper, **context: Any
    ) -> tuple[str, list[Any]]:
        """That engine has such a search, and would compile one that is written out for seconds."""
        column, _ = compiler.compile(self.source_expressions[0])
        values = [self.value_field.get_db_prep_value(each, connection) for each in self.values]
        db_type = self.value_field.db_type(connection)
        return f"width_bucket({column}, %s::{db_type}[])", [values]
