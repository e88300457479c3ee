"""Sets of users, as passed by callers and returned to them.

A set holds numbers, and no keys. Users who have been seen but not digested may have no number yet;
a reading *lends* them one. The sets of one reading have the same :class:`Loan`, so that they are
combined as they are. When sets of different readings meet, the keys behind their lent numbers are
looked up, in one query: users who have been given a number since are replaced by it, and the others
are lent the same number in all of these sets.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence, Set
from operator import and_, or_, sub, xor
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.base_user import AbstractBaseUser
from django.db import models, router
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import IntegerField, QuerySet

from ..models import UserNumber
from ..sets import FIRST_NUMBER, UserSet, is_number, one_of, primary_key
from .loans import NO_LOAN, Loan, extended
from .numbers import (
    KEY,
    NUMBER,
    Numbered,
    NumberSql,
    keys_of,
    numbered,
    numbers_of,
)

#: The numbers of users whose primary keys are their numbers.
OWN = UserSet.from_range(0, FIRST_NUMBER)


class ActiveUsers(Set[Hashable]):
    """An immutable set of users.

    ``len()``, ``in`` (a user or a primary key), iteration over primary keys, ``& | - ^``, the
    comparisons and ``==`` work as on a frozenset of primary keys. The operators also accept a
    queryset, or any iterable of users or primary keys. Primary keys other than integers are looked
    up, in one query, when they are asked for; users erased since then are left out.
    """

    __slots__ = ("_loan", "_users")

    _users: UserSet
    _loan: Loan

    def __init__(self, users: Iterable[Any] = ()) -> None:
        found = _set_of(users)
        self._users, self._loan = found._users, found._loan

    @classmethod
    def of(cls, users: UserSet, loan: Loan | None = None) -> ActiveUsers:
        """Return the set of users with these numbers, some of which may be lent."""
        found = cls.__new__(cls)
        found._users, found._loan = users, loan or NO_LOAN
        return found

    def page(self, start: int, stop: int) -> list[Hashable]:
        """Return the primary keys at positions ``[start, stop)``, in a fixed order.

        Integer keys ascend. Others come in the order in which they were first digested.
        """
        return list(self._keys_of(UserSet.from_ids(self._users.page(start, stop))))

    @property
    def pks(self) -> frozenset[Hashable]:
        """The primary keys of the users."""
        return frozenset(self)

    def __contains__(self, user: object) -> bool:
        key = getattr(user, "pk", user)
        if is_number(key):
            return key in self._users
        if not self._users or self._users.max() < FIRST_NUMBER:
            return False
        try:
            if primary_key(key) != key:
                return False
        except ValueError:
            return False
        if key in self._loan.number_of and self._loan.number_of[key] in self._users:
            return True
        return numbers_of([key], numbers_alias()).get(key) in self._users

    def __iter__(self) -> Iterator[Hashable]:
        return self._keys_of(self._users)

    def __len__(self) -> int:
        return len(self._users)

    def __hash__(self) -> int:
        return hash(self.pks)

    def __eq__(self, other: object) -> bool:
        return self._compared(UserSet.__eq__, frozenset.__eq__, other)

    def __le__(self, other: Set[Any]) -> bool:
        return self._compared(UserSet.__le__, frozenset.__le__, other)

    def __lt__(self, other: Set[Any]) -> bool:
        return self <= other and self != other

    def __ge__(self, other: Set[Any]) -> bool:
        return self._compared(lambda one, two: two <= one, frozenset.__ge__, other)

    def __gt__(self, other: Set[Any]) -> bool:
        return self >= other and self != other

    def isdisjoint(self, other: Iterable[Any]) -> bool:
        """Whether no user is in both sets."""
        return not self & other

    def __and__(self, other: Iterable[Any]) -> ActiveUsers:
        return self._combined(and_, other)

    def __or__(self, other: Iterable[Any]) -> ActiveUsers:
        return self._combined(or_, other)

    def __sub__(self, other: Iterable[Any]) -> ActiveUsers:
        return self._combined(sub, other)

    def __xor__(self, other: Iterable[Any]) -> ActiveUsers:
        return self._combined(xor, other)

    # Those of Set ask for each user of the other set, which takes a query each.
    __rand__, __ror__, __rxor__ = __and__, __or__, __xor__

    def __rsub__(self, other: Iterable[Any]) -> ActiveUsers:
        return _set_of(other) - self if isinstance(other, Iterable) else NotImplemented

    @classmethod
    def union(cls, sets: Iterable[ActiveUsers]) -> ActiveUsers:
        """Return the union of the sets, much faster than a chain of ``|``."""
        numbers, loan = comparable(list(sets))
        return cls.of(UserSet.union(numbers), loan)

    @classmethod
    def aligned(cls, sets: Sequence[ActiveUsers]) -> list[ActiveUsers]:
        """Return the same sets, prepared to be combined many times, with one look-up in all."""
        numbers, loan = comparable(sets)
        return [cls.of(each, loan) for each in numbers]

    def count_common(self, other: ActiveUsers) -> int:
        """Return ``len(self & other)`` without building that set."""
        (one, two), _ = comparable([self, other])
        return one.count_common(two)

    def count_union(self, other: ActiveUsers) -> int:
        """Return ``len(self | other)`` without building that set."""
        (one, two), _ = comparable([self, other])
        return one.count_union(two)

    def _combined(
        self, operator: Callable[[UserSet, UserSet], UserSet], other: Iterable[Any]
    ) -> ActiveUsers:
        if not isinstance(other, Iterable):
            return NotImplemented
        (one, two), loan = comparable([self, _set_of(other)])
        return self.of(operator(one, two), loan)

    def _compared(
        self,
        of_numbers: Callable[[UserSet, UserSet], bool],
        of_keys: Callable[[frozenset[Any], frozenset[Any]], bool],
        other: object,
    ) -> bool:
        if isinstance(other, ActiveUsers):
            (one, two), _ = comparable([self, other])
            return of_numbers(one, two)
        return of_keys(self.pks, frozenset(other)) if isinstance(other, Set) else NotImplemented

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
        return queryset.filter(IsMember("pk", self))

    def without(self, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Return the users of a queryset who are not in the set."""
        return queryset.exclude(IsMember("pk", self))

    @classmethod
    def first_keys(
        cls, sets: Iterable[ActiveUsers], limit: int, skip: int = 0
    ) -> list[tuple[int, Hashable]]:
        """Return the first primary keys of disjoint sets, each with the position of its set.

        Up to ``limit`` in all, in the order of :meth:`page`, with one look-up. The first ``skip``
        users of the first set are left out.
        """
        numbers, loan = comparable(list(sets))
        chosen: list[tuple[int, int]] = []
        for place, users in enumerate(numbers):
            passed = skip if place == 0 else 0
            page = users.page(passed, passed + limit - len(chosen))
            chosen += [(place, number) for number in page]
        keys = cls.of(UserSet.from_ids(number for _, number in chosen), loan)._key_of_each()
        return [(place, keys[number]) for place, number in chosen if number in keys]

    def _keys_of(self, users: UserSet) -> Iterator[Hashable]:
        """Generate the keys of some of the users."""
        if not users or users.max() < FIRST_NUMBER:
            yield from users
            return
        yield from self.of(users, self._loan)._key_of_each().values()

    def _key_of_each(self) -> dict[int, Hashable]:
        """Return the keys of the users by their numbers, in the order of these."""
        keys = self._loan.keys_in(self._users)
        keys |= keys_of((number for number in self._users if number not in keys), numbers_alias())
        return {number: keys[number] for number in self._users if number in keys}

    def condition(self, connection: BaseDatabaseWrapper, column: str) -> tuple[str, list[Any]]:
        """Return an SQL condition, and its parameters: the primary key of a user is in the set."""
        if not self._users or self._users.max() < FIRST_NUMBER:
            return one_of(connection, column, KEY, self._users)
        if connection.alias != numbers_alias():
            return one_of(connection, column, KEY, self.pks)
        lent = self._loan.keys_in(self._users)
        given = (self._users - OWN - UserSet.from_ids(lent)).shifted(-FIRST_NUMBER)
        sql = NumberSql(connection, column)
        among, params = one_of(connection, "n.number", NUMBER, given)
        # Row by row, so that a short page of users costs little.
        numbers = f"SELECT 1 FROM {sql.table} n WHERE n.{sql.column} = {column} AND {among}"
        conditions = [f"EXISTS ({numbers})"]
        for users in (self._users & OWN, frozenset(lent.values())):
            if users:
                another, values = one_of(connection, column, KEY, users)
                conditions.append(another)
                params = [*params, *values]
        return f"({' OR '.join(conditions)})", params


