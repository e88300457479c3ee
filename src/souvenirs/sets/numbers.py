"""The numbers by which sets know users.

A whole primary key below 2**31 is its own number. Any other one, like a UUID or text, is given a
number from 2**31 on, which the table of :class:`~souvenirs.models.UserNumber` remembers, so that no
two users ever share one. Numbers are given while digesting, never while counting.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable, Mapping
from typing import Any

from django.db import models

from ..models import UserNumber
from .conditions import IsOneOf

#: Keys below are their own number; the others count from here.
FIRST_NUMBER = 2**31
LAST_NUMBER = 2**32 - 1

KEY = UserNumber._meta.get_field("user")
NUMBER: models.IntegerField[int, int] = models.IntegerField()


def is_number(key: Hashable) -> bool:
    """Whether a primary key is its own number."""
    return type(key) is int and 0 <= key < FIRST_NUMBER


def give_numbers(keys: Collection[Any], alias: str) -> None:
    """See to it that each of these users has a number that the next transaction finds."""
    others = sorted({key for key in keys if not is_number(key)}, key=str)
    missing = others and _unknown(others, alias)
    if missing:
        UserNumber.objects.using(alias).bulk_create(
            [UserNumber(user_id=key) for key in missing], ignore_conflicts=True, batch_size=5_000
        )


def _unknown(keys: list[Any], alias: str) -> list[Any]:
    known = numbers_of(keys, alias)
    return [key for key in keys if key not in known]


def numbers_of(keys: Collection[Hashable], alias: str) -> Mapping[Hashable, int]:
    """Return the numbers of these users; whoever has none yet is left out."""
    own = {key: key for key in keys if is_number(key)}
    others = [key for key in keys if not is_number(key)]
    if not others:
        return own  # type: ignore[return-value]
    rows = UserNumber.objects.using(alias).filter(IsOneOf("user_id", KEY, others))
    given = {key: FIRST_NUMBER + number for key, number in rows.values_list("user_id", "number")}
    return {**own, **given}  # type: ignore[dict-item]


def keys_of(numbers: Iterable[int], alias: str) -> dict[int, Hashable]:
    """Return the primary keys of users by their numbers; a number of nobody is left out."""
    numbers = list(numbers)
    keys: dict[int, Hashable] = {number: number for number in numbers if number < FIRST_NUMBER}
    given = [number - FIRST_NUMBER for number in numbers if number >= FIRST_NUMBER]
    if given:
        rows = UserNumber.objects.using(alias).filter(IsOneOf("number", NUMBER, given))
        found = rows.values_list("number", "user_id")
        keys.update((FIRST_NUMBER + number, key) for number, key in found)
    return keys
