"""Days, weeks, months, quarters and years on the wall clock of a time zone.

Periods are half-open, ``[start, end)``, and contiguous: each one ends where the next one starts.
They are counted in wall-clock time from an anchor, the start of a subscription or of a calendar
unit. So a day is 23, 24 or 25 hours long, and months from an anchor on the 31st start on the last
day of a shorter month and on the 31st again of a longer one. A wall-clock time that occurs twice
means its first occurrence. One that the clock skips is read with the offset before the change, as
in RFC 5545, section 3.3.5; for a midnight that is the first instant of the day.

Every function takes ``tz``, a time zone or its name. The default is the named zone of the start; a
start in UTC or at a fixed offset is converted to the current time zone.
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
    """The length of a period in calendar units: whole days or whole months."""

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
    """The boundaries of periods of one length, numbered from the anchor, which is 0.

    Period n is ``[boundary(n), boundary(n + 1))``.
    """

    def __init__(self, anchor: datetime, step: Step, tz: str | tzinfo | None = None) -> None:
        moment = checked(anchor, "start")
        self.step = step
        self.zone = zone_for(moment, tz)
        self.anchor = local(moment, self.zone)
        self._known: dict[int, datetime] = {}

    def wall(self, number: int) -> datetime:
        """Return the wall-clock time of a boundary, as a naive datetime.

        Raises OverflowError or ValueError outside the years 1 to 9999.
        """
        reading = self.anchor.replace(tzinfo=None, fold=0)
        if self.step.days:
            return reading + timedelta(days=self.step.days * number)
        return reading + relativedelta(months=self.step.months * number)

    def boundary(self, number: int) -> datetime:
        """Return the instant of a boundary, in the zone; clamped to the years 1 to 9999 in UTC."""
        if number not in self._known:
            self._known[number] = self._boundary(number)
        return self._known[number]

    def _boundary(self, number: int) -> datetime:
        try:
            start = self.wall(number).replace(tzinfo=self.zone) if number else self.anchor
            # The conversion through UTC normalizes a time that the clock skips.
            return local(utc(start), self.zone)
        except (OverflowError, ValueError):
            return END_OF_TIME if number > 0 else START_OF_TIME

    def number(self, moment: datetime) -> int:
        """Return the number of the period of an aware moment; negative before the anchor."""
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

        The last one is not cut off at ``end``. An empty period, like 30 December 2011 on Samoa,
        which the time zone skipped, is left out.
        """
        limit = utc(end)
        number, start = first, self.boundary(first)
        instant = utc(start)
        while instant < limit:
            following = self.boundary(number + 1)
            after = utc(following)
            if after > instant:
                yield number, start, following
            number, start, instant = number + 1, following, after

    def clipped(self, end: datetime) -> Iterator[tuple[datetime, datetime]]:
        """Yield ``(start, end)`` of the periods from the anchor to ``end``, cut off there."""
        for _, start, following in self.spans(0, end):
            yield outward(start), outward(local(earlier(following, end), self.zone))


def earlier(one: datetime, other: datetime) -> datetime:
    """Return the earlier of two aware moments, which may be in different zones."""
    return min(one, other, key=utc)


def months_between(earlier: date, later: date) -> int:
    """Return the number of whole months from ``earlier`` to ``later``, regardless of time of day.

    A day of month that is missing in a month means the last day of that month.
    """
    months = (later.year - earlier.year) * 12 + later.month - earlier.month
    return months - (later.day < nearest_dom(later.year, later.month, earlier.day))


def iter_days(
    start: datetime, end: datetime, tz: str | tzinfo | None = None
) -> Iterator[tuple[datetime, datetime]]:
    """Return a generator of wall-clock days as ``(start, end)``, the last one cut off at ``end``.

    The default of ``tz`` is the zone of ``start`` if it is named, else the current time zone.
    Raises ValueError for naive datetimes under ``USE_TZ``. Generates nothing if ``start`` is not
    before ``end``.
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
    """Return a generator of months from the day of month of ``start``; see :func:`iter_days`."""
    return Boundaries(start, MONTH, tz).clipped(checked(end, "end"))


def iter_quarters(
    start: datetime, end: datetime, tz: str | tzinfo | None = None
) -> Iterator[tuple[datetime, datetime]]:
    """Return a generator of quarters of three months; see :func:`iter_months`."""
    return Boundaries(start, QUARTER, tz).clipped(checked(end, "end"))


def iter_years(
    start: datetime, end: datetime, tz: str | tzinfo | None = None
) -> Iterator[tuple[datetime, datetime]]:
    """Return a generator of years of twelve months; see :func:`iter_months`."""
    return Boundaries(start, YEAR, tz).clipped(checked(end, "end"))


def calendar_start(
    moment: datetime, step: Step, tz: str | tzinfo | None = None, week_start: int = 1
) -> datetime:
    """Return midnight at the start of the calendar unit of ``moment``, in the zone.

    It is an anchor for :class:`Boundaries`: midnight even if the clock skips it on that day. A week
    starts on ``week_start``, from 1 (Monday, as in ISO 8601) to 7 (Sunday).
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
    boundaries = Boundaries(datetime(day.year, day.month, day.day, tzinfo=zone), step, zone)
    # If the clock goes back across midnight, the next unit has the same date again.
    number = boundaries.number(instant)
    try:
        return boundaries.wall(number).replace(tzinfo=zone)
    except (OverflowError, ValueError):
        return boundaries.boundary(number)


def calendar_boundaries(
    moment: datetime, step: Step, tz: str | tzinfo | None = None, week_start: int | None = None
) -> Boundaries:
    """Return the boundaries of calendar units, numbered from the one of ``moment``.

    Weeks start on ``week_start``, which is ``SOUVENIRS_WEEK_START`` by default.
    """
    first_day = conf.WEEK_START if week_start is None else week_start
    anchor = calendar_start(moment, step, tz, first_day)
    return Boundaries(anchor, step, anchor.tzinfo)


def adjust_to_calendar_month(dt: datetime, tz: str | tzinfo | None = None) -> datetime:
    """Return the first instant of the calendar month of ``dt``."""
    return outward(calendar_start(dt, MONTH, tz))


def adjust_to_subscription_start(
    dt: datetime, ss: datetime, tz: str | tzinfo | None = None
) -> datetime:
    """Return the start of the subscription month of ``dt``.

    Subscription months are counted from the subscription start ``ss``, forwards and backwards.
    """
    boundaries = Boundaries(ss, MONTH, tz)
    return outward(boundaries.boundary(boundaries.number(checked(dt, "dt"))))


def next_month(
    dt: datetime,
    preferred_dom: int | None = None,
    delta: int = 1,
    tz: str | tzinfo | None = None,
) -> datetime:
    """Return ``dt`` moved by ``delta`` months in wall-clock time; backwards if negative.

    The day of month is ``preferred_dom``, or that of ``dt`` by default; the last day of the month
    if it is shorter. A naive ``dt`` stays naive. Raises ValueError for a ``delta`` of 0.
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
    """Return ``day``, or the last day of that month if the month is shorter.

    >>> nearest_dom(2017, 2, 30)
    28
    """
    return min(calendar.monthrange(year, month)[1], day)
