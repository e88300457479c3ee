"""How many users a day should have, by the same weekdays of the last weeks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from functools import partial
from typing import Any, Literal, NamedTuple, Unpack, overload

from django.utils import timezone

from ..calendar import (
    DAY,
    Boundaries,
    calendar_boundaries,
    checked,
    earlier,
    instant_before,
    outward,
    utc,
    zone_for,
)
from ..counting import ActiveUsers, By, active_users_each
from .bucket import bucket_start, first_bucket
from .results import Insight, Options, Plan, Segmented, segmented
from .robust import count_at, counts_between, seasonal, spread_of, stabilized

#: Days in a week, which is the season.
WEEK = 7

#: The fewest whole days of history: a week for the first baseline, and each weekday four times.
FEWEST_DAYS = 5 * WEEK

#: The fewest and the most weeks to look back.
WEEKS = range(4, 105)

#: Beyond it, a value is an outlier: B. Iglewicz and D. Hoaglin, "How to Detect and Handle Outliers"
#: (1993).
TOLERANCE = 3.5


class Expected(NamedTuple):
    """What a count is expected to be, and the lowest and highest count that is not an outlier."""

    value: float
    low: int
    high: int


@dataclass(frozen=True)
class Expectation(Insight):
    """The users of a day up to a time, and how many the same weekdays let expect by that time.

    ``value``, ``low`` and ``high`` are None if there is not enough history, and ``reason`` says so.
    """

    start: datetime
    end: datetime
    tz: str
    weeks: int
    tolerance: float
    #: Number of users active in ``[start, end)``.
    active: int
    #: The expected number, and the lowest and highest number that is not an outlier.
    value: float | None
    low: int | None
    high: int | None
    #: The number of whole days of history.
    days: int
    reason: str | None
    _users: ActiveUsers = field(repr=False, compare=False)

    @property
    def outlying(self) -> Literal["low", "high"] | None:
        """Whether the number is lower or higher than the same weekdays allow."""
        if self.low is not None and self.active < self.low:
            return "low"
        return "high" if self.high is not None and self.active > self.high else None

    def rows(self) -> list[dict[str, Any]]:
        """Return the only row."""
        names = ("start", "end", "active", "value", "low", "high", "outlying", "reason")
        return [{name: getattr(self, name) for name in names}]

    def _common(self) -> dict[str, Any]:
        names = ("tz", "weeks", "tolerance", "days")
        return {name: getattr(self, name) for name in names}

    def users(self) -> ActiveUsers:
        """Return the users active in ``[start, end)``."""
        return self._users


@overload
def expectation(
    end: datetime | None = ...,
    *,
    weeks: int = ...,
    tolerance: float = ...,
    by: None = ...,
    **options: Unpack[Options],
) -> Expectation: ...


@overload
def expectation(
    end: datetime | None = ...,
    *,
    weeks: int = ...,
    tolerance: float = ...,
    by: By,
    **options: Unpack[Options],
) -> Segmented[Expectation]: ...


def expectation(
    end: datetime | None = None,
    *,
    weeks: int = 8,
    tolerance: float = TOLERANCE,
    tz: str | tzinfo | None = None,
    users: Any = None,
    by: By | None = None,
    exclusive: bool = False,
) -> Expectation | Segmented[Expectation]:
    """Return the active users of the day up to ``end``, and how many there should be by then.

    The day is the one that contains ``end``, or ends there; by default, ``end`` is the start of the
    current bucket. The history is each of the days before, up to the same time on the clock.

    Counts are compared as ``z = 2 * sqrt(count + 3/8)`` (Anscombe 1948). The *baseline* of a
    day is the median of ``z`` of the seven days before it, and follows growth. The *effect* of a
    weekday is the median of ``z`` less the baseline, over the last ``weeks`` weeks. The expected
    ``z`` is the baseline plus the effect of the weekday. What this would have missed the days
    of these weeks by gives the *spread*: 1.4826 times the median of the absolute misses, at least
    1, by which a random count varies. Numbers from ``low`` to ``high`` are within ``tolerance``
    spreads of the expectation; 3.5 is the limit of Iglewicz and Hoaglin (1993). As all of these are
    medians, a holiday or an outage in the past changes little.

    It needs 35 whole days of history. The other arguments are those of every insight, see
    :mod:`souvenirs.insights`.
    """
    plan = plan_expectation(end, weeks=weeks, tolerance=tolerance, tz=tz)
    return segmented(plan.make, active_users_each(plan.ranges, users), by, exclusive)


def plan_expectation(
    end: datetime | None = None,
    *,
    weeks: int = 8,
    tolerance: float = TOLERANCE,
    tz: str | tzinfo | None = None,
) -> Plan[Expectation]:
    """Plan :func:`expectation`."""
    _check(weeks, tolerance)
    until = bucket_start(checked(timezone.now(), "now")) if end is None else checked(end, "end")
    zone = zone_for(until, tz)
    starts = calendar_boundaries(instant_before(until), DAY, zone)
    ends = Boundaries(until, DAY, zone)
    first = first_bucket()
    ranges = []
    for number in range(-WEEK * (weeks + 1), 1):
        start = starts.boundary(number)
        if number == 0 or (first is not None and first <= utc(start)):
            # A day that the time zone skipped has no users.
            until_then = earlier(ends.boundary(number), starts.boundary(number + 1))
            ranges.append((outward(start), outward(until_then)))
    make = partial(_expectation, ranges[-1], str(zone), weeks, tolerance)
    return Plan(ranges, make)


def _check(weeks: object, tolerance: object) -> None:
    if isinstance(weeks, bool) or not isinstance(weeks, int) or weeks not in WEEKS:
        raise ValueError(
            f"weeks must be a whole number from {WEEKS[0]} to {WEEKS[-1]}, not {weeks!r}."
        )
    is_number = isinstance(tolerance, int | float) and not isinstance(tolerance, bool)
    if not is_number or not 0 < tolerance < float("inf"):  # type: ignore[operator]
        raise ValueError(f"tolerance must be a number greater than 0, not {tolerance!r}.")


def _expectation(
    day: tuple[datetime, datetime],
    zone: str,
    weeks: int,
    tolerance: float,
    sets: Sequence[ActiveUsers],
) -> Expectation:
    *history, active = map(len, sets)
    found = expected(history, weeks, tolerance)
    reason = None
    if found is None:
        reason = f"There are {len(history)} whole days of history, and {FEWEST_DAYS} are needed."
    return Expectation(
        start=day[0],
        end=day[1],
        tz=zone,
        weeks=weeks,
        tolerance=tolerance,
        active=active,
        value=None if found is None else found.value,
        low=None if found is None else found.low,
        high=None if found is None else found.high,
        days=len(history),
        reason=reason,
        _users=sets[-1],
    )


def expected(
    history: Sequence[int], weeks: int = 8, tolerance: float = TOLERANCE
) -> Expected | None:
    """Return what the day after a history of counts of days should be; None if it is too short."""
    if len(history) < FEWEST_DAYS:
        return None
    centre, misses = seasonal(list(map(stabilized, history)), WEEK, WEEK * weeks)
    reach = tolerance * max(1.0, spread_of(misses))
    return Expected(count_at(centre), *counts_between(centre - reach, centre + reach))
