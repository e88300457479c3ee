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

from .conf import Conf, Setting, conf
from .instants import bound, outward, utc
from .keysets import Keys, keys_by
from .values import Rank


class Accounts(NamedTuple):
    """Accounts as of an instant; None where the user model cannot say."""

    registered: int | None
    activated: int | None


UNKNOWN = Accounts(None, None)


def accounts_as_of(instants: Sequence[datetime]) -> list[Accounts]:
    """Return the accounts registered before each of these aware moments.

    One query for all of them, whatever their number up to ``Rank.LIMIT``.
    """
    joined = date_joined_field()
    if joined is None:
        return [UNKNOWN] * len(instants)
    ends = sorted({utc(instant) for instant in instants})
    totals: list[tuple[int, int]] = []
    for position in range(0, len(ends), Rank.LIMIT):
        since = ends[position - 1] if position else None
        for more in _counted_between(joined, since, ends[position : position + Rank.LIMIT]):
            registered, activated = totals[-1] if totals else (0, 0)
            totals.append((registered + more[0], activated + more[1]))
    return [Accounts(*totals[bisect_left(ends, utc(instant))]) for instant in instants]


def joined_each(starts: Sequence[datetime], end: datetime) -> list[Keys]:
    """Return who registered from each of these moments to the next one, the last up to ``end``.

    Raises ValueError where the user model does not say.
    """
    joined = date_joined_field()
    if joined is None:
        raise ValueError(
            f"{get_user_model()._meta.label} does not say when a user registered: name its "
            "DateTimeField in SOUVENIRS_DATE_JOINED_FIELD."
        )
    if not starts:
        return []
    within = {f"{joined.name}__gte": bound(starts[0]), f"{joined.name}__lt": bound(end)}
    users = get_user_model()._default_manager.filter(**within)
    found = keys_by(users, Rank(joined.name, joined, [bound(start) for start in starts[1:]]))
    return [found.get(place, frozenset()) for place in range(len(starts))]


def _counted_between(
    joined: models.DateTimeField[Any, Any], since: datetime | None, ends: list[datetime]
) -> list[tuple[int, int]]:
    """How many registered, and are activated, from ``since`` to the first end, to the second..."""
    moments = [outward(end) for end in ends]
    if len(moments) == 1:
        groups = _counted(joined, since, moments[0])
    else:
        rank: Any = Rank(joined.name, joined, moments)
        # Most of them registered before the first end.
        first = {f"{joined.name}__lt": moments[0]}
        if connections[get_user_model()._default_manager.db].vendor == "postgresql":
            rank = models.Case(models.When(**first, then=0), default=rank)
            groups = _counted(joined, since, moments[-1], rank)
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
) -> Any:
    """How many registered, and are activated, in ``[since, until)``, by rank; all of rank 0."""
    users = get_user_model()._default_manager.order_by()
    users = users.filter(**{f"{joined.name}__lt": until})
    if since is not None:
        users = users.filter(**{f"{joined.name}__gte": outward(since)})
    active = is_active_field()
    activated = (
        models.F("pk")
        if active is None
        else models.Case(models.When(models.Q(**{active.name: True}), then=models.F("pk")))
    )
    if rank is None:
        return users.values_list(models.Value(0), _Count("pk"), _Count(activated))
    return (
        users.values(rank=rank)
        .annotate(registered=models.Count("pk"), activated=models.Count(activated))
        .values_list("rank", "registered", "activated")
    )


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
