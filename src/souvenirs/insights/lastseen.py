"""When users were first and last seen, and on which days.

The moment is that of the souvenir. If the souvenir has been pruned, it is the start of its bucket,
usually an hour long: at or before the moment the user was seen, by less than a bucket.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Hashable, Iterator, Sequence
from datetime import date, datetime, timedelta, tzinfo
from operator import itemgetter
from typing import Any

from ..calendar import (
    BUCKETS,
    DAY_LEVEL,
    MICROSECOND,
    MONTH_LEVEL,
    Bounds,
    GridCell,
    cell_of,
    checked,
    moment_of,
    outward,
    second_of,
    utc,
)
from ..counting import ActiveUsers, active_users_each
from ..sets import primary_key
from ..stores import get_store, primary_keys
from .timeline import timeline_of

#: The shortest bucket, in seconds: every bucket starts at a multiple of it.
SHORTEST_BUCKET = BUCKETS[-1]

LONGEST_BUCKET = timedelta(seconds=BUCKETS[0])


def last_seen(user: Any) -> datetime | None:
    """Return when a user was last seen; None if never. ``user`` is a user or a primary key.

    The datetime is aware, or naive in the default time zone if ``USE_TZ`` is False. Raises
    ValueError if ``user`` is neither, and CorruptDigest if the answer is only in a corrupt digest.
    """
    key = primary_key(user)
    return last_seen_many([key])[key]


def first_seen(user: Any) -> datetime | None:
    """Return when a user was first seen; see :func:`last_seen`."""
    key = primary_key(user)
    return first_seen_many([key])[key]


def last_seen_many(users: Any) -> dict[Hashable, datetime | None]:
    """Return a dict of when each user was last seen, by primary key; None if never.

    ``users`` is a queryset of users, or an iterable of users or primary keys. The number of queries
    grows with the number of months of pruned souvenirs in which a user was last seen; on MariaDB
    and MySQL, it also grows with every thousand users. Raises what :func:`last_seen` raises, and
    TypeError if ``users`` is not a group.
    """
    return _seen_many(users, is_last=True)


def first_seen_many(users: Any) -> dict[Hashable, datetime | None]:
    """Return a dict of when each user was first seen; see :func:`last_seen_many`."""
    return _seen_many(users, is_last=False)


def active_days(
    user: Any,
    start: datetime | None = None,
    end: datetime | None = None,
    tz: str | tzinfo | None = None,
) -> list[date]:
    """Return the local days, in order, on which a user was seen in ``[start, end)``.

    ``start``, ``end`` and ``tz`` are those of every insight, see :mod:`souvenirs.insights`. Raises
    ValueError for an invalid user or range, and its subclass PrunedSpan if midnight falls inside a
    pruned bucket in which the user was seen.
    """
    key = primary_key(user)
    periods = timeline_of(start, end, "day", tz).periods
    if not periods:
        return []
    starts = [utc(checked(period.start, "start")) for period in periods]
    first, last = starts[0], utc(checked(periods[-1].end, "end"))
    # Read souvenirs before digests, so that souvenirs pruned in between are not missed.
    moments = get_store().moments(key, first, last)
    seen = {bisect_right(starts, moment) - 1 for moment in moments}
    # A bucket may begin before midnight.
    if pruned := get_store().pruned(first - LONGEST_BUCKET, last):
        near = _days_near(pruned, key)
        ends = [*starts[1:], last]
        unsure = [
            position
            for position, bounds in enumerate(zip(starts, ends, strict=True))
            if position not in seen and not near.isdisjoint(cells_over(DAY_LEVEL, *bounds))
        ]
        sets = active_users_each([(starts[n], ends[n]) for n in unsure], [key])
        seen.update(position for position, users in zip(unsure, sets, strict=True) if users)
    return [date.fromisoformat(periods[position].label) for position in sorted(seen)]


def _days_near(pruned: Bounds, key: Hashable) -> set[Bounds]:
    """Return the UTC days in a range of pruned buckets on which a user was seen."""
    # Months first, because the user was not seen in most of them.
    months = _hits(cells_over(MONTH_LEVEL, *pruned), key)
    return set(_hits([day for month in months for day in cells_over(DAY_LEVEL, *month)], key))


def _hits(ranges: Sequence[Bounds], key: Hashable) -> list[Bounds]:
    """Return the ranges in which a user was seen."""
    sets = active_users_each(ranges, [key], rounded=True)
    return [bounds for bounds, users in zip(ranges, sets, strict=True) if users]


def _seen_many(users: Any, is_last: bool) -> dict[Hashable, datetime | None]:
    given = primary_keys(users)
    if not given:
        return {}
    store = get_store()
    # Read souvenirs before digests, so that souvenirs pruned in between are not missed.
    ends = store.last_each(given) if is_last else store.first_each(given)
    outermost = max if is_last else min
    if pruned := _pruned_beyond(ends.values(), len(ends) == len(given), is_last):
        first, last = pruned
        unsure = [
            key
            for key in given
            if key not in ends or (ends[key] < last if is_last else first < ends[key])
        ]
        for key, start in _pruned_ends(pruned, ActiveUsers(unsure), is_last):
            ends[key] = outermost(start, ends.get(key, start))
    return {key: outward(ends[key]) if key in ends else None for key in given}


def _pruned_beyond(
    ends: Collection[datetime], is_everyone: bool, is_last: bool
) -> tuple[datetime, datetime] | None:
    """Return the range in which pruned buckets may be later, or earlier, than these moments."""
    if not is_everyone:
        return get_store().pruned(None, None)
    return get_store().pruned(min(ends), None) if is_last else get_store().pruned(None, max(ends))


def _pruned_ends(
    pruned: Bounds, users: ActiveUsers, is_last: bool
) -> Iterator[tuple[Hashable, datetime]]:
    """Generate the start of the last, or first, pruned bucket of each user who has one.

    Users with a souvenir that is even later, or earlier, may be missing.
    """
    for month, of_month in _assigned(cells_over(MONTH_LEVEL, *pruned), users, is_last):
        days = [day for day, _ in _assigned(cells_over(DAY_LEVEL, *month), of_month, is_last)]
        # The users of a pruned bucket count as seen at its start.
        starts = [start for day in days for start, _ in cells_over(SHORTEST_BUCKET, *day)]
        instants = [(start, start + MICROSECOND) for start in starts]
        for (start, _), of_start in _assigned(instants, of_month, is_last):
            for key in of_start:
                yield key, start


def _assigned(
    ranges: Sequence[Bounds], users: ActiveUsers, is_last: bool
) -> list[tuple[Bounds, ActiveUsers]]:
    """Assign each user to the last, or the first, of the ranges in which they were seen."""
    *sets, users = ActiveUsers.aligned([*active_users_each(ranges, users, rounded=True), users])
    assigned = []
    for bounds, seen in sorted(zip(ranges, sets, strict=True), key=itemgetter(0), reverse=is_last):
        here = seen & users
        if here:
            assigned.append((bounds, here))
            users -= here
    return assigned


def cells_over(level: int, start: datetime, end: datetime) -> list[Bounds]:
    """Return the ranges of the cells of a level that cover ``[start, end)``."""
    cell = cell_of(level, second_of(start))
    cells = []
    while moment_of(cell.start) < end:
        cells.append((moment_of(cell.start), moment_of(cell.end)))
        cell = GridCell(level, cell.end)
    return cells
