"""Who was active in each of several ranges, from digests and from what is not digested.

Souvenirs are read first and digests second, on one connection: what is digested in between is then
found twice, which changes no set, and not missed. A day or a month that is not stale by then holds
whatever had been digested before. So all that was committed when a reading began is in its answer,
whoever records, digests, prunes or erases meanwhile.

However many the ranges, there are at most three queries: the souvenirs, an overview, and the
digests; none of the last where the counts in the overview are the answer. Where nothing has been
digested yet, the engine counts the souvenirs.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Hashable, Iterator, Sequence
from datetime import UTC, datetime
from functools import cached_property
from itertools import pairwise
from typing import Any, NamedTuple, TypeVar

from django.db.backends.base.base import BaseDatabaseWrapper

from ..calendar import (
    DAY_LEVEL,
    HOUR_LEVEL,
    Cell,
    Span,
    cell_of,
    fill,
    moment_of,
    second_of,
    split_at_hours,
    utc,
)
from ..models import Digest
from ..resilience import RareLog
from ..sets import (
    FIRST_NUMBER,
    LAST_NUMBER,
    CorruptDigest,
    Keys,
    Label,
    UserSet,
    checksum_of,
    is_number,
    keys_of,
    numbers_of,
)
from . import queries
from .base import Bounds, Counted, Group, Range

logger = RareLog(__name__)

T = TypeVar("T")

#: What an open end of a range is to the engines: with a day to spare for their time zones.
FIRST_MOMENT = datetime(1, 1, 2, tzinfo=UTC)
LAST_MOMENT = datetime(9999, 12, 30, tzinfo=UTC)


class PrunedSpan(ValueError):
    """A range begins or ends inside a bucket whose souvenirs have been deleted."""


class Distrusted(Exception):
    """A digest cannot be used; what it was made of can, unless that has been deleted."""

    def __init__(self, cell: Cell, reason: str) -> None:
        super().__init__(reason)
        self.cell = cell


class Found(NamedTuple):
    """Users that souvenirs say were active, and the positions of the ranges that want them."""

    users: Keys
    places: list[int]


class Plan(NamedTuple):
    """What a range is made of: whole cells, and stretches of buckets where there is none."""

    cells: list[Cell]
    free: list[Span]


class Taker(NamedTuple):
    """A stretch of buckets, and the position of the range that wants those inside it."""

    start: int
    end: int
    place: int


def label_of(cell: Cell, version: int) -> Label:
    """Return where a digest of active users is stored."""
    return Label(Digest.ACTIVE, cell.level, moment_of(cell.start), version)


class Reading:
    """One reading of several ranges ``[start, end)``; None leaves an end open.

    With ``among``, primary keys, only these users are found. A corrupt digest is not used: what it
    was made of is read instead. Raises CorruptDigest where that has been deleted, and PrunedSpan
    for a range that would have to be answered by souvenirs of these users that have been. With
    ``rounded`` it takes these to have been where their bucket starts.
    """

    def __init__(
        self,
        connection: BaseDatabaseWrapper,
        ranges: Sequence[Range],
        among: Group = None,
        *,
        rounded: bool = False,
    ) -> None:
        self.connection = connection
        self.rounded = rounded
        self.ranges = [
            (utc(start or FIRST_MOMENT), utc(end or LAST_MOMENT)) for start, end in ranges
        ]
        self.outlines = [split_at_hours(*each) for each in self.ranges]
        self.among = among
        self.distrusted: set[Cell] = set()
        #: The numbers of keys that are none themselves, and the keys of those given for now.
        self.numbers: dict[Hashable, int] | None = None
        self.lent: dict[int, Hashable] = {}

    def counts(self) -> Counted:
        """Return how many users were active in each range."""
        return self._read(self._counts)

    def sets(self) -> list[Keys]:
        """Return the users active in each range."""
        return self._read(self._sets)

    def _read(self, answer: Callable[[], T]) -> T:
        while True:
            try:
                return answer()
            except Distrusted as found:
                if found.cell in self.distrusted:
                    raise CorruptDigest(str(found)) from found
                logger.exception("%s Until digest_souvenirs --rebuild, it is not used.", found)
                self.distrusted.add(found.cell)

    def _counts(self) -> Counted:
        try:
            found = self._found(beside_digests=self.among is None)
        except queries.NothingDigested:
            bare = queries.count_souvenirs(self.connection, self.ranges)
            # None: somebody has begun to digest meanwhile.
            return self._counts() if bare is None else Counted(bare, self._overview().first)
        overview = self._overview()
        plans = self._plans(overview)
        touched = {place for each in found for place in each.places}
        stored: dict[int, int] = {}
        if self.among is None:
            for place, (cells, free) in enumerate(plans):
                if len(cells) == 1 and not (free or place in touched or self._edges(place)):
                    stored[place] = _stored_count(cells[0], overview)
        sets = self._united(found, plans, overview, skipped=stored.keys())
        counts = [stored[n] if n in stored else len(users) for n, users in enumerate(sets)]
        return Counted(counts, overview.first)

    def _sets(self) -> list[Keys]:
        if not self.ranges:
            return []
        found = self._found()
        overview = self._overview()
        return self._named(self._united(found, self._plans(overview), overview))

    def _found(self, beside_digests: bool = False) -> list[Found]:
        """Those whom the digests may not know of."""
        segments = _segments(self.ranges)
        takers: list[list[int]] = [[] for _ in segments]
        first_of = {start: n for n, (start, _) in enumerate(segments)}
        for place, (start, end) in enumerate(self.ranges):
            for n in range(first_of.get(start, 0), len(segments) if start < end else 0):
                if segments[n][0] >= end:
                    break
                takers[n].append(place)
        edges = [(edge, place) for place in range(len(self.ranges)) for edge in self._edges(place)]
        takers += [[place] for _, place in edges]
        spans = [edge for edge, _ in edges]
        found = queries.users_in(self.connection, segments, spans, beside_digests)
        return [Found(users, takers[position]) for position, users in found]

    def _edges(self, place: int) -> list[Bounds]:
        """Where a range needs its souvenirs themselves: at its ends, and for corrupt buckets."""
        start, end = self.ranges[place]
        edges = list(self.outlines[place].edges)
        for cell in self.distrusted:
            within = max(start, moment_of(cell.start)), min(end, moment_of(cell.end))
            if cell.level < DAY_LEVEL and within[0] < within[1]:
                edges.append(within)
        return edges

    def _overview(self) -> queries.Overview:
        hours = [each.hours for each in self.outlines]
        return queries.overview(
            self.connection,
            (
                min((start for start, _ in hours), default=0),
                max((end for _, end in hours), default=0),
            ),
        )

    def _plans(self, overview: queries.Overview) -> list[Plan]:
        months = [cell for cell in overview.months if cell not in self.distrusted]
        days = [cell for cell in overview.days if cell not in self.distrusted]
        plans = []
        for each in self.outlines:
            cells, gaps = fill(each.hours, months)
            free: list[Span] = []
            for gap in gaps:
                inside, left = fill(gap, days)
                cells += inside
                free += left
            plans.append(Plan(cells, free))
        return plans

    def _united(
        self,
        found: list[Found],
        plans: list[Plan],
        overview: queries.Overview,
        skipped: Collection[int] = (),
    ) -> list[UserSet]:
        """The users in each range, as numbers; nobody in those that are skipped."""
        parts: list[list[UserSet]] = [[] for _ in self.ranges]
        for users, places in self._digests(plans, overview, skipped):
            for place in places:
                parts[place].append(users)
        # Whoever is in a digest had a number before that was read: now all of these are known.
        self._give_numbers([each.users for each in found])
        for keys, places in found:
            users = self._numbered(keys)
            for place in places:
                parts[place].append(users)
        group = None if self.among is None else self._numbered(self.among)
        united = []
        for place in range(len(parts)):
            users = UserSet.union(parts[place])
            parts[place] = []
            united.append(users if group is None else users & group)
        return united

    def _digests(
        self, plans: list[Plan], overview: queries.Overview, skipped: Collection[int]
    ) -> Iterator[tuple[UserSet, list[int]]]:
        """Generate the digests that are needed, each with the ranges that need it."""
        takers: dict[Cell, list[int]] = {}
        stretches: list[Taker] = []
        for place, plan in enumerate(plans):
            if place in skipped:
                continue
            for cell in plan.cells:
                takers.setdefault(cell, []).append(place)
            stretches += [Taker(*stretch, place) for stretch in plan.free]
            for start, _ in self.outlines[place].edges:
                hour = cell_of(HOUR_LEVEL, second_of(start))
                stretches.append(Taker(hour.start, hour.end, place))
        if not takers and not (stretches and overview.levels):
            return
        sweep = Sweep(stretches)
        missing = set(takers)
        asked = [(start, end) for start, end, _ in stretches]
        for stored in queries.digests_in(self.connection, takers, overview.levels, asked):
            missing.discard(stored.cell)
            if stored.cell.level < DAY_LEVEL:
                places = self._buckets_takers(stored, sweep.over(stored.cell.start))
            else:
                places = takers.get(stored.cell, [])
            if places:
                yield _users_of(stored), places
        for cell in missing:
            raise Distrusted(cell, f"The digest of {cell} is gone.")

    def _buckets_takers(self, stored: queries.Stored, over: list[Taker]) -> list[int]:
        cell = stored.cell
        first, last = moment_of(cell.start), moment_of(cell.end)
        if cell in self.distrusted:
            if over and stored.is_pruned:
                raise Distrusted(cell, f"The digest of {cell} and its souvenirs are gone.")
            return []
        places = []
        for taker in over:
            start, end = self.ranges[taker.place]
            if start <= first and last <= end:
                places.append(taker.place)
            elif stored.is_pruned and self.rounded:
                if start <= first < end:
                    places.append(taker.place)
            elif stored.is_pruned and start < last and first < end and self._concerns(stored):
                raise PrunedSpan(
                    f"The souvenirs of {cell} have been deleted, and only their digest is "
                    f"left: give a start and an end that lie on a multiple of {cell.level} "
                    "seconds in UTC."
                )
        return places

    def _concerns(self, stored: queries.Stored) -> bool:
        """Whether somebody who is asked for is in a digest."""
        return self._group is None or not self._group.isdisjoint(_users_of(stored))

    @cached_property
    def _group(self) -> UserSet | None:
        if self.among is None or isinstance(self.among, UserSet):
            return self.among
        return UserSet.from_ids(numbers_of(self.among, self.connection.alias).values())

    def _give_numbers(self, keys: list[Keys]) -> None:
        """Find the numbers of these keys and of the group; who has none is lent one for now."""
        groups = [*keys, self.among or frozenset()]
        wanted = frozenset().union(*(each for each in groups if not isinstance(each, UserSet)))
        self.numbers = None if all(map(is_number, wanted)) else self._lent_numbers(wanted)

    def _lent_numbers(self, wanted: frozenset[Hashable]) -> dict[Hashable, int]:
        numbers = dict(numbers_of(wanted, self.connection.alias))
        self.lent = dict(enumerate(wanted - numbers.keys(), LAST_NUMBER + 1 - len(wanted)))
        return numbers | {key: number for number, key in self.lent.items()}

    def _numbered(self, keys: Collection[Any]) -> UserSet:
        if isinstance(keys, UserSet):
            return keys
        numbers = self.numbers
        return UserSet.from_ids(keys if numbers is None else [numbers[key] for key in keys])

    def _named(self, sets: list[UserSet]) -> list[Keys]:
        if all(not users or users.max() < FIRST_NUMBER for users in sets):
            return list(sets)
        everybody = UserSet.union(sets)
        keys = keys_of(
            (number for number in everybody if number not in self.lent), self.connection.alias
        )
        keys.update(self.lent)
        return [frozenset(keys[number] for number in users if number in keys) for users in sets]


class Sweep:
    """The stretches that lie over each of many seconds, which have to come in ascending order."""

    def __init__(self, stretches: list[Taker]) -> None:
        self.coming = deque(sorted(stretches))
        self.current: list[Taker] = []

    def over(self, second: int) -> list[Taker]:
        while self.coming and self.coming[0].start <= second:
            self.current.append(self.coming.popleft())
        self.current = [taker for taker in self.current if second < taker.end]
        return self.current


def _segments(ranges: Sequence[Bounds]) -> list[Bounds]:
    """The stretches between all starts and ends, in order, where there is a range over them."""
    steps: dict[datetime, int] = {}
    for start, end in ranges:
        steps[start] = steps.get(start, 0) + 1
        steps[end] = steps.get(end, 0) - 1
    segments = []
    depth = 0
    for start, end in pairwise(sorted(steps)):
        depth += steps[start]
        if depth:
            segments.append((start, end))
    return segments


def _stored_count(cell: Cell, overview: queries.Overview) -> int:
    known = (overview.days if cell.level == DAY_LEVEL else overview.months)[cell]
    if known.checksum != checksum_of(label_of(cell, known.version), known.users):
        raise Distrusted(cell, f"The stored count of {cell} is corrupt.")
    return known.users


def _users_of(stored: queries.Stored) -> UserSet:
    try:
        return UserSet.from_bytes(stored.body, label_of(stored.cell, stored.version))
    except CorruptDigest as error:
        raise Distrusted(stored.cell, str(error)) from error
