"""The table that gives each user with a non-integer primary key a number, for sets of users.

The number of a UUID or a text is ``FIRST_NUMBER`` or greater, so that no two users ever share one.
Numbers are given while digesting, never while counting.
"""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

from django.core.exceptions import EmptyResultSet
from django.db import connections, models
from django.db.backends.base.base import BaseDatabaseWrapper

from ..models import UserNumber
from ..sets import (
    FIRST_NUMBER,
    PACKED,
    IsOneOf,
    UserSet,
    is_number,
    is_whole,
    one_of,
    unpacked,
)
from ..sql import converter

KEY: models.Field[Any, Any] = UserNumber._meta.get_field("user")
NUMBER: models.IntegerField[int, int] = models.IntegerField()

#: SQL that leaves rows out that are already there.
IGNORING = {
    "postgresql": ("INSERT INTO", "ON CONFLICT DO NOTHING"),
    "sqlite": ("INSERT OR IGNORE INTO", ""),
    "mysql": ("INSERT IGNORE INTO", ""),
}

#: SQL that groups by texts, each for itself, also if their collation takes some for the same.
BY_TEXT = {
    "postgresql": 'GROUP BY g, g::text COLLATE "C"',
    "sqlite": "GROUP BY g COLLATE BINARY",
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
            if connection.vendor == "sqlite":
                # In a join, this engine would look up a number even for a key that is its own.
                given = f"SELECT number FROM {self.table} n WHERE n.{self.column} = {key}"
                self.join = ""
                self.number = f"({given}) + {FIRST_NUMBER}"
                self.missing = f"NOT EXISTS ({given})"
            self.number = f"CASE WHEN {own} THEN {key} ELSE {self.number} END"
            self.missing = f"NOT ({own}) AND {self.missing}"


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


def as_it_is(key: Any) -> Any:
    """Return a key that needs no conversion."""
    return key


class Numbered(NamedTuple):
    """Users with a number, and the others."""

    numbers: UserSet
    #: The keys of those who have been lent one.
    lent: Collection[Hashable] = ()
    #: The keys of the rest as they are stored, which ``convert`` makes primary keys of.
    stored: Collection[Any] = ()
    convert: Callable[[Any], Hashable] = as_it_is


def numbered(
    rows: models.QuerySet[Any],
    alias: str,
    lent: Collection[Hashable] = (),
    *,
    has_others: bool = True,
) -> Numbered:
    """Return the users whose primary keys are those of the rows of a queryset.

    In one query, which fetches no keys but those without a number, and those that have been
    ``lent`` one, even if they have been given a number since. Without ``has_others``, no others are
    found. ``alias`` is the database with the numbers. If it is not that of the queryset, all keys
    are fetched.
    """
    keys = rows.values_list("pk")
    # Ordered rows may have more columns in their SQL.
    has_more = keys.ordered and (keys.query.distinct or keys.query.combinator)
    if rows.db != alias or has_more:
        pairs = ((None, key) for key in rows.values_list("pk", flat=True))
        return _fetched(pairs, alias, lent, has_others).get(None, Numbered(UserSet()))
    return _joined(keys, False, alias, lent, has_others).get(None, Numbered(UserSet()))


def numbered_by(
    rows: models.QuerySet[Any],
    group: models.Expression | models.F | str,
    alias: str,
    lent: Collection[Hashable] = (),
    *,
    has_others: bool = True,
) -> dict[Any, Numbered]:
    """Return the same by the value of an expression or a field.

    Raises ValueError for values that are not hashable.
    """
    # As an expression: some versions of Django omit a field that is named twice.
    value = models.F(group) if isinstance(group, str) else group
    pairs = rows.order_by().values_list(value, "pk")
    if rows.db != alias:
        return _fetched(pairs.iterator(), alias, lent, has_others)
    return _joined(pairs, True, alias, lent, has_others)


def _fetched(
    pairs: Iterable[tuple[Any, Hashable]],
    alias: str,
    lent: Collection[Hashable],
    has_others: bool,
) -> dict[Any, Numbered]:
    members: dict[Any, set[Hashable]] = {}
    for value, key in pairs:
        try:
            members.setdefault(value, set()).add(key)
        except TypeError:
            raise _not_a_group(value) from None
    number = numbers_of(frozenset().union(*members.values()).difference(lent), alias)
    found = {}
    for value, keys in members.items():
        numbers = UserSet.from_ids(number[key] for key in keys if key in number)
        stored = keys.difference(number, lent) if has_others else ()
        found[value] = Numbered(numbers, keys.intersection(lent), stored)
    return found


def _joined(
    rows: models.QuerySet[Any, Any],
    is_grouped: bool,
    alias: str,
    lent: Collection[Hashable],
    has_others: bool,
) -> dict[Any, Numbered]:
    """Return the users of the rows by joining the numbers to them in the database."""
    connection = connections[alias]
    compiler = rows.query.get_compiler(alias)
    try:
        source, params = compiler.as_sql()
    except EmptyResultSet:
        return {}
    sql = NumberSql(connection, "q.k")
    pack = PACKED.get(connection.vendor)
    # Grouping by a constant, SQLite would sort.
    group, columns, grouping = ("g", "g, k", "GROUP BY g") if is_grouped else ("NULL", "k", "")
    value = compiler.select[0][0]
    if is_grouped and isinstance(value.output_field, models.CharField | models.TextField):
        grouping = BY_TEXT.get(connection.vendor, grouping)
    # Joined once, however often they are read below; a user without a number has none in ``k``.
    joined = f"SELECT {group} AS g, {sql.number} AS k, q.k AS u FROM q {sql.join}"
    packed = f"{pack} AS k" if pack else "k"
    # Nulls are not packed. A condition on ``k`` would compute it twice.
    rest = grouping if pack else "WHERE k IS NOT NULL"
    selects = [f"SELECT {group} AS g, {packed}, NULL AS u, 0 AS m FROM j {rest}"]
    params = list(params)
    if has_others:
        selects.append(f"SELECT {group}, NULL, u, -1 FROM j WHERE k IS NULL")
    if lent:
        among, values = one_of(connection, "u", KEY, lent)
        given = f"COALESCE(k - {FIRST_NUMBER}, 0)"
        selects.append(f"SELECT {group}, NULL, u, {given} FROM j WHERE {among}")
        params += values
    with connection.cursor() as cursor:
        cursor.execute(
            f"WITH q({columns}) AS ({source}), j AS ({joined}) {' UNION ALL '.join(selects)}",
            params,
        )
        rows_found = cursor.fetchall()
    # Values that differ in the database may be the same in Python.
    value_of = cache(converter(value, connection)) if is_grouped else lambda _: None
    found: dict[Any, _Gathered] = defaultdict(_Gathered)
    for raw, number, key, given in rows_found:
        if number is None and key is None:
            continue
        try:
            gathered = found[value_of(raw)]
        except TypeError:
            raise _not_a_group(raw) from None
        if key is None:
            gathered.numbers.extend(array("I", unpacked(number)) if pack else (number,))
        elif given < 0:
            gathered.others.append(key)
        else:
            gathered.lent[key] = FIRST_NUMBER + given
    key_of = converter(KEY, connection)
    return {value: gathered.users(key_of) for value, gathered in found.items()}


def _not_a_group(value: object) -> ValueError:
    """Return the error for a value that is not hashable, like a list or an object of JSON."""
    return ValueError(
        f"Users cannot be grouped by {value!r}: name a field with single values, such as texts or "
        "numbers."
    )


class _Gathered:
    """The users with one value, as their rows come."""

    def __init__(self) -> None:
        self.numbers = array("I")
        self.others: list[Any] = []
        #: The keys of those who have been lent a number, with the one that they have been given.
        self.lent: dict[Any, int] = {}

    def users(self, key_of: Callable[[Any], Hashable]) -> Numbered:
        numbers = UserSet.from_ids(self.numbers)
        return Numbered(
            numbers - UserSet.from_ids(self.lent.values()) if self.lent else numbers,
            frozenset(map(key_of, self.lent)),
            frozenset(self.others).difference(self.lent),
            key_of,
        )
