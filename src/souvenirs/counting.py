"""Who was active in ``[start, end)``, and how many."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Set
from datetime import datetime

from django.contrib.auth import get_user_model
from django.contrib.auth.base_user import AbstractBaseUser
from django.db.models import QuerySet

from .instants import checked_range, outward
from .models import Souvenir
from .stores import get_store
from .values import IsOneOf


class ActiveUsers(Set[Hashable]):
    """An immutable set of users, by primary key.

    ``len()``, ``in`` (a user or a primary key), iteration over primary keys, ``& | - ^``, the
    comparisons and ``==`` work as on a frozenset; the operators also take users or primary keys in
    any iterable, like a queryset.
    """

    __slots__ = ("pks",)

    def __init__(self, pks: Iterable[Hashable] = ()) -> None:
        self.pks = frozenset(getattr(pk, "pk", pk) for pk in pks)

    def __contains__(self, user: object) -> bool:
        return getattr(user, "pk", user) in self.pks

    def __iter__(self) -> Iterator[Hashable]:
        return iter(self.pks)

    def __len__(self) -> int:
        return len(self.pks)

    def __hash__(self) -> int:
        return hash(self.pks)

    def __repr__(self) -> str:
        return f"<ActiveUsers: {len(self)}>"

    def users(self) -> QuerySet[AbstractBaseUser]:
        """Return the users themselves as a queryset, evaluated when it is read.

        It can be filtered, ordered and sliced further, whatever the size of the set; on MariaDB and
        MySQL the primary keys, written out, have to fit into ``max_allowed_packet``. Users deleted
        since they were active are in the set, but no longer in the queryset.
        """
        user_model = get_user_model()
        key = Souvenir._meta.get_field("user")
        return user_model._default_manager.filter(IsOneOf("pk", key, self.pks))


def active_users(start: datetime | None = None, end: datetime | None = None) -> ActiveUsers:
    """Return the set of users active in ``[start, end)``; None leaves an end open.

    Exact at every instant. Raises ValueError for a naive datetime under ``USE_TZ`` and for a start
    later than the end.
    """
    return ActiveUsers(get_store().users(*checked_range(start, end)))


def count_active_users(
    start: datetime | None = None,
    end: datetime | None = None,
    qs: QuerySet[Souvenir] | None = None,
) -> int:
    """Return how many users were active in ``[start, end)``: the length of :func:`active_users`.

    ``qs`` is a queryset of souvenirs to count in instead of all of them; it may be filtered, joined
    and ordered, but not sliced, which raises ValueError.
    """
    first, last = checked_range(start, end)
    if qs is None:
        return get_store().count(first, last)
    if qs.query.is_sliced:
        raise ValueError("qs is sliced: filter the souvenirs instead of slicing them.")
    if first is not None:
        qs = qs.filter(when__gte=outward(first))
    if last is not None:
        qs = qs.filter(when__lt=outward(last))
    return qs.order_by().values("user_id").distinct().count()
