"""Queries for souvenirs: each is one statement, however many ranges there are."""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.utils import CursorWrapper

from ..calendar import (
    BUCKETS,
    EPOCH,
    HOUR_LEVEL,
    SECOND,
    Bounds,
    GridCell,
    bound,
    moment_of,
    outward,
    stored,
)
from ..models import Digest, Souvenir
from ..sets import Keys, keys_of_integers, packing, unpacked
from ..sql import converter, values_table
from .base import Sighting, UserRange
from .numbers import NumberSql, number_all

USER: models.Field[Any, Any] = Souvenir._meta.get_field("user")
WHEN: models.Field[Any, Any] = Souvenir._meta.get_field("when")
NUMBER: models.Field[Any, Any] = models.BigIntegerField()

#: Index probes in one statement.
PROBES = 1_000

#: Rows, which may be large digests, fetched at once.
CHUNK = 50

#: Later than the start of any bucket.
ENDLESS = 2**62


class NothingDigested(Exception):
    """There are no digests of buckets."""


class Names:
    """The names of tables and columns, quoted for an engine."""

    def __init__(self, connection: BaseDatabaseWrapper) -> None:
        quote = connection.ops.quote_name
        self.user, self.when = quote(str(USER.column)), quote(str(WHEN.column))
        self.souvenirs = quote(Souvenir._meta.db_table)
        self.digests = quote(Digest._meta.db_table)
        self.count = quote("count")
        #: A row or two if anything of a kind, the one parameter, has been digested, even if its
        #: digests are gone. The digests of days and months are created before that.
        self.digested = (
            f"(SELECT 1 FROM (SELECT 1 FROM {self.digests}"
            f" WHERE kind = %s AND level <= {HOUR_LEVEL} LIMIT 1) a UNION ALL"
            f" SELECT 1 FROM (SELECT 1 FROM {self.souvenirs} WHERE seal > 0 LIMIT 1) b)"
        )
        #: A condition on souvenirs ``s`` beside ranges ``v``, as the partial index has it.
        self.undigested = "NOT s.digested"
        if connection.vendor == "mysql":
            # An index of all rows. Compared with a constant, only its first column would be used,
            # and all undigested souvenirs would be read again for each range.
            self.undigested = "s.digested >= v.n * 0 AND s.digested <= v.n * 0"


def users_in(
    connection: BaseDatabaseWrapper,
    undigested: Sequence[Bounds],
    edges: Sequence[Bounds],
    unless_digested: str | None = None,
) -> Iterator[tuple[int, Keys]]:
    """Generate the users with a souvenir in each range: an undigested one, or any one at ``edges``.

    Users come with the position of their range, counted through both; ranges without any are left
    out. With a kind in ``unless_digested`` it raises NothingDigested if there is no digest of a
    bucket: :func:`count_souvenirs` counts there.
    """
    names = Names(connection)
    pack = packing(USER.target_field, connection)  # type: ignore[attr-defined]
    selects: list[str] = []
    params: list[Any] = []
    kinds = [] if unless_digested is None else [unless_digested]
    guard = [f"EXISTS {names.digested}" for _ in kinds]
    for first, ranges, own in ((0, undigested, [names.undigested]), (len(undigested), edges, [])):
        if ranges:
            table, values = _ranges_table(connection, ranges)
            conditions = [f"s.{names.when} >= v.c0", f"s.{names.when} < v.c1", *own, *guard]
            if pack is None:
                columns = f"DISTINCT v.n + {first}, s.{names.user}"
                select = nested(connection.vendor, columns, table, names.souvenirs, conditions)
                params += [*values, *kinds]
            else:
                # No edge is longer than a bucket: hardly any user is in one twice.
                users = f"SELECT {'DISTINCT' if own else ''} s.{names.user} AS k"
                users += f" FROM {names.souvenirs} s WHERE {' AND '.join(conditions)}"
                select = f"SELECT v.n + {first}, (SELECT {pack} FROM ({users}) d) FROM {table}"
                params += [*kinds, *values]
            selects.append(select)
    if kinds:
        # In the same statement, because digesting may begin right after it.
        selects.append(f"SELECT -1, NULL FROM {names.digested} g")
        params += kinds
    if not selects:
        return
    rows = fetch(connection, " UNION ALL ".join(selects), params)
    found = _gathered(connection, rows) if pack is None else rows
    is_digested = False
    for position, users in found:
        keys = users if pack is None else keys_of_integers(unpacked(users))
        if position < 0:
            is_digested = True
        elif keys:
            yield int(position), keys
    if kinds and not is_digested:
        raise NothingDigested


def _gathered(
    connection: BaseDatabaseWrapper, rows: Iterable[tuple[Any, ...]]
) -> Iterator[tuple[int, Keys]]:
    """Gather the users of each range, which come one to a row."""
    members: dict[int, list[Any]] = {}
    for position, user in rows:
        members.setdefault(position, []).append(user)
    convert = converter(USER, connection)
    for position, users in members.items():
        yield position, frozenset(() if position < 0 else map(convert, users))


