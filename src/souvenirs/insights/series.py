"""Active users per period, or in a trailing window."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, tzinfo
from itertools import pairwise
from typing import Any, Literal, NamedTuple, Unpack, overload

from ..calendar import Bounds, Days, Period, Timeline
from ..counting import ActiveUsers, By, active_users_each
from ..stores import ActiveGroups, union
from .results import Active, Counted, PeriodOptionsOf, Plan, Segmented, counted
from .timeline import position_after, timeline_of
from .trailing import trailing_counts

#: Lengths in days of the named windows.
TRAILING_WINDOWS = {"dau": 1, "wau": 7, "mau": 30}

#: The name or the length in local days of a trailing window; None for the period itself.
TrailingWindow = Literal["dau", "wau", "mau"] | int | timedelta | None

ONE_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Series(Counted):
    """The number of active users of each period; None if it is unknown, see :class:`Period`."""

    interval: str
    #: Length of the trailing window in local days; None if each value is that of its period.
    window: int | None
    tz: str
    periods: tuple[Period, ...]
    #: The start of the window of each value. The window ends with the period.
    starts: tuple[datetime, ...]
    values: tuple[int | None, ...]
    #: Without those of the first values that were known before.
    _parts: tuple[tuple[Active, ...], ...] = field(repr=False, compare=False)

    def rows(self) -> list[dict[str, Any]]:
        """Return ``label``, ``start`` and ``end`` of the window, and ``value``."""
        return [
            {**period.row(), "start": start, "value": value}
            for period, start, value in zip(self.periods, self.starts, self.values, strict=True)
        ]

    def _common(self) -> dict[str, Any]:
        return {"interval": self.interval, "window": self.window, "tz": self.tz}

    def users(self, period: int | str | Period) -> ActiveUsers:
        """Return the users behind the value of a period, given by position, label or as such."""
        return self._as_users(self._behind(period))

    def groups(self, period: int | str | Period) -> ActiveGroups:
        """Return the groups behind the value of a period, if groups are counted."""
        return self._as_groups(self._behind(period))

    def _behind(self, period: int | str | Period) -> Active:
        known = len(self.periods) - len(self._parts)
        return union(self._parts[position_after(known, self.periods, period)])


@overload
def active_series(
    start: datetime | None = ...,
    end: datetime | None = ...,
    *,
    window: TrailingWindow = ...,
    by: None = ...,
    **options: Unpack[PeriodOptionsOf],
) -> Series: ...


@overload
def active_series(
    start: datetime | None = ...,
    end: datetime | None = ...,
    *,
    window: TrailingWindow = ...,
    by: By,
    **options: Unpack[PeriodOptionsOf],
) -> Segmented[Series]: ...


def active_series(
    start: datetime | None = None,
    end: datetime | None = None,
    *,
    interval: str = "day",
    window: TrailingWindow = None,
    tz: str | tzinfo | None = None,
    users: Any = None,
    by: By | None = None,
    of: str | None = None,
    exclusive: bool = False,
) -> Series | Segmented[Series]:
    """Return the number of distinct users active in each period, or in a window up to its end.

    ``window`` is ``"dau"`` (1 day), ``"wau"`` (7), ``"mau"`` (30), a number of days or a timedelta
    of whole days. A value is then the number of users active in the local days of the window, which
    ends with the period: at the midnight after its last day, or at ``end`` if that cuts it off.
    This holds for every interval. Without ``window`` a value is that of the period itself.

    The other arguments are those of every insight, see :mod:`souvenirs.insights`.
    """
    plan = plan_series(timeline_of(start, end, interval, tz), window)
    return counted(plan.make, active_users_each(plan.ranges, users), by, exclusive, of)


def plan_series(
    timeline: Timeline, window: TrailingWindow = None, known: Sequence[int | None] = ()
) -> Plan[Series]:
    """Plan :func:`active_series` of the periods of a timeline.

    ``known`` has the values of the first periods, which are not read: :meth:`Series.users` does not
    have their users.
    """
    days = _days_in(window)
    first, rest = timeline.split(len(known))
    spans = _spans(rest, days)
    starts = _spans(first, days).starts + spans.starts

    def make(sets: Sequence[Active]) -> Series:
        counts = trailing_counts(sets, spans.positions)
        values = (
            count if period.known else None
            for period, count in zip(rest.periods, counts, strict=True)
        )
        return Series(
            interval=timeline.interval.name,
            window=days,
            tz=str(timeline.zone),
            periods=timeline.periods,
            starts=tuple(starts),
            values=(*known, *values),
            _parts=tuple(tuple(sets[first:last]) for first, last in spans.positions),
        )

    return Plan(spans.ranges, make)


class Spans(NamedTuple):
    """Parts of time, and the positions ``[first, last)`` of each window among them."""

    ranges: list[Bounds]
    positions: list[tuple[int, int]]

    @property
    def starts(self) -> list[datetime]:
        return [self.ranges[first][0] for first, _ in self.positions]


def _spans(timeline: Timeline, days: int | None) -> Spans:
    """Return the periods, or the windows of this many days up to the end of each."""
    if days is None:
        return Spans(timeline.ranges, [(n, n + 1) for n in range(len(timeline.periods))])
    return _windows(timeline.days(before=days - 1), days)


def _windows(days: Days, length: int) -> Spans:
    """Return the windows of this many days, on the parts of time between all starts and ends.

    No other day is read: where its souvenirs have been pruned, it may not be countable.
    """
    windows = [(last - length, last) for _, last in days.positions]
    firsts = [first for first, _ in windows]
    ranges: list[Bounds] = []
    place: dict[int, int] = {}
    for first, last in pairwise(sorted({edge for window in windows for edge in window})):
        place[first] = len(ranges)
        _, reached = windows[bisect_right(firsts, first) - 1]
        if last <= reached:
            ranges.append((days.ranges[first][0], days.ranges[last - 1][1]))
        place[last] = len(ranges)
    return Spans(ranges, [(place[first], place[last]) for first, last in windows])


def _days_in(window: TrailingWindow) -> int | None:
    if window is None:
        return None
    if isinstance(window, str):
        days: Any = TRAILING_WINDOWS.get(window)
    elif isinstance(window, timedelta):
        days = window // ONE_DAY if window % ONE_DAY == timedelta() else None
    else:
        days = window
    if isinstance(days, bool) or not isinstance(days, int) or not 1 <= days <= 36_600:
        raise ValueError(
            f"window must be {', '.join(map(repr, TRAILING_WINDOWS))} or a whole number of days "
            f"from 1 to 36,600, not {window!r}."
        )
    return days