class IsMember(models.Func):
    """A condition: the user whose primary key is in a column is in a set."""

    output_field = models.BooleanField()
    conditional = True

    def __init__(self, column: str, users: ActiveUsers) -> None:
        super().__init__(models.F(column))
        self.users = users

    def as_sql(  # type: ignore[override]
        self, compiler: Any, connection: BaseDatabaseWrapper, **context: Any
    ) -> tuple[str, list[Any]]:
        column, column_params = compiler.compile(self.source_expressions[0])
        sql, params = self.users.condition(connection, column)
        return sql, [*column_params, *params]


def lent_to(users: Numbered, loan: Loan) -> ActiveUsers:
    lent = [loan.number_of[key] for key in users.lent]
    lent += [loan.number_of_stored[key] for key in users.stored]
    return ActiveUsers.of(users.numbers | UserSet.from_ids(lent), loan)


def comparable(sets: Sequence[ActiveUsers]) -> tuple[list[UserSet], Loan]:
    """Return the numbers of the users of each set, with the loan that all of them share."""
    loans = {id(each._loan): each._loan for each in sets if each._users}
    if len(loans) < 2:
        return [each._users for each in sets], next(iter(loans.values()), NO_LOAN)
    lent = [each._loan.keys_in(each._users) for each in sets]
    keys = frozenset().union(*(each.values() for each in lent))
    if not keys:
        return [each._users for each in sets], NO_LOAN
    numbers = dict(numbers_of(keys, numbers_alias()))
    loan = Loan(keys.difference(numbers))
    numbers.update(loan.number_of)
    found = []
    for each, lent_here in zip(sets, lent, strict=True):
        users = each._users
        if lent_here:
            users -= UserSet.from_ids(lent_here)
            users |= UserSet.from_ids(numbers[key] for key in lent_here.values())
        found.append(users)
    return found, loan


