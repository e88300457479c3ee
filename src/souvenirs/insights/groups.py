"""When groups of users, like organizations, were last active, and which of them stay away.

A group is active when one of its users is. ``of`` is the field of the user model whose values are
the groups, see :func:`souvenirs.control.active_groups`; ``users`` restricts the answer to some
users. Membership is as of now.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from datetime import datetime, timedelta, tzinfo
from itertools import islice
from typing import Any, TypeAlias

from django.utils import timezone

from ..calendar import DAY_LEVEL, MONTH_LEVEL, checked, utc
from ..counting import ActiveUsers, active_users_each
from ..querysets import cutoff
from ..stores import ActiveGroups, Memberships, get_store, last_common
from .lastseen import cells_over, last_seen_many
from .results import Plan
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
    plan = plan_inactive(for_)
    sets, memberships = Memberships.read(active_users_each(plan.ranges, users, rounded=True), of)
    found: ActiveGroups = plan.make([memberships.groups_of(each) for each in sets])
    return found


def plan_inactive(for_: timedelta) -> Plan[Any]:
    """Plan the members, users or groups, who were last active more than ``for_`` ago.

    It is for a reading that rounds. Raises what :func:`inactive_groups` raises for ``for_``.
    """
    moment = cutoff(for_, "for_")
    return Plan([(None, moment), (moment, None)], lambda sets: sets[0] - sets[1])


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
    [given], memberships = Memberships.read([among or ActiveUsers()], of, has_others=True)
    return last_seen_of(memberships.members_among(None if among is None else given))


def last_seen_of(members: Mapping[Hashable, ActiveUsers]) -> dict[Hashable, datetime | None]:
    """Return when one of the members of each group was last seen, by key; None if never."""
    found: dict[Hashable, datetime | None] = dict.fromkeys(members)
    last = _last_active(members)
    moments = last_seen_many(ActiveUsers.union(last.values()))
    keys = list(last)
    for place, user in ActiveUsers.first_keys(last.values(), sum(map(len, last.values()))):
        # Nothing is known any more of whoever has been erased in between.
        known = filter(None, (found[keys[place]], moments.get(user)))
        found[keys[place]] = max(known, default=None)
    return found


def _last_active(members: Mapping[Hashable, ActiveUsers]) -> dict[Hashable, ActiveUsers]:
    """Return the members of each group who were active on the last UTC day on which any was."""
    first = get_store().first()
    if first is None:
        return {}
    # Months first, because most groups were last active in the same few.
    months = cells_over(MONTH_LEVEL, utc(first), utc(checked(timezone.now(), "now")))
    later: Range = (months[-1][1] if months else utc(first), None)
    ranges: list[Range] = [*months, later]
    in_month: dict[int, dict[Hashable, ActiveUsers]] = {}
    for key, (place, _) in last_common(members, _active_in(ranges)).items():
        in_month.setdefault(place, {})[key] = members[key]
    days = {place: _days_of(ranges[place]) for place in in_month}
    sets = iter(_active_in([day for of_month in days.values() for day in of_month]))
    found: dict[Hashable, ActiveUsers] = {}
    for place, groups in in_month.items():
        on_days = list(islice(sets, len(days[place])))
        found |= {key: seen for key, (_, seen) in last_common(groups, on_days).items()}
    return found


def _active_in(ranges: Sequence[Range]) -> list[ActiveUsers]:
    return active_users_each(ranges, rounded=True)


def _days_of(bounds: Range) -> Sequence[Range]:
    """Return the UTC days of a month; a range without an end stays one."""
    start, end = bounds
    return [bounds] if end is None else cells_over(DAY_LEVEL, start, end)
