"""Who was active in ``[start, end)``, and how many."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.db.models import QuerySet

from .activeusers import ActiveUsers, group_of
from .instants import bound, checked_range
from .models import Souvenir
from .stores import get_store
from .values import IsOneOf


def active_users(
    start: datetime | None = None, end: datetime | None = None, users: Any = None
) -> ActiveUsers:
    """Return the set of users active in ``[start, end)``; None leaves an end open.

    ``users`` restricts it to a group: a queryset of users, or users or primary keys in any
    iterable. Exact at every instant, except inside a bucket whose souvenirs have been pruned, where
    PrunedSpan, a ValueError, says what is left. Raises ValueError for a naive datetime under
    ``USE_TZ`` and for a start later than the end, and CorruptDigest where a digest is corrupt and
    nothing else knows its users.
    """
    [found] = get_store().users_each([checked_range(start, end)], group_of(users))
    return ActiveUsers.of(found)


def active_users_each(
    ranges: Sequence[tuple[datetime | None, datetime | None]], users: Any = None
) -> list[ActiveUsers]:
    """Return :func:`active_users` of each range ``(start, end)``, all from one reading.

    At most three queries, however many the ranges, and one or two more where users are not their
    own numbers; see :mod:`souvenirs.stores.numbers`.
    """
    checked_ranges = [checked_range(start, end) for start, end in ranges]
    found = get_store().users_each(checked_ranges, group_of(users))
    return [ActiveUsers.of(each) for each in found]


def count_active_users(
    start: datetime | None = None,
    end: datetime | None = None,
    qs: QuerySet[Souvenir] | None = None,
    *,
    users: Any = None,
) -> int:
    """Return how many users were active in ``[start, end)``: the length of :func:`active_users`.

    ``qs`` is a queryset of souvenirs to count in instead of all of them; it may be filtered, joined
    and ordered, but not sliced, which raises ValueError. It knows nothing of souvenirs that have
    been pruned.
    """
    first, last = checked_range(start, end)
    group = group_of(users)
    if qs is None:
        return get_store().count_each([(first, last)], group).counts[0]
    if qs.query.is_sliced:
        raise ValueError("qs is sliced: filter the souvenirs instead of slicing them.")
    if first is not None:
        qs = qs.filter(when__gte=bound(first))
    if last is not None:
        qs = qs.filter(when__lt=bound(last))
    if group is not None:
        qs = qs.filter(IsOneOf("user_id", Souvenir._meta.get_field("user"), group))
    return qs.order_by().values("user_id").distinct().count()
