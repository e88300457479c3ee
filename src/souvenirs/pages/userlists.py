"""Lists of the users behind a number, and searches, page by page.

Lists are sorted by username, by the date of registration, by the time users were last seen, or by
the number of days on which they were active in the range. A list is a set of users, which is
counted without reading their rows; users who were never seen are counted by the database, and
those found by a search up to the last row of the last page.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple, cast

from django.contrib.auth import get_user_model
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext_noop

from ..calendar import Bounds, Incomplete, checked, outward, utc
from ..counting import (
    ActiveUsers,
    Group,
    active_users,
    active_users_each,
    date_joined_field,
    queryset_of,
)
from ..insights import (
    Cohort,
    GrowthOfPeriod,
    GrowthPart,
    count_active_days,
    days_of,
    growth,
    last_seen_many,
    page_by_active_days,
    page_by_last_seen,
    retention,
    slipping_away,
)
from ..stores import PrunedSpan
from ..web import InvalidParameter, Parameters, shared

PER_PAGE = 50

#: The maximum number of rows on all pages; to find a user, search.
MAX_ROWS = 10_000

#: The maximum length of a range in which active days are counted.
MAX_DAYS = 400

#: The order by the time users were last seen, and by the number of their active days.
SEEN, DAYS = "seen", "days"


class UserPage(NamedTuple):
    """A page of a list."""

    users: list[Any]
    #: By primary key.
    last_seen: Mapping[Hashable, datetime | None]
    #: By primary key, without users who were not active; None if unknown or not of a range.
    active_days: Mapping[Hashable, int] | None
    #: The number of users; None if a search found more than ``MAX_ROWS``.
    total: int | None
    #: Whether deleted users are included in the total.
    counts_deleted: bool
    has_next: bool
    #: Why the period that the list is about is incomplete.
    incomplete: Incomplete | None


class Members(NamedTuple):
    """The users of a list, as a queryset, and as a set if they need not be read to have one."""

    users: QuerySet[Any]
    known: ActiveUsers | None
    incomplete: Incomplete | None
    #: The users active on each day of the range, if they have been read with the list.
    days: Sequence[ActiveUsers] | None = None

    def all(self) -> ActiveUsers:
        return ActiveUsers(self.users) if self.known is None else self.known


def has_days(parameters: Parameters) -> bool:
    """Whether a list is about a range in which active days can be counted."""
    return parameters.list not in shared.OF_DAYS and _length(parameters) <= MAX_DAYS


def searches_everyone(parameters: Parameters) -> bool:
    return bool(parameters.q) and parameters.among == "everyone"


def list_users(parameters: Parameters, first: int, last: int) -> UserPage:
    """Return the users ``[first, last)`` of a list. Raises InvalidParameter."""
    listed = _listed(parameters, parameters.users)
    order = parameters.order.removeprefix("-")
    active_days: Mapping[Hashable, int] | None = None
    last_seen: Mapping[Hashable, datetime | None] | None = None
    if order == DAYS:
        among = listed.all()
        active_days = dict(_page_by_days(parameters, first, last + 1, listed))
        keys = list(active_days)
    elif order == SEEN and (parameters.list != "never" or searches_everyone(parameters)):
        among = listed.all()
        last_seen = dict(_page_by_last_seen(parameters, first, last + 1, among))
        keys = list(last_seen)
    else:
        return _page_by_field(parameters, first, last, listed)
    shown = keys[: last - first]
    users = _named(shown)
    return UserPage(
        users=users,
        last_seen=last_seen_many(users) if last_seen is None else last_seen,
        active_days=(
            _active_days(parameters, listed, users) if active_days is None else active_days
        ),
        total=len(among),
        counts_deleted=listed.known is not None,
        has_next=len(keys) > len(shown),
        incomplete=listed.incomplete,
    )


def _page_by_field(parameters: Parameters, first: int, last: int, listed: Members) -> UserPage:
    ordered = _ordered(listed.users, parameters.order)
    keys = ordered.values_list("pk", flat=True)
    total = None if listed.known is None else len(listed.known)
    if total is None and (parameters.q or parameters.users is not None):
        # If few are found, the table of users is read once for both.
        every = list(keys[: MAX_ROWS + 1])
        found, users = every[first : last + 1], _named(every[first:last])
        if len(every) <= MAX_ROWS:
            total = len(every)
    elif parameters.order.endswith("joined"):
        # Without an index, the engine sorts all users: only their keys.
        found = list(keys[first : last + 1])
        users = _named(found[: last - first])
    else:
        found = list(ordered[first : last + 1])
        users = found[: last - first]
    if total is None and not parameters.q:
        total = listed.users.count()
    has_never = parameters.list == "never" and not searches_everyone(parameters)
    return UserPage(
        users=users,
        last_seen=({user.pk: None for user in users} if has_never else last_seen_many(users)),
        active_days=_active_days(parameters, listed, users),
        total=total,
        counts_deleted=listed.known is not None,
        has_next=len(found) > last - first,
        incomplete=listed.incomplete,
    )


def _named(keys: Sequence[Hashable]) -> list[Any]:
    """Return the users with these keys, without those who have been deleted."""
    if not keys:
        return []
    named = {user.pk: user for user in ActiveUsers(keys).users()}
    return [named[key] for key in keys if key in named]


def _page_by_days(
    parameters: Parameters, first: int, last: int, listed: Members
) -> Sequence[tuple[Hashable, int]]:
    if parameters.list in shared.OF_DAYS:
        raise InvalidParameter(
            "order",
            gettext_noop("%(name)s does not apply to the list %(list)s."),
            list=parameters.list,
        )
    if not has_days(parameters):
        raise InvalidParameter(
            "order",
            gettext_noop(
                "Active days are counted in up to %(most)s days, not in %(days)s: choose a shorter "
                "range."
            ),
            days=_length(parameters),
            most=MAX_DAYS,
        )
    return page_by_active_days(
        first,
        last,
        active_users_each(_days(parameters)) if listed.days is None else listed.days,
        among=listed.all(),
        is_descending=parameters.order.startswith("-"),
    )


def _page_by_last_seen(
    parameters: Parameters, first: int, last: int, among: ActiveUsers
) -> Sequence[tuple[Hashable, datetime | None]]:
    bounds: dict[str, datetime] = {}
    if parameters.q:
        pass  # digests have no names
    elif parameters.list in ("recent", "inactive"):
        bounds = {"before" if parameters.list == "inactive" else "since": _cutoff(parameters)}
    elif parameters.list == "active" and parameters.start is not None:
        # All of them were seen then, or later.
        bounds = {"since": parameters.start}
    return page_by_last_seen(
        first,
        last,
        among=among,
        has_never=parameters.list == "cohort" or searches_everyone(parameters),
        is_descending=parameters.order.startswith("-"),
        **bounds,
    )


def _active_days(
    parameters: Parameters, listed: Members, users: Sequence[Any]
) -> Mapping[Hashable, int] | None:
    if not has_days(parameters):
        return None
    if listed.days is not None:
        return count_active_days(listed.days, ActiveUsers(users))
    try:
        return count_active_days(active_users_each(_days(parameters), users))
    except PrunedSpan:
        return None


def _days(parameters: Parameters) -> Sequence[Bounds]:
    return days_of(*_range(parameters), tz=parameters.zone)


def _length(parameters: Parameters) -> int:
    """Return the length of the range in days, rounded up."""
    start, end = _range(parameters)
    return -((checked(start, "start") - checked(end, "end")) // timedelta(days=1))


def _range(parameters: Parameters) -> tuple[datetime, datetime]:
    return outward(cast(datetime, parameters.start)), outward(cast(datetime, parameters.end))


def _cutoff(parameters: Parameters) -> datetime:
    return checked(timezone.now(), "now") - timedelta(days=parameters.days)


def _listed(parameters: Parameters, members: Group) -> Members:
    """Return the users of a list, or those found by a search."""
    if searches_everyone(parameters):
        return Members(_searched(queryset_of(members), parameters.q), None, None)
    if parameters.list == "never":
        # The search first: fewer users are looked up in the set.
        candidates = _searched(queryset_of(members), parameters.q)
        return Members(active_users().without(candidates), None, None)
    days: Sequence[ActiveUsers] | None = None
    if parameters.list == "active":
        known, incomplete, days = _active(parameters, members)
    else:
        known, incomplete = _set(parameters, members)
    if parameters.q:
        found = known.among(_searched(queryset_of(None), parameters.q))
        return Members(found, None, incomplete, days)
    return Members(known.users(), known, incomplete, days)


def _searched(users: QuerySet[Any], words: str) -> QuerySet[Any]:
    if not words:
        return users
    return users.filter(**{f"{get_user_model().USERNAME_FIELD}__icontains": words})


def _active(
    parameters: Parameters, members: Group
) -> tuple[ActiveUsers, Incomplete | None, Sequence[ActiveUsers] | None]:
    """Return the users active in the range, and on each of its days if they are needed."""
    start, end = _range(parameters)
    is_running = utc(checked(end, "end")) > utc(checked(timezone.now(), "now"))
    incomplete: Incomplete | None = "running" if is_running else None
    if members is None and has_days(parameters):
        try:
            known, *days = active_users_each([(start, end), *_days(parameters)])
        except PrunedSpan:
            pass  # a day may begin in a bucket, even if the range does not
        else:
            return known, incomplete, days
    return active_users(start, end, members), incomplete, None


def _set(parameters: Parameters, members: Group) -> tuple[ActiveUsers, Incomplete | None]:
    """Return the users of a list, and why its period is incomplete."""
    if parameters.list == "slipping":
        return slipping_away(tz=parameters.zone, users=members), None
    if parameters.list in shared.OF_DAYS:
        cutoff = outward(_cutoff(parameters))
        bounds = [(cutoff, None), (None, cutoff)]
        # Like the querysets of these names, which count users of pruned souvenirs as seen earlier.
        recent, earlier = active_users_each(bounds, members, rounded=True)
        return (recent, None) if parameters.list == "recent" else (earlier - recent, None)
    start, end = _range(parameters)
    label = parameters.of or ""
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
            users = cohorts.users(label, parameters.offset)
            if parameters.offset is not None:
                return users, cohorts.period(label, parameters.offset).incomplete
            return users, _incomplete(cohorts.cohorts, label)
        periods = growth(
            start, end, interval=parameters.interval, tz=parameters.zone, users=members
        )
        users = periods.users(label, cast(GrowthPart, parameters.list))
    except LookupError:
        raise InvalidParameter(
            "of", gettext_noop("No such number: follow a link from a table.")
        ) from None
    return users, _incomplete(periods.periods, label)


def _incomplete(rows: Sequence[Cohort | GrowthOfPeriod], label: str) -> Incomplete | None:
    return next(row.period.incomplete for row in rows if row.period.label == label)


def orders() -> dict[str, str]:
    """Return the database field of each order that has one."""
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
