"""The periods that an insight is about."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, tzinfo
from itertools import pairwise
from typing import Any, NamedTuple

from django.utils import timezone

from ..calendar import (
    DAY,
    MAX_PERIODS,
    Boundaries,
    Interval,
    calendar_start,
    check_period_count,
    checked,
    checked_range,
    earlier,
    interval_named,
    local,
    outward,
    utc,
    zone_named,
)
from ..calendar import (
    MICROSECOND as MICROSECOND,
)
from ..calendar import (
    Range as Range,
)
from ..conf import conf
from ..stores import get_store


class Origin(NamedTuple):
    """Where history begins."""

    #: The first souvenir; None where there is none.
    first: datetime | None


@dataclass(frozen=True, slots=True)
class Period:
    """A unit of the calendar, ``[start, end)``, cut off where the range ends."""

    start: datetime
    end: datetime
    label: str
    #: Whether it is over.
    complete: bool
    #: Whether it ended after the first souvenir; before that, nothing can be known.
    known: bool

    def row(self) -> dict[str, Any]:
        """Return the columns that every row about a period begins with."""
        return {
            "label": self.label,
            "start": self.start,
            "end": self.end,
            "complete": self.complete,
        }


@dataclass(frozen=True)
class Days:
    """Local days in a row, and where among them each period lies: ``[first, last)``."""

    ranges: list[Range]
    positions: list[tuple[int, int]]


@dataclass(frozen=True)
class Layout:
    """The calendar periods of a range."""

    interval: Interval
    zone: tzinfo
    periods: tuple[Period, ...]
    #: The moment of asking.
    now: datetime
    _grid: Boundaries
    _first: int

    @property
    def ranges(self) -> list[Range]:
        return [(period.start, period.end) for period in self.periods]

    def start_of(self, number: int) -> datetime:
        """Return where a period starts, counted from the first one, also before that."""
        return outward(self._grid.boundary(self._first + number))

    def known(self) -> Layout:
        """Return it from the first period on of which anything is known."""
        unknown = sum(not period.known for period in self.periods)
        return replace(self, periods=self.periods[unknown:], _first=self._first + unknown)

    def before(self) -> Range:
        """Return the period before the first one; a day that a zone left out is none."""
        start = self.start_of(0)
        previous = self.start_of(-1)
        return previous if previous != start else self.start_of(-2), start

    def has_begun(self, day: Range) -> bool:
        """Whether there has been an instant of a day: there is none of one that a zone left out."""
        start, end = day
        return start != end and utc(checked(start, "start")) < utc(self.now)

    def days(self, before: int = 0) -> Days:
        """Return the local days of the periods, and so many before.

        A day that a zone has left out, as Samoa did in 2011, is one without an instant. Raises
        ValueError for too many days.
        """
        if not self.periods:
            return Days([], [])
        end = checked(self.periods[-1].end, "end")
        # From what the clock would show, not from its boundary, which on a day whose midnight the
        # clock jumps over is one o'clock.
        grid = Boundaries(self._grid.wall(self._first).replace(tzinfo=self.zone), DAY, self.zone)
        positions = [
            (
                grid.number(checked(period.start, "start")) + before,
                grid.number(utc(checked(period.end, "end")) - MICROSECOND) + 1 + before,
            )
            for period in self.periods
        ]
        if (days := positions[-1][1] - before) > MAX_PERIODS:
            raise ValueError(
                f"The range has {days:,} days, more than {MAX_PERIODS:,}: choose a shorter range."
            )
        bounds = [grid.boundary(number) for number in range(-before, days + 1)]
        bounds = [outward(local(earlier(bound, end), self.zone)) for bound in bounds]
        return Days(list(pairwise(bounds)), positions)


def find_origin() -> Origin:
    """Ask where history begins: once, where several layouts are laid."""
    return Origin(get_store().first())


def lay(
    start: datetime | None,
    end: datetime | None,
    interval: str,
    tz: str | tzinfo | None,
    most: int = MAX_PERIODS,
    origin: Origin | None = None,
) -> Layout:
    """Return the calendar periods from the one that holds ``start`` up to ``end``.

    Without a start, from the one of the first souvenir; without an end, up to now. Raises
    ValueError for an unknown interval or zone, a naive datetime under ``USE_TZ``, a start later
    than the end, and more than ``most`` periods.
    """
    unit = interval_named(interval)
    since, until = checked_range(start, end)
    zone = None if tz is None else zone_named(tz)
    now = checked(timezone.now(), "now")
    first_souvenir = (origin or find_origin()).first
    until = until or now
    if since is None:
        since = earlier(first_souvenir or until, instant_before(until))
    anchor = calendar_start(since, unit.step, zone, conf.WEEK_START)
    grid = Boundaries(anchor, unit.step, anchor.tzinfo)
    first = grid.number(since)
    count = 0 if utc(since) >= utc(until) else grid.number(utc(until) - MICROSECOND) + 1 - first
    check_period_count(count, most)
    periods = []
    if count:
        for number, begin, following in grid.spans(first, until):
            finish = local(earlier(following, until), grid.zone)
            periods.append(
                Period(
                    start=outward(begin),
                    end=outward(finish),
                    label=str(unit.label(grid.wall(number))),
                    complete=utc(following) <= utc(now),
                    known=first_souvenir is not None and utc(first_souvenir) < utc(finish),
                )
            )
    return Layout(unit, grid.zone, tuple(periods), now, grid, first)


def instant_before(end: datetime) -> datetime:
    """Return the last instant before an aware moment, in UTC; ValueError where there is none."""
    try:
        return utc(end) - MICROSECOND
    except OverflowError:
        raise ValueError(f"end is out of range: {end}.") from None


def position_of(periods: Sequence[Period], which: int | str | Period) -> int:
    """Return the position of a period, given by that, its label, or itself.

    Raises LookupError where there is no such period.
    """
    if isinstance(which, int):
        if not -len(periods) <= which < len(periods):
            raise IndexError(f"There is no period {which}: there are {len(periods):,}.")
        return which % len(periods)
    for position, period in enumerate(periods):
        if which in (period, period.label):
            return position
    raise KeyError(f"There is no period {which!r}.")
