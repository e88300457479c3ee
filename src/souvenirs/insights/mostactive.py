"""The users who are active on the most days."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Any, NamedTuple, Unpack, overload

from ..counting import ActiveUsers, By, active_users_each
from .powercurve import bit_slices
from .results import Insight, Options, Segmented, segmented
from .timeline import timeline_of


class ActiveUser(NamedTuple):
    """The primary key of a user, and the number of days on which they were active."""

    user: Hashable
    days: int


@dataclass(frozen=True)
class MostActive(Insight):
    """The users active on the most local days of ``[start, end)``, in descending order."""

    #: The start of the first day, and the end of the last one, cut off at the end of the range.
    start: datetime | None
    end: datetime | None
    tz: str
    #: The number of days in the range, the last of which may be incomplete.
    days: int
    #: The number of users active in the range, of whom ``users`` has the first.
    total: int
    users: tuple[ActiveUser, ...]

    def rows(self) -> list[dict[str, Any]]:
        """Return a row for each user, with ``user``, a primary key, and ``days``."""
        return [{"user": user, "days": days} for user, days in self.users]

    def _common(self) -> dict[str, Any]:
        return {
            "start": self.start,
            "end": self.end,
            "tz": self.tz,
            "days": self.days,
            "total": self.total,
        }


@overload
def most_active(
    start: datetime | None = ...,
    end: datetime | None = ...,
    *,
    limit: int | None = ...,
    by: None = ...,
    **options: Unpack[Options],
) -> MostActive: ...


@overload
def most_active(
    start: datetime | None = ...,
    end: datetime | None = ...,
    *,
    limit: int | None = ...,
    by: By,
    **options: Unpack[Options],
) -> Segmented[MostActive]: ...


def most_active(
    start: datetime | None = None,
    end: datetime | None = None,
    *,
    limit: int | None = 50,
    tz: str | tzinfo | None = None,
    users: Any = None,
    by: By | None = None,
    exclusive: bool = False,
) -> MostActive | Segmented[MostActive]:
    """Return up to ``limit`` users, those active on the most local days of a range; None for all.

    A user counts once for each day, however often they were seen. Users active on the same number
    of days come in the order of :meth:`ActiveUsers.page`: ascending, if primary keys are integers.
    Users who have been erased since are left out. The other arguments are those of every insight,
    see :mod:`souvenirs.insights`. Raises ValueError also for a ``limit`` below 1.
    """
    if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int) or limit < 1):
        raise ValueError(f"limit must be a whole number, 1 or more, or None, not {limit!r}.")
    timeline = timeline_of(start, end, "day", tz)
    periods = timeline.periods

    def make(sets: Sequence[ActiveUsers]) -> MostActive:
        slices = bit_slices(sets)
        active = ActiveUsers.union(slices)
        wanted = len(active) if limit is None else min(limit, len(active))
        found: list[tuple[int, ActiveUsers]] = []
        for days, among in by_days(slices, active, is_descending=True):
            found.append((days, among))
            if sum(len(each) for _, each in found) >= wanted:
                break
        keys = ActiveUsers.first_keys([each for _, each in found], wanted)
        return MostActive(
            start=periods[0].start if periods else None,
            end=periods[-1].end if periods else None,
            tz=str(timeline.zone),
            days=len(periods),
            total=len(active),
            users=tuple(ActiveUser(key, found[place][0]) for place, key in keys),
        )

    return segmented(make, active_users_each(timeline.ranges, users), by, exclusive)


def by_days(
    slices: Sequence[ActiveUsers], among: ActiveUsers, is_descending: bool, days: int = 0
) -> Iterator[tuple[int, ActiveUsers]]:
    """Generate the users with each number in the slices, in the order of the numbers.

    ``among`` are those whose greater digits make up ``days``. Only the users generated so far have
    been told apart from the others.
    """
    if not among:
        return
    if not slices:
        yield days, among
        return
    *lower, digit = slices
    parts = [(among - digit, days), (among & digit, days | 1 << len(lower))]
    for users, number in reversed(parts) if is_descending else parts:
        yield from by_days(lower, users, is_descending, number)
