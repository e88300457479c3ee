"""Raw values from the database as Python objects."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models.expressions import Col


def converter(
    source: models.Field[Any, Any] | models.Expression, connection: BaseDatabaseWrapper
) -> Callable[[Any], Any]:
    """Return the function that converts raw values of a field or an expression to Python."""
    if isinstance(source, models.Field):
        source = Col("", getattr(source, "target_field", source))
    expression: models.Expression = source
    steps = [
        *connection.ops.get_db_converters(expression),
        *expression.get_db_converters(connection),
    ]

    def convert(value: Any) -> Any:
        for step in steps:
            value = step(value, expression, connection)
        return value

    return convert