def nested(vendor: str, columns: str, table: str, source: str, conditions: list[str]) -> str:
    """SQL that reads ``table`` row by row and, for each, ``source`` by an index."""
    within = " AND ".join(conditions)
    if vendor == "postgresql":
        # OFFSET 0 keeps the planner from joining them in another way.
        found = f"(SELECT * FROM {source} s WHERE {within} OFFSET 0) s"
        return f"SELECT {columns} FROM {table}, LATERAL {found}"
    hint, join = ("STRAIGHT_JOIN", "JOIN") if vendor == "mysql" else ("", "CROSS JOIN")
    return f"SELECT {hint} {columns} FROM {table} {join} {source} s WHERE {within}"


def number_undigested(connection: BaseDatabaseWrapper, span: Bounds) -> None:
    """Give a number to each user with an undigested souvenir in a range who needs one."""
    sql, params = _undigested(connection, [span], lambda names: f"s.{names.user} AS k")
    number_all(connection, f"({sql})", params)


def undigested_in(
    connection: BaseDatabaseWrapper, ranges: Sequence[Bounds], limit: int
) -> Iterator[tuple[int, int, int | None]]:
    """Generate the position of the range and the id of undigested souvenirs.

    With the number of their user; None if the user needs one and has none.
    """
    sql, params = _undigested(connection, ranges, lambda names: f"v.n, s.id, s.{names.user} AS k")
    numbers = NumberSql(connection, "u.k")
    rows = f"SELECT u.n, u.id, {numbers.number} FROM ({sql} LIMIT {limit}) u {numbers.join}"
    for position, ident, number in fetch(connection, rows, params):
        yield int(position), ident, number


def _undigested(
    connection: BaseDatabaseWrapper, ranges: Sequence[Bounds], columns: Callable[[Names], str]
) -> tuple[str, list[Any]]:
    names = Names(connection)
    table, params = _ranges_table(connection, ranges)
    conditions = [f"s.{names.when} >= v.c0", f"s.{names.when} < v.c1", names.undigested]
    return nested(connection.vendor, columns(names), table, names.souvenirs, conditions), params


def ends_of(
    connection: BaseDatabaseWrapper, users: Sequence[Hashable], is_last: bool
) -> Iterator[tuple[Hashable, datetime]]:
    """Generate each user who has a souvenir, with the moment of their last or first souvenir.

    By one index probe for each user, however long their history.
    """
    names = Names(connection)
    end = f"ORDER BY s.{names.when} {'DESC' if is_last else 'ASC'} LIMIT 1"
    source = f"FROM {names.souvenirs} s WHERE s.{names.user} ="
    convert = converter(WHEN, connection)
    keys = [(user,) for user in users]
    if connection.vendor == "mysql":
        # A key is compared with the column in the column's own collation only if it is constant.
        rows = _probed(connection, f"(SELECT %s, s.{names.when} {source} %s {end})", [USER], keys)
    else:
        table, params = values_table(connection, [USER], keys)
        probe = f"(SELECT s.{names.when} {source} v.c0 {end})"
        rows = fetch(connection, f"SELECT v.n, {probe} FROM {table}", params)
    for position, moment in rows:
        if moment is not None:
            yield users[int(position)], stored(convert(moment))


def add_many(connection: BaseDatabaseWrapper, sightings: Collection[Sighting]) -> None:
    """Leave all of these souvenirs in one statement."""
    if not sightings:
        return
    names = Names(connection)
    rows = sightings if settings.USE_TZ else ((user, outward(when)) for user, when in sightings)
    table, params = values_table(connection, [USER, WHEN], rows)
    columns = f"{names.user}, {names.when}"
    sql = f"INSERT INTO {names.souvenirs} ({columns}) SELECT v.c0, v.c1 FROM {table}"
    with connection.cursor() as cursor:
        cursor.execute(sql, params)


def occupied(connection: BaseDatabaseWrapper, user_ranges: Sequence[UserRange]) -> set[int]:
    """Return the positions of those in which the user has a souvenir."""
    names = Names(connection)
    fields = [USER, WHEN, WHEN]
    values: Sequence[tuple[Any, datetime, datetime]] = user_ranges
    if not settings.USE_TZ:
        values = [(user, outward(start), outward(end)) for user, start, end in user_ranges]
    within = "s.{} = {} AND s.{} >= {} AND s.{} < {}"
    if connection.vendor == "mysql":
        # In a join, this engine would read each user's whole history.
        within = within.format(names.user, "%s", names.when, "%s", names.when, "%s")
        probe = f"(SELECT %s FROM {names.souvenirs} s WHERE {within} LIMIT 1)"
        rows = _probed(connection, probe, fields, values)
    else:
        within = within.format(names.user, "v.c0", names.when, "v.c1", names.when, "v.c2")
        table, params = values_table(connection, fields, values)
        sql = f"SELECT DISTINCT v.n FROM {table} JOIN {names.souvenirs} s ON {within}"
        rows = fetch(connection, sql, params)
    return {int(position) for (position,) in rows}


