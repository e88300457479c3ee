"""Where the active users of a period come from, and how many have gone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from functools import partial
from itertools import pairwise
from typing import Any, Literal, overload

from ..counting import ActiveUsers, By, active_users_each
from .layout import Layout, Period, lay, position_of
from .results import Insight, Plan, Segmented, ratio, segmented

GrowthPart = Literal["active", "new", "retained", "resurrected", "churned"]

#: The old name.
Part = GrowthPart


@dataclass(frozen=True, slots=True)
class GrowthOfPeriod:
    """The growth of one period; all counts are None where it ended before the first souvenir."""

    period: Period
    active: int | None
    new: int | None
    retained: int | None
    resurrected: int | None
    churned: int | None

    @property
    def net(self) -> int | None:
        """By how many users there are more than in the period before."""
        if self.new is None or self.resurrected is None or self.churned is None:
            return None
        return self.new + self.resurrected - self.churned

    @property
    def quick_ratio(self) -> float | None:
        """How many users came for each that went; None where nobody went."""
        if self.new is None or self.resurrected is None:
            return None
        return ratio(self.new + self.resurrected, self.churned)


@dataclass(frozen=True)
class Growth(Insight):
    """The growth of each period."""

    interval: str
    tz: str
    periods: tuple[GrowthOfPeriod, ...]
    #: The users active in the period before the first one and in each, and those seen before each.
    _active: tuple[ActiveUsers, ...] = field(repr=False, compare=False)
    _seen: tuple[ActiveUsers, ...] = field(repr=False, compare=False)

    def rows(self) -> list[dict[str, Any]]:
        """Return a row for each period, with its counts, ``net`` and ``quick_ratio``."""
        names = ("active", "new", "retained", "resurrected", "churned", "net", "quick_ratio")
        return [
            {**each.period.row(), **{name: getattr(each, name) for name in names}}
            for each in self.periods
        ]

    def _common(self) -> dict[str, Any]:
        return {"interval": self.interval, "tz": self.tz}

    def users(self, period: int | str | Period, part: GrowthPart = "active") -> ActiveUsers:
        """Return the users behind a number of a period, given by position, label, or itself."""
        position = position_of([each.period for each in self.periods], period)
        before, active = self._active[position : position + 2]
        seen = self._seen[position]
        if part == "active":
            return active
        if part == "new":
            return active - seen
        if part == "retained":
            return active & before
        if part == "resurrected":
            return (active & seen) - before
        if part == "churned":
            return before - active
        raise ValueError(
            f"part must be active, new, retained, resurrected or churned, not {part!r}."
        )


@overload
def growth(
    start: datetime | None = ...,
    end: datetime | None = ...,
    *,
    interval: str = ...,
    tz: str | tzinfo | None = ...,
    users: Any = ...,
    by: None = ...,
    exclusive: bool = ...,
) -> Growth: ...


@overload
def growth(
    start: datetime | None = ...,
    end: datetime | None = ...,
    *,
    interval: str = ...,
    tz: str | tzinfo | None = ...,
    users: Any = ...,
    by: By,
    exclusive: bool = ...,
) -> Segmented[Growth]: ...


def growth(
    start: datetime | None = None,
    end: datetime | None = None,
    *,
    interval: str = "month",
    tz: str | tzinfo | None = None,
    users: Any = None,
    by: By | None = None,
    exclusive: bool = False,
) -> Growth | Segmented[Growth]:
    """Return growth accounting: who is new, retained, resurrected and churned in each period.

    *New* users were never seen before the period, over all history; *retained* ones were active in
    the period before it too; *resurrected* ones were seen before, but not in that period; *churned*
    ones were active in that period, but not in this one. So ``new + retained + resurrected`` is
    ``active``, and ``retained + churned`` is ``active`` of the period before. The *quick ratio* is
    ``(new + resurrected) / churned``. Definitions as in Jonathan Hsu, "Diligence at Social
    Capital", part 1 (2015).

    The arguments are those of every insight, see :mod:`souvenirs.insights`.
    """
    plan = plan_growth(lay(start, end, interval, tz))
    return segmented(plan.make, active_users_each(plan.ranges, users), by, exclusive)


def plan_growth(layout: Layout) -> Plan[Growth]:
    """Plan :func:`growth` of the periods of a layout."""
    ranges = [(None, layout.start_of(0)), layout.before(), *layout.ranges]
    return Plan(ranges, partial(_growth, layout))


def _growth(layout: Layout, sets: Sequence[ActiveUsers]) -> Growth:
    seen, *active = sets
    everybody = []
    periods = []
    for period, (before, now) in zip(layout.periods, pairwise(active), strict=True):
        everybody.append(seen)
        periods.append(_of_period(period, seen, before, now))
        seen |= now
    return Growth(
        layout.interval.name, str(layout.zone), tuple(periods), tuple(active), tuple(everybody)
    )


def _of_period(
    period: Period, seen: ActiveUsers, before: ActiveUsers, active: ActiveUsers
) -> GrowthOfPeriod:
    if not period.known:
        return GrowthOfPeriod(period, None, None, None, None, None)
    known = active.count_common(seen)
    retained = active.count_common(before)
    return GrowthOfPeriod(
        period,
        active=len(active),
        new=len(active) - known,
        retained=retained,
        resurrected=known - retained,
        churned=len(before) - retained,
    )
