"""The power user curve: the number of days on which users are active (L7, L28)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from itertools import accumulate
from typing import Any, Unpack, overload

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
from .results import Insight, Options, PeriodOptions, Segmented, segmented
from .timeline import position_of, timeline_of

#: The largest number of days in a curve.
MAX_DAYS = 366


@dataclass(frozen=True)
class PowerCurve(Insight):
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
    _slices: tuple[ActiveUsers, ...] = field(repr=False, compare=False)

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
        checked_days(days, self.days)
        if not at_least:
            return _on_exactly(self._slices, days)
        return ActiveUsers.union(_on_exactly(self._slices, n) for n in range(days, self.days + 1))


@dataclass(frozen=True)
class PowerCurves(Insight):
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
        curve = self.curves[position_of(self.periods, period)]
        return curve.users(days, at_least=at_least)


@overload
def power_curve(
    end: datetime | None = ...,
    *,
    days: int = ...,
    by: None = ...,
    **options: Unpack[Options],
) -> PowerCurve: ...


@overload
def power_curve(
    end: datetime | None = ...,
    *,
    days: int = ...,
    by: By,
    **options: Unpack[Options],
) -> Segmented[PowerCurve]: ...


def power_curve(
    end: datetime | None = None,
    *,
    days: int = 28,
    tz: str | tzinfo | None = None,
    users: Any = None,
    by: By | None = None,
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

    def make(sets: Sequence[ActiveUsers]) -> PowerCurve:
        return _curve(timeline, days, timeline.periods[0], spans.ranges[0][0], sets)

    return segmented(make, active_users_each(spans.ranges, users), by, exclusive)


@overload
def power_curves(
    start: datetime | None = ...,
    end: datetime | None = ...,
    *,
    days: int = ...,
    by: None = ...,
    **options: Unpack[PeriodOptions],
) -> PowerCurves: ...


@overload
def power_curves(
    start: datetime | None = ...,
    end: datetime | None = ...,
    *,
    days: int = ...,
    by: By,
    **options: Unpack[PeriodOptions],
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
    exclusive: bool = False,
) -> PowerCurves | Segmented[PowerCurves]:
    """Return the power curve of the ``days`` local days up to the end of each period.

    The arguments are those of :func:`power_curve` and of every insight.
    """
    checked_days(days)
    timeline = timeline_of(start, end, interval, tz)
    spans = timeline.days(before=days - 1)

    def make(sets: Sequence[ActiveUsers]) -> PowerCurves:
        curves = [
            _curve(timeline, days, period, spans.ranges[last - days][0], sets[last - days : last])
            for period, (_, last) in zip(timeline.periods, spans.positions, strict=True)
        ]
        zone = str(timeline.zone)
        return PowerCurves(interval, days, zone, timeline.periods, tuple(curves))

    return segmented(make, active_users_each(spans.ranges, users), by, exclusive)


def checked_days(days: object, most: int = MAX_DAYS) -> None:
    """Raise ValueError unless ``days`` is a whole number from 1 to ``most``."""
    if isinstance(days, bool) or not isinstance(days, int) or not 1 <= days <= most:
        raise ValueError(f"days must be a whole number from 1 to {most}, not {days!r}.")


def _curve(
    timeline: Timeline, days: int, period: Period, start: datetime, sets: Iterable[ActiveUsers]
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
    )


def bit_slices(days: Iterable[ActiveUsers]) -> list[ActiveUsers]:
    """Return the number of days on which each user was active, bit-sliced.

    The users in slice n are those whose number has bit n set. Adding a day adds 1 to the numbers of
    all its users at once.
    """
    slices: list[ActiveUsers] = []
    for carry in days:
        for n, digit in enumerate(slices):
            slices[n], carry = digit ^ carry, digit & carry
            if not carry:
                break
        if carry:
            slices.append(carry)
    return slices


def _on_exactly(slices: Sequence[ActiveUsers], days: int) -> ActiveUsers:
    """Return the users whose number in the slices is ``days``, at least 1."""
    if days.bit_length() > len(slices):
        return ActiveUsers()
    ones = [digit for n, digit in enumerate(slices) if days >> n & 1]
    found = ones[0]
    for digit in ones[1:]:
        found &= digit
    for n, digit in enumerate(slices):
        if not days >> n & 1:
            found -= digit
    return found
