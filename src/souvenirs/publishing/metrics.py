"""The metrics that are published, what each depends on, and how they are computed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

from ..calendar import DAY_LEVEL, Timeline, checked
from ..counting import accounts_as_of
from ..insights import (
    GrowthOfPeriod,
    Plan,
    Reader,
    Series,
    plan_growth,
    plan_series,
    ratio,
    results_of,
)

#: Of every interval, as in growth accounting.
ACTIVE, NEW, RETAINED, RESURRECTED, CHURNED = "active", "new", "retained", "resurrected", "churned"
GROWTH = (ACTIVE, NEW, RETAINED, RESURRECTED, CHURNED)

#: Of days only: users active in the last days up to the end of the day, and DAU/MAU.
TRAILING = {"active_7d": 7, "active_28d": 28, "active_30d": 30}
STICKINESS, MAU = "stickiness", "active_30d"

#: Of every interval, at the end of the period.
REGISTERED, ACTIVATED = "registered", "activated"
ACCOUNTS = (REGISTERED, ACTIVATED)

#: The days in the longest period of each interval.
LONGEST = {"day": 1, "week": 7, "month": 31, "quarter": 92, "year": 366}

#: A number by metric and first second of the period; None if it is unknown.
Values = dict[tuple[str, int], float | None]


def metrics_of(interval: str) -> tuple[str, ...]:
    """Return the metrics of an interval that depend on souvenirs."""
    return (*GROWTH, *TRAILING, STICKINESS) if interval == "day" else GROWTH


def since(metric: str, interval: str, start: int) -> int | None:
    """Return the second from which a figure depends on souvenirs; None: from the first one.

    ``start`` is that of its period. At most a few days too early: days have up to 48 hours where
    a time zone changes its date.
    """
    if metric in (NEW, RESURRECTED):
        return None
    days = 0
    if metric in (RETAINED, CHURNED):
        days = LONGEST[interval]
    elif metric in (*TRAILING, STICKINESS):
        days = TRAILING.get(metric, TRAILING[MAU])
    return start - (days + 1) * DAY_LEVEL if days else start


class Periods(NamedTuple):
    """Consecutive periods, and the second at which each of them starts."""

    timeline: Timeline
    starts: list[int]


def activity(of: Sequence[Periods], users: Any, read: Reader) -> list[Values]:
    """Return the metrics of several runs of periods, all from one reading.

    Raises PrunedSpan and CorruptDigest.
    """
    plans = [_plans(each.timeline) for each in of]
    results = iter(results_of([plan for each in plans for plan in each.values()], users, read=read))
    named = [{name: next(results) for name in each} for each in plans]
    return [_values(*periods, found) for periods, found in zip(of, named, strict=True)]


def countable_activity(
    periods: Periods, users: Any, read: Reader, error: type[Exception]
) -> Values:
    """Return :func:`activity`, without the metrics that raise this error: they are unknown."""
    results = {}
    for name, plan in _plans(periods.timeline).items():
        with suppress(error):
            [results[name]] = results_of([plan], users, read=read)
    return _values(*periods, results)


def _plans(timeline: Timeline) -> dict[str, Plan[Any]]:
    plans: dict[str, Plan[Any]] = {ACTIVE: plan_series(timeline), NEW: plan_growth(timeline)}
    if timeline.interval.name == "day":
        plans.update({name: plan_series(timeline, days) for name, days in TRAILING.items()})
    return plans


def _values(timeline: Timeline, starts: list[int], results: Mapping[str, Any]) -> Values:
    values: Values = {
        (metric, start): None for metric in metrics_of(timeline.interval.name) for start in starts
    }
    for name, result in results.items():
        if isinstance(result, Series):
            values.update(
                {(name, at): value for at, value in zip(starts, result.values, strict=True)}
            )
            continue
        for at, each in zip(starts, result.periods, strict=True):
            values[NEW, at] = each.new
            values[RETAINED, at] = each.retained
            values[RESURRECTED, at] = each.resurrected
            values[CHURNED, at] = _churned(each)
    if timeline.interval.name == "day":
        for at in starts:
            values[STICKINESS, at] = ratio(values[ACTIVE, at], values[MAU, at])
    return values


def _churned(growth: GrowthOfPeriod) -> int | None:
    """Nobody has churned before the period is over: they may still come."""
    return growth.churned if growth.period.complete else None


def accounts(periods: Periods, group: Any) -> Values:
    """Return the registered and activated accounts at the end of each period."""
    ends = [checked(period.end, "end") for period in periods.timeline.periods]
    values: Values = {}
    for at, found in zip(periods.starts, accounts_as_of(ends, group), strict=True):
        values[REGISTERED, at], values[ACTIVATED, at] = found.registered, found.activated
    return values
