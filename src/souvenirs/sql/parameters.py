"""Any number of values in one query, in as few parameters as the engine allows.

A report may have thousands of periods, and a set a million users. A parameter for each would exceed
the limits of every engine, so they are sent as one array or one JSON document, which the engine
reads as a table.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any, TypeAlias

from django.db import NotSupportedError, models
from django.db.backends.base.base import BaseDatabaseWrapper

Field: TypeAlias = "models.Field[Any, Any]"

#: NUL in a JSON document, and not a backslash that comes before the letters.
NUL = re.compile(r"(?<!\\)((?:\\\\)*)\\u0000")

#: The characters that mean nothing by themselves.
PRIVATE_USE = range(0xE000, 0xF900)


def values_table(
    connection: BaseDatabaseWrapper, fields: Sequence[Field], rows: Iterable[Sequence[Any]]
) -> tuple[str, list[Any]]:
    """Return SQL for a table ``v``, and its parameters.

    Its columns are ``n``, the position of the row counted from 0, and ``c0``, ``c1``... with the
    values, each prepared and typed by the field at its position. Raises NotSupportedError for
    engines that the app does not support.
    """
    values = list(zip(*rows, strict=True)) or [()] * len(fields)
    prepared = [_prepared(connection, *each) for each in zip(fields, values, strict=True)]
    types = [field.db_type(connection) for field in fields]
    positions = range(len(fields))
    columns = ", ".join(f"c{i}" for i in positions)
    if connection.vendor == "postgresql":
        arrays = ", ".join(f"%s::{db_type}[]" for db_type in types)
        table = f"unnest({arrays}) WITH ORDINALITY AS u({columns}, position)"
        return f"(SELECT position - 1 AS n, {columns} FROM {table}) v", prepared
    document = json.dumps(list(zip(*prepared, strict=True)), default=str)
    if connection.vendor == "sqlite":
        document, read = _keeping_nul(document)
        values_of_row = (read.format(f"json_extract(value, '$[{i}]')") for i in positions)
        extracts = ", ".join(f"{value} AS c{i}" for i, value in enumerate(values_of_row))
        return f"(SELECT key AS n, {extracts} FROM json_each(%s)) v", [document]
    if connection.vendor == "mysql":
        # JSON_TABLE has no UUIDs, but a column of UUIDs reads them from text.
        shown = ["char(36)" if db_type == "uuid" else db_type for db_type in types]
        paths = ", ".join(f"c{i} {db_type} PATH '$[{i}]'" for i, db_type in enumerate(shown))
        table = f"JSON_TABLE(%s, '$[*]' COLUMNS (position FOR ORDINALITY, {paths})) t"
        columns = ", ".join(f"c{i}{_collation(db_type)} AS c{i}" for i, db_type in enumerate(types))
        return f"(SELECT position - 1 AS n, {columns} FROM {table}) v", [document]
    raise NotSupportedError(
        f"souvenirs runs on PostgreSQL, MariaDB, MySQL and SQLite, not on {connection.vendor}."
    )


def _keeping_nul(document: str) -> tuple[str, str]:
    """Return a JSON document without NUL, and the SQL that puts it back into a value.

    SQLite ends a text from JSON at its first NUL, so that two keys would be the same.
    """
    if "\\u0000" not in document:
        return document, "{0}"
    # A character that no value has.
    code = next(f"{each:04x}" for each in PRIVATE_USE if f"\\u{each:04x}" not in document)
    back = f"replace({{0}}, char(0x{code}), char(0))"
    whole = f"CASE typeof({{0}}) WHEN 'text' THEN {back} ELSE {{0}} END"
    return NUL.sub(rf"\1\\u{code}", document), whole


def _prepared(connection: BaseDatabaseWrapper, field: Field, values: Iterable[Any]) -> list[Any]:
    """Return the values as the driver takes them, each prepared once: many are the same."""
    if isinstance(field, models.DateTimeField):
        prepare = connection.ops.adapt_datetimefield_value  # without the checks of what users type
    else:
        prepare = partial(field.get_db_prep_value, connection=connection)
    known = {value: prepare(value) for value in set(values)}
    return [known[value] for value in values]


def _collation(db_type: str | None) -> str:
    """Return the collation that tells all keys apart, unlike that of the user model's column."""
    return " COLLATE utf8mb4_bin" if str(db_type).startswith(("char", "varchar")) else ""


class Rank(models.Func):
    """The number of these values, in ascending order, that are less than or equal to the column.

    A binary search that only compares the column, so it needs no time-zone table or date function
    of the engine.
    """

    output_field = models.IntegerField()

    #: The largest number of values: for twice as many, SQLite takes four times as long.
    LIMIT = 4_000

    def __init__(self, column: str, field: Field, values: Sequence[Any]) -> None:
        super().__init__(models.F(column))
        self.value_field = field
        self.values = values

    def as_sql(  # type: ignore[override]
        self, compiler: Any, connection: BaseDatabaseWrapper, **context: Any
    ) -> tuple[str, list[Any]]:
        """Return the search as nested CASE expressions."""
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
        """Return PostgreSQL's own search: compiling nested CASE expressions would take seconds."""
        column, _ = compiler.compile(self.source_expressions[0])
        values = [self.value_field.get_db_prep_value(each, connection) for each in self.values]
        db_type = self.value_field.db_type(connection)
        return f"width_bucket({column}, %s::{db_type}[])", [values]
