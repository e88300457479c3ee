"""The grid of digests: buckets, days and months of UTC, and how they cover ``[start, end)``.

Moments on the grid are whole seconds since 1970-01-01T00:00Z, which no time zone, no change of the
clocks and no database can shift. A level is named by the length of its cells in seconds: a bucket
by its own, a day by 86,400 and a month by the longest that there is.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from operator import itemgetter
from typing import NamedTuple, TypeAlias

#: How long a bucket may be: each divides the ones before it, so that old ones keep their place.
BUCKETS = (3_600, 1_800, 900)
HOUR_LEVEL = BUCKETS[0]
DAY_LEVEL = 86_400
MONTH_LEVEL = 31 * DAY_LEVEL

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SECOND = timedelta(seconds=1)

#: The last moment that there is, and the second after it, where no cell starts any more.
LAST = datetime.max.replace(tzinfo=UTC)
BEYOND = (LAST - EPOCH) // SECOND + 1


class Cell(NamedTuple):
    """A bucket, a day or a month of UTC."""

    level: int
    start: int

    def __str__(self) -> str:
        return f"{moment_of(self.start):%Y-%m-%d %H:%M} to {moment_of(self.end):%Y-%m-%d %H:%M} UTC"

    @property
    def end(self) -> int:
        """Where the next one starts."""
        return following(self.level, self.start)

    def is_inside(self, start: datetime | None, end: datetime | None) -> bool:
        """Whether all of it lies in ``[start, end)``, aware moments; None leaves an end open."""
        if start is not None and moment_of(self.start) < start:
            return False
        return end is None or moment_of(self.end) <= end

    def overlaps(self, start: datetime | None, end: datetime | None) -> bool:
        """Whether some of it lies in ``[start, end)``, aware moments; None leaves an end open."""
        if start is not None and moment_of(self.end) <= start:
            return False
        return end is None or moment_of(self.start) < end


def cell_of(level: int, second: int) -> Cell:
    """Return the cell of a level that holds a second."""
    if level == MONTH_LEVEL:
        first = moment_of(second).replace(day=1, hour=0, minute=0, second=0)
        return Cell(MONTH_LEVEL, second_of(first))
    return Cell(level, second - second % level)


def following(level: int, start: int) -> int:
    """Return where the cell ends that starts there."""
    if level == MONTH_LEVEL:
        # The longest month and the shortest differ by less than another one.
        later = start + MONTH_LEVEL
        return cell_of(MONTH_LEVEL, later).start if later < BEYOND else BEYOND
    return start + level


def second_of(moment: datetime) -> int:
    """Return the last whole second at or before an aware moment."""
    return (moment - EPOCH) // SECOND


def moment_of(second: int) -> datetime:
    """Return a second as a moment in UTC; the last one there is for what lies beyond."""
    return EPOCH + timedelta(seconds=second) if second < BEYOND else LAST


#: ``[start, end)`` on the grid, in seconds.
Span: TypeAlias = tuple[int, int]


class HourSplit(NamedTuple):
    """``[start, end)`` as the whole hours of UTC inside it, and what is left at its two ends.

    Each of the ``edges`` is shorter than an hour. A bucket may be only partly inside one, so that
    souvenirs have to be read there.
    """

    hours: Span
    edges: list[tuple[datetime, datetime]]


def split_at_hours(start: datetime, end: datetime) -> HourSplit:
    """Split ``[start, end)``, two aware moments."""
    first, last = _up(start), second_of(end) // HOUR_LEVEL * HOUR_LEVEL
    if first > last:
        return HourSplit((last, last), [(start, end)] if start < end else [])
    pairs = [(start, moment_of(first)), (moment_of(last), end)]
    return HourSplit((first, last), [(one, other) for one, other in pairs if one < other])


def fill(span: Span, cells: Sequence[Cell]) -> tuple[list[Cell], list[Span]]:
    """Return the cells that lie inside a span, and the gaps that they leave in it.

    The cells are of one level and in ascending order.
    """
    at, end = span
    inside: list[Cell] = []
    gaps: list[Span] = []
    for place in range(bisect_left(cells, at, key=itemgetter(1)), len(cells)):
        cell = cells[place]
        if cell.end > end:
            break
        if at < cell.start:
            gaps.append((at, cell.start))
        inside.append(cell)
        at = cell.end
    if at < end:
        gaps.append((at, end))
    return inside, gaps


def _up(moment: datetime) -> int:
    """The first whole hour at or after a moment."""
    second = second_of(moment) // HOUR_LEVEL * HOUR_LEVEL
    return second if moment_of(second) == moment else second + HOUR_LEVEL
