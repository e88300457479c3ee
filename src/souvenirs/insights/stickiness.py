"""Stickiness: how often the active users of a period are active."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from functools import partial
from itertools import compress
from typing import Any, Literal, Unpack, overload

from ..calendar import Days, Period, Timeline
from ..counting import ActiveUsers, By, active_users_each
from ..stores import ActiveGroups, union
from .results import Active, Counted, PeriodOptionsOf, Plan, Segmented, counted, ratio
from .series import TRAILING_WINDOWS
from .timeline import position_of, timeline_of
from .trailing import trailing_counts

StickinessPart = Literal["active", "dau", "wau", "mau"]


@dataclass(frozen=True, slots=True)
class StickinessOfPeriod:
    """The stickiness of a period; numbers are None if unknown, ratios also without active users."""

    period: Period
    #: Number of users active in the period.
    active: int | None
    #: Mean of the daily active users of its complete days, including days without any. None if no
    #: day is complete.
    mean_dau: float | None
    #: The mean divided by the number of users active on these days.
    mean_ratio: float | None
    #: Number of users active in the last 1, 7 and 30 local days up to the period's end.
    dau: int | None
    wau: int | None
    mau: int | None

    @property
    def dau_wau(self) -> float | None:
        """DAU/WAU at the period's end."""
        return ratio(self.dau, self.wau)

    @property
    def dau_mau(self) -> float | None:
        """DAU/MAU at the period's end."""
        return ratio(self.dau, self.mau)

    @property
    def wau_mau(self) -> float | None:
        """WAU/MAU at the period's end."""
        return ratio(self.wau, self.mau)


COLUMNS = (
    "active",
    "mean_dau",
    "mean_ratio",
    "dau",
    "wau",
    "mau",
    "dau_wau",
    "dau_mau",
    "wau_mau",
)


@dataclass(frozen=True)
class Stickiness(Counted):
    """The stickiness of each period."""

    interval: str
    tz: str
    periods: tuple[StickinessOfPeriod, ...]
    #: Users active on each day; the positions ``[first, last)`` of each period among the days.
    _days: tuple[Active, ...] = field(repr=False, compare=False)
    _positions: tuple[tuple[int, int], ...] = field(repr=False, compare=False)

    def rows(self) -> list[dict[str, Any]]:
        """Return a row for each period, with its counts and its ratios, from 0 to 1."""
        return [
            {**each.period.row(), **{name: getattr(each, name) for name in COLUMNS}}
            for each in self.periods
        ]

    def _common(self) -> dict[str, Any]:
        return {"interval": self.interval, "tz": self.tz}

    def users(self, period: int | str | Period, part: StickinessPart = "active") -> ActiveUsers:
        """Return the users behind a number of a period, given by position, label or as such."""
        return self._as_users(self._behind(period, part))

    def groups(self, period: int | str | Period, part: StickinessPart = "active") -> ActiveGroups:
        """Return the groups behind a number of a period, if groups are counted."""
        return self._as_groups(self._behind(period, part))

    def _behind(self, period: int | str | Period, part: StickinessPart) -> Active:
        position = position_of([each.period for each in self.periods], period)
        first, last = self._positions[position]
        if part in TRAILING_WINDOWS:
            first = last - TRAILING_WINDOWS[part]
        elif part != "active":
            raise ValueError(f"part must be active, dau, wau or mau, not {part!r}.")
        return union(self._days[first:last])


@overload
def stickiness(
    start: datetime | None = ...,
    end: datetime | None = ...,
    *,
    by: None = ...,
    **options: Unpack[PeriodOptionsOf],
) -> Stickiness: ...


@overload
def stickiness(
    start: datetime | None = ...,
    end: datetime | None = ...,
    *,
    by: By,
    **options: Unpack[PeriodOptionsOf],
) -> Segmented[Stickiness]: ...


def stickiness(
    start: datetime | None = None,
    end: datetime | None = None,
    *,
    interval: str = "month",
    tz: str | tzinfo | None = None,
    users: Any = None,
    by: By | None = None,
    of: str | None = None,
    exclusive: bool = False,
) -> Stickiness | Segmented[Stickiness]:
    """Return the stickiness of each period, by both common definitions.

    The *mean ratio* is the mean number of daily active users in the period, divided by the number
    of users active in the period: 1 if every user was active every day. Of an incomplete period,
    both are about its complete days only: a user first seen on another day is in neither. The
    *point ratios* DAU/WAU, DAU/MAU and WAU/MAU compare the last 1, 7 and 30 local days up to the
    period's end, as in :func:`~souvenirs.insights.active_series`.

    The arguments are those of every insight, see :mod:`souvenirs.insights`.
    """
    plan = plan_stickiness(timeline_of(start, end, interval, tz))
    return counted(plan.make, active_users_each(plan.ranges, users), by, exclusive, of)


def plan_stickiness(timeline: Timeline) -> Plan[Stickiness]:
    """Plan :func:`stickiness` of the periods of a timeline."""
    # Unknown periods may have any number of days, which need not be read.
    days = timeline.known().days(before=max(TRAILING_WINDOWS.values()) - 1)
    return Plan(days.ranges, partial(_stickiness, timeline, days))


def _stickiness(timeline: Timeline, days: Days, sets: Sequence[Active]) -> Stickiness:
    active = trailing_counts(sets, days.positions)
    ends = [last for _, last in days.positions]
    named = [
        trailing_counts(sets, [(last - length, last) for last in ends])
        for length in TRAILING_WINDOWS.values()
    ]
    unknown = len(timeline.periods) - len(days.positions)
    counted = zip(timeline.periods[unknown:], days.positions, active, *named, strict=True)
    periods = [StickinessOfPeriod(each, *[None] * 6) for each in timeline.periods[:unknown]]
    for period, (first, last), users, *trailing in counted:
        whole = list(compress(sets[first:last], days.complete[first:last]))
        mean_dau = ratio(sum(map(len, whole)), len(whole))
        on_whole = users if period.complete else len(union(whole))
        periods.append(
            StickinessOfPeriod(period, users, mean_dau, ratio(mean_dau, on_whole), *trailing)
        )
    return Stickiness(
        timeline.interval.name,
        str(timeline.zone),
        tuple(periods),
        _days=tuple(sets),
        _positions=(*[(0, 0)] * unknown, *days.positions),
    )
