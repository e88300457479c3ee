"""Who is behind a number, a page of them at a time.

A list is never counted and never read as a whole: there is a next page if there is a row on it. It
can be in the order of what the database has an index for, or of when users registered.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, cast

from django.contrib.auth import get_user_model
from django.db.models import IntegerField, QuerySet
from django.utils import timezone
from django.utils.translation import gettext_noop

from ..accounts import date_joined_field
from ..activeusers import ActiveUsers
from ..counting import active_users, active_users_each
from ..insights import growth, retention
from ..insights.growth import Part
from ..insights.lastseen import last_seen_many
from ..instants import checked, outward
from ..querysets import inactive, never_seen, recently_seen
from ..segments import restricted
from .controls import OF_DAYS
from .parameters import BadQuestion
from .questions import Question

PER_PAGE = 50

#: The last row that somebody pages to; who looks for somebody searches.
MOST = 10_000

#: Lists of the users behind a number of growth accounting.
OF_GROWTH = ("new", "retained", "resurrected", "churned")


@dataclass(frozen=True)
class People:
    """A page of a list."""

    users: list[Any]
    #: By primary key.
    last_seen: Mapping[Hashable, datetime | None]
    #: How many are behind the number, with those deleted since; None where nobody has counted.
    total: int | None
    has_next: bool


def people(question: Question, first: int, last: int) -> People:
    """Return the users of a list from one position up to another. Raises BadQuestion."""
    members = restricted(None, question.segment)
    total = None
    if question.list in OF_DAYS:
        everybody = get_user_model()._default_manager.all()
        users = seen(question.list, timedelta(days=question.days), everybody)
        users = users if members is None else members.among(users)
    else:
        found = _set(question, members)
        users, total = found.users(), len(found)
    if question.q:
        name = get_user_model().USERNAME_FIELD
        users, total = users.filter(**{f"{name}__icontains": question.q}), None
    rows = list(_ordered(users, question.order)[first : last + 1])
    shown = rows[: last - first]
    return People(shown, last_seen_many(shown), total, len(rows) > len(shown))


def seen(name: str, length: timedelta, users: QuerySet[Any]) -> QuerySet[Any]:
    """Return those of the users who are in a list, as :mod:`souvenirs.querysets` says who is.

    Here the sets are read at once, where users are numbers in them: who of a million is in one can
    be told in any order of the rows, and while they are searched.
    """
    if not isinstance(users.model._meta.pk, IntegerField):
        if name == "never":
            return never_seen(users)
        return recently_seen(length, users) if name == "recent" else inactive(length, users)
    if name == "never":
        return active_users_each([(None, None)], rounded=True)[0].without(users)
    cutoff = outward(checked(timezone.now(), "now") - length)
    ranges = [(cutoff, None), (None, cutoff)]
    recent, *before = active_users_each(ranges if name == "inactive" else ranges[:1], rounded=True)
    return (before[0] - recent if before else recent).among(users)


def _set(question: Question, members: ActiveUsers | None) -> ActiveUsers:
    start, end = _outward(question.start), _outward(question.end)
    if question.list == "active":
        return active_users(start, end, members)
    try:
        if question.list == "cohort":
            cohorts = retention(
                start,
                end,
                interval=question.interval,
                cohort=question.cohort,
                mode=question.mode,
                tz=question.zone,
                users=members,
            )
            return cohorts.users(question.of or "", question.offset)
        periods = growth(start, end, interval=question.interval, tz=question.zone, users=members)
        return periods.users(question.of or "", cast(Part, question.list))
    except LookupError:
        raise BadQuestion(
            "of", gettext_noop("There is no such number: start from a table.")
        ) from None


def _outward(moment: datetime | None) -> datetime | None:
    return None if moment is None else outward(moment)


def orders() -> dict[str, str]:
    """Return the field behind each order that a list can be in."""
    fields = {"name": get_user_model().USERNAME_FIELD}
    joined = date_joined_field()
    if joined is not None:
        fields["joined"] = joined.name
    return fields


def _ordered(users: QuerySet[Any], order: str) -> QuerySet[Any]:
    name = order.removeprefix("-")
    field = orders().get(name)
    if field is None:
        raise BadQuestion(
            "order", gettext_noop("The users of this site do not say when they registered.")
        )
    sign = "-" if order.startswith("-") else ""
    return users.order_by(f"{sign}{field}", f"{sign}pk")
