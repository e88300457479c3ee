"""The active users that the day, week or month under way will have."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, tzinfo
from functools import partial
from math import exp, log
from statistics import fmean, median
from typing import Any, NamedTuple, Unpack, overload

from django.utils import timezone

from ..calendar import (
    INTERVALS,
    Bounds,
    Period,
    calendar_boundaries,
    checked,
    is_known,
    outward,
    utc,
    zone_for,
)
from ..counting import ActiveUsers, By, active_users_each
from .bucket import bucket_start, first_bucket
from .results import Insight, Options, Plan, Segmented, segmented
from .robust import count_at, counts_between, quantile, seasonal, stabilized


class History(NamedTuple):
    """How many past periods a forecast looks at.

    ``season`` is the number of periods after which their rhythm repeats. A past forecast is made
    from up to ``basis`` periods, at least two seasons; ``most`` past forecasts are compared with
    what came of them, ``fewest`` are needed.
    """

    season: int
    basis: int
    fewest: int
    most: int

    @property
    def needed(self) -> int:
        """The fewest periods."""
        return 2 * self.season + self.fewest


HISTORIES = {
    "day": History(season=7, basis=56, fewest=28, most=56),
    "week": History(season=1, basis=26, fewest=8, most=26),
    "month": History(season=1, basis=24, fewest=8, most=24),
}

#: The intervals whose periods are forecast.
FORECASTS = tuple(HISTORIES)


class Growing(NamedTuple):
    """The users of a period up to a point of it, and of the whole period."""

    so_far: int
    whole: int


class Forecasted(NamedTuple):
    """A number of users, and the limits between which it will be with some probability."""

    value: int
    low: int
    high: int


@dataclass(frozen=True)
class Forecast(Insight):
    """The users of the period under way so far, and how many it will have.

    ``value``, ``low`` and ``high`` are None if there is not enough history, and ``reason`` says so.
    """

    interval: str
    tz: str
    period: Period
    #: The moment up to which the period has been read.
    end: datetime
    confidence: float
    #: Number of users active since the start of the period.
    so_far: int
    #: The number that the period will have, and its limits, both inclusive.
    value: int | None
    low: int | None
    high: int | None
    #: The number of whole past periods.
    past: int
    reason: str | None
    _users: ActiveUsers = field(repr=False, compare=False)

    def rows(self) -> list[dict[str, Any]]:
        """Return the only row, with the label, start and end of the whole period."""
        names = ("so_far", "value", "low", "high", "reason")
        return [{**self.period.row(), **{name: getattr(self, name) for name in names}}]

    def _common(self) -> dict[str, Any]:
        names = ("interval", "tz", "end", "confidence", "past")
        return {name: getattr(self, name) for name in names}

    def users(self) -> ActiveUsers:
        """Return the users active so far."""
        return self._users


@overload
def forecast(
    interval: str = ...,
    end: datetime | None = ...,
    *,
    confidence: float = ...,
    by: None = ...,
    **options: Unpack[Options],
) -> Forecast: ...


@overload
def forecast(
    interval: str = ...,
    end: datetime | None = ...,
    *,
    confidence: float = ...,
    by: By,
    **options: Unpack[Options],
) -> Segmented[Forecast]: ...


def forecast(
    interval: str = "day",
    end: datetime | None = None,
    *,
    confidence: float = 0.8,
    tz: str | tzinfo | None = None,
    users: Any = None,
    by: By | None = None,
    exclusive: bool = False,
) -> Forecast | Segmented[Forecast]:
    """Return how many active users the day, week or month that contains ``end`` will have.

    Only what was before the start of the bucket of ``end`` is read; by default, ``end`` is now.
    ``interval`` is ``"day"``, ``"week"`` or ``"month"``.

    Distinct users do not add up, so the forecast is made from how past periods grew from the same
    point, as a fraction of their length, to their end. There are two candidates: the users so far
    times the median growth, and the users so far plus the expected number of those who had not come
    yet, which for days depends on the weekday. Both are computed for each past period too, from the
    periods before it. The one that missed less is the forecast. From ``low`` to ``high`` it is
    within the quantiles of its past misses, on the scale ``2 * sqrt(count + 3/8)``: the next miss
    is between them with a probability of ``confidence``, if it is like them. This is conformal
    prediction (Vovk, Gammerman and Shafer 2005), with each period predicted from those before it.

    It needs 42 days, 10 weeks or 10 months of history. The other arguments are those of every
    insight, see :mod:`souvenirs.insights`.
    """
    plan = plan_forecast(interval, end, confidence=confidence, tz=tz)
    return segmented(plan.make, active_users_each(plan.ranges, users), by, exclusive)


def plan_forecast(
    interval: str = "day",
    end: datetime | None = None,
    *,
    confidence: float = 0.8,
    tz: str | tzinfo | None = None,
) -> Plan[Forecast]:
    """Plan :func:`forecast`."""
    if not isinstance(interval, str) or interval not in FORECASTS:
        raise ValueError(f"interval must be one of {', '.join(FORECASTS)}, not {interval!r}.")
    _check_confidence(confidence)
    history = HISTORIES[interval]
    now = checked(timezone.now(), "now")
    moment = now if end is None else checked(end, "end")
    zone = zone_for(moment, tz)
    boundaries = calendar_boundaries(moment, INTERVALS[interval].step, zone)
    start, until = boundaries.boundary(0), boundaries.boundary(1)
    point = max(utc(start), bucket_start(moment))
    elapsed = (point - utc(start)) / (utc(until) - utc(start))
    first = first_bucket()
    ranges: list[Bounds] = []
    for number in range(-history.basis - history.most, 0):
        past, following = boundaries.boundary(number), boundaries.boundary(number + 1)
        # A day that the time zone skipped has no users and no length.
        if first is not None and first <= utc(past) and utc(past) < utc(following):
            reached = _point(past, following, elapsed)
            ranges += [(outward(past), reached), (outward(past), outward(following))]
    ranges.append((outward(start), outward(point.astimezone(zone))))
    period = Period(
        outward(start),
        outward(until),
        str(INTERVALS[interval].label(boundaries.wall(0))),
        "running" if utc(until) > utc(now) else "cut",
        is_known(until, first),
    )
    make = partial(_forecast, interval, str(zone), period, ranges[-1][1], confidence)
    return Plan(ranges, make)


def _check_confidence(confidence: object) -> None:
    if not isinstance(confidence, int | float) or not 0 < confidence < 1:
        raise ValueError(f"confidence must be a number between 0 and 1, not {confidence!r}.")


def _point(start: datetime, end: datetime, elapsed: float) -> datetime:
    """Return the start of the bucket in which that fraction of a period is over."""
    length: timedelta = utc(end) - utc(start)
    # To the second, so that the same fraction of the same length is in the same bucket.
    seconds = round(elapsed * length.total_seconds())
    reached = max(utc(start), bucket_start(utc(start) + timedelta(seconds=seconds)))
    return outward(reached.astimezone(start.tzinfo))


def _forecast(
    interval: str,
    zone: str,
    period: Period,
    end: datetime,
    confidence: float,
    sets: Sequence[ActiveUsers],
) -> Forecast:
    *past, so_far = map(len, sets)
    history = [Growing(*each) for each in zip(past[::2], past[1::2], strict=True)]
    found = forecasted(HISTORIES[interval], history, so_far, confidence)
    reason = None
    if found is None:
        reason = (
            f"There are {len(history)} whole {interval}s of history, and "
            f"{HISTORIES[interval].needed} are needed."
        )
    return Forecast(
        interval=interval,
        tz=zone,
        period=period,
        end=end,
        confidence=confidence,
        so_far=so_far,
        value=None if found is None else found.value,
        low=None if found is None else found.low,
        high=None if found is None else found.high,
        past=len(history),
        reason=reason,
        _users=sets[-1],
    )


def forecasted(
    size: History, past: Sequence[Growing], so_far: int, confidence: float = 0.8
) -> Forecasted | None:
    """Return the forecast of a period with so many users so far; None if too few are past."""
    if len(past) < size.needed:
        return None
    origins = range(max(2 * size.season, len(past) - size.most), len(past))
    made = [_candidates(size, past[:n], past[n].so_far) for n in origins]
    missed = [
        [
            stabilized(past[n].whole) - stabilized(each[k])
            for n, each in zip(origins, made, strict=True)
        ]
        for k in (0, 1)
    ]
    best = min((0, 1), key=lambda k: fmean(map(abs, missed[k])))
    value = _candidates(size, past, so_far)[best]
    ordered = sorted(missed[best])
    low, high = (
        stabilized(value) + quantile(ordered, probability)
        for probability in ((1 - confidence) / 2, (1 + confidence) / 2)
    )
    least, most = (max(so_far, each) for each in counts_between(low, high))
    return Forecasted(min(max(round(value), least), most), least, most)


def _candidates(size: History, past: Sequence[Growing], so_far: int) -> tuple[float, float]:
    """Return two forecasts of a period: by how much it grows, and by how many come later."""
    growth = median(log((each.whole + 0.5) / (each.so_far + 0.5)) for each in past[-size.basis :])
    # The half is there because nobody can grow by no factor; it cannot lower what there is.
    grown = (so_far + 0.5) * exp(growth) - 0.5
    later = [stabilized(each.whole - each.so_far) for each in past[-size.basis :]]
    if size.season == 1:
        coming = median(later)
    else:
        coming, _ = seasonal(later, size.season, size.basis)
    return max(grown, float(so_far)), so_far + count_at(coming)
