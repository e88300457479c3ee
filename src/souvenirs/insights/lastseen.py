"""When each user was first and last seen, and on which days.

The moment is that of the souvenir. Where that has been pruned, it is the start of its bucket, which
is mostly an hour: never later than the user was there, and less than a bucket earlier.
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
    Cell,
    Range,
    cell_of,
    checked,
    moment_of,
    outward,
    second_of,
    utc,
)
from ..counting import ActiveUsers, active_users_each
from ..sets import primary_key
from ..stores import get_store
from .layout import lay

#: What the start of every bucket is a multiple of, in seconds.
GRAIN = BUCKETS[-1]

#: As long as the longest bucket.
HOUR = timedelta(seconds=BUCKETS[0])


def last_seen(user: Any) -> datetime | None:
    """Return when a user, given as such or as the primary key, was last seen; None if never.

    The moment is aware; naive, in the default time zone, under ``USE_TZ = False``. Raises
    ValueError for what is no user, and CorruptDigest where nothing but a corrupt digest knows.
    """
    key = primary_key(user)
    return last_seen_many([key])[key]


def first_seen(user: Any) -> datetime | None:
    """Return when a user was first seen; see :func:`last_seen`."""
    key = primary_key(user)
    return first_seen_many([key])[key]


def last_seen_many(users: Any) -> dict[Hashable, datetime | None]:
    """Return by primary key when each of these users was last seen; None for whoever never was.

    ``users`` are a queryset of users, or users or primary keys in any iterable. Many take as many
    queries as one, but for more of them per month of pruned souvenirs in which somebody was last
    seen, and per thousand users on MariaDB and MySQL. Raises what :func:`last_seen` raises, and
    TypeError for what is no group.
    """
    return _seen_many(users, is_last=True)


def first_seen_many(users: Any) -> dict[Hashable, datetime | None]:
    """Return by primary key when each of these users was first seen; see :func:`last_seen_many`."""
    return _seen_many(users, is_last=False)


def active_days(
    user: Any,
    start: datetime | None = None,
    end: datetime | None = None,
    tz: str | tzinfo | None = None,
) -> list[date]:
    """Return the local days, in order, on which a user was seen in ``[start, end)``.

    Days are laid as for every insight, see :mod:`souvenirs.insights`: the first one is whole.
    Raises ValueError for what is no user and for what makes no days, among it PrunedSpan where
    midnight falls inside a bucket in which the user was seen and whose souvenirs have been deleted.
    """
    key = primary_key(user)
    periods = lay(start, end, "day", tz).periods
    if not periods:
        return []
    starts = [utc(checked(period.start, "start")) for period in periods]
    first, last = starts[0], utc(checked(periods[-1].end, "end"))
    # Souvenirs first: those that are deleted afterwards have been found.
    moments = get_store().moments(key, first, last)
    seen = {bisect_right(starts, moment) - 1 for moment in moments}
    # A bucket may begin before midnight.
    if pruned := get_store().pruned(first - HOUR, last):
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


def _days_near(pruned: Range, key: Hashable) -> set[Range]:
    """The days of UTC in a span of pruned buckets on which a user was seen."""
    # From the coarse to the fine: the user was not there in most months.
    months = _hits(cells_over(MONTH_LEVEL, *pruned), key)
    return set(_hits([day for month in months for day in cells_over(DAY_LEVEL, *month)], key))


def _hits(ranges: Sequence[Range], key: Hashable) -> list[Range]:
    """Those of the ranges in which a user was seen."""
    sets = active_users_each(ranges, [key], rounded=True)
    return [bounds for bounds, users in zip(ranges, sets, strict=True) if users]


def _seen_many(users: Any, is_last: bool) -> dict[Hashable, datetime | None]:
    given = ActiveUsers(users)
    store = get_store()
    # Souvenirs first: those that are deleted afterwards have been found.
    ends = store.last_each(given.pks) if is_last else store.first_each(given.pks)
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
    """Where pruned buckets may tell of something later, or earlier, than these ends."""
    if not is_everyone:
        return get_store().pruned(None, None)
    if not ends:
        return None
    return get_store().pruned(min(ends), None) if is_last else get_store().pruned(None, max(ends))


def _pruned_ends(
    pruned: Range, users: ActiveUsers, is_last: bool
) -> Iterator[tuple[Hashable, datetime]]:
    """Generate the start of the last, or the first, pruned bucket of each user who has one.

    A user may be missing who has an even later, or earlier, souvenir.
    """
    for month, of_month in _shares(cells_over(MONTH_LEVEL, *pruned), users, is_last):
        days = [day for day, _ in _shares(cells_over(DAY_LEVEL, *month), of_month, is_last)]
        # A pruned bucket counts as where it starts: that is enough to ask for.
        starts = [start for day in days for start, _ in cells_over(GRAIN, *day)]
        instants = [(start, start + MICROSECOND) for start in starts]
        for (start, _), of_start in _shares(instants, of_month, is_last):
            for key in of_start:
                yield key, start


def _shares(
    ranges: Sequence[Range], users: ActiveUsers, is_last: bool
) -> list[tuple[Range, ActiveUsers]]:
    """Share users out to the last, or the first, of the ranges in which they were seen."""
    sets = active_users_each(ranges, users, rounded=True)
    shares = []
    for bounds, seen in sorted(zip(ranges, sets, strict=True), key=itemgetter(0), reverse=is_last):
        share = seen & users
        if share:
            shares.append((bounds, share))
            users -= share
    return shares


def cells_over(level: int, start: datetime, end: datetime) -> list[Range]:
    """The cells of a level that lie over ``[start, end)``, as ranges."""
    cell = cell_of(level, second_of(start))
    cells = []
    while moment_of(cell.start) < end:
        cells.append((moment_of(cell.start), moment_of(cell.end)))
        cell = Cell(level, cell.end)
    return cells