def _probed(
    connection: BaseDatabaseWrapper,
    probe: str,
    fields: Sequence[models.Field[Any, Any]],
    values: Sequence[Sequence[Any]],
) -> Iterator[tuple[Any, ...]]:
    """Generate the rows of a statement for each of several values, with their position."""
    for first in range(0, len(values), PROBES):
        chunk = values[first : first + PROBES]
        params: list[Any] = []
        for position, each in enumerate(chunk, first):
            prepared = zip(fields, each, strict=True)
            params += [position]
            params += [field.get_db_prep_value(value, connection) for field, value in prepared]
        yield from fetch(connection, " UNION ALL ".join([probe] * len(chunk)), params)


def pruned(
    connection: BaseDatabaseWrapper, kind: str, start: datetime | None, end: datetime | None
) -> Bounds | None:
    """Return the range of the pruned buckets that start in ``[start, end)``; None without any."""
    names = Names(connection)
    bounds = (
        -ENDLESS if start is None else _up(start),
        ENDLESS if end is None else _up(end),
    )

    def found(order: str) -> list[GridCell]:
        selects = [
            f"SELECT * FROM (SELECT level, start FROM {names.digests}"
            f" WHERE kind = %s AND level = {level}"
            " AND start >= %s AND start < %s AND is_pruned"
            f" ORDER BY start {order} LIMIT 1) p{level}"
            for level in BUCKETS
        ]
        rows = fetch(connection, " UNION ALL ".join(selects), (kind, *bounds) * len(BUCKETS))
        return [GridCell(level, begin) for level, begin in rows]

    # Pruning begins with the oldest. Without any pruned one, all of them are read, but only once.
    first = min((cell.start for cell in found("ASC")), default=None)
    if first is None:
        return None
    return moment_of(first), moment_of(max(cell.end for cell in found("DESC")))


def _up(moment: datetime) -> int:
    """The first whole second at or after a moment."""
    return -((EPOCH - moment) // SECOND)


def count_souvenirs(
    connection: BaseDatabaseWrapper, kind: str, ranges: Sequence[Bounds]
) -> list[int] | None:
    """Return how many users have a souvenir in each range; None if anything has been digested.

    Ranges may overlap and come in any order.
    """
    names = Names(connection)
    table, params = _ranges_table(connection, ranges)
    guard = f"SELECT -1, COUNT(*) FROM {names.digested} g"
    sql = f"{_count_sql(connection.vendor, names, table)} UNION ALL {guard}"
    counts = dict(fetch(connection, sql, [*params, kind]))
    return None if counts[-1] else [counts.get(n, 0) for n in range(len(ranges))]


def _count_sql(vendor: str, names: Names, table: str) -> str:
    user, when, souvenirs = names.user, names.when, names.souvenirs
    if vendor == "mysql":
        # This engine chooses an index range for each row only in a join.
        return (
            f"SELECT STRAIGHT_JOIN v.n, COUNT(DISTINCT s.{user}) FROM {table}"
            f" JOIN {souvenirs} s ON s.{when} >= v.c0 AND s.{when} < v.c1 GROUP BY v.n"
        )
    return (
        f"SELECT v.n, (SELECT COUNT(*) FROM (SELECT DISTINCT s.{user} FROM {souvenirs} s"
        f" WHERE s.{when} >= v.c0 AND s.{when} < v.c1) d) FROM {table}"
    )


def _ranges_table(
    connection: BaseDatabaseWrapper, ranges: Sequence[Bounds]
) -> tuple[str, list[Any]]:
    rows = [(bound(start), bound(end)) for start, end in ranges]
    return values_table(connection, [WHEN, WHEN], rows)


def fetch(
    connection: BaseDatabaseWrapper,
    sql: str,
    params: Sequence[Any],
    is_binary: bool = False,
) -> Iterator[tuple[Any, ...]]:
    """Generate the rows of a statement."""
    with _binary_cursor(connection) if is_binary else connection.cursor() as cursor:
        cursor.execute(sql, params)
        # One by one, each row would pass through Django and the driver.
        while rows := cursor.fetchmany(CHUNK):
            yield from rows


def _binary_cursor(connection: Any) -> CursorWrapper:
    """A cursor that receives bytes as they are, and not as twice as many hexadecimal digits."""
    cursor: CursorWrapper = connection.cursor()
    if type(connection.connection).__module__.partition(".")[0] == "psycopg":
        import psycopg

        # Only a cursor whose parameters the server binds can do this.
        cursor.cursor = psycopg.Cursor(connection.connection)
        cursor.cursor.format = psycopg.pq.Format.BINARY
    return cursor
