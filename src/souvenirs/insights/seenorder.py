"""Pages of users in the order in which they were last seen.

Digests contain the users seen in each month, day and hour. From the latest to the earliest, each
user belongs to the first cell in which they appear. The numbers of users in the cells give their
positions in the order. Only the cells with the requested positions are divided further, so the cost
hardly depends on the number of users or the length of history.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from django.utils import timezone

from ..calendar import (
    DAY_LEVEL,
    HOUR_LEVEL,
    MICROSECOND,
    MONTH_LEVEL,
    Bounds,
    checked,
    outward,
    utc,
)
from ..counting import ActiveUsers
from ..stores import get_store
from .lastseen import SHORTEST_BUCKET, cells_over, last_seen_many

#: For up to this many users, looking up souvenirs is faster than reading finer digests.
FEW_USERS = 5_000

#: A range up to this length is first divided into days, a longer one into months.
SHORT_RANGE = timedelta(days=62)

#: A range up to this length is divided even where it may begin before the first souvenir.
LONG_RANGE = timedelta(days=1_100)

#: The largest number of ranges in one reading.
MAX_RANGES = 20_000

#: The level that cells of a level are divided into.
FINER = {MONTH_LEVEL: DAY_LEVEL, DAY_LEVEL: HOUR_LEVEL}

#: Levels of the bands of users seen after now, and of users never seen.
IN_THE_FUTURE, NEVER_SEEN = 0, -1

#: Users never seen sort as if they were seen at this moment.
MOMENT_IF_NEVER = datetime.min.replace(tzinfo=UTC)


class Band(NamedTuple):
    """Users who were last seen in a cell, or in a part of it, unordered."""

    level: int
    start: datetime
    end: datetime
    users: ActiveUsers


def page_by_last_seen(
    first: int,
    last: int,
    *,
    since: datetime | None = None,
    before: datetime | None = None,
    among: ActiveUsers | None = None,
    has_never: bool = False,
    is_descending: bool = False,
) -> list[tuple[Hashable, datetime | None]]:
    """Return the users at positions ``[first, last)`` of an order, and when each was last seen.

    The order is of the users last seen in ``[since, before)``, aware datetimes; None leaves an end
    open. ``among`` restricts it to a group. With ``has_never``, users of the group who were never
    seen come before all others. Users last seen at the same moment are ordered by primary key. The
    descending order is the reverse. Moments are those of
    :func:`souvenirs.insights.last_seen_many`. Deleted users are included.
    """
    bands = _bands(since, before, among)
    if has_never and among is not None:
        unseen = among - ActiveUsers.union(band.users for band in bands)
        bands.append(Band(NEVER_SEEN, MOMENT_IF_NEVER, MOMENT_IF_NEVER, unseen))
    pruned = get_store().pruned(since, before) if bands else None
    while True:
        ordered = bands if is_descending else bands[::-1]
        inside, skipped = _around(ordered, first, last)
        first, last = first - skipped, last - skipped
        bands = inside if is_descending else inside[::-1]
        is_pruned = any(_overlaps(band, pruned) for band in bands)
        if not is_pruned and sum(len(band.users) for band in bands) <= FEW_USERS:
            break
        finer = [band for band in bands if band.level in FINER]
        if not finer or sum(map(_count_finer, finer)) > MAX_RANGES:
            break
        bands = _divided(bands)
    moments = sorted(_moments(bands, pruned if is_pruned else None), reverse=is_descending)
    return [
        (key, None if moment is MOMENT_IF_NEVER else outward(moment))
        for moment, key in moments[first:last]
    ]


def _bands(
    since: datetime | None, before: datetime | None, among: ActiveUsers | None
) -> list[Band]:
    """Return all users by the cell in which they were last seen, the latest first."""
    end = utc(checked(timezone.now(), "now") if before is None else before)
    if since is not None and end - utc(since) <= LONG_RANGE:
        start = utc(since)
    else:
        origin = get_store().first()
        if origin is None:
            return []
        start = origin if since is None else max(origin, utc(since))
    level = DAY_LEVEL if end - start <= SHORT_RANGE else MONTH_LEVEL
    ranges = [
        (max(start, first), last if before is None else min(end, last))
        for first, last in cells_over(level, start, end)
    ]
    rest = max([start, end, *(last for _, last in ranges)]) if before is None else end
    *sets, taken = get_store().users_each([*ranges, (rest, None)], rounded=True)
    if among is not None:
        *sets, taken, among = ActiveUsers.aligned([*sets, taken, among])
    bands = [] if before is not None else [Band(IN_THE_FUTURE, rest, rest, _common(taken, among))]
    for (first, last), found in zip(reversed(ranges), reversed(sets), strict=True):
        bands.append(Band(level, first, last, _common(found - taken, among)))
        taken |= found
    return bands


def _common(users: ActiveUsers, among: ActiveUsers | None) -> ActiveUsers:
    return users if among is None else users & among


def _around(bands: Sequence[Band], first: int, last: int) -> tuple[list[Band], int]:
    """Return the bands with users at positions ``[first, last)``, and how many users precede."""
    inside, skipped, at = [], 0, 0
    for band in bands:
        following = at + len(band.users)
        if following <= first:
            skipped = following
        elif at < last and band.users:
            inside.append(band)
        at = following
    return inside, skipped


def _overlaps(band: Band, pruned: Bounds | None) -> bool:
    return pruned is not None and band.start < pruned[1] and pruned[0] < band.end


def _count_finer(band: Band) -> int:
    return round((band.end - band.start).total_seconds()) // FINER[band.level] + 2


def _divided(bands: Sequence[Band]) -> list[Band]:
    """Return the same users in bands of finer cells, from one reading."""
    ranges = [
        [
            (max(band.start, first), min(band.end, last))
            for first, last in cells_over(FINER[band.level], band.start, band.end)
        ]
        if band.level in FINER
        else []
        for band in bands
    ]
    read = get_store().users_each([each for some in ranges for each in some], rounded=True)
    aligned = ActiveUsers.aligned([*(band.users for band in bands), *read])
    sets = iter(aligned[len(bands) :])
    divided: list[Band] = []
    for band, left, some in zip(bands, aligned, ranges, strict=False):
        if band.level not in FINER:
            divided.append(band._replace(users=left))
            continue
        finer = FINER[band.level]
        found = [(bounds, next(sets)) for bounds in some]
        for (first, last), users in reversed(found):
            divided.append(Band(finer, first, last, users & left))
            left -= users
    return divided


def _moments(bands: Sequence[Band], pruned: Bounds | None) -> Iterator[tuple[datetime, Hashable]]:
    """Generate each of these users with the moment they were last seen."""
    yield from (
        (MOMENT_IF_NEVER, key) for band in bands if band.level == NEVER_SEEN for key in band.users
    )
    bands = [band for band in bands if band.level != NEVER_SEEN]
    everyone = ActiveUsers.union(band.users for band in bands)
    if pruned is not None and not all(band.level == HOUR_LEVEL for band in bands):
        # Too many users over too long a range to divide the bands further.
        seen = last_seen_many(everyone)
        yield from ((utc(checked(each, "moment")), key) for key, each in seen.items() if each)
        return
    # Read souvenirs before digests, so that souvenirs pruned in between are not missed.
    ends = get_store().last_each(everyone.pks)
    for start, key in _pruned_starts([band for band in bands if _overlaps(band, pruned)]):
        ends[key] = max(start, ends.get(key, start))
    yield from ((moment, key) for key, moment in ends.items())


def _pruned_starts(bands: Sequence[Band]) -> Iterator[tuple[datetime, Hashable]]:
    """Generate the start of each pruned bucket with each user in it.

    Users with a souvenir at exactly the start of a bucket are included.
    """
    asked = [
        (start, band.users)
        for band in bands
        for start, _ in cells_over(SHORTEST_BUCKET, band.start, band.end)
    ]
    # The users of a pruned bucket count as seen at its start.
    instants = [(start, start + MICROSECOND) for start, _ in asked]
    found = get_store().users_each(instants, rounded=True)
    aligned = ActiveUsers.aligned([*(users for _, users in asked), *found])
    for n, (start, _) in enumerate(asked):
        yield from ((start, key) for key in aligned[n] & aligned[n + len(asked)])
