"""The key figures of the overview, and those of each segment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from ..calendar import (
    HOUR_LEVEL,
    MONTH,
    Boundaries,
    Incomplete,
    calendar_start,
    earlier,
    incomplete,
    is_known,
    local,
    next_month,
    outward,
    utc,
)
from ..counting import ActiveUsers
from ..insights import Plan, ratio
from ..web import FOUR_WEEKS, WEEK, busyhours


@dataclass(frozen=True, slots=True)
class KeyFigure:
    """A number at a moment, and at the same moment of the previous period."""

    name: str
    start: datetime
    end: datetime
    #: None if unknown.
    value: float | None
    before: float | None
    #: Why the day or month of the value is incomplete; None for the last N days.
    incomplete: Incomplete | None

    @property
    def change(self) -> float | None:
        if self.value is None or self.before is None:
            return None
        return self.value - self.before


@dataclass(frozen=True, slots=True)
class SegmentFigures:
    """The users of a segment in the last 28 days, compared with the 28 days before."""

    weeks: KeyFigure
    #: The users active on each of the last 28 days, oldest first; None if unknown.
    line: tuple[int | None, ...]
    #: Why the last day of the line is incomplete.
    last: Incomplete | None


class Windows:
    """The last N local days up to a moment in, or at the end of, day 0, and those before them."""

    def __init__(
        self, days: Boundaries, moment: datetime, now: datetime, first_souvenir: datetime | None
    ) -> None:
        last = busyhours.just_before(moment, days.zone)
        self.days, self.moment, self.first_souvenir = days, moment, first_souvenir
        self.bounds = [days.boundary(number) for number in range(-2 * FOUR_WEEKS, 1)] + [moment]
        #: The same time of day at the end of the window before, by the length of the window.
        self.ends = {
            length: end_of_hour(days, _days_before(last, length)) for length in LENGTHS.values()
        }
        self.incomplete = incomplete(days.boundary(1), moment, now)

    @property
    def ranges(self) -> list[tuple[datetime, datetime]]:
        """Each of the days, then the incomplete days at the ends of the windows before."""
        partial = ((self.days.boundary(-length), end) for length, end in self.ends.items())
        return [(outward(start), outward(end)) for start, end in (*pairwise(self.bounds), *partial)]

    def known(self, until: datetime) -> bool:
        return is_known(until, self.first_souvenir)

    def figure(self, name: str, sets: Sequence[ActiveUsers]) -> KeyFigure:
        """Return the number of users in a window, given those in the ranges."""
        length = LENGTHS[name]
        count = len(self.bounds) - 1
        partial = sets[count + list(self.ends).index(length)]
        before = [*sets[count - 2 * length : count - length - 1], partial]
        end = self.ends[length]
        return KeyFigure(
            name,
            self.days.boundary(1 - length),
            self.moment,
            len(ActiveUsers.union(sets[count - length : count]))
            if self.known(self.moment)
            else None,
            len(ActiveUsers.union(before)) if self.known(end) else None,
            incomplete=self.incomplete if length == 1 else None,
        )

    def stickiness(self, sets: Sequence[ActiveUsers]) -> KeyFigure:
        """Return the stickiness of the last 28 whole days, and of those before them."""
        # Day 0 is whole if the moment is its end.
        whole = len(self.bounds) - 1 - (self.incomplete is not None)

        def of(last: int) -> float | None:
            span = sets[last - FOUR_WEEKS : last]
            if not self.known(self.bounds[last]):
                return None
            return ratio(sum(map(len, span)) / FOUR_WEEKS, _together(span))

        return KeyFigure(
            "stickiness",
            self.bounds[whole - FOUR_WEEKS],
            self.bounds[whole],
            of(whole),
            of(whole - FOUR_WEEKS),
            incomplete=None,
        )

    def each_day(self, sets: Sequence[ActiveUsers]) -> tuple[int | None, ...]:
        """Return the number of users on each of the last 28 days."""
        count = len(self.bounds) - 1
        return tuple(
            len(sets[number]) if self.known(self.bounds[number + 1]) else None
            for number in range(count - FOUR_WEEKS, count)
        )


#: The days of each window, by the name of its figure.
LENGTHS = {"active": 1, "7d": WEEK, "28d": FOUR_WEEKS}


def plan_key_figures(
    days: Boundaries, moment: datetime, now: datetime, first_souvenir: datetime | None
) -> Plan[tuple[KeyFigure, ...]]:
    """Plan the figures of windows at a moment in, or at the end of, day 0, and the stickiness."""
    windows = Windows(days, moment, now, first_souvenir)

    def make(sets: Sequence[ActiveUsers]) -> tuple[KeyFigure, ...]:
        return (*(windows.figure(name, sets) for name in LENGTHS), windows.stickiness(sets))

    return Plan(windows.ranges, make)


def plan_new(
    days: Boundaries, moment: datetime, now: datetime, first_souvenir: datetime | None
) -> Plan[KeyFigure]:
    """Plan the number of new users in the month of a moment, of which day 0 is the last day."""
    zone = days.zone
    last = busyhours.just_before(moment, zone)
    month = calendar_start(outward(last), MONTH, zone)
    last_month = next_month(month, delta=-1, tz=zone)
    month_end = earlier(end_of_hour(days, next_month(last, delta=-1, tz=zone)), month)
    ranges: list[tuple[datetime | None, datetime]] = [
        (None, outward(month)),
        (outward(month), outward(moment)),
        (None, outward(last_month)),
        (outward(last_month), outward(month_end)),
    ]

    def make(sets: Sequence[ActiveUsers]) -> KeyFigure:
        seen, this_month, seen_before, that_month = sets
        return KeyFigure(
            "new",
            month,
            moment,
            len(this_month - seen) if is_known(moment, first_souvenir) else None,
            len(that_month - seen_before) if is_known(month_end, first_souvenir) else None,
            incomplete=incomplete(next_month(month, tz=zone), moment, now),
        )

    return Plan(ranges, make)


def plan_segment_figures(
    days: Boundaries, moment: datetime, now: datetime, first_souvenir: datetime | None
) -> Plan[SegmentFigures]:
    """Plan the figures of a segment at a moment in, or at the end of, day 0."""
    windows = Windows(days, moment, now, first_souvenir)

    def make(sets: Sequence[ActiveUsers]) -> SegmentFigures:
        weeks = windows.figure("28d", sets)
        return SegmentFigures(weeks, windows.each_day(sets), windows.incomplete)

    return Plan(windows.ranges, make)


def end_of_hour(days: Boundaries, moment: datetime) -> datetime:
    """Return the end of the hour of a moment, where a range can end even in pruned souvenirs."""
    instant = utc(moment)
    hour = instant.replace(minute=0, second=0, microsecond=0) + timedelta(seconds=HOUR_LEVEL)
    return local(earlier(hour, days.boundary(days.number(instant) + 1)), days.zone)


def _together(sets: Sequence[ActiveUsers]) -> int:
    return len(ActiveUsers.union(sets))


def _days_before(moment: datetime, number: int) -> datetime:
    """Return the same time of day a number of days earlier."""
    reading = moment.replace(tzinfo=None) - timedelta(days=number)
    return reading.replace(tzinfo=moment.tzinfo)
