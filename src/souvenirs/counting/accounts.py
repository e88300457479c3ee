"""How many accounts were registered, and how many of them are activated, as of an instant.

A user is registered from the moment in the field that ``SOUVENIRS_DATE_JOINED_FIELD`` names, and
activated if the field that ``SOUVENIRS_IS_ACTIVE_FIELD`` names is true today. A user model without
such fields is served as far as it goes: without the first both counts are unknown, and without the
second every registered user counts as activated, which is the rule of Django's AbstractBaseUser.
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
from ..conf import Conf, Setting, conf
from ..sets import Keys, keys_by
from ..sql import Rank


class Accounts(NamedTuple):
    """Accounts as of an instant; None if the user model cannot say."""

    registered: int | None = None
    activated: int | None = None


def accounts_as_of(
    instants: Sequence[datetime], users: models.QuerySet[Any] | None = None
) -> list[Accounts]:
    """Return the accounts registered before each of these aware moments.

    ``users`` restricts it to some of them. One query for all moments, whatever their number up to
    ``Rank.LIMIT``.
    """
    joined = date_joined_field()
    if joined is None:
        return [Accounts()] * len(instants)
    ends = sorted({utc(instant) for instant in instants})
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
) -> list[tuple[Keys, Keys]]:
    """Return who registered before each of these moments, but not before the one that precedes it.

    The moments are in UTC and in order; who is activated among them comes second. ``users``
    restricts it to some of them. Raises ValueError where the user model does not say when a user
    registered.
    """
    joined, active = _needed_date_joined_field(), is_active_field()
    new: list[tuple[Keys, Keys]] = []
    for position in range(0, len(ends), Rank.LIMIT):
        upto = [outward(end) for end in ends[position : position + Rank.LIMIT]]
        accounts = _among(users).filter(**{f"{joined.name}__lt": upto[-1]})
        if position:
            accounts = accounts.filter(**{f"{joined.name}__gte": outward(ends[position - 1])})
        rank = Rank(joined.name, joined, upto)
        registered = activated = keys_by(accounts, rank)
        if active is not None:
            activated = keys_by(accounts.filter(**{active.name: True}), rank)
        nobody: Keys = frozenset()
        places = range(len(upto))
        new += [(registered.get(n, nobody), activated.get(n, nobody)) for n in places]
    return new


def joined_each(starts: Sequence[datetime], end: datetime) -> list[Keys]:
    """Return who registered from each of these moments to the next one, the last up to ``end``.

    Raises ValueError where the user model does not say.
    """
    joined = _needed_date_joined_field()
    if not starts:
        return []
    within = {f"{joined.name}__gte": bound(starts[0]), f"{joined.name}__lt": bound(end)}
    users = get_user_model()._default_manager.filter(**within)
    found = keys_by(users, Rank(joined.name, joined, [bound(start) for start in starts[1:]]))
    return [found.get(place, frozenset()) for place in range(len(starts))]


def _counted_between(
    joined: models.DateTimeField[Any, Any],
    since: datetime | None,
    ends: list[datetime],
    users: models.QuerySet[Any] | None,
) -> list[tuple[int, int]]:
    """How many registered, and are activated, from ``since`` to the first end, to the second..."""
    moments = [outward(end) for end in ends]
    rank = Rank(joined.name, joined, moments)
    if len(moments) == 1:
        groups = _counted(joined, since, moments[0], None, users)
    elif users is not None or connections[_among(users).db].vendor == "postgresql":
        # In one piece, as what restricts it may be a million keys, and one engine groups by hashes.
        # Most of them registered before the first end.
        first = models.When(**{f"{joined.name}__lt": moments[0]}, then=0)
        groups = _counted(joined, since, moments[-1], models.Case(first, default=rank), users)
    else:
        # To put all of them into groups costs other engines more than to read them twice.
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
    """How many registered, and are activated, in ``[since, until)``, by rank; all of rank 0."""
    accounts = _among(users).filter(**{f"{joined.name}__lt": until})
    if since is not None:
        accounts = accounts.filter(**{f"{joined.name}__gte": outward(since)})
    active = is_active_field()
    # Rows and not primary keys, so that an index of both fields is all that has to be read.
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
    """Counts all rows of a query: to the ORM it is no aggregate, which would group them."""

    function = "COUNT"
    output_field = models.IntegerField()


def date_joined_field() -> models.DateTimeField[Any, Any] | None:
    """Return the field for when a user registered; None where the user model has none.

    Raises ImproperlyConfigured where the setting names a field that is not there, or that does not
    hold a moment.
    """
    field = _field(Conf.__dict__["DATE_JOINED_FIELD"], conf.DATE_JOINED_FIELD)
    if field is not None and not isinstance(field, models.DateTimeField):
        raise ImproperlyConfigured(
            f"SOUVENIRS_DATE_JOINED_FIELD names {field}, which should be a DateTimeField."
        )
    return field


def _needed_date_joined_field() -> models.DateTimeField[Any, Any]:
    joined = date_joined_field()
    if joined is None:
        raise ValueError(
            f"{get_user_model()._meta.label} does not say when a user registered: name its "
            "DateTimeField in SOUVENIRS_DATE_JOINED_FIELD."
        )
    return joined


def is_active_field() -> Any:
    """Return the field for whether a user is activated; None where the user model has none.

    Raises ImproperlyConfigured where the setting names a field that is not there, or that is not
    true or false.
    """
    field = _field(Conf.__dict__["IS_ACTIVE_FIELD"], conf.IS_ACTIVE_FIELD)
    if field is not None and not isinstance(field, models.BooleanField):
        raise ImproperlyConfigured(
            f"SOUVENIRS_IS_ACTIVE_FIELD names {field}, which should be a BooleanField."
        )
    return field


def _field(setting: Setting[str], name: str) -> Any:
    user_model = get_user_model()
    try:
        return user_model._meta.get_field(name)
    except FieldDoesNotExist:
        if name == setting.default:
            return None
        raise ImproperlyConfigured(
            f"{setting.name} names {name!r}, but {user_model._meta.label} has no such field."
        ) from None
