"""The power user curve: the number of days on which users are active (L7, L28)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from itertools import accumulate
from typing import Any, TypeVar, Unpack, cast, overload

from django.utils import timezone

from ..calendar import (
    DAY,
    Incomplete,
    Period,
    Timeline,
    calendar_start,
    checked,
    instant_before,
    local,
)
from ..counting import ActiveUsers, By, active_users_each
from ..sets import UserSet
from ..stores import ActiveGroups, ActiveSet, kind_of, union
from .results import Active, Counted, OptionsOf, PeriodOptionsOf, Segmented, counted
from .timeline import position_of, timeline_of

A = TypeVar("A", bound=ActiveSet[Any])

#: The largest number of days in a curve.
MAX_DAYS = 366


@dataclass(frozen=True)
class PowerCurve(Counted):
    """The number of users active on exactly n, and on at least n, local days of ``[start, end)``.

    Users who were active on none of the days are not counted.
    """

    start: datetime
    end: datetime
    days: int
    tz: str
    #: Why the period that ends with the last day is incomplete, or None, see :class:`Period`.
    incomplete: Incomplete | None
    #: Users active on exactly 1, 2, ... ``days`` days; None if unknown, see :class:`Period`.
    exactly: tuple[int, ...] | None
    _slices: tuple[Active, ...] = field(repr=False, compare=False)

    @property
    def complete(self) -> bool:
        return self.incomplete is None

    @property
    def at_least(self) -> tuple[int, ...] | None:
        """Users active on at least 1, 2, ... ``days`` days. The first number is the total."""
        if self.exactly is None:
            return None
        return tuple(accumulate(reversed(self.exactly)))[::-1]

    def rows(self) -> list[dict[str, Any]]:
        """Return a row for each number of days, with ``exactly`` and ``at_least``."""
        unknown = (None,) * self.days
        counts = zip(self.exactly or unknown, self.at_least or unknown, strict=True)
        return [
            {"days": n, "exactly": exactly, "at_least": at_least}
            for n, (exactly, at_least) in enumerate(counts, 1)
        ]

    def _common(self) -> dict[str, Any]:
        return {
            "start": self.start,
            "end": self.end,
            "complete": self.complete,
            "incomplete": self.incomplete,
            "days": self.days,
            "tz": self.tz,
        }

    def users(self, days: int, *, at_least: bool = False) -> ActiveUsers:
        """Return the users active on exactly, or on at least, a number of the days."""
        return self._as_users(self._behind(days, at_least))

    def groups(self, days: int, *, at_least: bool = False) -> ActiveGroups:
        """Return the groups active on that number of the days, if groups are counted."""
        return self._as_groups(self._behind(days, at_least))

    def _behind(self, days: int, at_least: bool) -> Active:
        checked_days(days, self.days)
        if not at_least:
            return _on_exactly(self._slices, days)
        return union([_on_exactly(self._slices, n) for n in range(days, self.days + 1)])


@dataclass(frozen=True)
class PowerCurves(Counted):
    """The power curve at the end of each period."""

    interval: str
    days: int
    tz: str
    periods: tuple[Period, ...]
    curves: tuple[PowerCurve, ...]

    def rows(self) -> list[dict[str, Any]]:
        """Return the rows of all curves, each with its period."""
        return [
            {**period.row(), "start": curve.start, **row}
            for period, curve in zip(self.periods, self.curves, strict=True)
            for row in curve.rows()
        ]

    def _common(self) -> dict[str, Any]:
        return {"interval": self.interval, "days": self.days, "tz": self.tz}

    def users(
        self, period: int | str | Period, days: int, *, at_least: bool = False
    ) -> ActiveUsers:
        """Return the users behind a number of the curve of a period."""
        return self._as_users(self._behind(period, days, at_least))

    def groups(
        self, period: int | str | Period, days: int, *, at_least: bool = False
    ) -> ActiveGroups:
        """Return the groups behind a number of the curve of a period, if groups are counted."""
        return self._as_groups(self._behind(period, days, at_least))

    def _behind(self, period: int | str | Period, days: int, at_least: bool) -> Active:
        return self.curves[position_of(self.periods, period)]._behind(days, at_least)


@overload
def power_curve(
    end: datetime | None = ...,
    *,
    days: int = ...,
    by: None = ...,
    **options: Unpack[OptionsOf],
) -> PowerCurve: ...


@overload
def power_curve(
    end: datetime | None = ...,
    *,
    days: int = ...,
    by: By,
    **options: Unpack[OptionsOf],
) -> Segmented[PowerCurve]: ...


def power_curve(
    end: datetime | None = None,
    *,
    days: int = 28,
    tz: str | tzinfo | None = None,
    users: Any = None,
    by: By | None = None,
    of: str | None = None,
    exclusive: bool = False,
) -> PowerCurve | Segmented[PowerCurve]:
    """Return the number of users active on n of the last ``days`` local days: L28 or any length.

    The last day is the one that contains ``end``, cut off there, or ends at ``end``; by default it
    is yesterday. This is the "power user curve" of Andrew Chen (2018), or Facebook's "activity
    histogram" L28. The other arguments are those of every insight, see :mod:`souvenirs.insights`.
    """
    checked_days(days)
    until = calendar_start(timezone.now(), DAY, tz) if end is None else checked(end, "end")
    timeline = timeline_of(local(instant_before(until), until.tzinfo or UTC), until, "day", tz)
    spans = timeline.days(before=days - 1)

    def make(sets: Sequence[Active]) -> PowerCurve:
        return _curve(timeline, days, timeline.periods[0], spans.ranges[0][0], sets, of)

    return counted(make, active_users_each(spans.ranges, users), by, exclusive, of)


@overload
def power_curves(
    start: datetime | None = ...,
    end: datetime | None = ...,
    *,
    days: int = ...,
    by: None = ...,
    **options: Unpack[PeriodOptionsOf],
) -> PowerCurves: ...


@overload
def power_curves(
    start: datetime | None = ...,
    end: datetime | None = ...,
    *,
    days: int = ...,
    by: By,
    **options: Unpack[PeriodOptionsOf],
) -> Segmented[PowerCurves]: ...


def power_curves(
    start: datetime | None = None,
    end: datetime | None = None,
    *,
    interval: str = "week",
    days: int = 7,
    tz: str | tzinfo | None = None,
    users: Any = None,
    by: By | None = None,
    of: str | None = None,
    exclusive: bool = False,
) -> PowerCurves | Segmented[PowerCurves]:
    """Return the power curve of the ``days`` local days up to the end of each period.

    The arguments are those of :func:`power_curve` and of every insight.
    """
    checked_days(days)
    timeline = timeline_of(start, end, interval, tz)
    spans = timeline.days(before=days - 1)

    def make(sets: Sequence[Active]) -> PowerCurves:
        curves = [
            _curve(
                timeline, days, period, spans.ranges[last - days][0], sets[last - days : last], of
            )
            for period, (_, last) in zip(timeline.periods, spans.positions, strict=True)
        ]
        zone = str(timeline.zone)
        return PowerCurves(interval, days, zone, timeline.periods, tuple(curves))

    return counted(make, active_users_each(spans.ranges, users), by, exclusive, of)


def checked_days(days: object, most: int = MAX_DAYS) -> None:
    """Raise ValueError unless ``days`` is a whole number from 1 to ``most``."""
    if isinstance(days, bool) or not isinstance(days, int) or not 1 <= days <= most:
        raise ValueError(f"days must be a whole number from 1 to {most}, not {days!r}.")


def _curve(
    timeline: Timeline,
    days: int,
    period: Period,
    start: datetime,
    sets: Sequence[Active],
    of: str | None,
) -> PowerCurve:
    slices = tuple(bit_slices(sets))
    exactly = tuple(len(_on_exactly(slices, n)) for n in range(1, days + 1))
    return PowerCurve(
        start=start,
        end=period.end,
        days=days,
        tz=str(timeline.zone),
        incomplete=period.incomplete,
        exactly=exactly if period.known else None,
        _slices=slices,
        of=of,
    )


def bit_slices(days: Sequence[A], among: A | None = None) -> list[A]:
    """Return the number of days on which each member, or each of some, was active, bit-sliced.

    The members in slice n are those whose number has bit n set. Adding a day adds 1 to the numbers
    of all its members at once.
    """
    given = [*days] if among is None else [*days, among]
    kind = kind_of(given)
    sets, context = kind.comparable(given)
    if among is not None:
        members = sets.pop()
        sets = [users & members for users in sets]
    slices: list[UserSet] = []
    for carry in sets:
        for n, digit in enumerate(slices):
            slices[n], carry = digit ^ carry, digit & carry
            if not carry:
                break
        if carry:
            slices.append(carry)
    return [cast(A, kind.of(digit, context)) for digit in slices]


def _on_exactly(slices: Sequence[Active], days: int) -> Active:
    """Return the members whose number in the slices is ``days``, at least 1."""
    if days.bit_length() > len(slices):
        return kind_of(slices)()
    ones = [digit for n, digit in enumerate(slices) if days >> n & 1]
    found = ones[0]
    for digit in ones[1:]:
        found &= digit
    for n, digit in enumerate(slices):
        if not days >> n & 1:
            found -= digit
    return found
