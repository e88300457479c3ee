"""Parsers of the times in files."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from functools import lru_cache

from ..calendar import utc
from .lines import BadLine

#: Earlier times are not sightings but defaults, such as the year 1.
EARLIEST_YEAR = 1000

#: A Unix timestamp; eight digits would be a date.
TIMESTAMP = re.compile(r"\d{9,11}(\.\d+)?", re.ASCII)

#: The outline of ISO 8601: Python takes any character for the T between date and time.
ISO = re.compile(r"[\dW-]{8,10}([T ].+)?", re.ASCII)

LOG_TIME = re.compile(
    r"(\d\d)/([A-Z][a-z]{2})/(\d{4}):(\d\d):(\d\d):(\d\d)(?:\.\d+)? ([+-])(\d\d)(\d\d)", re.ASCII
)

# Not from Python's calendar module, whose names depend on the locale.
NAMES = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec"
MONTHS = {name: number for number, name in enumerate(NAMES.split(), 1)}


def parse_time(text: str, zone: tzinfo) -> datetime:
    """Return the UTC time of an ISO 8601 time or a Unix timestamp; raises BadLine.

    A time without a UTC offset is on the wall clock of ``zone``.
    """
    try:
        if TIMESTAMP.fullmatch(text):
            moment = datetime.fromtimestamp(float(text), UTC)
        elif ISO.fullmatch(text):
            moment = datetime.fromisoformat(text)
        else:
            raise ValueError
        return _plausible(moment if moment.tzinfo else moment.replace(tzinfo=zone))
    except (ValueError, OverflowError):
        raise BadLine(f"{text[:50]!r} is neither an ISO 8601 time nor a Unix timestamp") from None


@lru_cache(maxsize=64)  # neighbouring lines of a log share their second
def parse_log_time(text: str) -> datetime:
    """Return the UTC time of ``31/Jan/2016:10:30:00 +0100``; raises BadLine."""
    match = LOG_TIME.fullmatch(text)
    try:
        if match is None:
            raise ValueError
        day, month, year, hour, minute, second, sign, hours, minutes = match.groups()
        offset = timedelta(hours=int(hours), minutes=int(minutes))
        zone = timezone(-offset if sign == "-" else offset)
        return _plausible(
            datetime(
                int(year), MONTHS[month], int(day), int(hour), int(minute), int(second), tzinfo=zone
            )
        )
    except (KeyError, ValueError, OverflowError):
        raise BadLine(f"'{text[:50]}' is not an access log time") from None


def _plausible(moment: datetime) -> datetime:
    """Return the moment in UTC; ValueError if it is too early to be a sighting."""
    moment = utc(moment)
    if moment.year < EARLIEST_YEAR:
        raise ValueError
    return moment
