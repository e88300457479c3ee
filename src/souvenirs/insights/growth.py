"""Growth accounting: new, retained, resurrected and churned users."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from functools import partial
from itertools import pairwise
from typing import Any, Literal, Unpack, overload

from ..calendar import Period, Timeline
from ..counting import ActiveUsers, By, active_users_each
from ..stores import ActiveGroups
from .results import Active, Counted, PeriodOptionsOf, Plan, Segmented, counted, ratio
from .timeline import position_after, timeline_of

#: The counts of a period, in the order of :class:`GrowthOfPeriod`.
COUNTS = ("active", "new", "retained", "resurrected", "churned")

GrowthPart = Literal["active", "new", "retained", "resurrected", "churned"]


@dataclass(frozen=True, slots=True)
class GrowthOfPeriod:
    """The growth of a period; all counts are None if it is unknown, see :class:`Period`."""

    period: Period
    active: int | None
    new: int | None
    retained: int | None
    resurrected: int | None
    churned: int | None

    @property
    def net(self) -> int | None:
        """The change in active users from the previous period."""
        if self.new is None or self.resurrected is None or self.churned is None:
            return None
        return self.new + self.resurrected - self.churned

    @property
    def quick_ratio(self) -> float | None:
        """Users gained per user lost; None if no user was lost."""
        if self.new is None or self.resurrected is None:
            return None
        return ratio(self.new + self.resurrected, self.churned)


@dataclass(frozen=True)
class Growth(Counted):
    """Growth accounting of each period."""

    interval: str
    tz: str
    periods: tuple[GrowthOfPeriod, ...]
    #: Users active in the period before the first one and in each period; users seen before each.
    #: Without the first periods whose numbers were known before.
    _active: tuple[Active, ...] = field(repr=False, compare=False)
    _seen: tuple[Active, ...] = field(repr=False, compare=False)

    def rows(self) -> list[dict[str, Any]]:
        """Return a row for each period, with its counts, ``net`` and ``quick_ratio``."""
        names = (*COUNTS, "net", "quick_ratio")
        return [
            {**each.period.row(), **{name: getattr(each, name) for name in names}}
            for each in self.periods
        ]

    def _common(self) -> dict[str, Any]:
        return {"interval": self.interval, "tz": self.tz}

    def users(self, period: int | str | Period, part: GrowthPart = "active") -> ActiveUsers:
        """Return the users behind a number of a period, given by position, label or as such."""
        return self._as_users(self._behind(period, part))

    def groups(self, period: int | str | Period, part: GrowthPart = "active") -> ActiveGroups:
        """Return the groups behind a number of a period, if groups are counted."""
        return self._as_groups(self._behind(period, part))

    def _behind(self, period: int | str | Period, part: GrowthPart) -> Active:
        periods = [each.period for each in self.periods]
        position = position_after(len(periods) - len(self._seen), periods, period)
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
    by: None = ...,
    **options: Unpack[PeriodOptionsOf],
) -> Growth: ...


@overload
def growth(
    start: datetime | None = ...,
    end: datetime | None = ...,
    *,
    by: By,
    **options: Unpack[PeriodOptionsOf],
) -> Segmented[Growth]: ...


def growth(
    start: datetime | None = None,
    end: datetime | None = None,
    *,
    interval: str = "month",
    tz: str | tzinfo | None = None,
    users: Any = None,
    by: By | None = None,
    of: str | None = None,
    exclusive: bool = False,
) -> Growth | Segmented[Growth]:
    """Return growth accounting: new, retained, resurrected and churned users of each period.

    * *New* users had never been seen before the period, over all history.
    * *Retained* users were also active in the previous period.
    * *Resurrected* users had been seen before, but were not active in the previous period.
    * *Churned* users were active in the previous period, but not in this one.

    So ``new + retained + resurrected`` is ``active``, and ``retained + churned`` is ``active`` of
    the previous period. The *quick ratio* is ``(new + resurrected) / churned``. Definitions from
    Jonathan Hsu, "Diligence at Social Capital", part 1 (2015).

    The arguments are those of every insight, see :mod:`souvenirs.insights`.
    """
    plan = plan_growth(timeline_of(start, end, interval, tz))
    return counted(plan.make, active_users_each(plan.ranges, users), by, exclusive, of)


def plan_growth(timeline: Timeline, known: Sequence[Sequence[int | None]] = ()) -> Plan[Growth]:
    """Plan :func:`growth` of the periods of a timeline.

    ``known`` has the counts of the first periods, in the order of :data:`COUNTS`. These are not
    read: :meth:`Growth.users` does not have their users.
    """
    first, rest = timeline.split(len(known))
    done = [
        GrowthOfPeriod(period, *counts) for period, counts in zip(first.periods, known, strict=True)
    ]
    ranges: list[tuple[datetime | None, datetime]] = []
    if rest.periods or not done:
        ranges = [(None, rest.start_of(0)), rest.before(), *rest.ranges]
    return Plan(ranges, partial(_growth, timeline, done, rest))


def _growth(
    timeline: Timeline,
    done: Sequence[GrowthOfPeriod],
    rest: Timeline,
    sets: Sequence[Active],
) -> Growth:
    seen, *active = sets or [ActiveUsers()]
    seen_before = []
    periods = list(done)
    for period, (before, now) in zip(rest.periods, pairwise(active), strict=True):
        seen_before.append(seen)
        periods.append(_of_period(period, seen, before, now))
        seen |= now
    return Growth(
        interval=timeline.interval.name,
        tz=str(timeline.zone),
        periods=tuple(periods),
        _active=tuple(active),
        _seen=tuple(seen_before),
    )


def _of_period(period: Period, seen: Active, before: Active, active: Active) -> GrowthOfPeriod:
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
