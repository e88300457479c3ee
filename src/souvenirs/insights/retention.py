"""Retention: how many users of each cohort are active later."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from itertools import accumulate
from operator import or_
from typing import Any, Literal, Unpack, get_args, overload

from ..calendar import Incomplete, Period, Timeline, checked, utc
from ..counting import ActiveUsers, By, Group, active_users_each, group_of, joined_each
from ..stores import ActiveGroups, members_among, union
from .results import (
    Active,
    Counted,
    OptionsOf,
    PeriodOptionsOf,
    Plan,
    Segmented,
    counted,
    ratio,
    segmented,
)
from .timeline import position_of, timeline_of

CohortBy = Literal["first_seen", "joined"]
Mode = Literal["in", "in_or_later"]
Reference = Literal["first", "previous"]

#: The largest number of cells in a retention matrix.
MAX_CELLS = 500_000


@dataclass(frozen=True, slots=True)
class Cohort:
    """The users of a period, and how many of them were active in it and in later ones."""

    period: Period
    #: The number of users in the cohort; None if they are first seen in an unknown period.
    size: int | None
    #: How many of them were active 0, 1, 2, ... periods later, days by date. None if that period is
    #: running or unknown, see :class:`Period`, or if the size is None. If the range cuts the last
    #: period off, its cells count those who were active up to there.
    cells: tuple[int | None, ...]


@dataclass(frozen=True)
class Retention(Counted):
    """A retention matrix: the cohorts, from the first period to the last, and their cells."""

    interval: str
    tz: str
    cohort: CohortBy
    mode: Mode
    reference: Reference
    cohorts: tuple[Cohort, ...]
    _members: tuple[Active, ...] = field(repr=False, compare=False)
    _offsets: Sequence[int] = field(repr=False, compare=False)
    #: By offset.
    _active: tuple[Active, ...] = field(repr=False, compare=False)

    def period(self, cohort: int | str | Period, offset: int) -> Period:
        """Return the period of a cell; for a day that the time zone skipped, the one before it.

        Raises LookupError if there is no such cell.
        """
        position = self._position(cohort)
        self._checked_offset(position, offset)
        return self._period(position, offset)

    def _period(self, position: int, offset: int) -> Period:
        later = bisect_right(self._offsets, self._offsets[position] + offset) - 1
        return self.cohorts[later].period

    def _checked_offset(self, position: int, offset: int) -> None:
        if not 0 <= offset < len(self.cohorts[position].cells):
            raise IndexError(f"There is no cell at offset {offset!r} of that cohort.")

    def share(self, cohort: int | str | Period, offset: int) -> float | None:
        """Return a cell divided by the size of its cohort, or by the previous cell.

        The denominator depends on ``reference``; divided by the previous cell, a share can be more
        than 1. None if the cell is None or the denominator is 0. Raises LookupError if there is no
        such cell.
        """
        position = self._position(cohort)
        self._checked_offset(position, offset)
        return self._share(self.cohorts[position], offset)

    def _share(self, cohort: Cohort, offset: int) -> float | None:
        return ratio(cohort.cells[offset], self._denominator(cohort, offset))

    def _denominator(self, cohort: Cohort, offset: int) -> int | None:
        return cohort.cells[offset - 1] if self.reference == "previous" and offset else cohort.size

    def mean(self) -> tuple[float | None, ...]:
        """Return the mean share at each offset, weighted by the denominators of the shares.

        It excludes cells of incomplete periods, cells that are None and cohorts whose denominator
        is 0, but not shares of 0. None if no cohort is left.
        """
        return tuple(self._mean(offset) for offset in range(self._columns()))

    def _mean(self, offset: int) -> float | None:
        pairs = [
            (cohort.cells[offset], self._denominator(cohort, offset))
            for position, cohort in enumerate(self.cohorts)
            if offset < len(cohort.cells) and self._period(position, offset).complete
        ]
        known = [(part, whole) for part, whole in pairs if part is not None and whole]
        return ratio(sum(part for part, _ in known), sum(whole for _, whole in known))

    def _columns(self) -> int:
        return max((len(cohort.cells) for cohort in self.cohorts), default=0)

    def rows(self) -> list[dict[str, Any]]:
        """Return a row for each cell, with its ``offset``, ``users`` and ``share``.

        ``complete`` and ``incomplete`` are about the period of the cohort, ``cell_incomplete`` is
        about that of the cell.
        """
        return [
            {
                **cohort.period.row(),
                "size": cohort.size,
                "offset": offset,
                "users": users,
                "share": self._share(cohort, offset),
                "cell_incomplete": self._period(position, offset).incomplete,
            }
            for position, cohort in enumerate(self.cohorts)
            for offset, users in enumerate(cohort.cells)
        ]

    def to_dict(self) -> dict[str, Any]:
        """Return :meth:`Insight.to_dict`, with the mean share at each offset."""
        return {**super().to_dict(), "mean": list(self.mean())}

    def _common(self) -> dict[str, Any]:
        return {
            "interval": self.interval,
            "tz": self.tz,
            "cohort": self.cohort,
            "mode": self.mode,
            "reference": self.reference,
        }

    def users(self, cohort: int | str | Period, offset: int | None = None) -> ActiveUsers:
        """Return the users of a cohort, or of one of its cells.

        Raises LookupError if there is no such cohort or cell, or if the cell is None.
        """
        return self._as_users(self._behind(cohort, offset))

    def groups(self, cohort: int | str | Period, offset: int | None = None) -> ActiveGroups:
        """Return the groups of a cohort, or of one of its cells, if groups are counted.

        Raises what :meth:`users` raises.
        """
        return self._as_groups(self._behind(cohort, offset))

    def _behind(self, cohort: int | str | Period, offset: int | None) -> Active:
        position = self._position(cohort)
        members = self._members[position]
        if offset is None:
            return members
        cells = self.cohorts[position].cells
        if not 0 <= offset < len(cells) or cells[offset] is None:
            raise IndexError(f"There is no number at offset {offset!r} of that cohort.")
        later = self._active[self._offsets[position] + offset :]
        return members & (later[0] if self.mode == "in" else union(later))

    def _position(self, cohort: int | str | Period) -> int:
        return position_of([each.period for each in self.cohorts], cohort)


@dataclass(frozen=True, slots=True)
class DayN:
    """How many users came back a number of days after their first day."""

    days: int
    #: Users whose first day is at least ``days`` days before the last one that is over.
    eligible: int
    #: Eligible users active exactly ``days`` days after their first day.
    returned: int
    #: Eligible users active ``days`` days after their first day, or later.
    returned_or_later: int
    #: ``"cut"`` if the end of the range cuts off the last of these days, so that more users may
    #: have returned on it, else None. A day that is not over is not one of them.
    incomplete: Incomplete | None

    @property
    def complete(self) -> bool:
        """Whether all of these days are in the range."""
        return self.incomplete is None

    @property
    def share(self) -> float | None:
        """Bounded day-n retention."""
        return ratio(self.returned, self.eligible)

    @property
    def share_or_later(self) -> float | None:
        """Unbounded day-n retention."""
        return ratio(self.returned_or_later, self.eligible)


DAY_N_COLUMNS = (
    "days",
    "complete",
    "incomplete",
    "eligible",
    "returned",
    "share",
    "returned_or_later",
    "share_or_later",
)


@dataclass(frozen=True)
class DayNRetention(Counted):
    """Day-n retention for each n."""

    tz: str
    days: tuple[DayN, ...]
    _members: tuple[Active, ...] = field(repr=False, compare=False)
    _active: tuple[Active, ...] = field(repr=False, compare=False)

    def rows(self) -> list[dict[str, Any]]:
        """Return a row for each n."""
        return [{name: getattr(each, name) for name in DAY_N_COLUMNS} for each in self.days]

    def _common(self) -> dict[str, Any]:
        return {"tz": self.tz}

    def users(
        self, days: int, part: Literal["eligible", "returned", "returned_or_later"] = "returned"
    ) -> ActiveUsers:
        """Return the users behind a number of the insight, ``days`` days after their first day."""
        return self._as_users(self._behind(days, part))

    def groups(
        self, days: int, part: Literal["eligible", "returned", "returned_or_later"] = "returned"
    ) -> ActiveGroups:
        """Return the groups behind a number of the insight, if groups are counted."""
        return self._as_groups(self._behind(days, part))

    def _behind(self, days: int, part: str) -> Active:
        if days not in {each.days for each in self.days}:
            raise LookupError(f"There is no day {days!r} in this insight.")
        cohorts = zip(self._members, range(days, len(self._active)), strict=False)
        if part == "eligible":
            return union([members for members, _ in cohorts])
        if part == "returned":
            return union([members & self._active[later] for members, later in cohorts])
        if part == "returned_or_later":
            later = _from_each_on(self._active)
            return union([members & later[day] for members, day in cohorts])
        raise ValueError(f"part must be eligible, returned or returned_or_later, not {part!r}.")


@overload
def retention(
    start: datetime | None = ...,
    end: datetime | None = ...,
    *,
    cohort: CohortBy = ...,
    mode: Mode = ...,
    reference: Reference = ...,
    by: None = ...,
    **options: Unpack[PeriodOptionsOf],
) -> Retention: ...


@overload
def retention(
    start: datetime | None = ...,
    end: datetime | None = ...,
    *,
    cohort: CohortBy = ...,
    mode: Mode = ...,
    reference: Reference = ...,
    by: By,
    **options: Unpack[PeriodOptionsOf],
) -> Segmented[Retention]: ...


def retention(
    start: datetime | None = None,
    end: datetime | None = None,
    *,
    interval: str = "month",
    cohort: CohortBy = "first_seen",
    mode: Mode = "in",
    reference: Reference = "first",
    tz: str | tzinfo | None = None,
    users: Any = None,
    by: By | None = None,
    of: str | None = None,
    exclusive: bool = False,
) -> Retention | Segmented[Retention]:
    """Return how many users of each cohort were active in their period and in each later one.

    A cohort is the users first seen in a period, over all history; with ``cohort="joined"``, it is
    the users who registered in it, seen or not. The cell at offset n counts its users active n
    periods later. With ``mode="in_or_later"``, it also counts those active only after that period,
    up to ``end``: *unbounded* or rolling retention. The denominator of a share is the size of the
    cohort; with ``reference="previous"``, it is the previous cell.

    The other arguments are those of every insight, see :mod:`souvenirs.insights`. Raises ValueError
    also for a matrix of more than 500,000 cells.
    """
    _checked_choice("cohort", cohort, CohortBy)
    _checked_choice("mode", mode, Mode)
    _checked_choice("reference", reference, Reference)
    timeline = timeline_of(start, end, interval, tz)
    periods = len(timeline.periods)
    if periods * (periods + 1) // 2 > MAX_CELLS:
        raise ValueError(
            f"Retention of {periods:,} periods has more than {MAX_CELLS:,} cells: "
            "choose a shorter range or a longer interval."
        )
    if cohort == "first_seen":
        plan = plan_retention(timeline, mode, reference)
        return counted(plan.make, active_users_each(plan.ranges, users), by, exclusive, of)
    if of is not None:
        raise ValueError(
            f"cohort='joined' is about users, and groups by {of!r} do not register: "
            "choose cohort='first_seen'."
        )
    group = group_of(users)  # an iterator can be read only once
    active = active_users_each(timeline.ranges, group)

    def make(sets: Sequence[ActiveUsers]) -> Retention:
        return _retention(timeline, sets[:periods], sets[periods:], cohort, mode, reference)

    return segmented(make, _joined(timeline, active, group), by, exclusive)


def plan_retention(
    timeline: Timeline, mode: Mode = "in", reference: Reference = "first"
) -> Plan[Retention]:
    """Plan :func:`retention` of the users first seen in the periods of a timeline."""

    def make(sets: Sequence[Active]) -> Retention:
        seen, *active = sets
        own = _first_seen(seen, active)
        return _retention(timeline, own, active, "first_seen", mode, reference)

    return Plan([(None, timeline.start_of(0)), *timeline.ranges], make)


def _retention(
    timeline: Timeline,
    own: Sequence[Active],
    active: Sequence[Active],
    cohort: CohortBy,
    mode: Mode,
    reference: Reference,
) -> Retention:
    found = timeline.with_skipped(active, _nobody)
    later = found if mode == "in" else _from_each_on(found)
    return Retention(
        interval=timeline.interval.name,
        tz=str(timeline.zone),
        cohort=cohort,
        mode=mode,
        reference=reference,
        cohorts=tuple(_cohorts(timeline, own, later, knows_size=cohort == "joined")),
        _members=tuple(own),
        _offsets=timeline.offsets,
        _active=tuple(found),
    )


@overload
def day_n_retention(
    start: datetime | None = ...,
    end: datetime | None = ...,
    *,
    days: Sequence[int] = ...,
    by: None = ...,
    **options: Unpack[OptionsOf],
) -> DayNRetention: ...


@overload
def day_n_retention(
    start: datetime | None = ...,
    end: datetime | None = ...,
    *,
    days: Sequence[int] = ...,
    by: By,
    **options: Unpack[OptionsOf],
) -> Segmented[DayNRetention]: ...


def day_n_retention(
    start: datetime | None = None,
    end: datetime | None = None,
    *,
    days: Sequence[int] = (1, 7, 30),
    tz: str | tzinfo | None = None,
    users: Any = None,
    by: By | None = None,
    of: str | None = None,
    exclusive: bool = False,
) -> DayNRetention | Segmented[DayNRetention]:
    """Return how many users came back n days, by date, after the day they were first seen on.

    *Bounded* retention counts users active on exactly that day, *unbounded* retention users active
    on it or later, up to ``end``. Users whose day n is not over yet are left out. If ``end`` cuts
    the last day off, it counts up to there, and the result is ``incomplete``. ``start`` and
    ``end`` select users by their first day, over all history.

    The other arguments are those of every insight, see :mod:`souvenirs.insights`.
    """
    lengths = _checked_days(days)
    timeline = timeline_of(start, end, "day", tz)
    over = list(filter(_is_over, timeline.with_skipped(timeline.periods, _as_before)))

    def make(sets: Sequence[Active]) -> DayNRetention:
        seen, *active = sets
        found = timeline.with_skipped(active, _nobody)[: len(over)]
        own = _first_seen(seen, found)
        later = _from_each_on(found)
        return DayNRetention(
            tz=str(timeline.zone),
            days=tuple(_day_n(n, over, own, found, later) for n in lengths),
            _members=tuple(own),
            _active=tuple(found),
        )

    ranges = [(None, timeline.start_of(0)), *timeline.ranges]
    return counted(make, active_users_each(ranges, users), by, exclusive, of)


def _day_n(
    days: int,
    periods: Sequence[Period],
    members: Sequence[Active],
    active: Sequence[Active],
    later: Sequence[Active],
) -> DayN:
    cohorts = list(zip(members, active[days:], later[days:], strict=False))
    return DayN(
        days=days,
        eligible=sum(len(own) for own, _, _ in cohorts),
        returned=sum(own.count_common(found) for own, found, _ in cohorts),
        returned_or_later=sum(own.count_common(found) for own, _, found in cohorts),
        incomplete=periods[-1].incomplete if cohorts else None,
    )


def _cohorts(
    timeline: Timeline,
    members: Sequence[Active],
    active: Sequence[Active],
    knows_size: bool,
) -> Iterator[Cohort]:
    periods = timeline.with_skipped(timeline.periods, _as_before)
    for n, period, own in zip(timeline.offsets, timeline.periods, members, strict=True):
        size = len(own) if period.known or knows_size else None
        cells = tuple(
            own.count_common(found)
            if size is not None and _is_over(later) and later.known
            else None
            for later, found in zip(periods[n:], active[n:], strict=True)
        )
        yield Cohort(period, size, cells)


def _is_over(period: Period) -> bool:
    return period.incomplete != "running"


def _nobody(before: Active) -> Active:
    """Return the users of a day that the time zone skipped."""
    return before - before


def _as_before(period: Period) -> Period:
    """Return what is true of a day that the zone skipped: it is over with the one before it."""
    return period


def _first_seen(seen: Active, active: Sequence[Active]) -> list[Active]:
    """Return the users of each period who are not in an earlier one."""
    first = []
    for users in active:
        first.append(users - seen)
        seen |= users
    return first


def _from_each_on(active: Sequence[Active]) -> list[Active]:
    """Return the users active in each period or in a later one."""
    return list(accumulate(reversed(active), or_))[::-1]


def _joined(timeline: Timeline, active: Sequence[ActiveUsers], group: Group) -> list[ActiveUsers]:
    """Return the users of the group who registered in each period, and the active ones."""
    starts = [utc(checked(period.start, "start")) for period in timeline.periods]
    end = utc(checked(timeline.periods[-1].end, "end")) if starts else utc(timeline.now)
    active, joined_in = joined_each(active, starts, end)
    if group is not None:
        both, members = members_among([*joined_in, *active], group)
        joined_in, active = both[: len(starts)], both[len(starts) :]
        joined_in = [each & members for each in joined_in]
    return [*joined_in, *active]


def _checked_days(days: Any) -> tuple[int, ...]:
    lengths = tuple(days) if isinstance(days, Iterable) else (None,)
    if not all(type(each) is int and each >= 1 for each in lengths):
        raise ValueError(f"days must be positive whole numbers, not {days!r}.")
    return lengths


def _checked_choice(name: str, value: object, choices: Any) -> None:
    if value not in get_args(choices):
        raise ValueError(f"{name} must be one of {', '.join(get_args(choices))}, not {value!r}.")