def _set_of(users: Any) -> ActiveUsers:
    if isinstance(users, ActiveUsers):
        return users
    if isinstance(users, QuerySet):
        found = numbered(checked_users(users), numbers_alias())
    else:
        keys = primary_keys(users)
        own = frozenset(filter(is_number, keys))
        # Whoever else has a number is looked up when the set is combined with another one.
        found = Numbered(UserSet.from_ids(own), stored=keys - own)  # type: ignore[arg-type]
    return lent_to(found, extended(NO_LOAN, [found]))


def primary_keys(users: Any) -> frozenset[Hashable]:
    """Return the primary keys of a group; raises what :func:`group_of` raises."""
    if isinstance(users, ActiveUsers):
        return users.pks
    if isinstance(users, QuerySet):
        return frozenset(checked_users(users).values_list("pk", flat=True))
    if isinstance(users, str | bytes) or not isinstance(users, Iterable):
        raise TypeError(
            f"users must be a queryset or an iterable of users or primary keys, not {users!r}."
        )
    # If primary keys are integers, most callers pass integers, which need no conversion.
    has_numbers = isinstance(get_user_model()._meta.pk, IntegerField)
    return frozenset(
        user if has_numbers and is_number(user) else primary_key(user) for user in users
    )


def checked_users(users: QuerySet[Any]) -> QuerySet[Any]:
    if not issubclass(users.model, get_user_model()):
        raise ValueError(
            f"users is a queryset of {users.model._meta.label}: "
            f"pass one of {get_user_model()._meta.label}."
        )
    return users


def numbers_alias() -> str:
    """The database with the numbers: that they are given in, which knows all of them."""
    return router.db_for_write(UserNumber)
