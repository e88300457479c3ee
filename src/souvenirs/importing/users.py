"""The users of a source, identified by a field of the user model."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any, NamedTuple

from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError
from django.db import models

from .names import NOBODY, spellings
from .tables import rows_of

#: The number of names that are remembered.
REMEMBERED = 100_000


class Unidentified(NamedTuple):
    """The reason why a name does not identify a user."""

    reason: str


UNKNOWN_USER = Unidentified("unknown user")
NO_USER = Unidentified("no user")
SHARED_NAME = Unidentified("several users with this name")


class Users:
    """The primary keys of users by name, looked up once for each name.

    ``field`` is the field of the user model that holds the names.
    """

    def __init__(self, field: str) -> None:
        self._field = field
        self._keys: dict[str, Hashable | Unidentified] = {}

    def __getitem__(self, name: str) -> Hashable | Unidentified:
        """Return the primary key of a user that has been looked up."""
        return self._keys[name]

    def look_up(self, names: set[str]) -> None:
        """Look up the names that are not known yet, in one query."""
        if len(self._keys) > REMEMBERED:
            self._keys.clear()
        #: The names that a value of the field may be meant by, each with the rank of its spelling.
        meant: dict[Any, list[tuple[str, int]]] = {}
        for name in names - self._keys.keys():
            self._keys[name] = UNKNOWN_USER
            for rank, spelling in enumerate(spellings(name)):
                meant.setdefault(self._value(spelling), []).append((name, rank))
                if spelling.lower() in NOBODY:
                    self._keys[name] = NO_USER
        meant.pop(None, None)
        if not meant:
            return
        users = rows_of(get_user_model()).filter(**{f"{self._field}__in": list(meant)})
        best: dict[str, int] = {}
        # As an expression: some versions of Django omit a field that is named twice.
        for value, pk in users.order_by().values_list(models.F(self._field), "pk"):
            for name, rank in meant.get(value, ()):  # the database may ignore case
                if rank == best.get(name) and self._keys[name] != pk:
                    self._keys[name] = SHARED_NAME
                elif rank < best.get(name, rank + 1):
                    self._keys[name], best[name] = pk, rank

    def _value(self, name: str) -> Any:
        """Return the value of the field for a name; None if the field cannot have it."""
        meta = get_user_model()._meta
        column: Any = meta.pk if self._field == "pk" else meta.get_field(self._field)
        column = getattr(column, "target_field", column)
        try:
            value = column.to_python(name)
            if isinstance(column, models.IntegerField):
                column.run_validators(value)  # these know the range of the database
            elif "\0" in name or not name.encode():
                return None
        except (ValueError, ValidationError):
            return None
        return value
