"""Parsers of the times in files."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from functools import lru_cache

from ..calendar import EPOCH, utc
from .lines import BadLine

#: Earlier times are not sightings but defaults, such as the year 1.
EARLIEST_YEAR = 1000

#: The characters of the longest notation, with the name of a zone in words.
LONGEST_TIME = 100

#: What Python reads by itself, and most files have.
PLAIN = re.compile(
    r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:[0-5]\d(?:\.\d{1,6})?(?:Z|[+-]\d\d:[0-5]\d)?", re.ASCII
)

#: What nearly all access logs have. Python reads the rest of it once the date is turned around.
LOG = re.compile(r"(\d\d)/(\w{3})/(\d{4}):(\d\d:\d\d:[0-5]\d) ([+-]\d\d[0-5]\d)", re.ASCII)

#: The digits before the decimal point of a Unix timestamp, and how many of them are in its seconds:
#: in seconds, milliseconds, microseconds and nanoseconds. Eight digits would be a date.
SECONDS_OF = {9: 9, 10: 10, 11: 11, 13: 10, 16: 10, 19: 10}
TIMESTAMP = re.compile(r"(\d{9,19})(?:[.,](\d+))?", re.ASCII)

CLOCK = r"(?P<time>\d\d[\d:]*(?:[.,]\d+)?)"
#: An offset, with the name of the zone before or after it.
ZONE = (
    r"(?: ?(?:(?P<utc>[Zz]|UTC|GMT)|(?:UTC|GMT)?(?P<offset>[+-]\d\d(?::?\d\d)?))"
    r"(?: ?\[[\w/+-]+\]| [A-Z]{1,5}| \([\w ]+\))?)?"
)
DAY_AND_MONTH = r"(?P<month>[A-Z][a-z]{2}) +(?P<day>\d\d?)"
MOMENTS = [
    re.compile(pattern, re.ASCII)
    for pattern in (
        # 2016-01-31T10:30:00Z and all that ISO 8601 allows, 2016/01/31 10:30:00 +0000 UTC
        rf"(?P<date>[\d/W-]{{8,10}})(?:(?:[Tt]| +){CLOCK}{ZONE})?",
        # 20160131103000
        rf"(?P<date>\d{{8}})(?P<time>\d{{6}}){ZONE}",
        # 31/Jan/2016:10:30:00 +0100, Sun, 31 Jan 2016 10:30:00 GMT
        r"(?:[A-Z][a-z]{2,8},? )?(?P<day>\d\d?)(?P<by>[ /-])(?P<month>[A-Z][a-z]{2})(?P=by)"
        rf"(?P<year>\d{{4}})[ :]{CLOCK}{ZONE}",
        # Sun Jan 31 2016 10:30:00 GMT+0100 (Central European Standard Time)
        rf"[A-Z][a-z]{{2}} {DAY_AND_MONTH} (?P<year>\d{{4}}) {CLOCK}{ZONE}",
        # Sun Jan 31 10:30:00 2016 +0100, Sun Jan 31 10:30:00 UTC 2016
        rf"[A-Z][a-z]{{2}} {DAY_AND_MONTH} {CLOCK}(?: (?P<utc>UTC|GMT))? (?P<year>\d{{4}})"
        r"(?: (?P<offset>[+-]\d{4}))?",
    )
]

# Not from Python's calendar module, whose names depend on the locale.
NAMES = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec"
MONTHS = {name: number for number, name in enumerate(NAMES.split(), 1)}

LEAP_SECOND = re.compile(r"(\d\d:?\d\d:?)60((?:[.,]\d+)?)", re.ASCII)


@lru_cache(maxsize=64)  # neighbouring lines of a log share their second
def parse_time(text: str, zone: tzinfo) -> datetime:
    """Return the UTC time of a text that names one moment, in any usual notation.

    A time without a UTC offset is on the wall clock of ``zone``, and a date is its midnight. A leap
    second belongs to the second before it. Raises BadLine.
    """
    try:
        if len(text) > LONGEST_TIME:
            raise ValueError
        if log := LOG.fullmatch(text):
            day, month, year, clock, offset = log.groups()
            moment = datetime.fromisoformat(f"{year}-{MONTHS[month]:02}-{day}T{clock}{offset}")
            moment = utc(moment)
        elif PLAIN.fullmatch(text):
            moment = datetime.fromisoformat(text)
            moment = utc(moment if moment.tzinfo else moment.replace(tzinfo=zone))
        else:
            moment = _timestamp(text) or _moment(text, zone)
        if moment.year < EARLIEST_YEAR:
            raise ValueError
    except (KeyError, ValueError, OverflowError):
        raise BadLine(
            f"{text[:50]!r} is not a time in a known notation, such as 2016-01-31T10:30:00Z"
        ) from None
    return moment


def _timestamp(text: str) -> datetime | None:
    """Return the moment of a Unix timestamp; None if it is something else."""
    match = TIMESTAMP.fullmatch(text)
    if match is None or (seconds := SECONDS_OF.get(len(match[1]))) is None:
        return None
    digits = match[1] + (match[2] or "")
    microseconds = digits[seconds : seconds + 6].ljust(6, "0")
    return EPOCH + timedelta(seconds=int(digits[:seconds]), microseconds=int(microseconds))


def _moment(text: str, zone: tzinfo) -> datetime:
    """Return the moment of a date and time in words or numbers; raises KeyError, ValueError."""
    match = next((found for pattern in MOMENTS if (found := pattern.fullmatch(text))), None)
    if match is None:
        raise ValueError
    parts = match.groupdict()
    if "date" in parts:
        day = date.fromisoformat(parts["date"].replace("/", "-"))
    else:
        day = date(int(parts["year"]), MONTHS[parts["month"]], int(parts["day"]))
    clock, leaps = LEAP_SECOND.subn(r"\g<1>59\2", parts["time"] or "00")
    if parts["utc"]:
        zone = UTC
    elif parts["offset"]:
        zone = _fixed_zone(parts["offset"])
    moment = utc(datetime.combine(day, time.fromisoformat(clock), zone))
    if leaps and (moment.hour, moment.minute) != (23, 59):
        raise ValueError
    return moment


def _fixed_zone(offset: str) -> tzinfo:
    """Return the zone of ``+01``, ``+0100`` or ``+01:00``."""
    hours, minutes = int(offset[1:3]), int(offset[3:].strip(":") or 0)
    if minutes > 59:
        raise ValueError
    width = timedelta(hours=hours, minutes=minutes)
    return timezone(-width if offset[0] == "-" else width)
