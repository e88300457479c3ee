"""The users active in a range, and their number."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, overload

from django.db.models import QuerySet

from ..calendar import bound, checked, checked_range, earlier
from ..models import Souvenir
from ..stores import ActiveGroups, ActiveUsers, Group, IsMember, Memberships, get_store, group_of
from .segments import By, BySegment, check_exclusive, members_if_any


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

    ``users``, ``by`` and ``exclusive`` are those of every insight, see :mod:`souvenirs.insights`;
    with ``by`` the result is a :class:`BySegment`.

    The result is exact. Raises PrunedSpan, a ValueError, if the range starts or ends inside a
    bucket whose souvenirs have been pruned; ValueError for a naive datetime under ``USE_TZ``, a
    start later than the end and ``exclusive`` without ``by``; and CorruptDigest for a corrupt
    digest whose souvenirs have been deleted.
    """
    check_exclusive(by, exclusive)
    sets = active_users_each([(start, end)], users)
    [found], groups = members_if_any(sets, by, exclusive)
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

    Takes at most three queries, whatever the number of ranges, and one or two more for non-integer
    primary keys. With ``rounded`` the users of a pruned bucket count as seen at its start, and no
    range raises PrunedSpan.
    """
    checked_ranges = [checked_range(start, end) for start, end in ranges]
    return get_store().users_each(checked_ranges, group_of(users), rounded=rounded)


def active_groups(
    of: str,
    start: datetime | None = None,
    end: datetime | None = None,
    users: Any = None,
) -> ActiveGroups:
    """Return the set of groups, like organizations, with a user active in ``[start, end)``.

    ``of`` is the field of the user model whose values are the groups, through any relations:
    ``"organization"``, ``"organization__plan"`` or ``"groups"``. Membership is as of now. A user
    may be in several groups; null and the empty text are no groups. The other arguments and errors
    are those of :func:`active_users`; raises ValueError also if ``of`` is not such a field.
    """
    [found], memberships = Memberships.read([active_users(start, end, users)], of)
    return memberships.groups_of(found)


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
    """Return the number of users active in ``[start, end)``: the length of :func:`active_users`.

    ``qs`` is a queryset of the souvenirs to count, which may be filtered, joined and ordered; it
    does not include pruned souvenirs. With ``by`` the result is a :class:`BySegment`. A range that
    starts later than it ends has no users. Raises what :func:`active_users` raises otherwise,
    ValueError also if ``qs`` is sliced or of another model, and TypeError if it is not a queryset.
    """
    check_exclusive(by, exclusive)
    first = None if start is None else checked(start, "start")
    last = None if end is None else checked(end, "end")
    if first is not None and last is not None:
        first = earlier(first, last)
    if qs is not None:
        _check(qs)
    group = group_of(users)
    if by is not None:
        sets = [_found(first, last, qs, group)]
        [found], groups = members_if_any(sets, by, exclusive)
        counts = {name: found.count_common(members) for name, members in (groups or {}).items()}
        return BySegment(counts, len(found))
    if qs is None:
        return get_store().count_each([(first, last)], group).counts[0]
    return _users_in(qs, first, last, group).count()


def _check(qs: object) -> None:
    if not isinstance(qs, QuerySet):
        raise TypeError(f"qs must be a queryset of souvenirs, not {qs!r}.")
    if not issubclass(qs.model, Souvenir):
        raise ValueError(
            f"qs is a queryset of {qs.model._meta.label}: pass one of {Souvenir._meta.label}."
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
    """Return the distinct primary keys of the users of these souvenirs in ``[start, end)``."""
    if start is not None:
        qs = qs.filter(when__gte=bound(start))
    if end is not None:
        qs = qs.filter(when__lt=bound(end))
    if group is not None:
        qs = qs.filter(IsMember("user_id", ActiveUsers(group)))
    return qs.order_by().values_list("user_id").distinct()
