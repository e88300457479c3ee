"""Regulars who stay away."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, tzinfo
from typing import Any, TypeVar, cast

from django.utils import timezone

from ..calendar import (
    DAY,
    MICROSECOND,
    Bounds,
    calendar_boundaries,
    checked,
    earlier,
    local,
    outward,
    utc,
    zone_for,
)
from ..counting import ActiveUsers
from ..stores import ActiveSet
from .results import Plan, results_of

A = TypeVar("A", bound=ActiveSet[Any])

#: The weeks in each of which a regular was active, and the days in each.
WEEKS, WEEK = 4, 7


def slipping_away(
    end: datetime | None = None,
    *,
    days: int = 14,
    tz: str | tzinfo | None = None,
    users: Any = None,
) -> ActiveUsers:
    """Return the regulars who have not been seen for a number of local days up to ``end``.

    A regular was active in each of the four weeks before: of the 28 days that end where the last
    ``days`` days start, in each seven. ``end`` is an aware datetime, exclusive, and now by default;
    if it is later than that, it means now. The last of the days is the one that ``end`` is in, or
    the one that ends there. ``tz`` and ``users`` are those of every insight, see
    :mod:`souvenirs.insights`.

    Raises ValueError for a naive datetime under ``USE_TZ``, and for ``days`` that is not a whole
    number from 1 to 366; PrunedSpan if a day starts inside a bucket whose souvenirs have been
    pruned.
    """
    [found] = results_of([plan_slipping(end, days=days, tz=tz)], users)
    return cast(ActiveUsers, found)


def plan_slipping(
    end: datetime | None = None, *, days: int = 14, tz: str | tzinfo | None = None
) -> Plan[ActiveUsers]:
    """Plan :func:`slipping_away`."""
    if isinstance(days, bool) or not isinstance(days, int) or not 1 <= days <= 366:
        raise ValueError(f"days must be a whole number from 1 to 366, not {days!r}.")
    now = checked(timezone.now(), "now")
    moment = now if end is None else earlier(checked(end, "end"), now)
    zone = zone_for(moment, tz)
    last = local(utc(moment) - MICROSECOND, zone)
    boundaries = calendar_boundaries(outward(last), DAY, zone)

    def bounds(first: int, until: int) -> Bounds:
        return outward(boundaries.boundary(first)), outward(boundaries.boundary(until))

    since = 1 - days
    weeks = [bounds(since - WEEK * (n + 1), since - WEEK * n) for n in range(WEEKS)]
    recent = (outward(boundaries.boundary(since)), outward(moment))
    return Plan([recent, *weeks], staying_away)


def staying_away(sets: Sequence[A]) -> A:
    """Return the members of all sets but the first, who are not in that one."""
    seen, regulars, *others = sets
    for each in others:
        regulars &= each
    return regulars - seen
