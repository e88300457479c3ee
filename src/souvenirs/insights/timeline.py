"""The periods that an insight is about."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, tzinfo
from typing import NamedTuple

from django.utils import timezone

from ..calendar import Period, Timeline, checked, checked_range, interval_named
from ..stores import get_store


class Origin(NamedTuple):
    """Where history begins."""

    #: The first souvenir; None if there is none.
    first: datetime | None


def find_origin() -> Origin:
    """Return where history begins, for several timelines."""
    return Origin(get_store().first())


def timeline_of(
    start: datetime | None,
    end: datetime | None,
    interval: str,
    tz: str | tzinfo | None,
    origin: Origin | None = None,
) -> Timeline:
    """Return the periods of a range as of now, see :meth:`souvenirs.calendar.Timeline.of`.

    Raises ValueError also for an unknown interval, a naive datetime under ``USE_TZ`` and a start
    later than the end.
    """
    return Timeline.of(
        interval_named(interval),
        *checked_range(start, end),
        tz,
        now=checked(timezone.now(), "now"),
        first_souvenir=(origin or find_origin()).first,
    )


def position_of(periods: Sequence[Period], which: int | str | Period) -> int:
    """Return the position of a period that is given by position, by label or as such.

    Raises LookupError if there is no such period.
    """
    if isinstance(which, int):
        if not -len(periods) <= which < len(periods):
            raise IndexError(f"There is no period {which}: there are {len(periods):,}.")
        return which % len(periods)
    for position, period in enumerate(periods):
        if which in (period, period.label):
            return position
    raise KeyError(f"There is no period {which!r}.")
