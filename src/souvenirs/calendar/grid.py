"""The grid of digests: buckets, days and months of UTC, and how they cover ``[start, end)``.

Moments on the grid are whole seconds since 1970-01-01T00:00Z, independent of time zones, clock
changes and databases. A level is identified by the length of its cells in seconds: the length of a
bucket, 86,400 for a day and that of the longest month for a month. A *local day* is a cell that
starts anywhere on the grid, and whose level is a code for its length: it means the same whatever
the time zone of the site is, or becomes.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
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

#: The longest local day that is kept. No clock has ever been put back by more, but by whole days.
LONGEST_LOCAL_DAY = 28 * HOUR_LEVEL

#: The level of a local day is this and three times its length. All levels but that of inventories
#: are multiples of three, so no flipped bit makes one another one.
LOCAL_LEVEL = 3 * 2**24
LOCAL_LEVELS = range(
    LOCAL_LEVEL + 3 * BUCKETS[-1], LOCAL_LEVEL + 3 * LONGEST_LOCAL_DAY + 1, 3 * BUCKETS[-1]
)

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SECOND = timedelta(seconds=1)

#: The last possible moment, and the second after it, at which no cell starts.
LAST = datetime.max.replace(tzinfo=UTC)
BEYOND = (LAST - EPOCH) // SECOND + 1


class GridCell(NamedTuple):
    """A bucket, a day or a month of UTC, or a local day."""

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
    """Return the cell of a level that holds a second; local days have no such grid."""
    if level == MONTH_LEVEL:
        first = moment_of(second).replace(day=1, hour=0, minute=0, second=0)
        return GridCell(MONTH_LEVEL, second_of(first))
    return GridCell(level, second - second % level)


def following(level: int, start: int) -> int:
    """Return the end of the cell that starts at ``start``."""
    if level in LOCAL_LEVELS:
        return start + (level - LOCAL_LEVEL) // 3
    if level == MONTH_LEVEL:
        # 31 days after the start of a month is always in the next month.
        later = start + MONTH_LEVEL
        return cell_of(MONTH_LEVEL, later).start if later < BEYOND else BEYOND
    return start + level


def second_of(moment: datetime) -> int:
    """Return the last whole second at or before an aware moment."""
    since = moment - EPOCH
    return since.days * DAY_LEVEL + since.seconds


def moment_of(second: int) -> datetime:
    """Return a second as a moment in UTC, clamped to the last possible one."""
    return EPOCH + timedelta(seconds=second) if second < BEYOND else LAST


#: ``[start, end)`` on the grid, in seconds.
Span: TypeAlias = tuple[int, int]


class GridSplit(NamedTuple):
    """``[start, end)`` as the whole buckets inside it, and what is left at its two ends.

    Each of the ``edges`` is shorter than a bucket, and may have only a part of one in it, so that
    souvenirs have to be read there.
    """

    inner: Span
    edges: list[tuple[datetime, datetime]]


def split_at(length: int, start: datetime, end: datetime) -> GridSplit:
    """Split ``[start, end)``, two aware moments, where buckets of a length start."""
    first, last = _up(length, start), second_of(end) // length * length
    if first <= last and moment_of(first) == start and moment_of(last) == end:
        return GridSplit((first, last), [])
    if first > last:
        return GridSplit((last, last), [(start, end)] if start < end else [])
    pairs = [(start, moment_of(first)), (moment_of(last), end)]
    return GridSplit((first, last), [(one, other) for one, other in pairs if one < other])


def is_split(span: Span, level: int, era: Span) -> bool:
    """Whether a bucket of a level may be only partly inside a span; all of them are in an era."""
    return any(edge % level and era[0] < edge < era[1] for edge in span)


def fill(span: Span, cells: Sequence[GridCell]) -> tuple[list[GridCell], list[Span]]:
    """Return the cells that lie inside a span, and the gaps that they leave in it.

    The cells are in the order of their starts. Of two that overlap, the second is left out.
    """
    at, end = span
    inside: list[GridCell] = []
    gaps: list[Span] = []
    for place in range(bisect_left(cells, at, key=itemgetter(1)), len(cells)):
        cell = cells[place]
        if cell.end > end:
            break
        if cell.start < at:
            continue
        if at < cell.start:
            gaps.append((at, cell.start))
        inside.append(cell)
        at = cell.end
    if at < end:
        gaps.append((at, end))
    return inside, gaps


def joined(spans: Iterable[Span]) -> list[Span]:
    """Return spans in order, those that touch or overlap as one."""
    whole: list[Span] = []
    for start, end in sorted(spans):
        if whole and start <= whole[-1][1]:
            whole[-1] = (whole[-1][0], max(end, whole[-1][1]))
        else:
            whole.append((start, end))
    return whole


def _up(length: int, moment: datetime) -> int:
    """Return the first multiple of a length at or after a moment."""
    second = second_of(moment) // length * length
    return second if moment_of(second) == moment else second + length
