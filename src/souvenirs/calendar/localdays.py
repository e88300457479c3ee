"""The days of a time zone on the grid of digests."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo
from itertools import pairwise

from .grid import (
    DAY_LEVEL,
    LOCAL_LEVEL,
    LONGEST_LOCAL_DAY,
    GridCell,
    moment_of,
    second_of,
)

ONE_DAY = timedelta(days=1)

#: The years in which a day before and after each month can be represented in every time zone.
YEARS = range(2, 9999)


def local_level(length: int) -> int:
    """Return the level of a local day of a length in seconds."""
    return LOCAL_LEVEL + 3 * length


def is_always_utc(zone: tzinfo) -> bool:
    """Whether the days of a zone are those of UTC, as far as its name tells."""
    return zone.utcoffset(None) == timedelta()


def local_days(month: GridCell, zone: tzinfo, bucket: int) -> list[GridCell]:
    """Return the local days of a zone in a month of UTC, in order, as whole buckets of a length.

    A local day that crosses the end of the month is cut off there: the rest is a cell of the next
    month. A day that is also one of UTC, or no more than a bucket, needs no cell of its own.
    """
    first, month_end = moment_of(month.start), month.end
    if first.year not in YEARS or is_always_utc(zone):
        return []
    dates = (first.replace(tzinfo=None) + ONE_DAY * n for n in range(-2, 34))
    bounds = [second_of(_midnight(date, zone)) for date in dates]
    cells = []
    for begin, following in pairwise(bounds):
        start = max(-(-begin // bucket) * bucket, month.start)
        length = min(following // bucket * bucket, month_end) - start
        is_of_utc = length == DAY_LEVEL and start % DAY_LEVEL == 0
        if bucket < length <= LONGEST_LOCAL_DAY and not is_of_utc:
            cells.append(GridCell(local_level(length), start))
    return cells


def _midnight(date: datetime, zone: tzinfo) -> datetime:
    """Return the instant at which a date starts; if the clock skips midnight, the next one."""
    return date.replace(tzinfo=zone).astimezone(UTC)
