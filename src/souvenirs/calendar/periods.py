"""Days, weeks, months, quarters and years on the wall clock of a time zone.

Periods are half-open, ``[start, end)``, and tile: each one ends where the next one starts. They
are laid from an anchor, the start of a subscription or of a calendar unit, by moving the hands of
the wall clock: a day is 23, 24 or 25 hours long, and an anchor on the 31st falls on the last day
of a shorter month and on the 31st again of a longer one. A wall time that occurs twice means its
first occurrence; one that the clock jumps over means the same time read with the offset before the
jump (as in RFC 5545, section 3.3.5), which for a midnight is the first instant of that day.

Every function takes ``tz``, a time zone or its name. Without it the zone is the named one that the
start carries; a start in UTC or at a fixed offset is read in the current time zone.
"""

from __future__ import annotations

import calendar
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import NamedTuple

from dateutil.relativedelta import relativedelta
from django.utils import timezone

from ..conf import conf
from .instants import checked, instant_before, local, outward, utc, zone_for


class Step(NamedTuple):
    """The length of a period as the calendar counts: whole days or whole months."""

    days: int = 0
    months: int = 0


DAY = Step(days=1)
WEEK = Step(days=7)
MONTH = Step(months=1)
QUARTER = Step(months=3)
YEAR = Step(months=12)

END_OF_TIME = datetime.max.replace(tzinfo=UTC)
START_OF_TIME = datetime.min.replace(tzinfo=UTC)


class Boundaries:
    """The boundaries that one step lays from an anchor, numbered from the anchor, which is 0."""

    def __init__(self, anchor: datetime, step: Step, tz: str | tzinfo | None = None) -> None:
        moment = checked(anchor, "start")
        self.step = step
        self.zone = zone_for(moment, tz)
        self.anchor = local(moment, self.zone)

    def wall(self, number: int) -> datetime:
        """Return what the wall clock reads at a boundary, as a naive datetime.

        Raises OverflowError or ValueError outside the years 1 to 9999.
        """
        reading = self.anchor.replace(tzinfo=None, fold=0)
        if self.step.days:
            return reading + timedelta(days=self.step.days * number)
        return reading + relativedelta(months=self.step.months * number)

    def boundary(self, number: int) -> datetime:
        """Return the instant of a boundary, in the zone; the ends of time where it lies beyond."""
        try:
            start = self.wall(number).replace(tzinfo=self.zone) if number else self.anchor
            # The way through UTC turns a time that the clock jumps over into one that it shows.
            return local(utc(start), self.zone)
        except (OverflowError, ValueError):
            return END_OF_TIME if number > 0 else START_OF_TIME

    def number(self, moment: datetime) -> int:
        """Return the number of the period that holds an aware moment, below 0 before the anchor."""
        instant = utc(moment)

        def has_begun(number: int) -> bool:
            start = utc(self.boundary(number))
            return start <= instant and (start < END_OF_TIME or number == 0)

        number = self._estimate(instant)
        while not has_begun(number):
            number -= 1
        while has_begun(number + 1):
            number += 1
        return number

    def numbers(self, start: datetime | None, end: datetime) -> range:
        """Return the numbers of the periods that overlap ``[start, end)``, aware datetimes.

        Those before the anchor are left out; without a start they begin with the anchor.
        """
        if start is not None and utc(start) >= utc(end):
            return range(0)
        first = 0 if start is None else max(0, self.number(start))
        return range(first, self.number(instant_before(end)) + 1)

    def _estimate(self, instant: datetime) -> int:
        reading = instant.replace(tzinfo=None)
        start = self.anchor.replace(tzinfo=None)
        if self.step.days:
            return (reading - start) // timedelta(days=self.step.days)
        return months_between(start, reading) // self.step.months

    def spans(self, first: int, end: datetime) -> Iterator[tuple[int, datetime, datetime]]:
        """Yield ``(number, start, end)`` of periods from ``first`` on that start before ``end``.

        The last one is whole even where ``end`` falls inside it. A period without an instant, like
        the day that Samoa left out in 2011, is left out.
        """
        limit = utc(end)
        number, start = first, self.boundary(first)
        while utc(start) < limit:
            following = self.boundary(number + 1)
            if utc(following) > utc(start):
                yield number, start, following
            number, start = number + 1, following

    def clipped(self, end: datetime) -> Iterator[tuple[datetime, datetime]]:
        """Yield ``(start, end)`` of the periods from the anchor up to ``end``, cut off there."""
        for _, start, following in self.spans(0, end):
            yield outward(start), outward(local(earlier(following, end), self.zone))


def earlier(one: datetime, other: datetime) -> datetime:
    """Return the earlier of two aware moments, whatever their zones."""
    return min(one, other, key=utc)


def months_between(earlier: date, later: date) -> int:
    """Return how many month boundaries of ``earlier``'s day of month have come by ``later``.

    Times of day do not count; a day of month that a month lacks falls on its last day.
    """
    months = (later.year - earlier.year) * 12 + later.month - earlier.month
    return months - (later.day < nearest_dom(later.year, later.month, earlier.day))


