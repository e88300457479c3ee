"""A key figure period by period, beside that of an earlier time or of each segment."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import accumulate
from typing import Any, NamedTuple

from dateutil.relativedelta import relativedelta
from django.db.models import QuerySet

from ..calendar import (
    DAY,
    START_OF_TIME,
    Period,
    Timeline,
    calendar_boundaries,
    checked,
    earlier,
    is_known,
    utc,
)
from ..counting import (
    BY_SETTING,
    ActiveUsers,
    InvalidSegment,
    groups_among,
    segments_among,
    users_by,
)
from ..insights import Plan, plan_growth, plan_series, ratio, trailing_counts
from ..publishing import GROWTH, Known, growth_counts
from ..web import FOUR_WEEKS, WEEK, busyhours, shared
from .keyfigures import LENGTHS, end_of_hour

#: Periods before those of the same period last year, by interval; a year of days has whole weeks.
YEAR = {"day": 364, "week": 52, "month": 12, "quarter": 4, "year": 1}

#: The comparisons with an earlier time.
EARLIER = ("previous", "year")

#: The published metrics that a trend can be made of, by its figure.
METRICS = {"active": ("active",), "7d": ("active_7d",), "28d": ("active_28d",), "new": GROWTH}

#: The most segments that have a line, and a column in the table.
MOST_LINES = 8
MOST_COLUMNS = 20


class Point(NamedTuple):
    """The value of a period, which counts users active since ``start``; None if it is unknown."""

    start: datetime
    value: float | None


@dataclass(frozen=True)
class Trend:
    """A key figure in each period of a range; a share is from 0 to 1."""

    figure: str
    interval: str
    periods: tuple[Period, ...]
    points: tuple[Point, ...]

    @property
    def values(self) -> list[float | None]:
        return [point.value for point in self.points]


@dataclass(frozen=True)
class Trends:
    """A trend of everyone, and of the segments with the most users at its end, or of all of them.

    A segment that cannot be evaluated is an error in place of a trend.
    """

    everyone: Trend
    segments: Mapping[str, Trend | InvalidSegment]
    #: The number of values of a listed field that are not among the segments, which are in the
    #: order of their active users in the range; None if the segments are no such values.
    others: int | None = None


def plan_trend(
    figure: str, timeline: Timeline, first_souvenir: datetime | None, known: Known
) -> Plan[Trend]:
    """Plan the trend of a key figure: ``active``, ``7d``, ``28d``, ``new`` or ``stickiness``.

    ``known`` has published counts of the first periods, which need not be read. These are of
    everyone, so there must be none for a plan that is made of a segment's users.
    """

    def trend(points: Sequence[Point]) -> Trend:
        return Trend(figure, timeline.interval.name, timeline.periods, tuple(points))

    if figure == "stickiness":
        return _plan_stickiness(timeline, first_souvenir, trend)
    if figure == "new":
        growth = plan_growth(timeline, growth_counts(known))

        def new(sets: Sequence[ActiveUsers]) -> Trend:
            return trend([Point(e.period.start, e.new) for e in growth.make(sets).periods])

        return Plan(growth.ranges, new)
    window = None if figure == "active" else LENGTHS[figure]
    series = plan_series(timeline, window, known.get(METRICS[figure][0], ()))

    def counted(sets: Sequence[ActiveUsers]) -> Trend:
        found = series.make(sets)
        return trend(list(map(Point, found.starts, found.values)))

    return Plan(series.ranges, counted)


class Earlier(NamedTuple):
    """The values of an earlier time beside each period of a chart; None if there is none."""

    labels: tuple[str, ...]
    values: tuple[float | None, ...]


def plan_earlier(
    figure: str,
    timeline: Timeline,
    earlier: Timeline,
    first_souvenir: datetime | None,
    known: Known,
) -> Plan[Earlier]:
    """Plan the trend of an earlier time, whose periods are as far from its start as the others.

    ``known`` has published counts of that time.
    """
    plan = plan_trend(figure, earlier, first_souvenir, known)

    def make(sets: Sequence[ActiveUsers]) -> Earlier:
        values = plan.make(sets).values
        labels = [period.label for period in earlier.periods]
        # A day that the time zone skipped has none beside it.
        found = dict(zip(earlier.offsets, zip(labels, values, strict=True), strict=True))
        beside = [found.get(offset, ("", None)) for offset in timeline.offsets]
        return Earlier(tuple(label for label, _ in beside), tuple(value for _, value in beside))

    return Plan(plan.ranges, make)


def _plan_stickiness(
    timeline: Timeline, first_souvenir: datetime | None, trend: Callable[[list[Point]], Trend]
) -> Plan[Trend]:
    """Plan the stickiness of the last 28 whole days up to the end of each period."""
    known = timeline.known()
    unknown = timeline.periods[: len(timeline.periods) - len(known.periods)]
    days = known.days(before=FOUR_WEEKS)
    # A day that is not over is not whole.
    lasts = [last - (not days.complete[last - 1]) for _, last in days.positions]
    windows = [(last - FOUR_WEEKS, last) for last in lasts]

    def make(sets: Sequence[ActiveUsers]) -> Trend:
        sums = list(accumulate(map(len, sets), initial=0))
        points = [Point(period.start, None) for period in unknown]
        for (first, last), users in zip(windows, trailing_counts(sets, windows), strict=True):
            start, end = days.ranges[first][0], days.ranges[last - 1][1]
            share = ratio((sums[last] - sums[first]) / FOUR_WEEKS, users)
            points.append(Point(start, share if is_known(end, first_souvenir) else None))
        return trend(points)

    return Plan(days.ranges, make)


def with_segments(plan: Plan[Trend], by: str, visible: QuerySet[Any] | None) -> Plan[Trends]:
    """Plan the trend of everyone and of each segment, or of each group of users."""

    def make(sets: Sequence[ActiveUsers]) -> Trends:
        found: dict[str, Trend | InvalidSegment] = {}
        for name, members in members_of_each(sets, by, visible):
            if isinstance(members, InvalidSegment):
                found[name] = members
            else:
                found[name] = plan.make(members)
        return Trends(plan.make(sets), found)

    return Plan(plan.ranges, make)


def with_values(
    plan: Plan[Trend], groups: Mapping[str, ActiveUsers], others: int | None
) -> Plan[Trends]:
    """Plan the trend of everyone and of the users with each of these values of a listed field."""

    def make(sets: Sequence[ActiveUsers]) -> Trends:
        members = users_by(sets, groups) if groups else {}
        found = {name: plan.make(of_value) for name, of_value in members.items()}
        return Trends(plan.make(sets), found, others)

    return Plan(plan.ranges, make)


def members_of_each(
    sets: Sequence[ActiveUsers], by: str, visible: QuerySet[Any] | None
) -> list[tuple[str, list[ActiveUsers] | InvalidSegment]]:
    """Return the users of each segment, or of each group, in each of these sets, by name.

    To a limited reader, who may see the users ``visible``, others have no segments.
    """
    if visible is not None:
        own = groups_among(visible, shared.BY_GROUP if by == "groups" else BY_SETTING)
        return list(users_by(sets, own).items()) if own else []
    if by == "groups":
        return list(users_by(sets, shared.BY_GROUP).items())
    return segments_among(sets)


def earlier_timeline(
    timeline: Timeline, moment: datetime, compare: str, first_souvenir: datetime | None
) -> Timeline | None:
    """Return as many periods before those of a timeline that ends at ``moment``, or a year before.

    The last one ends where it is as old as the last one of the timeline is at ``moment``, at the
    end of that hour. Days are shifted by whole weeks. None if that is before the year 1.
    """
    name, step, zone = timeline.interval.name, timeline.interval.step, timeline.zone
    if not timeline.periods:
        return None
    count = length = timeline.offsets[-1] + 1
    if compare == "year":
        count = YEAR[name]
    elif name == "day":
        count = -(-count // WEEK) * WEEK
    start = checked(timeline.start_of(-count), "start")
    end = checked(timeline.start_of(length - count), "end")
    if utc(start) == START_OF_TIME:
        return None
    if timeline.periods[-1].incomplete:
        last = busyhours.just_before(moment, zone)
        shift = timedelta(days=step.days * count)
        reading = last.replace(tzinfo=None) - shift
        reading -= relativedelta(months=step.months * count)
        days = calendar_boundaries(reading.replace(tzinfo=zone), DAY, zone)
        end = earlier(end, end_of_hour(days, reading.replace(tzinfo=zone)))
    return Timeline.of(
        timeline.interval,
        start,
        end,
        zone,
        now=timeline.now,
        first_souvenir=first_souvenir,
    )
