"""The hours of the week in which users are active."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from itertools import pairwise
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext_noop

from ..calendar import (
    DAY,
    MICROSECOND,
    START_OF_TIME,
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
from ..insights import Plan, ratio, results_of
from ..stores import get_store
from .fields import InvalidParameter

#: The earliest end of a range that has a month before it in every time zone.
EARLIEST = START_OF_TIME + timedelta(days=33)

#: The number of local days of the busy hours.
FOUR_WEEKS = 28

WEEK = 7


@dataclass(frozen=True, slots=True)
class BusyHours:
    """The average number of active users in each hour of the week, over four weeks."""

    start: datetime
    #: The last day, inclusive.
    last_day: datetime
    #: Weekdays from 1 (Monday) to 7 (Sunday), in the order of the site's week.
    days: tuple[int, ...]
    #: Means by weekday and hour, of the hours that end after the first souvenir; None without any.
    #: None altogether if the four weeks are before it.
    means: dict[int, tuple[float | None, ...]] | None


def busy_hours(end: datetime, zone: tzinfo, users: Any = None) -> BusyHours:
    """Return the busy hours of the four whole weeks before the last day of a range."""
    _, days = last_day_of(end, checked(timezone.now(), "now"), zone)
    busy: BusyHours
    [busy] = results_of([plan_busy_hours(days, get_store().first())], users)
    return busy


def last_day_of(end: datetime, now: datetime, zone: tzinfo) -> tuple[datetime, Boundaries]:
    """Return the end of a range, or now if that is earlier, and local days of which it is in day 0.

    Raises InvalidParameter if the month before it is outside the years 1 to 9999.
    """
    moment = local(earlier(checked(end, "end"), now), zone)
    if utc(moment) < EARLIEST:
        raise InvalidParameter(
            "to",
            gettext_noop("%(name)s is out of range in %(zone)s: %(value)s."),
            zone=str(zone),
            value=moment.date().isoformat(),
        )
    return moment, calendar_boundaries(outward(just_before(moment, zone)), DAY, zone)


def just_before(moment: datetime, zone: tzinfo) -> datetime:
    """Return the last microsecond before a moment; its date differs if the clock skips a day."""
    return local(utc(moment) - MICROSECOND, zone)


def plan_busy_hours(days: Boundaries, first_souvenir: datetime | None) -> Plan[BusyHours]:
    """Plan the hours of the four weeks before day 0."""
    order = tuple((conf.WEEK_START - 1 + n) % WEEK + 1 for n in range(WEEK))
    start, end = days.boundary(-FOUR_WEEKS), days.boundary(0)
    instants: list[datetime] = []
    weekdays = []
    for number in range(-FOUR_WEEKS, 0):
        midnight, day_end = days.wall(number), utc(days.boundary(number + 1))
        weekdays.append(midnight.isoweekday())
        for hour in range(24):
            begin = (midnight + timedelta(hours=hour)).replace(tzinfo=days.zone)
            # The hours of a day that the clock skips are empty.
            instants.append(min(utc(begin), day_end))
    instants.append(utc(end))
    bounds = [*map(outward, instants[:-1]), outward(end)]

    def make(sets: Sequence[ActiveUsers]) -> BusyHours:
        means = None
        if is_known(end, first_souvenir):
            counts: dict[int, list[list[int]]] = {
                weekday: [[] for _ in range(24)] for weekday in order
            }
            for position, (users, until) in enumerate(zip(sets, instants[1:], strict=True)):
                if is_known(until, first_souvenir):
                    counts[weekdays[position // 24]][position % 24].append(len(users))
            means = {
                weekday: tuple(ratio(sum(each), len(each)) for each in counts[weekday])
                for weekday in order
            }
        return BusyHours(start, days.boundary(-1), order, means)

    return Plan(list(pairwise(bounds)), make)
