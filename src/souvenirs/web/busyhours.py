"""The hours of the week in which users are active."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from itertools import pairwise
from typing import Any

from django.utils import timezone

from ..calendar import (
    DAY,
    MICROSECOND,
    Boundaries,
    calendar_boundaries,
    checked,
    earlier,
    is_known,
    local,
    outward,
    utc,
)
from ..conf import conf
from ..counting import ActiveUsers
from ..insights import Plan, results_of
from ..stores import get_store

#: Local days of the busy hours.
FOUR_WEEKS = 28

WEEK = 7


@dataclass(frozen=True, slots=True)
class BusyHours:
    """Users active in each hour of the week, on average over the last four weeks."""

    start: datetime
    #: The last of the days.
    last_day: datetime
    #: Days of the week from 1 (Monday) to 7 (Sunday), as a week of the site has them.
    days: tuple[int, ...]
    #: A mean for each day and hour of it; None where all is before the first souvenir.
    means: dict[int, tuple[float, ...]] | None


def busy_hours(end: datetime, zone: tzinfo, users: Any = None) -> BusyHours:
    """Return the busy hours of the four whole weeks before the last day of a range."""
    _, days = last_day_of(end, checked(timezone.now(), "now"), zone)
    busy: BusyHours
    [busy] = results_of([plan_busy_hours(days, get_store().first())], users)
    return busy


def last_day_of(end: datetime, now: datetime, zone: tzinfo) -> tuple[datetime, Boundaries]:
    """The end of a range, or now where that is earlier, and days of which 0 is the one it ends."""
    moment = local(earlier(checked(end, "end"), now), zone)
    return moment, calendar_boundaries(outward(just_before(moment, zone)), DAY, zone)


def just_before(moment: datetime, zone: tzinfo) -> datetime:
    """The last microsecond before a moment; another day where the clock jumps over one."""
    return local(utc(moment) - MICROSECOND, zone)


def plan_busy_hours(days: Boundaries, first_souvenir: datetime | None) -> Plan[BusyHours]:
    """Plan the hours of the four weeks before day 0 of the grid."""
    order = tuple((conf.WEEK_START - 1 + n) % WEEK + 1 for n in range(WEEK))
    start, end = days.boundary(-FOUR_WEEKS), days.boundary(0)
    # No hour of a day that the clock jumps over ends after it.
    bounds = [
        earlier(
            utc((days.wall(number) + timedelta(hours=hour)).replace(tzinfo=days.zone)),
            days.boundary(number + 1),
        )
        for number in range(-FOUR_WEEKS, 0)
        for hour in range(24)
    ]
    bounds = [*map(outward, bounds), outward(end)]
    weekdays = [days.wall(number).isoweekday() for number in range(-FOUR_WEEKS, 0)]

    def make(sets: Sequence[ActiveUsers]) -> BusyHours:
        means = None
        if is_known(end, first_souvenir):
            totals = {weekday: [0] * 24 for weekday in order}
            for position, users in enumerate(sets):
                totals[weekdays[position // 24]][position % 24] += len(users)
            means = {
                weekday: tuple(total / (FOUR_WEEKS // WEEK) for total in totals[weekday])
                for weekday in order
            }
        return BusyHours(start, days.boundary(-1), order, means)

    return Plan(list(pairwise(bounds)), make)
