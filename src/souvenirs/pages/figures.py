"""The numbers of the overview, from one consistent reading."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from typing import Any, NamedTuple

from django.db.models import QuerySet
from django.utils import timezone

from ..calendar import Timeline, checked, earlier, interval_named, outward, utc
from ..counting import ActiveUsers, InvalidSegment
from ..insights import Growth, Plan, Retention, plan_growth, plan_retention, results_of
from ..publishing import GROWTH, Known, growth_counts, known_counts
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
    EARLIER,
    METRICS,
    Earlier,
    Trend,
    Trends,
    earlier_timeline,
    members_of_each,
    plan_earlier,
    plan_trend,
    with_segments,
    with_values,
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
    #: The users whom the reader may see; None for everyone.
    visible: QuerySet[Any] | None = None
    figure: str = "active"
    #: ``previous``, ``year``, ``segment``, ``groups``, a listed field or None.
    compare: str | None = None
    #: The users with each value of the listed field, and the number of other values.
    groups: Mapping[str, ActiveUsers] | None = None
    others: int | None = None
    #: The only part that is wanted; None for the whole overview.
    only: str | None = None


#: What is read, besides the trend, for a part that is wanted alone.
BESIDES = {"trend": (), "expected": (), "growth": ("growth",)}


@dataclass(frozen=True, slots=True)
class Overview:
    """The numbers of the overview, each of its parts or the error of it; None if not wanted."""

    #: The moment of the key figures: the end of the range, or now if that is earlier.
    moment: datetime
    is_now: bool
    #: The number of users active now, and the moment since when they were seen.
    active_since: datetime
    active_now: int | Fault | None
    figures: tuple[KeyFigure, ...] | Fault | None
    new: KeyFigure | Fault | None
    trend: Trends | Fault
    #: The trend of an earlier time; None without one.
    before: Earlier | Fault | None
    growth: Growth | Fault | None
    retention: Retention | Fault | None


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
    has_lines = question.compare is not None and question.compare not in EARLIER
    metrics = () if has_lines else METRICS.get(question.figure, ())
    with_growth = not question.only or "growth" in BESIDES[question.only]
    known = _known(question, periods, {*metrics, *(GROWTH if with_growth else ())})
    trend = plan_trend(question.figure, periods, first_souvenir, {} if has_lines else known)
    plans: dict[str, Plan[Any]] = {
        "active_now": Plan([(outward(now - NOW), outward(now))], lambda sets: len(sets[0])),
        "figures": plan_key_figures(days, moment, now, first_souvenir),
        "new": plan_new(days, moment, now, first_souvenir),
        "trend": _with_lines(trend, question)
        if has_lines
        else Plan(trend.ranges, lambda sets: Trends(trend.make(sets), {})),
        "growth": plan_growth(periods, growth_counts(known)),
        "retention": plan_retention(_cohorts(timeline, question.interval, start, moment)),
    }
    wanted = ("trend", *BESIDES[question.only]) if question.only else tuple(plans)
    before = None
    if question.compare in EARLIER:
        before = earlier_timeline(periods, moment, question.compare, first_souvenir)
    if before is not None:
        known = _known(question, before, metrics)
        plans["before"] = plan_earlier(question.figure, periods, before, first_souvenir, known)
        wanted += ("before",)
    results = results_or_errors([plans[name] for name in wanted], question.users)
    found: dict[str, Any] = dict.fromkeys((*plans, "before"))
    return Overview(
        moment=moment,
        is_now=utc(moment) == utc(now),
        active_since=now - NOW,
        **found | dict(zip(wanted, results, strict=True)),
    )


def _with_lines(trend: Plan[Trend], question: Question) -> Plan[Trends]:
    """Plan the trend beside that of each segment, group of users, or value of a listed field."""
    if question.groups is not None:
        return with_values(trend, question.groups, question.others)
    return with_segments(trend, str(question.compare), question.visible)


def _known(question: Question, timeline: Timeline, metrics: Collection[str]) -> Known:
    """Return what is published of these periods, unless the question is about some users only."""
    return {} if question.users is not None else known_counts(timeline, metrics)


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
    end: datetime | None,
    zone: tzinfo,
    first_souvenir: datetime | None,
    by: str,
    visible: QuerySet[Any] | None,
) -> dict[str, SegmentFigures | InvalidSegment]:
    """Return the users of each segment, or of each group, in the 28 days up to a moment.

    Only those whom the reader may see, if ``visible`` is not None.
    """
    now = checked(timezone.now(), "now")
    moment, days = busyhours.last_day_of(end or now, now, zone)
    plan = plan_segment_figures(days, moment, now, first_souvenir)

    def make(sets: Any) -> dict[str, SegmentFigures | InvalidSegment]:
        return {
            name: members if isinstance(members, InvalidSegment) else plan.make(members)
            for name, members in members_of_each(sets, by, visible)
        }

    found: dict[str, SegmentFigures | InvalidSegment]
    [found] = results_of([Plan(plan.ranges, make)], visible)
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
