"""Users in the order of when they were last seen, from one position up to another.

Digests say who was seen in which month, day and hour. Gone through from the last one to the first,
each user belongs to where they turn up first, and how many belong there says which positions these
users have. Only what the wanted positions are in is looked at more closely, so that it matters
little how many users there are, and not at all how long they have been there.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from django.utils import timezone

from ..calendar import DAY_LEVEL, HOUR_LEVEL, MICROSECOND, MONTH_LEVEL, checked, outward, utc
from ..counting import ActiveUsers
from ..stores import Bounds, get_store
from .lastseen import GRAIN, cells_over, last_seen_many

#: The souvenirs of so many users are looked up sooner than digests that tell them apart.
ENOUGH = 5_000

#: As many days are gone through before months are: not much more is read then.
FEW = timedelta(days=62)

#: As many ranges as one reading takes in a moment.
MOST_RANGES = 20_000

#: The cells that those of a level are divided into.
FINER = {MONTH_LEVEL: DAY_LEVEL, DAY_LEVEL: HOUR_LEVEL}

#: Instead of a level: whoever is seen later than now, and whoever never was.
LATER, NEVER = 0, -1

#: The moment of who was never seen: before that of everybody else.
UNSEEN = datetime.min.replace(tzinfo=UTC)


class Part(NamedTuple):
    """Users who were last seen in a cell, or in a part of it, in no order."""

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
    """Return users from one position up to another, and when each was last seen.

    They are those last seen in ``[since, before)``, aware moments, of whom None leaves an end open,
    or those of them in ``among``; with ``has_never`` also those of these who were never seen, who
    come before all others. Who was seen at the same moment comes in the order of primary keys, and
    the descending order is the other one backwards. Moments are those of
    :func:`souvenirs.insights.last_seen_many`. Users who have been deleted are among them.
    """
    parts = _parts(since, before, among)
    if has_never and among is not None:
        unseen = among - ActiveUsers.union(part.users for part in parts)
        parts.append(Part(NEVER, UNSEEN, UNSEEN, unseen))
    pruned = get_store().pruned(since, before) if parts else None
    while True:
        ordered = parts if is_descending else parts[::-1]
        inside, skipped = _around(ordered, first, last)
        first, last = first - skipped, last - skipped
        parts = inside if is_descending else inside[::-1]
        is_pruned = any(_overlaps(part, pruned) for part in parts)
        if not is_pruned and sum(len(part.users) for part in parts) <= ENOUGH:
            break
        finer = [part for part in parts if part.level in FINER]
        if not finer or sum(map(_count_finer, finer)) > MOST_RANGES:
            break
        parts = _divided(parts)
    moments = sorted(_moments(parts, pruned if is_pruned else None), reverse=is_descending)
    return [
        (key, None if moment is UNSEEN else outward(moment)) for moment, key in moments[first:last]
    ]


def _parts(
    since: datetime | None, before: datetime | None, among: ActiveUsers | None
) -> list[Part]:
    """Everybody, by where they were last seen, the last ones first."""
    origin = get_store().first()
    if origin is None:
        return []
    start = origin if since is None else max(origin, utc(since))
    end = utc(checked(timezone.now(), "now") if before is None else before)
    level = DAY_LEVEL if end - start <= FEW else MONTH_LEVEL
    ranges = [
        (max(start, first), last if before is None else min(end, last))
        for first, last in cells_over(level, start, end)
    ]
    rest = max([start, end, *(last for _, last in ranges)]) if before is None else end
    *sets, later = get_store().users_each([*ranges, (rest, None)], rounded=True)
    taken = ActiveUsers.of(later)
    parts = [] if before is not None else [Part(LATER, rest, rest, _common(taken, among))]
    for (first, last), found in zip(reversed(ranges), reversed(sets), strict=True):
        users = ActiveUsers.of(found)
        parts.append(Part(level, first, last, _common(users - taken, among)))
        taken |= users
    return parts


def _common(users: ActiveUsers, among: ActiveUsers | None) -> ActiveUsers:
    return users if among is None else users & among


def _around(parts: Sequence[Part], first: int, last: int) -> tuple[list[Part], int]:
    """The parts that have users in positions from one up to another, and how many come before."""
    inside, skipped, at = [], 0, 0
    for part in parts:
        following = at + len(part.users)
        if following <= first:
            skipped = following
        elif at < last and part.users:
            inside.append(part)
        at = following
    return inside, skipped


def _overlaps(part: Part, pruned: Bounds | None) -> bool:
    return pruned is not None and part.start < pruned[1] and pruned[0] < part.end


def _count_finer(part: Part) -> int:
    return round((part.end - part.start).total_seconds()) // FINER[part.level] + 2


def _divided(parts: Sequence[Part]) -> list[Part]:
    """The same users by finer cells, all from one reading."""
    ranges = [
        [
            (max(part.start, first), min(part.end, last))
            for first, last in cells_over(FINER[part.level], part.start, part.end)
        ]
        if part.level in FINER
        else []
        for part in parts
    ]
    sets = iter(get_store().users_each([each for some in ranges for each in some], rounded=True))
    divided: list[Part] = []
    for part, some in zip(parts, ranges, strict=True):
        if part.level not in FINER:
            divided.append(part)
            continue
        left, finer = part.users, FINER[part.level]
        found = [(bounds, ActiveUsers.of(next(sets))) for bounds in some]
        for (first, last), users in reversed(found):
            divided.append(Part(finer, first, last, users & left))
            left -= users
    return divided


def _moments(parts: Sequence[Part], pruned: Bounds | None) -> Iterator[tuple[datetime, Hashable]]:
    """Generate when each of these users was last seen; UNSEEN for who never was."""
    yield from ((UNSEEN, key) for part in parts if part.level == NEVER for key in part.users)
    parts = [part for part in parts if part.level != NEVER]
    everyone = ActiveUsers.union(part.users for part in parts)
    if pruned is not None and not all(part.level == HOUR_LEVEL for part in parts):
        # More of them than anybody looks at, over a long time.
        seen = last_seen_many(everyone)
        yield from ((utc(checked(each, "moment")), key) for key, each in seen.items() if each)
        return
    # Souvenirs first: those that are deleted afterwards have been found.
    ends = get_store().last_each(everyone.pks)
    for start, key in _pruned_starts([part for part in parts if _overlaps(part, pruned)]):
        ends[key] = max(start, ends.get(key, start))
    yield from ((moment, key) for key, moment in ends.items())


def _pruned_starts(parts: Sequence[Part]) -> Iterator[tuple[datetime, Hashable]]:
    """Generate the start of each bucket whose souvenirs have been deleted, and each user in it.

    Who has a souvenir at the very start of another one is among them.
    """
    asked = [
        (start, part.users)
        for part in parts
        for start, _ in cells_over(GRAIN, part.start, part.end)
    ]
    # A pruned bucket counts as where it starts: that is enough to ask for.
    instants = [(start, start + MICROSECOND) for start, _ in asked]
    for (start, among), found in zip(
        asked, get_store().users_each(instants, rounded=True), strict=True
    ):
        yield from ((start, key) for key in ActiveUsers.of(found) & among)
