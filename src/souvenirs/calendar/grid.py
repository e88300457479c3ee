"""The grid of digests: buckets, days and months of UTC, and how they cover ``[start, end)``.

Moments on the grid are whole seconds since 1970-01-01T00:00Z, independent of time zones, clock
changes and databases. A level is identified by the length of its cells in seconds: the length of a
bucket, 86,400 for a day and that of the longest month for a month.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from operator import itemgetter
from typing import NamedTuple, TypeAlias

#: Possible lengths of a bucket. Each divides the previous ones, so old buckets stay on the grid.
BUCKETS = (3_600, 1_800, 900)
HOUR_LEVEL = BUCKETS[0]
DAY_LEVEL = 86_400
MONTH_LEVEL = 31 * DAY_LEVEL

#: The level of the inventories of months. It is no length, and no flipped bit makes it another one.
INVENTORY_LEVEL = 21_845

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SECOND = timedelta(seconds=1)

#: The last possible moment, and the second after it, at which no cell starts.
LAST = datetime.max.replace(tzinfo=UTC)
BEYOND = (LAST - EPOCH) // SECOND + 1


class GridCell(NamedTuple):
    """A bucket, a day or a month of UTC."""

    level: int
    start: int

    def __str__(self) -> str:
        return f"{moment_of(self.start):%Y-%m-%d %H:%M} to {moment_of(self.end):%Y-%m-%d %H:%M} UTC"

    @property
    def end(self) -> int:
        """The start of the next cell."""
        return following(self.level, self.start)

    def is_inside(self, start: datetime | None, end: datetime | None) -> bool:
        """Whether the whole cell is in ``[start, end)``, aware moments; None leaves an end open."""
        if start is not None and moment_of(self.start) < start:
            return False
        return end is None or moment_of(self.end) <= end

    def meets(self, span: tuple[int, int]) -> bool:
        """Whether a part of it is in a span."""
        return span[0] < self.end and self.start < span[1]

    def overlaps(self, start: datetime | None, end: datetime | None) -> bool:
        """Whether a part of it is in ``[start, end)``, aware moments; None leaves an end open."""
        if start is not None and moment_of(self.end) <= start:
            return False
        return end is None or moment_of(self.start) < end


def cell_of(level: int, second: int) -> GridCell:
    """Return the cell of a level that holds a second."""
    if level == MONTH_LEVEL:
        first = moment_of(second).replace(day=1, hour=0, minute=0, second=0)
        return GridCell(MONTH_LEVEL, second_of(first))
    return GridCell(level, second - second % level)


def following(level: int, start: int) -> int:
    """Return the end of the cell that starts at ``start``."""
    if level == MONTH_LEVEL:
        # 31 days after the start of a month is always in the next month.
        later = start + MONTH_LEVEL
        return cell_of(MONTH_LEVEL, later).start if later < BEYOND else BEYOND
    return start + level


def second_of(moment: datetime) -> int:
    """Return the last whole second at or before an aware moment."""
    return (moment - EPOCH) // SECOND


def moment_of(second: int) -> datetime:
    """Return a second as a moment in UTC, clamped to the last possible one."""
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


def fill(span: Span, cells: Sequence[GridCell]) -> tuple[list[GridCell], list[Span]]:
    """Return the cells that lie inside a span, and the gaps that they leave in it.

    The cells are of one level and in ascending order.
    """
    at, end = span
    inside: list[GridCell] = []
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
    """Return the first whole hour at or after a moment."""
    second = second_of(moment) // HOUR_LEVEL * HOUR_LEVEL
    return second if moment_of(second) == moment else second + HOUR_LEVEL