def iter_days(
    start: datetime, end: datetime, tz: str | tzinfo | None = None
) -> Iterator[tuple[datetime, datetime]]:
    """Return a generator of ``(start, end)``, a wall-clock day each, the last one cut at ``end``.

    Half-open and in the zone that the module describes. Naive datetimes are refused with
    ValueError under ``USE_TZ``; nothing is generated where ``start`` is not before ``end``.
    """
    return Boundaries(start, DAY, tz).clipped(checked(end, "end"))


def iter_weeks(
    start: datetime, end: datetime, tz: str | tzinfo | None = None
) -> Iterator[tuple[datetime, datetime]]:
    """Return a generator of weeks; see :func:`iter_days`."""
    return Boundaries(start, WEEK, tz).clipped(checked(end, "end"))


def iter_months(
    start: datetime, end: datetime, tz: str | tzinfo | None = None
) -> Iterator[tuple[datetime, datetime]]:
    """Return a generator of months that keep the day of ``start``; see :func:`iter_days`."""
    return Boundaries(start, MONTH, tz).clipped(checked(end, "end"))


def iter_quarters(
    start: datetime, end: datetime, tz: str | tzinfo | None = None
) -> Iterator[tuple[datetime, datetime]]:
    """Return a generator of three months each; see :func:`iter_months`."""
    return Boundaries(start, QUARTER, tz).clipped(checked(end, "end"))


def iter_years(
    start: datetime, end: datetime, tz: str | tzinfo | None = None
) -> Iterator[tuple[datetime, datetime]]:
    """Return a generator of twelve months each; see :func:`iter_months`."""
    return Boundaries(start, YEAR, tz).clipped(checked(end, "end"))


def calendar_start(
    moment: datetime, step: Step, tz: str | tzinfo | None = None, week_start: int = 1
) -> datetime:
    """Return midnight at the start of the calendar unit that holds ``moment``, in the zone.

    It is the midnight to lay periods from, also where the clock jumps over it on that very day.
    A week starts on ``week_start``, from 1 (Monday, as in ISO 8601) to 7 (Sunday).
    """
    if week_start not in range(1, 8):
        raise ValueError(f"week_start must be from 1 (Monday) to 7 (Sunday), not {week_start!r}.")
    instant = checked(moment, "start")
    zone = zone_for(instant, tz)
    day = local(instant, zone).date()
    if step == WEEK:
        try:
            day -= timedelta(days=(day.isoweekday() - week_start) % 7)
        except OverflowError:
            raise ValueError(
                f"start is out of range: the week of {day} starts before it."
            ) from None
    elif step.months:
        day = day.replace(day=1, month=day.month - (day.month - 1) % step.months)
    grid = Boundaries(datetime(day.year, day.month, day.day, tzinfo=zone), step, zone)
    # Where the clock goes back across midnight, the same date is on it again in the next unit.
    number = grid.number(instant)
    try:
        return grid.wall(number).replace(tzinfo=zone)
    except (OverflowError, ValueError):
        return grid.boundary(number)


def calendar_boundaries(
    moment: datetime, step: Step, tz: str | tzinfo | None = None, week_start: int | None = None
) -> Boundaries:
    """Return the boundaries of calendar units, numbered from the one that holds ``moment``.

    Weeks start on ``week_start``, which is ``SOUVENIRS_WEEK_START`` by default.
    """
    first_day = conf.WEEK_START if week_start is None else week_start
    anchor = calendar_start(moment, step, tz, first_day)
    return Boundaries(anchor, step, anchor.tzinfo)


def adjust_to_calendar_month(dt: datetime, tz: str | tzinfo | None = None) -> datetime:
    """Return the first instant of the calendar month that holds ``dt``."""
    return outward(calendar_start(dt, MONTH, tz))


def adjust_to_subscription_start(
    dt: datetime, ss: datetime, tz: str | tzinfo | None = None
) -> datetime:
    """Return the start of the subscription month that holds ``dt``.

    Subscription months are those of :func:`iter_months` from ``ss``, also before ``ss``.
    """
    grid = Boundaries(ss, MONTH, tz)
    return outward(grid.boundary(grid.number(checked(dt, "dt"))))


def next_month(
    dt: datetime,
    preferred_dom: int | None = None,
    delta: int = 1,
    tz: str | tzinfo | None = None,
) -> datetime:
    """Return ``dt`` moved by ``delta`` months (back, where negative) on the wall clock.

    The day becomes ``preferred_dom``, or stays as it is; the last day of a month that is too short
    for it. A naive ``dt`` stays naive. Raises ValueError for a ``delta`` of 0.
    """
    if delta == 0:
        raise ValueError("delta must not be 0.")
    if not isinstance(dt, datetime):
        raise TypeError(f"dt must be a datetime, not {dt!r}.")
    if timezone.is_aware(dt):
        dt = local(dt, zone_for(dt, tz))
    target = dt + relativedelta(months=delta)
    return target.replace(day=nearest_dom(target.year, target.month, preferred_dom or dt.day))


def nearest_dom(year: int, month: int, day: int) -> int:
    """Return ``day``, or the last day of that month where the month is shorter.

    >>> nearest_dom(2017, 2, 30)
    28
    """
    return min(calendar.monthrange(year, month)[1], day)
