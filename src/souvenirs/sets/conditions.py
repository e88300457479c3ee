"""Conditions that the value of a column is in a set."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper

from ..sql import Field, values_table
from .usersets import UserSet


class IsOneOf(models.Func):
    """A condition: the column has one of these values, however many there are."""

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
    """Return an SQL condition, and its parameters: the column has one of these values."""
    if isinstance(values, UserSet):
        if values.is_dense and connection.vendor in FLAG:
            return _is_flagged(connection.vendor, column, values)
        # Numbers need no preparation, which would take seconds for a million of them.
        if connection.vendor == "sqlite":
            return f"{column} IN (SELECT value FROM json_each(%s))", [str(list(values))]
        if connection.vendor == "postgresql":
            array = f"%s::{field.db_type(connection)}[]"
            return f"{column} IN (SELECT unnest({array}))", [list(values)]
    table, params = values_table(connection, [field], ((value,) for value in values))
    return f"{column} IN (SELECT c0 FROM {table})", params


#: Whether the flag of the number in a column is set, in a string of bytes or of bits.
FLAG = {
    "sqlite": "substr(%s, {column} + 1, 1) = x'01'",
    "postgresql": "get_bit(%s::bytea, {column}::int) = 1",
    "mysql": "ORD(SUBSTRING(%s, {column} DIV 8 + 1, 1)) >> MOD({column}, 8) & 1 = 1",
}


def _is_flagged(vendor: str, column: str, users: UserSet) -> tuple[str, list[Any]]:
    """Return SQL that looks up the flag of a number, and its parameters.

    From a list of a million values, an engine would build a table, or sort it, for each query.
    """
    flags = users.flags() if vendor == "sqlite" else users.bits()
    # Beyond the ends of the string, an engine raises an error or counts from its end.
    within = f"{column} BETWEEN 0 AND {users.max()}"
    flag = FLAG[vendor].format(column=column)
    return f"CASE WHEN {within} THEN {flag} ELSE 1 = 0 END", [flags]
