"""The calendar periods of a range."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, tzinfo
from itertools import pairwise
from typing import Any, Literal, NamedTuple, TypeVar

from .instants import MICROSECOND, Bounds, checked, instant_before, local, outward, utc
from .intervals import Interval
from .limit import MAX_PERIODS, check_period_count
from .periods import DAY, Boundaries, calendar_boundaries, earlier

T = TypeVar("T")

#: Why a period is incomplete, see :class:`Period`.
Incomplete = Literal["running", "cut"]


class NumberedPeriod(NamedTuple):
    """A period by its number, see :class:`Boundaries`, cut off where a range ends.

    ``start`` and ``end`` are aware datetimes in the zone of the boundaries.
    """

    number: int
    start: datetime
    end: datetime
    #: See :class:`Period`.
    incomplete: Incomplete | None


@dataclass(frozen=True, slots=True)
class Period:
    """A calendar period, ``[start, end)``, cut off where the range ends.

    The terms of reports and insights:

    * A period is *complete* if it was over at the time of the query, and all of it is in the range.
      Otherwise ``incomplete`` says why: ``"running"`` if it was not over, ``"cut"`` if it was, but
      the range ends before it. The current month is running, even in a range that ended yesterday.
      No number of an incomplete period can be compared with that of a complete one.
    * A period is *known* if it ends after the first souvenir. Nothing was recorded before, so the
      number of users active in an unknown period is None, not 0. The time of the first souvenir
      stays the same when souvenirs are digested or pruned.
    * *n days later*, and the last n days, are by date. A day that the time zone skipped, as Samoa
      skipped 30 December 2011, is a date on which nobody was active: the 31st is two days after the
      29th. It is no period, so the previous period of the 31st is the 29th.
    * In a time zone at a half or quarter hour, a period begins within an hour of UTC. A user counts
      in the period of the first request of each window, and a period that begins within a pruned
      bucket raises PrunedSpan. Windows and buckets of 1800 or 900 seconds avoid both.
    """

    start: datetime
    end: datetime
    label: str
    #: ``"running"`` or ``"cut"``; None if the period is complete.
    incomplete: Incomplete | None
    known: bool

    @property
    def complete(self) -> bool:
        return self.incomplete is None

    def row(self) -> dict[str, Any]:
        """Return the columns that every row about a period begins with."""
        return {
            "label": self.label,
            "start": self.start,
            "end": self.end,
            "complete": self.complete,
            "incomplete": self.incomplete,
        }


def is_known(end: datetime, first_souvenir: datetime | None) -> bool:
    """Whether a period with this end is known, see :class:`Period`; aware datetimes."""
    return first_souvenir is not None and utc(first_souvenir) < utc(end)


def incomplete(period_end: datetime, range_end: datetime, now: datetime) -> Incomplete | None:
    """Return why a period that ends at ``period_end`` is incomplete; aware datetimes."""
    if utc(period_end) > utc(now):
        return "running"
    return "cut" if utc(period_end) > utc(range_end) else None


def periods_in(
    boundaries: Boundaries,
    start: datetime | None,
    end: datetime,
    now: datetime,
    recent: int | None = None,
) -> Iterator[NumberedPeriod]:
    """Return the periods from the one that contains ``start``, or from the anchor, up to ``end``.

    ``start``, ``end`` and ``now`` are aware datetimes. Periods before the anchor are left out. With
    ``recent``, only the last N periods are returned. Raises TooManyPeriods at the call.
    """
    numbers = boundaries.numbers(start, end)
    if recent is not None:
        numbers = numbers[-recent:]
    check_period_count(len(numbers))
    spans = boundaries.spans(numbers.start, end) if numbers else ()
    limit, present = utc(end), utc(now)

    def numbered(number: int, begin: datetime, following: datetime) -> NumberedPeriod:
        instant = utc(following)
        is_cut = instant > limit
        why: Incomplete | None = "cut" if is_cut else None
        if instant > present:
            why = "running"
        return NumberedPeriod(
            number, begin, local(end, boundaries.zone) if is_cut else following, why
        )

    return (numbered(*each) for each in spans)


@dataclass(frozen=True)
class Days:
    """Consecutive local days, and the positions ``[first, last)`` of each period among them."""

    ranges: list[Bounds]
    #: Whether each day is complete, see :class:`Period`; False for a day that the zone skipped.
    complete: list[bool]
    positions: list[tuple[int, int]]


@dataclass(frozen=True)
class Timeline:
    """The calendar periods of a range."""

    interval: Interval
    zone: tzinfo
    periods: tuple[Period, ...]
    #: The time of the query.
    now: datetime
    _boundaries: Boundaries
    _first: int

    @classmethod
    def of(
        cls,
        interval: Interval,
        start: datetime | None,
        end: datetime | None,
        tz: str | tzinfo | None,
        *,
        now: datetime,
        first_souvenir: datetime | None,
    ) -> Timeline:
        """Return the periods from the one that contains ``start`` up to ``end``, aware datetimes.

        Without a start they begin with the period of the first souvenir; without an end they go up
        to ``now``. Raises ValueError for an unknown time zone or too many periods.
        """
        end = end or now
        if start is None:
            start = earlier(first_souvenir or end, instant_before(end))
        boundaries = calendar_boundaries(start, interval.step, tz)
        periods = tuple(
            Period(
                outward(period.start),
                outward(period.end),
                str(interval.label(boundaries.wall(period.number))),
                period.incomplete,
                is_known(period.end, first_souvenir),
            )
            for period in periods_in(boundaries, start, end, now)
        )
        return cls(interval, boundaries.zone, periods, now, boundaries, boundaries.number(start))

    @property
    def ranges(self) -> list[Bounds]:
        return [(period.start, period.end) for period in self.periods]

    def start_of(self, position: int) -> datetime:
        """Return the start of the period at a position; negative positions precede the range."""
        return outward(self._boundaries.boundary(self._first + position))

    @property
    def offsets(self) -> Sequence[int]:
        """How many periods after the first each one is; a day that the zone skipped counts."""
        if not self.periods or self._number(-1) - self._first == len(self.periods) - 1:
            return range(len(self.periods))
        return [self._number(place) - self._first for place in range(len(self.periods))]

    def _number(self, place: int) -> int:
        return self._boundaries.number(checked(self.periods[place].start, "start"))

    def with_skipped(self, values: Sequence[T], skipped: Callable[[T], T]) -> list[T]:
        """Return the value of each period, and of each day that the zone skipped between them.

        The latter is made from the value of the period before it.
        """
        found: list[T] = []
        for offset, value in zip(self.offsets, values, strict=True):
            while len(found) < offset:
                found.append(skipped(found[-1]))
            found.append(value)
        return found

    def known(self) -> Timeline:
        """Return the timeline without the unknown periods, which come first."""
        unknown = sum(not period.known for period in self.periods)
        return replace(self, periods=self.periods[unknown:], _first=self._first + unknown)

    def split(self, count: int) -> tuple[Timeline, Timeline]:
        """Return the timeline of this many of the first periods, and that of the others."""
        if not count:
            return replace(self, periods=()), self
        first = self._number(count) if count < len(self.periods) else self._first
        rest = replace(self, periods=self.periods[count:], _first=first)
        return replace(self, periods=self.periods[:count]), rest

    def before(self) -> Bounds:
        """Return the period before the first one, ignoring a day that the time zone skipped."""
        start = self.start_of(0)
        previous = self.start_of(-1)
        return previous if previous != start else self.start_of(-2), start

    def days(self, before: int = 0) -> Days:
        """Return the local days of the periods and ``before`` days before them.

        A day that the time zone skipped, like 30 December 2011 on Samoa, is empty.
        Raises ValueError for more than 100,000 days.
        """
        if not self.periods:
            return Days([], [], [])
        end = checked(self.periods[-1].end, "end")
        # From the wall clock, not from the boundary: if the clock skips midnight, the day starts
        # later than midnight.
        first = self._boundaries.wall(self._first).replace(tzinfo=self.zone)
        days = Boundaries(first, DAY, self.zone)
        last = utc(end)
        count = days.number(last - MICROSECOND) + 1
        if count > MAX_PERIODS:
            raise ValueError(
                f"The range has {count:,} days, more than {MAX_PERIODS:,}: choose a shorter range."
            )
        bounds = [days.boundary(number) for number in range(-before, count + 1)]
        instants = list(map(utc, bounds))
        positions = [
            (
                bisect_right(instants, utc(checked(period.start, "start"))) - 1,
                bisect_right(instants, utc(checked(period.end, "end")) - MICROSECOND),
            )
            for period in self.periods
        ]
        over = min(last, utc(self.now))
        complete = [start < following <= over for start, following in pairwise(instants)]
        bounds = [
            outward(bound if instant <= last else local(end, self.zone))
            for bound, instant in zip(bounds, instants, strict=True)
        ]
        return Days(list(pairwise(bounds)), complete, positions)
