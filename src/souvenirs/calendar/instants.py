"""Conversion of datetimes: as passed by callers, as stored, and as returned.

Inside the app a moment is an aware datetime, and moments are compared in UTC: within one time zone
Python compares wall-clock times, which repeat when clocks go back.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo
from typing import TypeAlias
from zoneinfo import ZoneInfo

from django.conf import settings
from django.utils import timezone

MICROSECOND = timedelta(microseconds=1)

#: Both ends of ``[start, end)``.
Bounds: TypeAlias = tuple[datetime, datetime]


def utc(moment: datetime) -> datetime:
    """Return an aware moment in UTC, in which moments can be compared."""
    return moment.astimezone(UTC)


def local(moment: datetime, zone: tzinfo) -> datetime:
    """Return an aware moment in a zone, or in UTC if the zone cannot represent it."""
    try:
        return moment.astimezone(zone)
    except OverflowError:
        return utc(moment)


def checked(value: object, name: str) -> datetime:
    """Return the argument ``name`` as an aware datetime.

    If ``USE_TZ`` is False, a naive datetime is taken to be in the default time zone. Raises
    TypeError for anything but a datetime, and ValueError for a naive one under ``USE_TZ`` or one
    that is out of range in UTC.
    """
    if not isinstance(value, datetime):
        raise TypeError(f"{name} must be a datetime, not {value!r}.")
    if timezone.is_naive(value):
        if settings.USE_TZ:
            raise ValueError(
                f"{name} is a naive datetime, {value.isoformat(sep=' ')}: make it aware, "
                "for example with django.utils.timezone.make_aware()."
            )
        value = timezone.make_aware(value, timezone.get_default_timezone())
    try:
        utc(value)
    except OverflowError:
        raise ValueError(f"{name} is out of range: {value.isoformat(sep=' ')}.") from None
    return value


def outward(moment: datetime) -> datetime:
    """Return an aware moment as the ORM and callers expect it.

    It is the same datetime, or a naive one in the default time zone if ``USE_TZ`` is False.
    """
    if settings.USE_TZ:
        return moment
    return local(moment, timezone.get_default_timezone()).replace(tzinfo=None)


def stored(moment: datetime) -> datetime:
    """Return a moment from the database as an aware datetime in UTC.

    If ``USE_TZ`` is False, a wall-clock time that occurs twice means its first occurrence.
    """
    return utc(checked(moment if settings.USE_TZ else moment.replace(fold=0), "when"))


def bound(moment: datetime) -> datetime:
    """Return an aware moment as a bound of a range in a query.

    The rows at or after the bound are those whose :func:`stored` moment is at or after the moment.
    If ``USE_TZ`` is False, a moment in the second occurrence of a repeated hour is therefore moved
    to the end of that hour.
    """
    shown = outward(moment)
    if not settings.USE_TZ and shown.fold:
        later = utc(moment).replace(microsecond=0)
        while shown.fold:
            later += timedelta(seconds=1)
            shown = outward(later)
    return shown


def instant_before(end: datetime) -> datetime:
    """Return the last instant before an aware moment, in UTC; ValueError if there is none."""
    try:
        return utc(end) - MICROSECOND
    except OverflowError:
        raise ValueError(f"end is out of range: {end}.") from None


def checked_range(start: object, end: object) -> tuple[datetime | None, datetime | None]:
    """Return both ends of ``[start, end)`` as aware datetimes; None leaves an end open.

    Raises ValueError if start is later than end, and whatever :func:`checked` raises.
    """
    first = None if start is None else checked(start, "start")
    last = None if end is None else checked(end, "end")
    if first is not None and last is not None and utc(first) > utc(last):
        raise ValueError(f"start {first} is later than end {last}.")
    return first, last


def zone_named(tz: str | tzinfo) -> tzinfo:
    """Return a time zone, given as such or by name; ValueError if there is none."""
    if isinstance(tz, tzinfo):
        name = getattr(tz, "zone", None)  # pytz, whose zones cannot be passed as tzinfo
        if name is None:
            return tz
        tz = str(name)
    try:
        return ZoneInfo(tz)
    except (KeyError, ValueError, OSError, TypeError):
        # A directory, a path outside the database and an overlong name raise different errors.
        raise ValueError(
            f"Unknown time zone {str(tz)[:100]!r}: use a name like 'Europe/Paris' or 'UTC'."
        ) from None


def zone_for(moment: datetime, tz: str | tzinfo | None) -> tzinfo:
    """Return the time zone of periods that start at ``moment``.

    It is ``tz``, else the named zone of the moment, else the current time zone (the default one if
    ``USE_TZ`` is False). UTC and fixed offsets do not count as named zones: the ORM and ISO 8601
    use them to represent instants, whatever the local time zone.
    """
    if tz is not None:
        return zone_named(tz)
    zone = moment.tzinfo
    if zone is not None and zone.utcoffset(None) is None:  # not a fixed offset
        return zone_named(zone)
    if not settings.USE_TZ:
        return timezone.get_default_timezone()
    return timezone.get_current_timezone()
