"""Moments in time as callers give them and as they get them back.

Inside the app a moment is an aware datetime and two of them are compared in UTC: within one time
zone Python compares wall clocks, which run backwards once a year.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo
from typing import TypeAlias
from zoneinfo import ZoneInfo

from django.conf import settings
from django.utils import timezone

MICROSECOND = timedelta(microseconds=1)

#: The two ends of ``[start, end)``.
Range: TypeAlias = tuple[datetime, datetime]


def utc(moment: datetime) -> datetime:
    """Return an aware moment in UTC, where moments can be compared."""
    return moment.astimezone(UTC)


def local(moment: datetime, zone: tzinfo) -> datetime:
    """Return an aware moment in a zone; in UTC where it is outside the zone's calendar."""
    try:
        return moment.astimezone(zone)
    except OverflowError:
        return utc(moment)


def checked(value: object, name: str) -> datetime:
    """Return the argument ``name`` as an aware datetime.

    A naive datetime is refused, or read in the default time zone where ``USE_TZ`` is False.
    Raises TypeError for anything but a datetime, and ValueError for a naive one under ``USE_TZ``
    or one outside the years that UTC can express.
    """
    if not isinstance(value, datetime):
        raise TypeError(f"{name} must be a datetime, not {value!r}.")
    if timezone.is_naive(value):
        if settings.USE_TZ:
            raise ValueError(
                f"{name} is a naive datetime, {value.isoformat(sep=' ')}: give it a time zone, "
                "for example with django.utils.timezone.make_aware()."
            )
        value = timezone.make_aware(value, timezone.get_default_timezone())
    try:
        utc(value)
    except OverflowError:
        raise ValueError(f"{name} is out of range: {value.isoformat(sep=' ')}.") from None
    return value


def outward(moment: datetime) -> datetime:
    """Return an aware moment as Django's database layer and our callers want it.

    Aware as it is, or naive in the default time zone where ``USE_TZ`` is False.
    """
    if settings.USE_TZ:
        return moment
    return local(moment, timezone.get_default_timezone()).replace(tzinfo=None)


def stored(moment: datetime) -> datetime:
    """Return a moment as the database gives it as an aware one, in UTC.

    Where ``USE_TZ`` is False, a time that the clock shows twice is the first of the two.
    """
    return utc(checked(moment if settings.USE_TZ else moment.replace(fold=0), "when"))


def bound(moment: datetime) -> datetime:
    """Return an aware moment as an end of a range to ask the database for.

    What is at or after it there is so as :func:`stored`: where ``USE_TZ`` is False, nothing that
    the clock shows twice is at or after a moment of the second time.
    """
    shown = outward(moment)
    if not settings.USE_TZ and shown.fold:
        later = utc(moment).replace(microsecond=0)
        while shown.fold:
            later += timedelta(seconds=1)
            shown = outward(later)
    return shown


def instant_before(end: datetime) -> datetime:
    """Return the last instant before an aware moment, in UTC; ValueError where there is none."""
    try:
        return utc(end) - MICROSECOND
    except OverflowError:
        raise ValueError(f"end is out of range: {end}.") from None


def checked_range(start: object, end: object) -> tuple[datetime | None, datetime | None]:
    """Return both ends of ``[start, end)`` as aware datetimes; None leaves an end open.

    Raises ValueError where start is later than end, and whatever :func:`checked` raises.
    """
    first = None if start is None else checked(start, "start")
    last = None if end is None else checked(end, "end")
    if first is not None and last is not None and utc(first) > utc(last):
        raise ValueError(f"start {first} is later than end {last}.")
    return first, last


def zone_named(tz: str | tzinfo) -> tzinfo:
    """Return the time zone that ``tz`` is or names; ValueError where there is none."""
    if isinstance(tz, tzinfo):
        name = getattr(tz, "zone", None)  # of pytz, whose zones cannot be put on a wall clock
        if name is None:
            return tz
        tz = str(name)
    try:
        return ZoneInfo(tz)
    except (KeyError, ValueError, OSError, TypeError):
        # A directory, a path out of the database and an overlong name each raise their own kind.
        raise ValueError(
            f"Unknown time zone {str(tz)[:100]!r}: use a name like 'Europe/Paris' or 'UTC'."
        ) from None


def zone_for(moment: datetime, tz: str | tzinfo | None) -> tzinfo:
    """Return the time zone in which periods that start at ``moment`` are laid.

    That is ``tz`` where it is given, else the named zone that the moment carries, else the current
    time zone (the default one where ``USE_TZ`` is False). UTC and fixed offsets do not count as
    carried: they are how the ORM and ISO 8601 write down an instant, and say nothing about where
    its wall clock hangs.
    """
    if tz is not None:
        return zone_named(tz)
    carried = moment.tzinfo
    if carried is not None and carried.utcoffset(None) is None:  # no fixed offset
        return zone_named(carried)
    if not settings.USE_TZ:
        return timezone.get_default_timezone()
    return timezone.get_current_timezone()
