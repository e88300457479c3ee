"""The table that gives each user with a non-integer primary key a number, for sets of users.

The number of a UUID or a text is ``FIRST_NUMBER`` or greater, so that no two users ever share one.
Numbers are given while digesting, never while counting.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from typing import Any

from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper

from ..models import UserNumber
from ..sets import FIRST_NUMBER, IsOneOf, is_number, is_whole

KEY: models.Field[Any, Any] = UserNumber._meta.get_field("user")
NUMBER: models.IntegerField[int, int] = models.IntegerField()

#: SQL that leaves rows out that are already there.
IGNORING = {
    "postgresql": ("INSERT INTO", "ON CONFLICT DO NOTHING"),
    "sqlite": ("INSERT OR IGNORE INTO", ""),
    "mysql": ("INSERT IGNORE INTO", ""),
}


class NumberSql:
    """SQL for the number of the user whose primary key is in a column; null without a number."""

    def __init__(self, connection: BaseDatabaseWrapper, key: str) -> None:
        quote = connection.ops.quote_name
        self.table, self.column = quote(UserNumber._meta.db_table), quote(str(KEY.column))
        #: The join that the number needs.
        self.join = f"LEFT JOIN {self.table} n ON n.{self.column} = {key}"
        self.number = f"n.number + {FIRST_NUMBER}"
        #: A condition: the user needs a number and has none.
        self.missing = "n.number IS NULL"
        if is_whole(KEY, connection):
            own = f"{key} >= 0 AND {key} < {FIRST_NUMBER}"
            self.number = f"CASE WHEN {own} THEN {key} ELSE {self.number} END"
            self.missing = f"n.number IS NULL AND NOT ({own})"


def number_all(connection: BaseDatabaseWrapper, users: str, params: Sequence[Any]) -> None:
    """Give a number to each user in an SQL table who needs one; ``users.k`` has primary keys."""
    sql = NumberSql(connection, "u.k")
    insert, ignoring = IGNORING[connection.vendor]
    with connection.cursor() as cursor:
        # In one order, so that no two processes wait for each other.
        cursor.execute(
            f"{insert} {sql.table} ({sql.column}) SELECT DISTINCT u.k FROM {users} u {sql.join}"
            f" WHERE {sql.missing} ORDER BY u.k {ignoring}",
            params,
        )


def give_numbers(keys: Collection[Any], alias: str) -> None:
    """Give each of these users a number, in a transaction of its own."""
    others = sorted({key for key in keys if not is_number(key)}, key=str)
    known = numbers_of(others, alias)
    missing = [UserNumber(user_id=key) for key in others if key not in known]
    if missing:
        UserNumber.objects.using(alias).bulk_create(
            missing, ignore_conflicts=True, batch_size=5_000
        )


def numbers_of(keys: Collection[Hashable], alias: str) -> Mapping[Hashable, int]:
    """Return the numbers of these users; users without a number are left out."""
    own = {key: key for key in keys if is_number(key)}
    others = [key for key in keys if not is_number(key)]
    if not others:
        return own  # type: ignore[return-value]
    rows = UserNumber.objects.using(alias).filter(IsOneOf("user_id", KEY, others))
    given = {key: FIRST_NUMBER + number for key, number in rows.values_list("user_id", "number")}
    return {**own, **given}  # type: ignore[dict-item]


def keys_of(numbers: Iterable[int], alias: str) -> dict[int, Hashable]:
    """Return the primary keys of users by their numbers; unknown numbers are left out."""
    numbers = list(numbers)
    keys: dict[int, Hashable] = {number: number for number in numbers if number < FIRST_NUMBER}
    given = [number - FIRST_NUMBER for number in numbers if number >= FIRST_NUMBER]
    if given:
        rows = UserNumber.objects.using(alias).filter(IsOneOf("number", NUMBER, given))
        found = rows.values_list("number", "user_id")
        keys.update((FIRST_NUMBER + number, key) for number, key in found)
    return keys


def forget_number(key: Any, alias: str) -> None:
    """Delete the number of a user; if seen again, they get a new number."""
    UserNumber.objects.using(alias).filter(user_id=key).delete()
