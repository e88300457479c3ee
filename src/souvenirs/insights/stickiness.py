"""How often the users of a period come: daily actives over actives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from functools import partial
from itertools import compress
from typing import Any, Literal, overload

from ..counting import ActiveUsers, By, active_users_each
from .layout import Days, Layout, Period, lay, position_of
from .results import Insight, Plan, Segmented, ratio, segmented
from .series import WINDOWS
from .trailing import trailing_counts

StickinessPart = Literal["active", "dau", "wau", "mau"]


@dataclass(frozen=True, slots=True)
class StickinessOfPeriod:
    """The stickiness of one period; None where unknown, or where nobody was active."""

    period: Period
    #: Users active in the period.
    active: int | None
    #: Daily actives of its days, those with nobody too, added up and divided by their number. None
    #: where none has begun.
    mean_dau: float | None
    #: Active in the last 1, 7 and 30 local days up to the period's end.
    dau: int | None
    wau: int | None
    mau: int | None

    @property
    def mean_ratio(self) -> float | None:
        """Mean daily actives of the period over its actives."""
        return ratio(self.mean_dau, self.active)

    @property
    def dau_wau(self) -> float | None:
        """The point ratio DAU/WAU at the period's end."""
        return ratio(self.dau, self.wau)

    @property
    def dau_mau(self) -> float | None:
        """The point ratio DAU/MAU at the period's end."""
        return ratio(self.dau, self.mau)

    @property
    def wau_mau(self) -> float | None:
        """The point ratio WAU/MAU at the period's end."""
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
class Stickiness(Insight):
    """The stickiness of each period."""

    interval: str
    tz: str
    periods: tuple[StickinessOfPeriod, ...]
    #: The users active on each day, and where among the days each period lies: ``[first, last)``.
    _days: tuple[ActiveUsers, ...] = field(repr=False, compare=False)
    _positions: tuple[tuple[int, int], ...] = field(repr=False, compare=False)

    def rows(self) -> list[dict[str, Any]]:
        """Return a row for each period, with its counts and its ratios from 0 to 1."""
        return [
            {**each.period.row(), **{name: getattr(each, name) for name in COLUMNS}}
            for each in self.periods
        ]

    def _common(self) -> dict[str, Any]:
        return {"interval": self.interval, "tz": self.tz}

    def users(self, period: int | str | Period, part: StickinessPart = "active") -> ActiveUsers:
        """Return the users behind a number of a period, given by position, label, or itself."""
        position = position_of([each.period for each in self.periods], period)
        first, last = self._positions[position]
        if part in WINDOWS:
            first = last - WINDOWS[part]
        elif part != "active":
            raise ValueError(f"part must be active, dau, wau or mau, not {part!r}.")
        return ActiveUsers.union(self._days[first:last])


@overload
def stickiness(
    start: datetime | None = ...,
    end: datetime | None = ...,
    *,
    interval: str = ...,
    tz: str | tzinfo | None = ...,
    users: Any = ...,
    by: None = ...,
    exclusive: bool = ...,
) -> Stickiness: ...


@overload
def stickiness(
    start: datetime | None = ...,
    end: datetime | None = ...,
    *,
    interval: str = ...,
    tz: str | tzinfo | None = ...,
    users: Any = ...,
    by: By,
    exclusive: bool = ...,
) -> Segmented[Stickiness]: ...


def stickiness(
    start: datetime | None = None,
    end: datetime | None = None,
    *,
    interval: str = "month",
    tz: str | tzinfo | None = None,
    users: Any = None,
    by: By | None = None,
    exclusive: bool = False,
) -> Stickiness | Segmented[Stickiness]:
    """Return how sticky the site was in each period, in two ways that are both in use.

    The *mean ratio* is the mean of the daily actives over the period's days, divided by the users
    active in the period: 1 if everybody came every day. The *point ratios* DAU/WAU, DAU/MAU and
    WAU/MAU compare the last 1, 7 and 30 local days up to the period's end, as in
    :func:`~souvenirs.insights.active_series`. In a period that is not over yet, only days that have
    begun count.

    The arguments are those of every insight, see :mod:`souvenirs.insights`.
    """
    plan = plan_stickiness(lay(start, end, interval, tz))
    return segmented(plan.make, active_users_each(plan.ranges, users), by, exclusive)


def plan_stickiness(layout: Layout) -> Plan[Stickiness]:
    """Plan :func:`stickiness` of the periods of a layout."""
    # However many days there are before the first souvenir, nobody reads them.
    days = layout.known().days(before=max(WINDOWS.values()) - 1)
    return Plan(days.ranges, partial(_stickiness, layout, days))


def _stickiness(layout: Layout, days: Days, sets: Sequence[ActiveUsers]) -> Stickiness:
    active = trailing_counts(sets, days.positions)
    ends = [last for _, last in days.positions]
    named = [
        trailing_counts(sets, [(last - length, last) for last in ends])
        for length in WINDOWS.values()
    ]
    has_begun = list(map(layout.has_begun, days.ranges))
    unknown = len(layout.periods) - len(days.positions)
    counted = zip(layout.periods[unknown:], days.positions, active, *named, strict=True)
    periods = [
        *(StickinessOfPeriod(each, *[None] * 5) for each in layout.periods[:unknown]),
        *(
            StickinessOfPeriod(
                period, active, _mean(sets[first:last], has_begun[first:last]), *trailing
            )
            for period, (first, last), active, *trailing in counted
        ),
    ]
    return Stickiness(
        layout.interval.name,
        str(layout.zone),
        tuple(periods),
        _days=tuple(sets),
        _positions=(*[(0, 0)] * unknown, *days.positions),
    )


def _mean(days: Sequence[ActiveUsers], has_begun: Sequence[bool]) -> float | None:
    """How many users the days that have begun have on average."""
    return ratio(sum(map(len, compress(days, has_begun))), sum(has_begun))
