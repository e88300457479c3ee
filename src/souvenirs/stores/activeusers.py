"""Sets of users, as passed by callers and returned to them.

A set holds numbers, and no keys. Users who have been seen but not digested may have no number yet;
a reading *lends* them one. The sets of one reading have the same :class:`Loan`, so that they are
combined as they are. When sets of different readings meet, the keys behind their lent numbers are
looked up, in one query: users who have been given a number since are replaced by it, and the others
are lent the same number in all of these sets.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Sequence
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.base_user import AbstractBaseUser
from django.db import models, router
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import IntegerField, QuerySet

from ..models import UserNumber
from ..sets import FIRST_NUMBER, UserSet, is_number, one_of, primary_key
from .activesets import ActiveSet
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


class ActiveUsers(ActiveSet[Loan]):
    """An immutable set of users.

    ``len()``, ``in`` (a user or a primary key), iteration over primary keys, ``& | - ^``, the
    comparisons and ``==`` work as on a frozenset of primary keys. The operators also accept a
    queryset, or any iterable of users or primary keys. Primary keys other than integers are looked
    up, in one query, when they are asked for; users erased since then are left out.
    """

    __slots__ = ()

    def __init__(self, users: Iterable[Any] = ()) -> None:
        found = self._made_of(users)
        self._numbers, self._context = found._numbers, found._context

    @classmethod
    def of(cls, numbers: UserSet, context: Loan | None = None) -> ActiveUsers:
        """Return the set of users with these numbers, some of which may be lent."""
        return super().of(numbers, context or NO_LOAN)

    @classmethod
    def _made_of(cls, members: Any) -> ActiveUsers:
        """Return the users of a queryset, or of an iterable of users or primary keys."""
        if isinstance(members, ActiveUsers):
            return members
        if isinstance(members, QuerySet):
            found = numbered(checked_users(members), numbers_alias())
        else:
            keys = primary_keys(members)
            own = frozenset(filter(is_number, keys))
            # Whoever else has a number is looked up when the set is combined with another one.
            found = Numbered(UserSet.from_ids(own), stored=keys - own)  # type: ignore[arg-type]
        return lent_to(found, extended(NO_LOAN, [found]))

    def page(self, start: int, stop: int) -> list[Hashable]:
        """Return the primary keys at positions ``[start, stop)``, in a fixed order.

        Integer keys ascend. Others come in the order in which they were first digested.
        """
        return super().page(start, stop)

    @property
    def pks(self) -> frozenset[Hashable]:
        """The primary keys of the users."""
        return super().pks

    def __contains__(self, user: object) -> bool:
        key = getattr(user, "pk", user)
        if is_number(key):
            return key in self._numbers
        if not self._numbers or self._numbers.max() < FIRST_NUMBER:
            return False
        try:
            if primary_key(key) != key:
                return False
        except ValueError:
            return False
        if key in self._context.number_of and self._context.number_of[key] in self._numbers:
            return True
        return numbers_of([key], numbers_alias()).get(key) in self._numbers

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
    def comparable(cls, sets: Sequence[ActiveUsers]) -> tuple[list[UserSet], Loan]:
        """Return the numbers of the users of each set, with the loan that all of them share."""
        loans = {id(each._context): each._context for each in sets if each._numbers}
        if len(loans) < 2:
            return [each._numbers for each in sets], next(iter(loans.values()), NO_LOAN)
        lent = [each._context.keys_in(each._numbers) for each in sets]
        keys = frozenset().union(*(each.values() for each in lent))
        if not keys:
            return [each._numbers for each in sets], NO_LOAN
        numbers = dict(numbers_of(keys, numbers_alias()))
        loan = Loan(keys.difference(numbers))
        numbers.update(loan.number_of)
        found = []
        for each, lent_here in zip(sets, lent, strict=True):
            users = each._numbers
            if lent_here:
                users -= UserSet.from_ids(lent_here)
                users |= UserSet.from_ids(numbers[key] for key in lent_here.values())
            found.append(users)
        return found, loan

    def _keys_of(self, numbers: UserSet) -> Iterator[Hashable]:
        if not numbers or numbers.max() < FIRST_NUMBER:
            yield from numbers
            return
        yield from self.of(numbers, self._context)._key_of_each().values()

    def _key_of_each(self) -> dict[int, Hashable]:
        keys = self._context.keys_in(self._numbers)
        keys |= keys_of((number for number in self._numbers if number not in keys), numbers_alias())
        return {number: keys[number] for number in self._numbers if number in keys}

    def condition(self, connection: BaseDatabaseWrapper, column: str) -> tuple[str, list[Any]]:
        """Return an SQL condition, and its parameters: the primary key of a user is in the set."""
        if not self._numbers or self._numbers.max() < FIRST_NUMBER:
            return one_of(connection, column, KEY, self._numbers)
        if connection.alias != numbers_alias():
            return one_of(connection, column, KEY, self.pks)
        lent = self._context.keys_in(self._numbers)
        given = (self._numbers - OWN - UserSet.from_ids(lent)).shifted(-FIRST_NUMBER)
        sql = NumberSql(connection, column)
        among, params = one_of(connection, "n.number", NUMBER, given)
        # Row by row, so that a short page of users costs little.
        numbers = f"SELECT 1 FROM {sql.table} n WHERE n.{sql.column} = {column} AND {among}"
        conditions = [f"EXISTS ({numbers})"]
        for users in (self._numbers & OWN, frozenset(lent.values())):
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
    if not users.lent and not users.stored:
        return ActiveUsers.of(users.numbers, loan)
    lent = [loan.number_of[key] for key in users.lent]
    lent += [loan.number_of_stored[key] for key in users.stored]
    return ActiveUsers.of(users.numbers | UserSet.from_ids(lent), loan)


def primary_keys(users: Any) -> frozenset[Hashable]:
    """Return the primary keys of a group; raises what :func:`group_of` raises."""
    if isinstance(users, ActiveUsers):
        return users.pks
    if isinstance(users, QuerySet):
        return frozenset(checked_users(users).values_list("pk", flat=True))
    if isinstance(users, str | bytes | ActiveSet) or not isinstance(users, Iterable):
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
