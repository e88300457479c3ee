"""Which users were active in each of several ranges, from digests and undigested souvenirs.

Souvenirs are read first and digests second, on one connection: a souvenir that is digested in
between is found twice, which changes no set, and never missed. A day or a month that is not stale
by then holds whatever had been digested before. So everything that was committed when a reading
began is in its answer, whatever is recorded, digested, pruned or erased meanwhile.

There are at most three queries, however many ranges: the souvenirs, a catalog of digests, and the
digests. The last is not needed if the counts in the catalog are the answer. If nothing has been
digested yet, the engine counts the souvenirs.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import UTC, datetime
from itertools import pairwise
from operator import itemgetter
from typing import Any, NamedTuple, TypeVar

from django.core.exceptions import ImproperlyConfigured
from django.db.backends.base.base import BaseDatabaseWrapper

from ..calendar import (
    BUCKETS,
    DAY_LEVEL,
    HOUR_LEVEL,
    INVENTORY_LEVEL,
    LOCAL_LEVELS,
    MONTH_LEVEL,
    Bounds,
    GridCell,
    GridSplit,
    Span,
    cell_of,
    fill,
    is_split,
    joined,
    moment_of,
    second_of,
    split_at,
    utc,
)
from ..conf import conf
from ..resilience import ThrottledLogger
from ..sets import CorruptDigest, Keys, UserSet
from . import queries, usable
from .activeusers import ActiveUsers
from .base import Counted, Range
from .digesttable import DigestTable, is_of_souvenirs
from .groups import group_of, members_among
from .loans import NO_LOAN, Loan
from .numbers import numbers_of
from .seals import Agreement, agreement, apart_sentence, missing_sentence
from .usable import Catalog, DigestRow, UnusableDigest

logger = ThrottledLogger(__name__)

T = TypeVar("T")

#: Bounds that replace an open end: a day from those of datetime, since engines convert time zones.
FIRST_MOMENT = datetime(1, 1, 2, tzinfo=UTC)
LAST_MOMENT = datetime(9999, 12, 30, tzinfo=UTC)


class PrunedSpan(ValueError):
    """A range begins or ends inside a bucket whose souvenirs have been deleted."""


class MonthsApart(Exception):
    """The digests and the souvenirs of some months do not belong together."""

    def __init__(self, months: list[GridCell]) -> None:
        super().__init__(*map(str, months))
        self.months = months


class ReadAgain(Exception):
    """What has been read is not what is needed, and it is known now what is."""


class SouvenirUsers(NamedTuple):
    """Users found in souvenirs, and the positions of the ranges that they belong to."""

    keys: Keys
    positions: list[int]


class Cover(NamedTuple):
    """What covers the whole buckets of a range: larger cells, and the gaps left to buckets."""

    cells: list[GridCell]
    gaps: list[Span]

    @property
    def cost(self) -> int:
        """About how many digests have to be read."""
        return len(self.cells) + sum(end - start for start, end in self.gaps) // HOUR_LEVEL

    def filled(self, cells: Sequence[GridCell]) -> Cover:
        """Return the cover with those of these cells that lie in a gap."""
        if not self.gaps:
            return self
        found, gaps = list(self.cells), []
        for gap in self.gaps:
            inside, left = fill(gap, cells)
            found += inside
            gaps += left
        return Cover(found, gaps)


class BucketRequest(NamedTuple):
    """A span in which the range at a position needs the buckets that lie inside it."""

    start: int
    end: int
    position: int


class Reading:
    """One reading of several ranges ``[start, end)``; None leaves an end open.

    The users are those of digests of one kind and, if that is the kind that souvenirs are folded
    into, of souvenirs. With ``among``, a group, only its users are found. A corrupt digest
    is not used: its parts or its souvenirs are read instead. Raises CorruptDigest if these have
    been deleted, and PrunedSpan for a range that needs deleted souvenirs of these users. With
    ``rounded``, such users count as seen where their bucket starts.
    """

    def __init__(
        self,
        connection: BaseDatabaseWrapper,
        kind: str,
        ranges: Sequence[Range],
        among: Any = None,
        *,
        rounded: bool = False,
    ) -> None:
        self.connection, self.kind = connection, kind
        self.has_souvenirs = is_of_souvenirs(kind)
        self.rounded = rounded
        self.ranges = [
            (utc(start or FIRST_MOMENT), utc(end or LAST_MOMENT)) for start, end in ranges
        ]
        self.bucket = _bucket()
        #: The spans of buckets longer than this, by their levels, as far as is known.
        self.eras: dict[int, Span] = {}
        self.splits = [self._split(*each) for each in self.ranges]
        self.among = group_of(among)
        self.unusable: set[GridCell] = set()
        #: Months whose digests and souvenirs do not belong together.
        self.apart: dict[GridCell, Agreement] = {}

    def counts(self) -> Counted:
        """Return how many users were active in each range, and the earliest known moment."""
        return self._read(self._counts)

    def sets(self) -> list[ActiveUsers]:
        """Return the users active in each range."""
        return self._read(self._sets)

    def _read(self, answer: Callable[[], T]) -> T:
        while True:
            try:
                return answer()
            except ReadAgain:
                self.splits = [self._split(*each) for each in self.ranges]
            except MonthsApart as found:
                self._consider(found.months)
            except UnusableDigest as found:
                if found.cell in self.unusable:
                    raise CorruptDigest(str(found)) from found
                logger.exception("%s Until digest_souvenirs --rebuild, it is not used.", found)
                self.unusable.add(found.cell)

    def _split(self, start: datetime, end: datetime) -> GridSplit:
        """Split a range where no bucket can be only partly inside, as far as is known."""
        span = second_of(start), second_of(end)
        longer = (level for level, era in self.eras.items() if is_split(span, level, era))
        return split_at(max(longer, default=self.bucket), start, end)

    def _consider(self, months: list[GridCell]) -> None:
        """Find out how to read months apart; raises CorruptDigest if a range cannot be read."""
        digests = DigestTable(self.connection.alias, self.kind)
        for month in months:
            self.apart[month] = how = digests.agreement(month)
            if how is Agreement.AGREED:
                continue
            logger.exception("%s Run manage.py digest_souvenirs.", apart_sentence(month, how))
            is_needed = any(
                start < end and month.overlaps(start, end) for start, end in self.ranges
            )
            if how is Agreement.UNKNOWN and is_needed:
                raise CorruptDigest(apart_sentence(month, how))

    def _counts(self) -> Counted:
        is_countable = self.has_souvenirs and self.among is None
        try:
            found = self._found(unless_digested=self.kind if is_countable else None)
        except queries.NothingDigested:
            bare = queries.count_souvenirs(self.connection, self.kind, self.ranges)
            # None: digesting has begun meanwhile.
            return self._counts() if bare is None else Counted(bare, self._catalog().first)
        catalog = self._catalog()
        covers = self._covers(catalog)
        touched = {position for each in found for position in each.positions}
        stored: dict[int, int] = {}
        if self.among is None:
            for position, (cells, gaps) in enumerate(covers):
                rest = gaps or position in touched or self._edges(position)
                if len(cells) == 1 and not rest:
                    stored[position] = catalog.count_of(cells[0])
        sets = self._united(found, covers, catalog, skipped=stored.keys())
        counts = [stored[n] if n in stored else len(users) for n, users in enumerate(sets)]
        return Counted(counts, catalog.first)

    def _sets(self) -> list[ActiveUsers]:
        if not self.ranges:
            return []
        found = self._found()
        catalog = self._catalog()
        return self._united(found, self._covers(catalog), catalog)

    def _found(self, unless_digested: str | None = None) -> list[SouvenirUsers]:
        """The users of souvenirs that no usable digest covers."""
        if not self.has_souvenirs:
            return []
        segments = _segments(self.ranges)
        positions: list[list[int]] = [[] for _ in segments]
        first_of = {start: n for n, (start, _) in enumerate(segments)}
        for position, (start, end) in enumerate(self.ranges):
            for n in range(first_of.get(start, 0), len(segments) if start < end else 0):
                if segments[n][0] >= end:
                    break
                positions[n].append(position)
        edges = [(edge, n) for n in range(len(self.ranges)) for edge in self._edges(n)]
        positions += [[position] for _, position in edges]
        bounds = [edge for edge, _ in edges]
        found = queries.users_in(self.connection, segments, bounds, unless_digested)
        return [SouvenirUsers(users, positions[n]) for n, users in found]

    def _edges(self, position: int) -> list[Bounds]:
        """Where a range needs all of its souvenirs: at its ends, and for unusable buckets."""
        start, end = self.ranges[position]
        edges = list(self.splits[position].edges)
        bare = [cell for cell in self.unusable if cell.level < DAY_LEVEL]
        for cell in bare + [month for month in self.apart if not self._is_trusted(month)]:
            within = max(start, moment_of(cell.start)), min(end, moment_of(cell.end))
            if within[0] < within[1]:
                edges.append(within)
        return edges

    def _is_trusted(self, cell: GridCell) -> bool:
        """Whether the digest of a cell may be read, as far as its month is concerned."""
        if not self.apart:
            return True
        how = self.apart.get(cell_of(MONTH_LEVEL, cell.start))
        return how is not Agreement.DIGESTS_OLDER and how is not Agreement.UNKNOWN

    def _catalog(self) -> Catalog:
        inner = [each.inner for each in self.splits]
        span = (
            min((start for start, _ in inner), default=0),
            max((end for _, end in inner), default=0),
        )
        has_local = any(edge % DAY_LEVEL for each in inner for edge in each)
        catalog = usable.catalog(self.connection, self.kind, span, has_local)
        self._check_split(catalog)
        if self.has_souvenirs:
            months = [
                month
                for month in catalog.inventories.keys() | catalog.seals.keys()
                if span[0] < month.end and month.start <= span[1] and month not in self.apart
                if agreement(catalog.inventories.get(month), catalog.seals.get(month))
                is not Agreement.AGREED
            ]
            if months:
                raise MonthsApart(months)
        return catalog

    def _check_split(self, catalog: Catalog) -> None:
        """Raise ReadAgain if souvenirs have not been read where a longer bucket is split."""
        self.eras = {level: era for level, era in catalog.levels.items() if level > self.bucket}
        if self.eras and self.splits != [self._split(*each) for each in self.ranges]:
            raise ReadAgain

    def _covers(self, catalog: Catalog) -> list[Cover]:
        months, days, local_days = (
            [cell for cell in cells if cell not in self.unusable and self._is_trusted(cell)]
            for cells in (catalog.months, catalog.days, catalog.local_days)
        )
        # Most ranges are just one of these, or too short for any.
        exact = {(cell.start, cell.end): cell for cell in (*local_days, *days, *months)}
        shortest = min((end - start for start, end in exact), default=0)
        covers = []
        for (start, end), _ in self.splits:
            if cell := exact.get((start, end)):
                covers.append(Cover([cell], []))
                continue
            cover = Cover([], [(start, end)] if start < end else [])
            if end - start > shortest:
                of_months = cover.filled(months)
                cover = of_months.filled(days)
                if cover.gaps and local_days:
                    others = cover.filled(local_days), of_months.filled(local_days).filled(days)
                    cover = min(others, key=lambda other: other.cost)
            covers.append(cover)
        for cell in {cell for cover in covers for cell in cover.cells}:
            catalog.count_of(cell)  # verified
        return covers

    def _united(
        self,
        found: list[SouvenirUsers],
        covers: list[Cover],
        catalog: Catalog,
        skipped: Collection[int] = (),
    ) -> list[ActiveUsers]:
        """The users in each range; no users in those that are skipped."""
        others = frozenset().union(*(k for k, _ in found if not isinstance(k, UserSet)))
        # Before the digests are read, since a user who is erased meanwhile loses their number.
        numbers = dict(numbers_of(others, self.connection.alias)) if others else {}
        parts: list[list[UserSet]] = [[] for _ in self.ranges]
        for users, positions in self._digests(covers, catalog, skipped):
            for position in positions:
                parts[position].append(users)
        rest = others.difference(numbers)
        if rest and any(parts):
            # A user in a digest was given a number before that was read: it is known now.
            numbers.update(numbers_of(rest, self.connection.alias))
        rest = others.difference(numbers)
        loan = Loan(rest) if rest else NO_LOAN
        numbers.update(loan.number_of)
        for keys, positions in found:
            if isinstance(keys, UserSet):
                users = keys
            else:
                users = UserSet.from_ids(numbers[key] for key in keys)
            for position in positions:
                parts[position].append(users)
        united = []
        for position in range(len(parts)):
            united.append(ActiveUsers.of(UserSet.union(parts[position]), loan))
            parts[position] = []
        if self.among is None:
            return united
        united, members = members_among(united, self.among)
        return [users & members for users in united]

    def _digests(
        self, covers: list[Cover], catalog: Catalog, skipped: Collection[int]
    ) -> Iterator[tuple[UserSet, list[int]]]:
        """Generate the users of each digest that is needed, with the ranges that need it."""
        positions_of: dict[GridCell, list[int]] = {}
        requests: list[BucketRequest] = []
        for position, cover in enumerate(covers):
            if position in skipped:
                continue
            for cell in cover.cells:
                positions_of.setdefault(cell, []).append(position)
            requests += [BucketRequest(*gap, position) for gap in cover.gaps]
            for start, _ in self.splits[position].edges:
                # The longest bucket that may have a part in the edge.
                hour = cell_of(HOUR_LEVEL, second_of(start))
                requests.append(BucketRequest(hour.start, hour.end, position))
        spans = joined((start, end) for start, end, _ in requests)
        inventories = [
            GridCell(INVENTORY_LEVEL, month.start)
            for month in catalog.inventories
            if self._is_trusted(month) and any(map(month.meets, spans))
        ]
        if not (positions_of or inventories or (spans and catalog.levels)):
            return
        sweep = SweepLine(requests)
        buckets: dict[GridCell, bool] = {}
        missing = set(positions_of)
        # The very first buckets may have been digested since the catalog was read.
        levels = catalog.levels or BUCKETS
        for row in usable.digests_in(
            self.connection, self.kind, [*positions_of, *inventories], levels, spans
        ):
            cell = row.cell
            if cell.level == INVENTORY_LEVEL:
                buckets.update(row.inventory().buckets)
                continue
            missing.discard(cell)
            is_pruned = buckets.pop(cell, False) or row.is_pruned
            if cell.level >= DAY_LEVEL:
                positions = positions_of.get(cell, [])
            elif self._is_trusted(cell):
                positions = self._positions_of_bucket(row, is_pruned, sweep.over(cell.start))
            else:
                positions = []
            if positions:
                yield row.users(), positions
        missing.update(self._lost(buckets, spans))
        for cell in missing:
            if cell.level in LOCAL_LEVELS:
                # The time zone of the site has just been changed.
                self.unusable.add(cell)
                raise ReadAgain
            raise UnusableDigest(cell, missing_sentence(cell))

    def _lost(self, buckets: dict[GridCell, bool], spans: list[Span]) -> Iterator[GridCell]:
        """Generate those of these buckets, whose digests are gone, that are needed in these spans.

        Their souvenirs are read instead, unless they have been deleted.
        """
        for bucket, is_pruned in buckets.items():
            if is_pruned or bucket not in self.unusable:
                place = bisect_right(spans, bucket.end - 1, key=itemgetter(0)) - 1
                if place >= 0 and bucket.start < spans[place][1]:
                    yield bucket

    def _positions_of_bucket(
        self, row: DigestRow, is_pruned: bool, requests: list[BucketRequest]
    ) -> list[int]:
        cell = row.cell
        is_alone = is_pruned or not self.has_souvenirs
        if self.apart:
            how = self.apart.get(cell_of(MONTH_LEVEL, cell.start))
            is_alone |= how is Agreement.SOUVENIRS_OLDER
        if cell in self.unusable:
            if requests and is_alone:
                raise UnusableDigest(cell, f"The digest of {cell} and its souvenirs are gone.")
            return []
        positions = []
        first, last = moment_of(cell.start), moment_of(cell.end)
        for request in requests:
            start, end = self.ranges[request.position]
            if start <= first and last <= end:
                positions.append(request.position)
            elif is_alone and self.rounded:
                if start <= first < end:
                    positions.append(request.position)
            elif is_alone and start < last and first < end and self._concerns(row):
                what = "The souvenirs of {} have been deleted, and only their digest is left"
                if not self.has_souvenirs:
                    what = f"The {self.kind!r} digest of {{}} cannot be split"
                raise PrunedSpan(
                    f"{what.format(cell)}: give a start and an end that lie on a multiple of "
                    f"{cell.level} seconds in UTC."
                )
        return positions

    def _concerns(self, row: DigestRow) -> bool:
        """Whether a user of the group is in a digest."""
        if self.among is None:
            return True
        [users], members = members_among([ActiveUsers.of(row.users())], self.among)
        return bool(users.count_common(members))


def _bucket() -> int:
    """Return the length of new buckets or, if the setting is invalid, of the longest.

    Digesting refuses such a setting; a reading does not need it.
    """
    try:
        return conf.BUCKET_SECONDS
    except ImproperlyConfigured:
        return HOUR_LEVEL


class SweepLine:
    """The requests over each of several seconds, which have to be asked in ascending order."""

    def __init__(self, requests: list[BucketRequest]) -> None:
        self.coming = deque(sorted(requests))
        self.current: list[BucketRequest] = []

    def over(self, second: int) -> list[BucketRequest]:
        while self.coming and self.coming[0].start <= second:
            self.current.append(self.coming.popleft())
        self.current = [request for request in self.current if second < request.end]
        return self.current


def _segments(ranges: Sequence[Bounds]) -> list[Bounds]:
    """The parts between all starts and ends that lie in some range, in order."""
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
