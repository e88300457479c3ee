"""The usage of periods: how many users were registered, activated and active."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import accumulate
from operator import or_
from typing import Any

from django.utils import timezone

from ..calendar import Bounds, Incomplete, checked, earlier, incomplete, is_known, utc
from ..stores import ActiveUsers, get_store, group_of
from .accounts import Accounts, accounts_as_of, date_joined_field, new_accounts
from .activity import active_users_each


class Usage(dict[str, Any]):
    """The row of a period, a dict with attributes."""

    #: Why the period is incomplete, or None, and whether it is known, see
    #: :class:`souvenirs.insights.Period`.
    incomplete: Incomplete | None
    known: bool

    def __init__(
        self, usage: Mapping[str, Any], *, incomplete: Incomplete | None, known: bool
    ) -> None:
        super().__init__(usage)
        self.incomplete = incomplete
        self.known = known

    @property
    def complete(self) -> bool:
        return self.incomplete is None

    @property
    def counts(self) -> tuple[int | None, int | None, int | None]:
        """Registered, activated and active users; None if unknown, in every report."""
        usage = self["usage"]
        active = usage["active_users"] if self.known else None
        return usage["registered_users"], usage["activated_users"], active


def base_usage_for_periods(periods: Iterable[Bounds], *, users: Any = None) -> Iterator[Usage]:
    """Generate the usage of each ``(start, end)`` of datetimes, in any order, without labels.

    This is the default of :func:`souvenirs.reports.usage_for_periods`, which a function in
    ``SOUVENIRS_USAGE_REPORTS_FUNCTION`` may call. A period is running if its ``end`` is in the
    future, and empty if its ``start`` is later. ``users`` restricts the usage to a group.
    """
    periods = list(periods)
    ranges = [_checked_period(start, end) for start, end in periods]
    group = group_of(users)
    active, first = get_store().count_each(ranges, group)
    accounts = accounts_as_of([end for _, end in ranges], group)
    yield from _usages(periods, active, first, accounts)


def usage_read_together(
    periods: list[Bounds], groups: Sequence[ActiveUsers | None]
) -> Iterator[Iterable[Usage]]:
    """Generate the usage of the periods for each group, from one reading for all of them.

    The first group contains the others; None means everyone.
    """
    ranges = [_checked_period(start, end) for start, end in periods]
    first = get_store().first()
    sets, groups = _aligned(active_users_each(ranges, groups[0]), groups)
    accounts = _accounts_of_each([end for _, end in ranges], groups)
    for group, known in zip(groups, accounts, strict=True):
        counts = [len(users) if group is None else users.count_common(group) for users in sets]
        yield _usages(periods, counts, first, known)


def _aligned(
    sets: Sequence[ActiveUsers], groups: Sequence[ActiveUsers | None]
) -> tuple[list[ActiveUsers], list[ActiveUsers | None]]:
    """Return the sets and the groups as they can be compared many times."""
    aligned = ActiveUsers.aligned([*sets, *(group or ActiveUsers() for group in groups)])
    members = aligned[len(sets) :]
    return aligned[: len(sets)], [
        None if group is None else same for group, same in zip(groups, members, strict=True)
    ]


def _accounts_of_each(
    ends: list[datetime], groups: Sequence[ActiveUsers | None]
) -> Iterator[list[Accounts]]:
    """Generate the accounts of each group as of each end, all from one reading of the users."""
    if not ends or date_joined_field() is None:
        yield from ([Accounts()] * len(ends) for _ in groups)
        return
    moments = sorted({utc(end) for end in ends})
    among = groups[0]
    new = new_accounts(moments, None if among is None else among.users())
    by_then = [list(accumulate(kind, or_)) for kind in zip(*new, strict=True)]
    together, groups = _aligned([users for kind in by_then for users in kind], groups)
    by_then = [together[: len(moments)], together[len(moments) :]]
    places = [bisect_right(moments, utc(end)) - 1 for end in ends]
    for group in groups:
        registered, activated = (
            [len(users) if group is None else users.count_common(group) for users in kind]
            for kind in by_then
        )
        yield [Accounts(registered[place], activated[place]) for place in places]


def _usages(
    periods: Iterable[Bounds],
    active: Iterable[int],
    first_souvenir: datetime | None,
    accounts: Iterable[Accounts],
) -> Iterator[Usage]:
    now = utc(checked(timezone.now(), "now"))
    for (start, end), users, registered in zip(periods, active, accounts, strict=True):
        until = checked(end, "end")
        why, known = incomplete(until, until, now), is_known(until, first_souvenir)
        yield usage_row((start, end), users, registered, incomplete=why, known=known)


def usage_row(
    period: Bounds,
    active: int,
    accounts: Accounts,
    *,
    incomplete: Incomplete | None,
    known: bool,
) -> Usage:
    """Return the row of a period, see the module, without labels."""
    start, end = period
    usage = {
        "registered_users": accounts.registered,
        "activated_users": accounts.activated,
        "active_users": active,
    }
    row = {"period": {"start": start, "end": end}, "usage": usage}
    return Usage(row, incomplete=incomplete, known=known)


def _checked_period(start: datetime, end: datetime) -> Bounds:
    """Return a range; an empty one if it starts later than it ends."""
    last = checked(end, "end")
    return earlier(checked(start, "start"), last), last
