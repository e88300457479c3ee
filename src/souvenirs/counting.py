"""Who was active in ``[start, end)``, and how many."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence, Set
from datetime import datetime
from operator import and_, or_, sub, xor
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.base_user import AbstractBaseUser
from django.db.models import IntegerField, QuerySet

from .instants import bound, checked_range
from .models import Souvenir
from .recording import primary_key
from .stores import Group, Users, get_store
from .stores.numbers import is_number
from .usersets import UserSet
from .values import IsOneOf


class ActiveUsers(Set[Hashable]):
    """An immutable set of users, by primary key.

    ``len()``, ``in`` (a user or a primary key), iteration over primary keys, ``& | - ^``, the
    comparisons and ``==`` work as on a frozenset; the operators also take users or primary keys in
    any iterable, like a queryset.
    """

    __slots__ = ("_users",)

    def __init__(self, users: Iterable[Any] = ()) -> None:
        self._users = _compact(_users_of(users))

    @classmethod
    def _of(cls, users: Users) -> ActiveUsers:
        found = cls.__new__(cls)
        found._users = users
        return found

    def page(self, start: int, stop: int) -> list[Hashable]:
        """Return the primary keys from one position up to another, in their order."""
        if isinstance(self._users, UserSet):
            return list(self._users.page(start, stop))
        return sorted(self._users)[start:stop]  # type: ignore[type-var]

    @property
    def pks(self) -> frozenset[Hashable]:
        """Their primary keys."""
        return frozenset(self._users)

    def __contains__(self, user: object) -> bool:
        return getattr(user, "pk", user) in self._users

    def __iter__(self) -> Iterator[Hashable]:
        return iter(self._users)

    def __len__(self) -> int:
        return len(self._users)

    def __hash__(self) -> int:
        return self._hash()

    def __and__(self, other: Iterable[Any]) -> ActiveUsers:
        return self._combined(and_, other)

    def __or__(self, other: Iterable[Any]) -> ActiveUsers:
        return self._combined(or_, other)

    def __sub__(self, other: Iterable[Any]) -> ActiveUsers:
        return self._combined(sub, other)

    def __xor__(self, other: Iterable[Any]) -> ActiveUsers:
        return self._combined(xor, other)

    @classmethod
    def union(cls, sets: Iterable[ActiveUsers]) -> ActiveUsers:
        """Return everybody who is in any of the sets, much faster than one ``|`` after another."""
        members = [each._users for each in sets if each]
        numbers = [users for users in members if isinstance(users, UserSet)]
        if len(numbers) == len(members):
            return cls._of(UserSet.union(numbers))
        return cls._of(frozenset().union(*members))

    def count_common(self, other: ActiveUsers) -> int:
        """Return ``len(self & other)``, without making that set where keys are numbers."""
        one, two = self._users, other._users
        if isinstance(one, UserSet) and isinstance(two, UserSet):
            return one.count_common(two)
        return len(self & other)

    def count_union(self, other: ActiveUsers) -> int:
        """Return ``len(self | other)``, without making that set where keys are numbers."""
        return len(self) + len(other) - self.count_common(other)

    def _combined(self, operator: Callable[[Any, Any], Users], other: Iterable[Any]) -> ActiveUsers:
        if not isinstance(other, Iterable):
            return NotImplemented
        one, two = self._users, _compact(_users_of(other))
        if not (isinstance(one, UserSet) and isinstance(two, UserSet)):
            one, two = frozenset(one), frozenset(two)
        return self._of(operator(one, two))

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
        return user_model._default_manager.filter(IsOneOf("pk", key, self._users))


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
    return ActiveUsers._of(found)


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
    return [ActiveUsers._of(each) for each in found]


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


def group_of(users: Any) -> Group:
    """Return the primary keys of a group of users, given in any way; None for everybody.

    Raises ValueError for a queryset of something else and for what is no user or primary key, and
    TypeError for what is no group at all.
    """
    return None if users is None else _users_of(users)


def _compact(users: Users) -> Users:
    """Users as numbers, where these are their primary keys: far smaller, and fast to combine."""
    if isinstance(users, UserSet) or not all(map(is_number, users)):
        return users
    return UserSet.from_ids(users)  # type: ignore[arg-type]


def _users_of(users: Any) -> Users:
    if isinstance(users, UserSet):
        return users
    if isinstance(users, ActiveUsers):
        return users._users
    if isinstance(users, QuerySet):
        if not issubclass(users.model, get_user_model()):
            raise ValueError(
                f"users is a queryset of {users.model._meta.label}: "
                f"give one of {get_user_model()._meta.label}."
            )
        return frozenset(users.values_list("pk", flat=True))
    if isinstance(users, str | bytes) or not isinstance(users, Iterable):
        raise TypeError(f"users must be a queryset, or users or primary keys, not {users!r}.")
    # Where keys are numbers, most are given as such, and need no second look.
    has_numbers = isinstance(get_user_model()._meta.pk, IntegerField)
    return frozenset(
        user if has_numbers and is_number(user) else primary_key(user) for user in users
    )
