"""The periods that an insight is about."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, tzinfo
from typing import NamedTuple

from django.utils import timezone

from ..calendar import MICROSECOND as MICROSECOND
from ..calendar import Days as Days
from ..calendar import Period as Period
from ..calendar import Range as Range
from ..calendar import Timeline, checked, checked_range, interval_named
from ..stores import get_store

Layout = Timeline


class Origin(NamedTuple):
    """Where history begins."""

    #: The first souvenir; None where there is none.
    first: datetime | None


def find_origin() -> Origin:
    """Ask where history begins: once, where several layouts are laid."""
    return Origin(get_store().first())


def lay(
    start: datetime | None,
    end: datetime | None,
    interval: str,
    tz: str | tzinfo | None,
    origin: Origin | None = None,
) -> Layout:
    """Return the periods of a range, see :meth:`souvenirs.calendar.Timeline.of`, as of now.

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
