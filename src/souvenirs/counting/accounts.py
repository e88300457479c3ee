"""Registered and activated accounts as of an instant.

An account is *registered* from the moment in the user model's ``SOUVENIRS_DATE_JOINED_FIELD`` on,
and *activated* if its ``SOUVENIRS_IS_ACTIVE_FIELD`` is true today. Without the first field both
counts are unknown. Without the second every registered account counts as activated, as in Django's
AbstractBaseUser.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from django.contrib.auth import get_user_model
from django.core.exceptions import FieldDoesNotExist, ImproperlyConfigured
from django.db import connections, models

from ..calendar import bound, outward, utc
from ..conf import SETTINGS, conf
from ..sets import UserSet
from ..sql import Rank
from ..stores import ActiveUsers, Group, members_by, queryset_of

NOBODY = ActiveUsers.of(UserSet())


class Accounts(NamedTuple):
    """The numbers of accounts as of an instant; None if unknown."""

    registered: int | None = None
    activated: int | None = None


def accounts_as_of(instants: Sequence[datetime], group: Group = None) -> list[Accounts]:
    """Return the accounts of a group registered before each of these aware datetimes, in any order.

    Takes one query per ``Rank.LIMIT`` instants.
    """
    joined = date_joined_field()
    if joined is None:
        return [Accounts()] * len(instants)
    ends = sorted({utc(instant) for instant in instants})
    users = None if group is None else queryset_of(group, to_count=True)
    totals: list[tuple[int, int]] = []
    for position in range(0, len(ends), Rank.LIMIT):
        since = ends[position - 1] if position else None
        upto = ends[position : position + Rank.LIMIT]
        for more in _counted_between(joined, since, upto, users):
            registered, activated = totals[-1] if totals else (0, 0)
            totals.append((registered + more[0], activated + more[1]))
    return [Accounts(*totals[bisect_left(ends, utc(instant))]) for instant in instants]


def new_accounts(
    ends: Sequence[datetime], users: models.QuerySet[Any] | None = None
) -> list[tuple[ActiveUsers, ActiveUsers]]:
    """Return the users who registered between each moment and the previous one.

    Each pair has the registered users and the activated ones among them. The moments are in UTC and
    ascending; the first pair has no lower bound. ``users`` restricts the result to some users.
    Raises ValueError if the user model has no date-joined field.
    """
    joined, active = _needed_date_joined_field(), is_active_field()
    new: list[ActiveUsers] = []
    for position in range(0, len(ends), Rank.LIMIT):
        upto = [outward(end) for end in ends[position : position + Rank.LIMIT]]
        accounts = _among(users).filter(**{f"{joined.name}__lt": upto[-1]})
        if position:
            accounts = accounts.filter(**{f"{joined.name}__gte": outward(ends[position - 1])})
        # One reading of both: the activated users of a rank have odd numbers, the others even ones.
        is_activated: models.Expression = models.Value(1)
        if active is not None:
            is_activated = models.Case(
                models.When(**{active.name: True}, then=is_activated), default=models.Value(0)
            )
        rank = Rank(joined.name, joined, upto) * 2 + is_activated
        _, found = members_by([], accounts, rank, has_others=True)
        for place in range(len(upto)):
            activated = found.get(2 * place + 1, NOBODY)
            new += [activated | found.get(2 * place, NOBODY), activated]
    new = ActiveUsers.aligned(new)
    return list(zip(new[::2], new[1::2], strict=True))


def joined_each(
    sets: Sequence[ActiveUsers], starts: Sequence[datetime], end: datetime
) -> tuple[list[ActiveUsers], list[ActiveUsers]]:
    """Return the same sets, and the users who registered from each of these moments to the next.

    The last range ends at ``end``. Raises ValueError if the user model has no date-joined field.
    """
    joined = _needed_date_joined_field()
    if not starts:
        return list(sets), []
    within = {f"{joined.name}__gte": bound(starts[0]), f"{joined.name}__lt": bound(end)}
    users = get_user_model()._default_manager.filter(**within)
    rank = Rank(joined.name, joined, [bound(start) for start in starts[1:]])
    same, found = members_by(sets, users, rank, has_others=True)
    return same, [found.get(place, NOBODY) for place in range(len(starts))]


def _counted_between(
    joined: models.DateTimeField[Any, Any],
    since: datetime | None,
    ends: list[datetime],
    users: models.QuerySet[Any] | None,
) -> list[tuple[int, int]]:
    """Return (registered, activated) counts up to each end, from the end before or ``since``."""
    moments = [outward(end) for end in ends]
    rank = Rank(joined.name, joined, moments)
    if len(moments) == 1:
        groups = _counted(joined, since, moments[0], None, users)
    elif users is not None or connections[_among(users).db].vendor == "postgresql":
        # One query: the condition on users may have a million keys, and PostgreSQL groups by hash.
        # The rank of users who registered before the first end, most of them, needs no search.
        first = models.When(**{f"{joined.name}__lt": moments[0]}, then=0)
        groups = _counted(joined, since, moments[-1], models.Case(first, default=rank), users)
    else:
        # On other engines, grouping all users costs more than reading the table twice.
        groups = _counted(joined, since, moments[0]).union(
            _counted(joined, ends[0], moments[-1], rank), all=True
        )
    counts = {rank: (registered, activated) for rank, registered, activated in groups}
    return [counts.get(rank, (0, 0)) for rank in range(len(ends))]


def _counted(
    joined: models.DateTimeField[Any, Any],
    since: datetime | None,
    until: datetime,
    rank: models.Expression | None = None,
    users: models.QuerySet[Any] | None = None,
) -> Any:
    """Return a query of (rank, registered, activated) in ``[since, until)``; rank 0 without one."""
    accounts = _among(users).filter(**{f"{joined.name}__lt": until})
    if since is not None:
        accounts = accounts.filter(**{f"{joined.name}__gte": outward(since)})
    active = is_active_field()
    # Count rows, not primary keys, so that an index of both fields is enough.
    one = models.Value(1)
    activated = (
        one
        if active is None
        else models.Case(models.When(models.Q(**{active.name: True}), then=one))
    )
    if rank is None:
        return accounts.values_list(models.Value(0), _Count(one), _Count(activated))
    return (
        accounts.values(rank=rank)
        .annotate(registered=models.Count(one), activated=models.Count(activated))
        .values_list("rank", "registered", "activated")
    )


def _among(users: models.QuerySet[Any] | None) -> models.QuerySet[Any]:
    every = get_user_model()._default_manager.all() if users is None else users
    return every.order_by()


class _Count(models.Func):
    """COUNT over all rows. Not an Aggregate, for which the ORM would add a GROUP BY."""

    function = "COUNT"
    output_field = models.IntegerField()


def date_joined_field() -> models.DateTimeField[Any, Any] | None:
    """Return the date-joined field of the user model; None if it has none.

    Raises ImproperlyConfigured if the setting names a missing field or not a DateTimeField.
    """
    field = _field("SOUVENIRS_DATE_JOINED_FIELD", conf.DATE_JOINED_FIELD)
    if field is not None and not isinstance(field, models.DateTimeField):
        raise ImproperlyConfigured(
            f"SOUVENIRS_DATE_JOINED_FIELD names {field}, which should be a DateTimeField."
        )
    return field


def _needed_date_joined_field() -> models.DateTimeField[Any, Any]:
    joined = date_joined_field()
    if joined is None:
        raise ValueError(
            f"{get_user_model()._meta.label} has no registration date: name its DateTimeField in "
            "SOUVENIRS_DATE_JOINED_FIELD."
        )
    return joined


def is_active_field() -> Any:
    """Return the is-active field of the user model; None if it has none.

    Raises ImproperlyConfigured if the setting names a missing field or not a BooleanField.
    """
    field = _field("SOUVENIRS_IS_ACTIVE_FIELD", conf.IS_ACTIVE_FIELD)
    if field is not None and not isinstance(field, models.BooleanField):
        raise ImproperlyConfigured(
            f"SOUVENIRS_IS_ACTIVE_FIELD names {field}, which should be a BooleanField."
        )
    return field


def _field(setting: str, name: str) -> Any:
    user_model = get_user_model()
    try:
        return user_model._meta.get_field(name)
    except FieldDoesNotExist:
        if name == SETTINGS[setting].default:
            return None
        raise ImproperlyConfigured(
            f"{setting} names {name!r}, but {user_model._meta.label} has no such field."
        ) from None
