"""The numbers of the overview, from one consistent reading."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from typing import Any, NamedTuple

from django.utils import timezone

from ..calendar import Timeline, checked, earlier, interval_named, outward, utc
from ..counting import InvalidSegment
from ..insights import Growth, Plan, Retention, plan_growth, plan_retention, results_of
from ..sets import CorruptDigest
from ..stores import PrunedSpan
from ..web import busyhours
from .keyfigures import (
    KeyFigure,
    SegmentFigures,
    plan_key_figures,
    plan_new,
    plan_segment_figures,
)
from .trend import (
    Earlier,
    Trends,
    earlier_timeline,
    members_of_each,
    plan_earlier,
    plan_trend,
    with_segments,
)

#: Users seen this recently are active now.
NOW = timedelta(minutes=15)

#: The most cohorts of the retention curve: the last ones.
MOST_COHORTS = 26

#: The lengths of periods that cohorts can have, shortest first.
COHORTS = ("day", "week", "month")

#: Errors that end the part of the page that they happen in.
FAULTS_OF_PARTS = (PrunedSpan, CorruptDigest)

#: The error of a part that cannot be shown.
Fault = PrunedSpan | CorruptDigest


class Question(NamedTuple):
    """What the overview is about; without an end, up to now."""

    start: datetime
    end: datetime | None
    interval: str
    zone: tzinfo
    first_souvenir: datetime | None
    users: Any = None
    figure: str = "active"
    #: ``previous``, ``year``, ``segment``, ``groups`` or None.
    compare: str | None = None


@dataclass(frozen=True, slots=True)
class Overview:
    """The numbers of the overview, each of its parts or the error of it."""

    #: The moment of the key figures: the end of the range, or now if that is earlier.
    moment: datetime
    is_now: bool
    #: The number of users active now, and the moment since when they were seen.
    active_since: datetime
    active_now: int | Fault
    figures: tuple[KeyFigure, ...] | Fault
    new: KeyFigure | Fault
    trend: Trends | Fault
    #: The trend of an earlier time; None without one.
    before: Earlier | Fault | None
    growth: Growth | Fault
    retention: Retention | Fault


def overview(question: Question) -> Overview:
    """Return the numbers of a range and of its last days."""
    now, first_souvenir = checked(timezone.now(), "now"), question.first_souvenir
    moment, days = busyhours.last_day_of(question.end or now, now, question.zone)
    start = earlier(checked(question.start, "start"), moment)

    def timeline(interval: str, start: datetime = start) -> Timeline:
        return Timeline.of(
            interval_named(interval),
            start,
            moment,
            question.zone,
            now=now,
            first_souvenir=first_souvenir,
        )

    periods = timeline(question.interval)
    trend = plan_trend(question.figure, periods, first_souvenir)
    by = question.compare if question.compare in ("segment", "groups") else ""
    plans: list[Plan[Any]] = [
        Plan([(outward(now - NOW), outward(now))], lambda sets: len(sets[0])),
        plan_key_figures(days, moment, now, first_souvenir),
        plan_new(days, moment, now, first_souvenir),
        with_segments(trend, by) if by else Plan(trend.ranges, lambda s: Trends(trend.make(s), {})),
        plan_growth(periods),
        plan_retention(_cohorts(timeline, question.interval, start, moment)),
    ]
    before = None
    if question.compare in ("previous", "year"):
        before = earlier_timeline(periods, moment, question.compare, first_souvenir)
    if before is not None:
        plans.append(plan_earlier(question.figure, periods, before, first_souvenir))
    active_now, figures, new, trends, growth, retention, *earlier_trend = results_or_errors(
        plans, question.users
    )
    return Overview(
        moment=moment,
        is_now=utc(moment) == utc(now),
        active_since=now - NOW,
        active_now=active_now,
        figures=figures,
        new=new,
        trend=trends,
        before=earlier_trend[0] if earlier_trend else None,
        growth=growth,
        retention=retention,
    )


def results_or_errors(plans: Sequence[Plan[Any]], users: Any = None) -> list[Any]:
    """Return the result of each plan, all from one reading, or the error of it.

    If a plan cannot be read, each is read on its own.
    """
    try:
        return results_of(plans, users)
    except FAULTS_OF_PARTS:
        return [_result_or_error(plan, users) for plan in plans]


def _result_or_error(plan: Plan[Any], users: Any) -> Any:
    try:
        return results_of([plan], users)[0]
    except FAULTS_OF_PARTS as error:
        return error


def figures_of_segments(
    end: datetime | None, zone: tzinfo, first_souvenir: datetime | None, by: str
) -> dict[str, SegmentFigures | InvalidSegment]:
    """Return the users of each segment, or of each group, in the 28 days up to a moment."""
    now = checked(timezone.now(), "now")
    moment, days = busyhours.last_day_of(end or now, now, zone)
    plan = plan_segment_figures(days, moment, now, first_souvenir)

    def make(sets: Any) -> dict[str, SegmentFigures | InvalidSegment]:
        return {
            name: members if isinstance(members, InvalidSegment) else plan.make(members)
            for name, members in members_of_each(sets, by)
        }

    found: dict[str, SegmentFigures | InvalidSegment]
    [found] = results_of([Plan(plan.ranges, make)])
    return found


def suggested_interval(start: datetime, end: datetime) -> str:
    """Return the interval in which a range is shown if none is asked for."""
    days = (utc(end) - utc(start)).days
    if days <= 92:
        return "day"
    return "month" if days <= 3_660 else "year"


def suggested_cohorts(start: datetime, end: datetime) -> str:
    """Return the interval in which the cohorts of a range are shown if none is asked for."""
    days = (utc(end) - utc(start)).days
    if days <= 14:
        return "day"
    return "week" if days <= 92 else "month"


def _cohorts(
    timeline: Callable[[str, datetime], Timeline], interval: str, start: datetime, end: datetime
) -> Timeline:
    """Return the last cohorts of a range, in its interval or in a longer one if there are many."""
    days = (utc(end) - utc(start)).days
    longest = {"day": MOST_COHORTS, "week": 7 * MOST_COHORTS}
    names = COHORTS[COHORTS.index(interval) if interval in COHORTS else -1 :]
    for name in names:
        if days <= longest.get(name, days):
            found = timeline(name, start)
            if len(found.periods) <= MOST_COHORTS:
                return found
    return timeline("month", checked(found.periods[-MOST_COHORTS].start, "start"))
