"""Who was active in ``[start, end)``, and how many."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, overload

from django.db.models import QuerySet

from ..calendar import bound, checked_range
from ..models import Souvenir
from ..sets import IsOneOf
from ..stores import USER, Group, get_store
from .activeusers import ActiveUsers, group_of
from .segments import By, BySegment, groups_if_any


@overload
def active_users(
    start: datetime | None = ...,
    end: datetime | None = ...,
    users: Any = ...,
    *,
    by: None = ...,
    exclusive: bool = ...,
) -> ActiveUsers: ...


@overload
def active_users(
    start: datetime | None = ...,
    end: datetime | None = ...,
    users: Any = ...,
    *,
    by: By,
    exclusive: bool = ...,
) -> BySegment[ActiveUsers]: ...


def active_users(
    start: datetime | None = None,
    end: datetime | None = None,
    users: Any = None,
    *,
    by: By | None = None,
    exclusive: bool = False,
) -> ActiveUsers | BySegment[ActiveUsers]:
    """Return the set of users active in ``[start, end)``; None leaves an end open.

    ``users`` restricts it to a group: a queryset of users, or users or primary keys in any
    iterable. ``by`` gives the set of each segment too: ``"segment"`` for those in
    ``SOUVENIRS_SEGMENTS``, groups by name in a dict, or a field of the user model like
    ``"groups__name"``; with ``exclusive`` a user is in the first segment that has them only.

    Exact at every instant, except inside a bucket whose souvenirs have been pruned, where
    PrunedSpan, a ValueError, says what is left. Raises ValueError for a naive datetime under
    ``USE_TZ``, a start later than the end and ``exclusive`` without ``by``, and CorruptDigest where
    a digest is corrupt and nothing else knows its users.
    """
    groups = groups_if_any(by, exclusive)
    [found] = active_users_each([(start, end)], users)
    if groups is None:
        return found
    return BySegment({name: found & group for name, group in groups.items()}, found)


def active_users_each(
    ranges: Sequence[tuple[datetime | None, datetime | None]],
    users: Any = None,
    *,
    rounded: bool = False,
) -> list[ActiveUsers]:
    """Return :func:`active_users` of each range ``(start, end)``, all from one reading.

    At most three queries, however many the ranges, and one or two more where users are not their
    own numbers; see :mod:`souvenirs.stores.numbers`. With ``rounded``, whoever was seen in a bucket
    whose souvenirs have been pruned counts as seen where it starts, and any range is answered.
    """
    checked_ranges = [checked_range(start, end) for start, end in ranges]
    found = get_store().users_each(checked_ranges, group_of(users), rounded=rounded)
    return [ActiveUsers.of(each) for each in found]


@overload
def count_active_users(
    start: datetime | None = ...,
    end: datetime | None = ...,
    qs: QuerySet[Souvenir] | None = ...,
    *,
    users: Any = ...,
    by: None = ...,
    exclusive: bool = ...,
) -> int: ...


@overload
def count_active_users(
    start: datetime | None = ...,
    end: datetime | None = ...,
    qs: QuerySet[Souvenir] | None = ...,
    *,
    users: Any = ...,
    by: By,
    exclusive: bool = ...,
) -> BySegment[int]: ...


def count_active_users(
    start: datetime | None = None,
    end: datetime | None = None,
    qs: QuerySet[Souvenir] | None = None,
    *,
    users: Any = None,
    by: By | None = None,
    exclusive: bool = False,
) -> int | BySegment[int]:
    """Return how many users were active in ``[start, end)``: the length of :func:`active_users`.

    ``qs`` is a queryset of souvenirs to count in instead of all of them; it may be filtered, joined
    and ordered. It knows nothing of souvenirs that have been pruned. ``by`` gives the count of each
    segment too. Raises what :func:`active_users` raises, ValueError also for a queryset of
    something else or a sliced one, and TypeError for what is none.
    """
    first, last = checked_range(start, end)
    if qs is not None:
        _check(qs)
    group = group_of(users)
    groups = groups_if_any(by, exclusive)
    if groups is not None:
        found = _found(first, last, qs, group)
        counts = {name: found.count_common(members) for name, members in groups.items()}
        return BySegment(counts, len(found))
    if qs is None:
        return get_store().count_each([(first, last)], group).counts[0]
    return _users_in(qs, first, last, group).count()


def _check(qs: object) -> None:
    if not isinstance(qs, QuerySet):
        raise TypeError(f"qs must be a queryset of souvenirs, not {qs!r}.")
    if not issubclass(qs.model, Souvenir):
        raise ValueError(
            f"qs is a queryset of {qs.model._meta.label}: give one of {Souvenir._meta.label}."
        )
    if qs.query.is_sliced:
        raise ValueError("qs is sliced: filter the souvenirs instead of slicing them.")


def _found(
    start: datetime | None, end: datetime | None, qs: QuerySet[Souvenir] | None, group: Group
) -> ActiveUsers:
    if qs is None:
        return active_users(start, end, group)
    return ActiveUsers(user for (user,) in _users_in(qs, start, end, group))


def _users_in(
    qs: QuerySet[Souvenir], start: datetime | None, end: datetime | None, group: Group
) -> QuerySet[Souvenir, tuple[Any]]:
    """The primary key of each user with one of these souvenirs."""
    if start is not None:
        qs = qs.filter(when__gte=bound(start))
    if end is not None:
        qs = qs.filter(when__lt=bound(end))
    if group is not None:
        qs = qs.filter(IsOneOf("user_id", USER, group))
    return qs.order_by().values_list("user_id").distinct()
