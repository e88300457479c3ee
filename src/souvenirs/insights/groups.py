"""When groups of users, like organizations, were last active, and which of them stay away.

A group is active when one of its users is. ``of`` is the field of the user model whose values are
the groups, see :func:`souvenirs.control.active_groups`; ``users`` restricts the answer to some
users. Membership is as of now.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from datetime import datetime, timedelta, tzinfo
from typing import Any, TypeAlias

from django.db.models import F
from django.utils import timezone

from ..calendar import DAY_LEVEL, MONTH_LEVEL, Bounds, checked, utc
from ..counting import ActiveUsers, active_users_each
from ..querysets import cutoff
from ..stores import ActiveGroups, Memberships, get_store
from .lastseen import cells_over, last_seen_many
from .slipping import plan_slipping, staying_away

#: From a moment to another; None leaves the end open.
Range: TypeAlias = tuple[datetime, datetime | None]


def inactive_groups(
    of: str, for_: timedelta = timedelta(days=90), users: Any = None
) -> ActiveGroups:
    """Return the groups that were last active more than ``for_`` ago.

    Groups of whom nobody has ever been seen are not inactive. Raises ValueError if ``of`` is not a
    field or ``for_`` is not positive, and TypeError for arguments of other types.
    """
    moment = cutoff(for_, "for_")
    sets = active_users_each([(None, moment), (moment, None)], users, rounded=True)
    sets, memberships = Memberships.read(sets, of)
    before, since = map(memberships.groups_of, sets)
    return before - since


def slipping_groups(
    of: str,
    end: datetime | None = None,
    *,
    days: int = 14,
    tz: str | tzinfo | None = None,
    users: Any = None,
) -> ActiveGroups:
    """Return the groups active in each of four weeks, but not for a number of days since.

    The other arguments and the errors are those of :func:`souvenirs.insights.slipping_away`; raises
    ValueError also if ``of`` is not a field.
    """
    plan = plan_slipping(end, days=days, tz=tz)
    sets, memberships = Memberships.read(active_users_each(plan.ranges, users), of)
    return staying_away([memberships.groups_of(each) for each in sets])


def last_seen_groups(of: str, users: Any = None) -> dict[Hashable, datetime | None]:
    """Return a dict of when a user of each group was last seen, by key; None if never.

    The keys ascend; the datetimes are those of :func:`souvenirs.insights.last_seen`. Raises
    ValueError if ``of`` is not a field, TypeError if ``users`` is not a group, and CorruptDigest if
    the answer is only in a corrupt digest.
    """
    among = None if users is None else ActiveUsers(users)
    given, memberships = Memberships.read([among or ActiveUsers()], of, has_others=True)
    groups = memberships.members if among is None else memberships.groups_of(given[0])
    found: dict[Hashable, datetime | None] = dict.fromkeys(groups)
    first = get_store().first()
    if first is None:
        return found
    # Months first, because most groups were last active in the same few.
    months, later = _months_from(first)
    last_months = [month for month, _ in _last_active(of, [*months, later], among)]
    days = [day for start, end in last_months if end for day in cells_over(DAY_LEVEL, start, end)]
    candidates = ActiveUsers.union([seen for _, seen in _last_active(of, [*days, later], among)])
    moments = last_seen_many(candidates)
    for group, user in candidates.users().values_list(F(of), "pk"):
        known, moment = found.get(group), moments[user]
        if group in found and moment is not None:
            found[group] = moment if known is None else max(known, moment)
    return found


def _months_from(first: datetime) -> tuple[list[Bounds], Range]:
    """Return the months in UTC from a moment to now, and the range of whatever is later."""
    months = cells_over(MONTH_LEVEL, utc(first), utc(checked(timezone.now(), "now")))
    return months, (months[-1][1] if months else utc(first), None)


def _last_active(
    of: str, ranges: Sequence[Range], users: ActiveUsers | None
) -> Iterator[tuple[Range, ActiveUsers]]:
    """Generate each range that is the last one in which some groups were active, and their users.

    The users are those who were active in it.
    """
    sets, memberships = Memberships.read(active_users_each(ranges, users, rounded=True), of)
    taken = ActiveGroups()
    for bounds, seen in reversed(list(zip(ranges, sets, strict=True))):
        groups = memberships.groups_of(seen) - taken
        if groups:
            yield bounds, seen & memberships.users_of(groups)
            taken |= groups
