"""Text compared character by character, whatever the collation of its column ignores."""

from __future__ import annotations

from typing import Any

from django.db.models import F, Func, Q, TextField, Value
from django.db.models.lookups import Exact

#: A text of which no two are equal, by engine.
BYTES = {
    "postgresql": '(%(expressions)s)::text COLLATE "C"',
    "mysql": "BINARY CONVERT(%(expressions)s USING utf8mb4)",
    "sqlite": "%(expressions)s COLLATE BINARY",
}


class _Bytes(Func):
    """A text that equals only the same text: a collation may ignore case or trailing spaces."""

    output_field = TextField()

    def as_sql(
        self, compiler: Any, connection: Any, *args: Any, **context: Any
    ) -> tuple[str, tuple[Any, ...]]:
        template = BYTES[connection.vendor]
        return super().as_sql(compiler, connection, *args, **{**context, "template": template})


def exactly(path: str, text: str) -> Q:
    """Return the condition that the field at a path is this text, which an index can answer."""
    same: Any = Exact(_Bytes(F(path)), Value(text, TextField()))
    return Q(**{path: text}) & Q(same)
