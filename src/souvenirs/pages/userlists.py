"""Lists of the users behind a number, page by page.

A list is neither counted nor read completely: there is a next page if that page has a row. Lists
are sorted by username, by the date of registration, or by the time users were last seen.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple, cast

from django.contrib.auth import get_user_model
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext_noop

from ..calendar import checked, outward
from ..counting import ActiveUsers, Group, active_users, date_joined_field, queryset_of, restricted
from ..insights import GrowthPart, growth, last_seen_many, page_by_last_seen, retention
from ..querysets import inactive, never_seen, recently_seen
from ..web import InvalidParameter, Parameters, shared

PER_PAGE = 50

#: The maximum number of rows on all pages; to find a user, search.
MAX_ROWS = 10_000

#: The order by the time users were last seen.
SEEN = "seen"


class UserPage(NamedTuple):
    """A page of a list."""

    users: list[Any]
    #: By primary key.
    last_seen: Mapping[Hashable, datetime | None]
    #: The number of users, including deleted ones; None if unknown.
    total: int | None
    has_next: bool


def list_users(parameters: Parameters, first: int, last: int) -> UserPage:
    """Return the users ``[first, last)`` of a list. Raises InvalidParameter."""
    members = restricted(None, parameters.segment)
    found = None if parameters.list in shared.OF_DAYS else _set(parameters, members)
    if parameters.order.removeprefix("-") == SEEN and parameters.list != "never":
        return _by_last_seen(parameters, first, last, members, found)
    users, total = _users(parameters, members, found), None if found is None else len(found)
    if parameters.q:
        users, total = _searched(users, parameters.q), None
    rows = list(_ordered(users, parameters.order)[first : last + 1])
    shown = rows[: last - first]
    return UserPage(shown, last_seen_many(shown), total, len(rows) > len(shown))


def _by_last_seen(
    parameters: Parameters,
    first: int,
    last: int,
    members: Group,
    found: ActiveUsers | None,
) -> UserPage:
    among, total = found, None if found is None else len(found)
    if found is None and members is not None:
        among = ActiveUsers(members)
    bounds: dict[str, datetime] = {}
    if parameters.q:
        # All of them: digests have no names.
        users = _searched(_users(parameters, members, found), parameters.q)
        among, total = ActiveUsers(users), None
    elif parameters.list in shared.OF_DAYS:
        cutoff = checked(timezone.now(), "now") - timedelta(days=parameters.days)
        bounds = {"before" if parameters.list == "inactive" else "since": cutoff}
    elif parameters.list == "active" and parameters.start is not None:
        # All of them were seen then, or later.
        bounds = {"since": parameters.start}
    listed = page_by_last_seen(
        first,
        last + 1,
        among=among,
        has_never=parameters.list == "cohort",
        is_descending=parameters.order.startswith("-"),
        **bounds,
    )
    shown = dict(listed[: last - first])
    named = {user.pk: user for user in ActiveUsers(shown).users()}
    rows = [named[key] for key in shown if key in named]
    return UserPage(rows, shown, total, len(listed) > len(shown))


def _users(parameters: Parameters, members: Group, found: ActiveUsers | None) -> QuerySet[Any]:
    """Return the users of a list; lists over the last N days have no set of their own."""
    if found is not None:
        return found.users()
    if parameters.list == "never":
        return never_seen(queryset_of(members))
    of_list = recently_seen if parameters.list == "recent" else inactive
    return of_list(timedelta(days=parameters.days), queryset_of(members))


def _searched(users: QuerySet[Any], words: str) -> QuerySet[Any]:
    return users.filter(**{f"{get_user_model().USERNAME_FIELD}__icontains": words})


def _set(parameters: Parameters, members: Group) -> ActiveUsers:
    start, end = _outward(parameters.start), _outward(parameters.end)
    if parameters.list == "active":
        return active_users(start, end, members)
    try:
        if parameters.list == "cohort":
            cohorts = retention(
                start,
                end,
                interval=parameters.interval,
                cohort=parameters.cohort,
                mode=parameters.mode,
                tz=parameters.zone,
                users=members,
            )
            return cohorts.users(parameters.of or "", parameters.offset)
        periods = growth(
            start, end, interval=parameters.interval, tz=parameters.zone, users=members
        )
        return periods.users(parameters.of or "", cast(GrowthPart, parameters.list))
    except LookupError:
        raise InvalidParameter(
            "of", gettext_noop("No such number: follow a link from a table.")
        ) from None


def _outward(moment: datetime | None) -> datetime | None:
    return None if moment is None else outward(moment)


def orders() -> dict[str, str]:
    """Return the database field of each order, except the order of last seen."""
    fields = {"name": get_user_model().USERNAME_FIELD}
    joined = date_joined_field()
    if joined is not None:
        fields["joined"] = joined.name
    return fields


def _ordered(users: QuerySet[Any], order: str) -> QuerySet[Any]:
    name = order.removeprefix("-")
    # Users who were never seen have no order of last seen.
    field = "pk" if name == SEEN else orders().get(name)
    if field is None:
        raise InvalidParameter(
            "order", gettext_noop("The user model of this site has no date of registration.")
        )
    sign = "-" if order.startswith("-") else ""
    return users.order_by(f"{sign}{field}", f"{sign}pk")
