"""Sets of users by primary key, as passed by callers and returned to them."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Set
from operator import and_, or_, sub, xor
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.base_user import AbstractBaseUser
from django.db.models import IntegerField, QuerySet

from ..sets import IsOneOf, Keys, UserSet, is_number, keys_in, primary_key
from ..stores import USER, Group


class ActiveUsers(Set[Hashable]):
    """An immutable set of users, by primary key.

    ``len()``, ``in`` (a user or a primary key), iteration over primary keys, ``& | - ^``, the
    comparisons and ``==`` work as on a frozenset. The operators also accept a queryset, or any
    iterable of users or primary keys.
    """

    __slots__ = ("_users",)

    def __init__(self, users: Iterable[Any] = ()) -> None:
        self._users = _compact(_users_of(users))

    @classmethod
    def of(cls, users: Keys) -> ActiveUsers:
        """Return the set of users returned by a store."""
        found = cls.__new__(cls)
        found._users = users
        return found

    def page(self, start: int, stop: int) -> list[Hashable]:
        """Return the primary keys at positions ``[start, stop)`` in ascending order."""
        if isinstance(self._users, UserSet):
            return list(self._users.page(start, stop))
        return sorted(self._users)[start:stop]  # type: ignore[type-var]

    @property
    def pks(self) -> frozenset[Hashable]:
        """The primary keys of the users."""
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
        """Return the union of the sets, much faster than a chain of ``|``."""
        members = [each._users for each in sets if each]
        numbers = [users for users in members if isinstance(users, UserSet)]
        if len(numbers) == len(members):
            return cls.of(UserSet.union(numbers))
        return cls.of(frozenset().union(*members))

    def count_common(self, other: ActiveUsers) -> int:
        """Return ``len(self & other)``, without building that set if primary keys are integers."""
        one, two = self._users, other._users
        if isinstance(one, UserSet) and isinstance(two, UserSet):
            return one.count_common(two)
        return len(self & other)

    def count_union(self, other: ActiveUsers) -> int:
        """Return ``len(self | other)``, without building that set if primary keys are integers."""
        return len(self) + len(other) - self.count_common(other)

    def _combined(self, operator: Callable[[Any, Any], Keys], other: Iterable[Any]) -> ActiveUsers:
        if not isinstance(other, Iterable):
            return NotImplemented
        one, two = self._users, _compact(_users_of(other))
        if not (isinstance(one, UserSet) and isinstance(two, UserSet)):
            one, two = frozenset(one), frozenset(two)
        return self.of(operator(one, two))

    def __repr__(self) -> str:
        return f"<ActiveUsers: {len(self)}>"

    def users(self) -> QuerySet[AbstractBaseUser]:
        """Return the users as a lazy queryset.

        It can be filtered, ordered and sliced further, whatever the size of the set. On MariaDB and
        MySQL the list of primary keys has to fit into ``max_allowed_packet``. Users who have been
        deleted since they were active are in the set, but not in the queryset.
        """
        return self.among(get_user_model()._default_manager.all())

    def among(self, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Return the users of a queryset who are in the set."""
        return queryset.filter(self._condition)

    def without(self, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Return the users of a queryset who are not in the set."""
        return queryset.exclude(self._condition)

    @property
    def _condition(self) -> IsOneOf:
        return IsOneOf("pk", USER, self._users)


def group_of(users: Any) -> Group:
    """Return the primary keys of a group: a queryset or an iterable; None means all users.

    Raises ValueError for a queryset of another model and for an invalid user or primary key, and
    TypeError for anything that is not a group.
    """
    return None if users is None else _users_of(users)


def _compact(users: Keys) -> Keys:
    """Return a bitmap if all keys are integers: far smaller, and fast to combine."""
    if isinstance(users, UserSet) or not all(map(is_number, users)):
        return users
    return UserSet.from_ids(users)  # type: ignore[arg-type]


def _users_of(users: Any) -> Keys:
    if isinstance(users, UserSet):
        return users
    if isinstance(users, ActiveUsers):
        return users._users
    if isinstance(users, QuerySet):
        if not issubclass(users.model, get_user_model()):
            raise ValueError(
                f"users is a queryset of {users.model._meta.label}: "
                f"pass one of {get_user_model()._meta.label}."
            )
        return keys_in(users)
    if isinstance(users, str | bytes) or not isinstance(users, Iterable):
        raise TypeError(
            f"users must be a queryset or an iterable of users or primary keys, not {users!r}."
        )
    # If primary keys are integers, most callers pass integers, which need no conversion.
    has_numbers = isinstance(get_user_model()._meta.pk, IntegerField)
    return frozenset(
        user if has_numbers and is_number(user) else primary_key(user) for user in users
    )
