"""The numbers of the overview, from one consistent reading."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from itertools import pairwise
from typing import Any

from django.utils import timezone

from ..calendar import (
    HOUR_LEVEL,
    MONTH,
    Boundaries,
    Incomplete,
    Timeline,
    calendar_start,
    checked,
    earlier,
    incomplete,
    interval_named,
    is_known,
    local,
    next_month,
    outward,
    utc,
)
from ..conf import conf
from ..counting import ActiveUsers, accounts_as_of, usage_row
from ..insights import (
    Growth,
    Plan,
    Stickiness,
    plan_growth,
    plan_stickiness,
    ratio,
    results_of,
    trailing_counts,
)
from ..reports import Usage, calendar_monthly_usage
from ..stores import get_store
from ..web import FOUR_WEEKS, WEEK, busyhours

#: Users seen this recently are active now.
NOW = timedelta(minutes=15)

#: The maximum number of points of a chart; for longer ranges, points are weeks or months.
MOST_POINTS = 400


@dataclass(frozen=True, slots=True)
class Tile:
    """A number at a moment, and at the same moment of the previous period."""

    name: str
    start: datetime
    end: datetime
    #: None if unknown.
    value: float | None
    before: float | None
    #: The number on each of the last days, oldest first.
    line: tuple[float | None, ...]
    #: Why the day or month of the value is incomplete; None for the last N days.
    incomplete: Incomplete | None
    #: Why the last day of the line is incomplete.
    last: Incomplete | None

    @property
    def change(self) -> float | None:
        if self.value is None or self.before is None:
            return None
        return self.value - self.before


@dataclass(frozen=True, slots=True)
class Overview:
    """The numbers of the overview."""

    #: The moment of the tiles: the end of the range, or now if that is earlier.
    moment: datetime
    is_now: bool
    #: The number of users active now, and the moment since when they were seen.
    active_since: datetime
    active_now: int
    tiles: tuple[Tile, ...]
    chart: Stickiness
    growth: Growth
    busy: busyhours.BusyHours
    months: list[Usage]


def overview(
    start: datetime, end: datetime | None, interval: str, zone: tzinfo, users: Any = None
) -> Overview:
    """Return the numbers of ``[start, end)`` and of its last days; without an end, up to now."""
    now = checked(timezone.now(), "now")
    moment, days = busyhours.last_day_of(end or now, now, zone)
    start = earlier(checked(start, "start"), moment)
    first_souvenir = get_store().first()

    def timeline(interval: str) -> Timeline:
        unit = interval_named(interval)
        return Timeline.of(unit, start, moment, zone, now=now, first_souvenir=first_souvenir)

    plans: list[Plan[Any]] = [
        _plan_tiles(days, moment, now, first_souvenir),
        plan_stickiness(timeline(spread_over(start, moment))),
        plan_growth(timeline(interval)),
        busyhours.plan_busy_hours(days, first_souvenir),
        Plan([(outward(now - NOW), outward(now))], lambda sets: len(sets[0])),
    ]
    # A report function of the site counts in its own way.
    if not conf.USAGE_REPORTS_FUNCTION:
        plans.append(_plan_usage(timeline("month"), users))
    tiles, chart, growth, busy, active_now, *months = results_of(plans, users)
    return Overview(
        moment=moment,
        is_now=utc(moment) == utc(now),
        active_since=now - NOW,
        active_now=active_now,
        tiles=tiles,
        chart=chart,
        growth=growth,
        busy=busy,
        months=months[0]
        if months
        else list(calendar_monthly_usage(outward(start), outward(moment), tz=zone, users=users)),
    )


def spread_over(start: datetime, end: datetime) -> str:
    """Return the shortest interval in which a chart of ``[start, end)`` has few enough points."""
    days = (utc(end) - utc(start)).days
    if days <= MOST_POINTS:
        return "day"
    return "week" if days <= MOST_POINTS * WEEK else "month"


def _plan_tiles(
    days: Boundaries, moment: datetime, now: datetime, first_souvenir: datetime | None
) -> Plan[tuple[Tile, ...]]:
    """Plan the tiles at a moment in, or at the end of, day 0."""
    first = -2 * FOUR_WEEKS
    bounds = [days.boundary(number) for number in range(first, 1)] + [moment]
    last = busyhours.just_before(moment, days.zone)
    month = calendar_start(outward(last), MONTH, days.zone)
    last_month = next_month(month, delta=-1, tz=days.zone)
    of_day = incomplete(days.boundary(1), moment, now)
    of_month = incomplete(next_month(month, tz=days.zone), moment, now)
    month_end = earlier(_end_of_hour(days, next_month(last, delta=-1, tz=days.zone)), month)
    ends = {
        length: _end_of_hour(days, _days_before(last, length)) for length in (1, WEEK, FOUR_WEEKS)
    }
    ranges: list[tuple[datetime | None, datetime]] = [
        *pairwise(bounds),
        *((days.boundary(-length), end) for length, end in ends.items()),
        (None, bounds[-1 - FOUR_WEEKS]),
        (None, month),
        (month, moment),
        (None, last_month),
        (last_month, month_end),
    ]

    def known(until: datetime) -> bool:
        return is_known(until, first_souvenir)

    def make(sets: Sequence[ActiveUsers]) -> tuple[Tile, ...]:
        count = len(bounds) - 1
        each, partial = sets[:count], dict(zip(ends, sets[count:], strict=False))
        seen, seen_before_month, this_month, seen_before_last, that_month = sets[-5:]

        def windows(length: int) -> list[int | None]:
            spans = [(end - length, end) for end in range(count - FOUR_WEEKS + 1, count + 1)]
            counted = trailing_counts(each, spans)
            return [
                users if known(bounds[end]) else None
                for users, (_, end) in zip(counted, spans, strict=True)
            ]

        def window(name: str, length: int) -> Tile:
            line = windows(length)
            whole = each[count - 2 * length : count - length - 1]
            before = len(ActiveUsers.union([*whole, partial[length]]))
            start = days.boundary(1 - length)
            return Tile(
                name,
                start,
                moment,
                line[-1],
                before if known(ends[length]) else None,
                tuple(line),
                incomplete=of_day if length == 1 else None,
                last=of_day,
            )

        def stickiness(last: int) -> float | None:
            """Return the stickiness of the 28 whole days up to ``last`` days before the end."""
            span = each[count - FOUR_WEEKS - last : count - last]
            if not known(bounds[count - last]):
                return None
            return ratio(sum(map(len, span)) / FOUR_WEEKS, len(ActiveUsers.union(span)))

        def new() -> Tile:
            line: list[int | None] = []
            before = seen
            for users, end in zip(each[-FOUR_WEEKS:], bounds[-FOUR_WEEKS:], strict=True):
                line.append(len(users - before) if known(end) else None)
                before |= users
            return Tile(
                "new",
                month,
                moment,
                len(this_month - seen_before_month) if known(moment) else None,
                len(that_month - seen_before_last) if known(month_end) else None,
                tuple(line),
                incomplete=of_month,
                last=of_day,
            )

        return (
            window("day", 1),
            window("week", WEEK),
            window("weeks", FOUR_WEEKS),
            Tile(
                "stickiness",
                days.boundary(-FOUR_WEEKS),
                days.boundary(0),
                stickiness(1),
                stickiness(FOUR_WEEKS + 1),
                tuple(stickiness(last) for last in range(FOUR_WEEKS, 0, -1)),
                incomplete=None,
                last=None,
            ),
            new(),
        )

    return Plan([(outward(start) if start else None, outward(end)) for start, end in ranges], make)


def _plan_usage(months: Timeline, users: Any) -> Plan[list[Usage]]:
    """Plan the usage report of calendar months, in the form of :mod:`souvenirs.reports`."""

    def make(sets: Sequence[ActiveUsers]) -> list[Usage]:
        ends = [checked(period.end, "end") for period in months.periods]
        known = accounts_as_of(ends, users)
        report = []
        for period, active, accounts in zip(months.periods, sets, known, strict=True):
            usage = usage_row(
                (period.start, period.end),
                len(active),
                accounts,
                incomplete=period.incomplete,
                known=period.known,
            )
            usage["labels"] = {"calendar_year_month": period.label}
            report.append(usage)
        return report

    return Plan(months.ranges, make)


def _days_before(moment: datetime, number: int) -> datetime:
    """Return the same time of day a number of days earlier."""
    reading = moment.replace(tzinfo=None) - timedelta(days=number)
    return reading.replace(tzinfo=moment.tzinfo)


def _end_of_hour(days: Boundaries, moment: datetime) -> datetime:
    """Return the end of the hour of a moment, where a range can end even in pruned souvenirs."""
    instant = utc(moment)
    hour = instant.replace(minute=0, second=0, microsecond=0) + timedelta(seconds=HOUR_LEVEL)
    return local(earlier(hour, days.boundary(days.number(instant) + 1)), days.zone)
