"""The users, or the groups of users, who are active on the most days."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Any, NamedTuple, Unpack, overload

from ..calendar import Timeline
from ..counting import ActiveUsers, By, active_users_each
from ..stores import ActiveSet, Memberships, union
from .powercurve import A, bit_slices
from .results import Insight, Options, Segmented, segmented
from .timeline import timeline_of


class ActiveUser(NamedTuple):
    """The primary key of a user, and the number of days on which they were active."""

    user: Hashable
    days: int


class MostActiveGroup(NamedTuple):
    """The key of a group, and the number of days on which one of its users was active."""

    group: Hashable
    days: int


@dataclass(frozen=True)
class _Most(Insight):
    """Those active on the most local days of ``[start, end)``, in descending order."""

    #: The start of the first day, and the end of the last one, cut off at the end of the range.
    start: datetime | None
    end: datetime | None
    tz: str
    #: The number of days in the range, the last of which may be incomplete.
    days: int
    #: The number of those active in the range, of whom the result has the first.
    total: int

    def _common(self) -> dict[str, Any]:
        return {
            "start": self.start,
            "end": self.end,
            "tz": self.tz,
            "days": self.days,
            "total": self.total,
        }


@dataclass(frozen=True)
class MostActive(_Most):
    """The users active on the most local days of ``[start, end)``, in descending order."""

    users: tuple[ActiveUser, ...]

    def rows(self) -> list[dict[str, Any]]:
        """Return a row for each user, with ``user``, a primary key, and ``days``."""
        return [{"user": user, "days": days} for user, days in self.users]


@dataclass(frozen=True)
class MostActiveGroups(_Most):
    """The groups active on the most local days of ``[start, end)``, in descending order."""

    of: str
    groups: tuple[MostActiveGroup, ...]

    def rows(self) -> list[dict[str, Any]]:
        """Return a row for each group, with ``group``, its key, and ``days``."""
        return [{"group": group, "days": days} for group, days in self.groups]

    def _common(self) -> dict[str, Any]:
        return {"of": self.of, **super()._common()}


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
    _check_limit(limit)
    timeline = timeline_of(start, end, "day", tz)

    def make(sets: Sequence[ActiveUsers]) -> MostActive:
        total, found = _most(sets, limit)
        return MostActive(
            **_range_of(timeline), total=total, users=tuple(ActiveUser(*each) for each in found)
        )

    return segmented(make, active_users_each(timeline.ranges, users), by, exclusive)


def most_active_groups(
    of: str,
    start: datetime | None = None,
    end: datetime | None = None,
    *,
    limit: int | None = 50,
    tz: str | tzinfo | None = None,
    users: Any = None,
) -> MostActiveGroups:
    """Return up to ``limit`` groups, those active on the most local days of a range; None for all.

    ``of`` is the field of the user model whose values are the groups, see
    :func:`souvenirs.control.active_groups`. A group is active on a day on which one of its users
    is. Groups active on the same number of days come in ascending order of their keys. The other
    arguments are those of every insight, see :mod:`souvenirs.insights`. Raises ValueError also if
    ``of`` is not a field, and for a ``limit`` below 1.
    """
    _check_limit(limit)
    timeline = timeline_of(start, end, "day", tz)
    sets, memberships = Memberships.read(active_users_each(timeline.ranges, users), of)
    total, found = _most([memberships.groups_of(each) for each in sets], limit)
    return MostActiveGroups(
        **_range_of(timeline),
        total=total,
        of=of,
        groups=tuple(MostActiveGroup(*each) for each in found),
    )


def _check_limit(limit: Any) -> None:
    if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int) or limit < 1):
        raise ValueError(f"limit must be a whole number, 1 or more, or None, not {limit!r}.")


def _range_of(timeline: Timeline) -> dict[str, Any]:
    periods = timeline.periods
    return {
        "start": periods[0].start if periods else None,
        "end": periods[-1].end if periods else None,
        "tz": str(timeline.zone),
        "days": len(periods),
    }


def _most(
    sets: Sequence[ActiveSet[Any]], limit: int | None
) -> tuple[int, list[tuple[Hashable, int]]]:
    """Return how many members the sets have, and those in the most sets, with their number."""
    slices = bit_slices(sets)
    active = union(slices)
    wanted = len(active) if limit is None else min(limit, len(active))
    found: list[tuple[int, ActiveSet[Any]]] = []
    for days, among in by_days(slices, active, is_descending=True):
        found.append((days, among))
        if sum(len(each) for _, each in found) >= wanted:
            break
    keys = type(active).first_keys([each for _, each in found], wanted)
    return len(active), [(key, found[place][0]) for place, key in keys]


def by_days(
    slices: Sequence[A], among: A, is_descending: bool, days: int = 0
) -> Iterator[tuple[int, A]]:
    """Generate the members with each number in the slices, in the order of the numbers.

    ``among`` are those whose greater digits make up ``days``. Only those generated so far have
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
