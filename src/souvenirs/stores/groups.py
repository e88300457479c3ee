"""Groups of users: those that a question is about.

A group that is a queryset stays one, and the database joins the numbers of its users to it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

from django.contrib.auth import get_user_model
from django.db import models
from django.db.models import QuerySet

from .activeusers import ActiveUsers, checked_users, lent_to, numbers_alias
from .loans import extended
from .numbers import numbered, numbered_by

#: The users to count: a queryset of users, or a set; None for all users.
Group: TypeAlias = QuerySet[Any] | ActiveUsers | None


def group_of(users: Any) -> Group:
    """Return a group, given as a queryset or an iterable; None means all users.

    A queryset is evaluated where it is used. Raises ValueError for a queryset of another model and
    for an invalid user or primary key, and TypeError for anything that is not a group.
    """
    if users is None:
        return None
    return checked_users(users) if isinstance(users, QuerySet) else ActiveUsers(users)


def queryset_of(group: Group, *, to_count: bool = False) -> QuerySet[Any]:
    """Return the users of a group as a queryset that has each once and can be filtered.

    With ``to_count``, its rows need not be users, which is faster.
    """
    everyone = get_user_model()._default_manager.all()
    if group is None:
        return everyone
    if isinstance(group, QuerySet):
        query = group.query
        is_whole = not (query.is_sliced or query.combinator or query.distinct_fields)
        if is_whole and group.db == everyone.db:
            group = group.order_by()
            is_one_table = len(query.alias_map) < 2 and not query.extra_tables
            if to_count and is_one_table and not query.distinct and query.group_by is None:
                return group
            return everyone.filter(pk__in=group.values("pk"))
    return ActiveUsers(group).among(everyone)


def common_users(group: Group, other: Group) -> Group:
    """Return the users of both groups, as a queryset if both are querysets."""
    if group is None or other is None:
        return other if group is None else group
    if isinstance(group, QuerySet) and isinstance(other, QuerySet):
        return queryset_of(group).filter(pk__in=queryset_of(other).order_by().values("pk"))
    return ActiveUsers(group) & ActiveUsers(other)


def members_among(
    sets: Sequence[ActiveUsers], group: QuerySet[Any] | ActiveUsers
) -> tuple[list[ActiveUsers], ActiveUsers]:
    """Return the same sets, and the members of a group to compare them with.

    Members who are in none of the sets may be missing. Give the sets their final form first: the
    group is evaluated after them.
    """
    if not isinstance(group, QuerySet):
        *aligned, members = ActiveUsers.aligned([*sets, group])
        return aligned, members
    numbers, loan = ActiveUsers.comparable(sets)
    members = lent_to(numbered(group, numbers_alias(), loan.number_of, has_others=False), loan)
    return [ActiveUsers.of(each, loan) for each in numbers], members


def members_by(
    sets: Sequence[ActiveUsers],
    users: QuerySet[Any],
    field: models.Expression | str,
    *,
    has_others: bool = False,
) -> tuple[list[ActiveUsers], dict[Any, ActiveUsers]]:
    """Return the same for the users with each value of a field or an expression.

    With ``has_others``, all of these users, whether or not they are in one of the sets.
    """
    numbers, loan = ActiveUsers.comparable(sets)
    found = numbered_by(users, field, numbers_alias(), loan.number_of, has_others=has_others)
    loan = extended(loan, found.values())
    return (
        [ActiveUsers.of(each, loan) for each in numbers],
        {value: lent_to(members, loan) for value, members in found.items()},
    )
