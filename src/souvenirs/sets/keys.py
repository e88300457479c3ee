"""Primary keys of users, and integers that come from the database in one piece."""

from __future__ import annotations

import json
import sys
from array import array
from collections.abc import Collection, Hashable
from typing import Any, TypeAlias

from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError
from django.db import models

from .usersets import UserSet

#: Integer keys below are their own numbers in sets; the numbers of other keys begin here, see
#: :mod:`souvenirs.stores.numbers`.
FIRST_NUMBER = 2**31

#: Primary keys: as numbers if all of them are numbers, else as they are.
Keys: TypeAlias = UserSet | frozenset[Hashable]

#: SQL that packs the integers of a group into one value, nulls left out, in the fastest way.
PACKED = {
    "postgresql": "string_agg(int8send(k), ''::bytea)",
    "sqlite": "group_concat(k)",
}


def is_number(key: Hashable) -> bool:
    """Whether a primary key is its own number in sets."""
    return type(key) is int and 0 <= key < FIRST_NUMBER


def is_whole(field: Any, connection: Any) -> bool:
    """Whether a field, or the one that it refers to, has integers in the database and in Python."""
    while field.remote_field:
        field = field.target_field
    return isinstance(field, models.IntegerField) and not field.get_db_converters(connection)


def packing(field: Any, connection: Any) -> str | None:
    """Return SQL that packs the integers of a column ``k``, whose values are those of a field.

    None if the field does not have integers in both the database and Python, or if the engine has
    no such SQL.
    """
    return PACKED.get(connection.vendor) if is_whole(field, connection) else None


def unpacked(packed: Any) -> Collection[int]:
    """Return the integers that have been packed; None means none."""
    if packed is None:
        return ()
    if isinstance(packed, str):
        return list(json.loads(f"[{packed}]"))
    numbers = array("q", bytes(packed))
    if sys.byteorder == "little":  # pragma: no branch
        numbers.byteswap()
    return numbers


def keys_of_integers(integers: Collection[int]) -> Keys:
    """Return integer primary keys, as numbers if all of them are."""
    try:
        users = UserSet.from_ids(array("I", integers))
    except OverflowError:
        return frozenset(integers)
    return users if not users or users.max() < FIRST_NUMBER else frozenset(users)


def primary_key(user: Any) -> Hashable:
    """Return the primary key of a user, given as the user or as the key itself.

    Raises ValueError for None, an anonymous user, a user that has not been saved and a value that
    cannot be a primary key of the user model.
    """
    if user is None:
        raise ValueError("user is None: give a saved user or its primary key.")
    if not hasattr(user, "pk") or isinstance(user, type):
        return _as_key(user)
    if user.pk is None:
        kind = "has not been saved" if getattr(user, "is_authenticated", True) else "is anonymous"
        raise ValueError(f"user {kind}: give a saved user or its primary key.")
    if isinstance(user, get_user_model()):
        key: Hashable = user.pk
        return key
    if isinstance(user, models.Model):
        raise ValueError(
            f"{user!r} is not an instance of {_label()}: give a saved user or its primary key."
        )
    return _as_key(user.pk)


def _as_key(value: Any) -> Hashable:
    column = get_user_model()._meta.pk
    try:
        if isinstance(value, bool | float | bytes):
            raise ValidationError("not a key")
        key: Hashable = column.to_python(value)
        column.run_validators(key)  # they know the range of the database
    except (ValidationError, TypeError):
        raise ValueError(
            f"{value!r} is not a primary key of {_label()}: give a saved user or its primary key."
        ) from None
    return key


def _label() -> str:
    return get_user_model()._meta.label
