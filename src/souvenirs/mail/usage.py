"""The numbers of the last whole period, each as the insights compute it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, tzinfo
from typing import Any

from django.utils import timezone

from ..calendar import (
    MICROSECOND,
    Period,
    Timeline,
    calendar_boundaries,
    checked,
    checked_range,
    earlier,
    interval_named,
    local,
    outward,
    utc,
)
from ..counting import InvalidSegment, accounts_as_of, group_of, segment
from ..insights import (
    Growth,
    Plan,
    Stickiness,
    plan_growth,
    plan_slipping,
    plan_stickiness,
    results_of,
)
from ..stores import ActiveUsers, PrunedSpan, get_store

#: How many periods the picture shows, up to the one that the mail is about.
SHOWN = 8

#: The counts of a period, and of the last days up to its end.
COUNTS = ("active", "new", "retained", "resurrected", "churned")
DAYS = ("dau", "wau", "mau")


class NothingToReport(Exception):
    """Nothing is known of the period: there was no souvenir yet."""


@dataclass(frozen=True, slots=True)
class Compared:
    """A number of a period, and that of the period before; None if unknown."""

    value: int | None
    before: int | None

    @property
    def change(self) -> int | None:
        if self.value is None or self.before is None:
            return None
        return self.value - self.before


@dataclass(frozen=True, slots=True)
class PeriodUsage:
    """The numbers of a whole period, compared with the period before."""

    interval: str
    zone: tzinfo
    #: The periods of the picture, the last of which the mail is about, and their active users.
    periods: tuple[Period, ...]
    active: tuple[int | None, ...]
    #: By the names in ``COUNTS`` and ``DAYS``, and ``registered``.
    numbers: dict[str, Compared]
    #: The active users of segments, by name.
    segments: dict[str, Compared | InvalidSegment]
    #: The regulars who were not seen up to the end of the period; None if that has been pruned.
    slipping: ActiveUsers | None
    #: Whether some numbers are missing because souvenirs have been pruned.
    is_pruned: bool

    @property
    def first_day(self) -> date:
        return first_day_of(self.periods[-1], self.zone)

    @property
    def last_day(self) -> date:
        return last_day_of(self.periods[-1], self.zone)


def first_day_of(period: Period, zone: tzinfo) -> date:
    """Return the first local day of a period."""
    return local(checked(period.start, "start"), zone).date()


def last_day_of(period: Period, zone: tzinfo) -> date:
    """Return the last local day of a period."""
    return local(utc(checked(period.end, "end")) - MICROSECOND, zone).date()


def usage_of_last_period(
    interval: str, zone: tzinfo, before: datetime | None = None, segments: Sequence[str] = ()
) -> PeriodUsage:
    """Return the usage of the last period that was over by ``before``, and by now.

    Souvenirs are read from the database that they are written to, not from a replica.

    Raises NothingToReport if the period ended before the first souvenir, ValueError for an unknown
    interval or segment, PrunedSpan if the period, or the one before it, starts or ends inside a
    bucket whose souvenirs have been pruned, and CorruptDigest.
    """
    now = checked(timezone.now(), "now")
    moment = now if before is None else earlier(checked(before, "before"), now)
    last = LastPeriods(interval, zone, moment, now, get_store().primary().first())
    timeline = last.timeline(SHOWN)
    if not timeline.periods or not timeline.periods[-1].known:
        raise NothingToReport
    groups = {name: _members(name) for name in segments}
    growth, stickiness, slipping = _readable(last)
    compared = {name: _compared(growth.periods, name) for name in COUNTS}
    compared |= {name: _compared(stickiness.periods if stickiness else (), name) for name in DAYS}
    return PeriodUsage(
        interval,
        zone,
        tuple(each.period for each in growth.periods),
        tuple(each.active for each in growth.periods),
        {**compared, "registered": _registered(growth.periods[-1].period)},
        {name: _of_segment(last, group) for name, group in groups.items()},
        slipping,
        is_pruned=not stickiness or slipping is None or len(growth.periods) < len(timeline.periods),
    )


class LastPeriods:
    """The last whole periods up to a moment."""

    def __init__(
        self,
        interval: str,
        zone: tzinfo,
        moment: datetime,
        now: datetime,
        first_souvenir: datetime | None,
    ) -> None:
        self.interval, self.zone = interval_named(interval), zone
        self.now, self.first_souvenir = now, first_souvenir
        self._boundaries = calendar_boundaries(moment, self.interval.step, zone)

    @property
    def end(self) -> datetime:
        return outward(self._boundaries.boundary(0))

    def timeline(self, count: int) -> Timeline:
        """Return the last N periods; one less if the time zone skipped a day among them."""
        return Timeline.of(
            self.interval,
            self._boundaries.boundary(-count),
            self._boundaries.boundary(0),
            self.zone,
            now=self.now,
            first_souvenir=self.first_souvenir,
        )


def _readable(last: LastPeriods) -> tuple[Growth, Stickiness | None, ActiveUsers | None]:
    """Return what can be read of the last periods: less if souvenirs have been pruned."""
    stickiness = plan_stickiness(last.timeline(2))
    slipping = plan_slipping(last.end, tz=last.zone)
    try:
        growth, *others = _read(plan_growth(last.timeline(SHOWN)), stickiness, slipping)
    except PrunedSpan:
        [growth] = _read(plan_growth(last.timeline(2)))
        others = [_unless_pruned(stickiness), _unless_pruned(slipping)]
    return growth, others[0], others[1]


def _unless_pruned(plan: Plan[Any]) -> Any:
    try:
        [found] = _read(plan)
    except PrunedSpan:
        return None
    return found


def _read(*plans: Plan[Any], users: Any = None) -> list[Any]:
    """Return the result of each plan, all from one reading."""
    store = get_store().primary()

    def read(ranges: Sequence[Any], group: Any) -> list[ActiveUsers]:
        return store.users_each([checked_range(*each) for each in ranges], group_of(group))

    return results_of(plans, users, read=read)


def _compared(periods: Sequence[Any], name: str) -> Compared:
    """Return a number of the last period and of the one before; unknown without periods."""
    values = [None, None, *(getattr(each, name) for each in periods)]
    return Compared(values[-1], values[-2])


def _registered(period: Period) -> Compared:
    ends = [checked(period.start, "start"), checked(period.end, "end")]
    before, after = accounts_as_of(ends)
    return Compared(after.registered, before.registered)


def _members(name: str) -> ActiveUsers | InvalidSegment:
    try:
        return segment(name)
    except InvalidSegment as error:
        return error


def _of_segment(
    last: LastPeriods, members: ActiveUsers | InvalidSegment
) -> Compared | InvalidSegment:
    if isinstance(members, InvalidSegment):
        return members
    [growth] = _read(plan_growth(last.timeline(2)), users=members)
    return _compared(growth.periods, "active")
