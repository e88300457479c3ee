"""The periods of an insight."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, tzinfo

from django.utils import timezone

from ..calendar import Period, Timeline, checked, checked_range, interval_named
from ..stores import get_store


def timeline_of(
    start: datetime | None,
    end: datetime | None,
    interval: str,
    tz: str | tzinfo | None,
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
        first_souvenir=get_store().first(),
    )


def position_of(periods: Sequence[Period], which: int | str | Period) -> int:
    """Return the position of a period, given by position, label or as such.

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


def position_after(known: int, periods: Sequence[Period], which: int | str | Period) -> int:
    """Return the position of a period among those whose users have been read, see position_of().

    The numbers of the first ``known`` ones were known before. Raises LookupError for these, too.
    """
    position = position_of(periods, which)
    if position < known:
        raise LookupError(f"The users of the period {which!r} have not been read.")
    return position - known
