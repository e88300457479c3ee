"""Lists of the values of a field in ``SOUVENIRS_GROUP_BY``, such as organizations, page by page.

A group is active when one of its users is. Its seats are those of :func:`souvenirs.insights.seats`.
All groups of a list are sorted by one of their numbers; the others are counted for those on the
page.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import gettext_noop

from ..calendar import Bounds, Incomplete, checked, outward, utc
from ..counting import ActiveUsers, active_users_each, listed_fields
from ..insights import (
    Plan,
    SeatSets,
    SeatsOfGroup,
    active_accounts,
    bit_slices,
    days_of,
    last_seen_of,
    plan_inactive,
    plan_slipping,
)
from ..stores import Memberships, PrunedSpan
from . import shared
from .fields import ChoiceField, InvalidParameter, TextField, plain
from .forms import Parameters, RangeForm

#: The maximum length, in days, of a range in which active days are counted.
MAX_DAYS = 400

#: The lists, of which only one needs a number of days.
LISTS = {
    "all": _("All groups"),
    "active": _("Active in the range"),
    "inactive": _("Not seen in the last days"),
    "slipping": _("Slipping away"),
    "never": _("Never seen"),
}

#: What a list can be sorted by.
ORDERS = ("name", "seats", "active", "share", "days", "seen")

#: Groups never seen sort as if they were seen at this moment.
IF_NEVER = datetime.min.replace(tzinfo=UTC)


class GroupsForm(RangeForm):
    """The parameters of a list of groups."""

    default_preset = "28d"
    unused = {name: ("days",) for name in LISTS if name != "inactive"}
    of = shared.OF
    list = ChoiceField(
        label=_("List"),
        help_text="Groups with any users; active in the range; seen, but not within the last days; "
        "active in each of four weeks, but not in the 14 days since; or never seen.",
        initial="all",
        choices=list(LISTS.items()),
    )
    days = shared.DAYS
    q = TextField(
        label=_("Search names"),
        help_text="A part of the name of a group, in any case.",
        strip=False,
    )
    order = ChoiceField(
        help_text="What the list is sorted by: the name, the seats, the active ones, their share, "
        "the days per seat, or when a group was last seen; with a minus sign, descending.",
        initial="-active",
        choices=plain(*(f"{sign}{name}" for name in ORDERS for sign in ("", "-"))),
    )

    def _check_users(self) -> None:
        super()._check_users()
        data = self.cleaned_data
        data["of"] = data["of"] or next(iter(listed_fields()), None)


class ListedGroup(NamedTuple):
    """A group of users: its name, its seats, and when one of its users was last seen."""

    name: str
    seats: SeatsOfGroup
    last_seen: datetime | None


class GroupPage(NamedTuple):
    """A page of a list."""

    groups: list[ListedGroup]
    #: The number of groups on all pages, and of those with a user active in the range.
    total: int
    active: int
    #: Why the range is incomplete.
    incomplete: Incomplete | None
    #: Whether active days were counted.
    has_days: bool


class _Read(NamedTuple):
    """The members of each group of a list, its seats to count, and the groups active."""

    members: Mapping[Hashable, ActiveUsers]
    seats: SeatSets
    active: Collection[Hashable]


def list_groups(parameters: Parameters, first: int, last: int) -> GroupPage:
    """Return the groups at positions ``[first, last)`` of a list.

    The parameters are those of a :class:`GroupsForm`. Only users whom the reader may see, and who
    are in the segment, have groups and are counted. Raises PrunedSpan, and InvalidParameter if no
    field is listed.
    """
    if parameters.of is None:
        raise InvalidParameter("of", gettext_noop("SOUVENIRS_GROUP_BY is empty."))
    read = _read(parameters)
    words = (parameters.q or "").casefold()
    names = {key: str(key) for key in read.members if words in str(key).casefold()}
    order, is_descending = parameters.order.removeprefix("-"), parameters.order.startswith("-")
    seen = last_seen_of({key: read.members[key] for key in names}) if order == "seen" else None
    keys = sorted(names, key=_by_name)
    values = dict(zip(keys, _orders(read, seen or {})[order](keys), strict=True))
    keys.sort(key=values.__getitem__, reverse=is_descending)
    shown = keys[first:last]
    if seen is None:
        seen = last_seen_of({key: read.members[key] for key in shown})
    return GroupPage(
        groups=[
            ListedGroup(names[each.group], each, seen[each.group])
            for each in read.seats.of_each({key: read.members[key] for key in shown})
        ],
        total=len(names),
        active=len(names.keys() & read.active),
        incomplete=_incomplete(parameters),
        has_days=read.seats.slices is not None,
    )


def _by_name(key: Any) -> Any:
    return key.casefold() if isinstance(key, str) else key


def _orders(
    read: _Read, seen: Mapping[Hashable, datetime | None]
) -> dict[str, Callable[[Sequence[Any]], Sequence[Any]]]:
    """Return the values by which a list is sorted; whatever is unknown comes before all else."""
    seats, members = read.seats, read.members

    def counted(users: ActiveUsers) -> Callable[[Sequence[Any]], Sequence[int]]:
        return lambda keys: users.count_common_each([members[key] for key in keys])

    def each(value: Callable[[Any], Any]) -> Callable[[Sequence[Any]], Sequence[Any]]:
        return lambda keys: list(map(value, keys))

    def ratios(name: str) -> Callable[[Sequence[Any]], Sequence[float]]:
        def ratios_of(keys: Sequence[Any]) -> Sequence[float]:
            found = seats.of_each({key: members[key] for key in keys})
            known = (getattr(each, name) for each in found)
            return [-1 if ratio is None else ratio for ratio in known]

        return ratios_of

    def moment(key: Hashable) -> datetime:
        found = seen[key]
        return IF_NEVER if found is None else utc(checked(found, "found"))

    return {
        "name": each(_by_name),
        "seats": counted(seats.accounts),
        "active": counted(seats.active),
        "share": ratios("share"),
        "days": ratios("days_per_seat"),
        "seen": each(moment),
    }


def _read(parameters: Parameters) -> _Read:
    given = None if parameters.users is None else ActiveUsers(parameters.users)
    plan = _plan(parameters)
    active, days = _activity(parameters, given)
    is_rounded = parameters.list != "slipping"
    listed = active_users_each(plan.ranges, given, rounded=is_rounded) if plan else []
    sets = [*listed, active, *(days or ()), active_accounts(), *([] if given is None else [given])]
    sets, memberships = Memberships.read(sets, parameters.of, has_others=True)
    listed, sets = sets[: len(listed)], sets[len(listed) :]
    members = memberships.members_among(None if given is None else sets.pop())
    active, *each_day, accounts = sets
    active_groups = memberships.groups_of(active).pks
    if plan is not None:
        chosen = plan.make([memberships.groups_of(each) for each in listed]).pks
    elif parameters.list == "active":
        chosen = active_groups
    else:
        chosen = members.keys()
    if parameters.list == "never":
        chosen = members.keys() - chosen
    return _Read(
        {key: own for key, own in members.items() if key in chosen},
        SeatSets(accounts, active, None if days is None else bit_slices(each_day)),
        active_groups,
    )


def _plan(parameters: Parameters) -> Plan[Any] | None:
    """Plan the groups of a list, or those who were ever seen; None if nothing more is read."""
    if parameters.list == "inactive":
        return plan_inactive(timedelta(days=parameters.days))
    if parameters.list == "slipping":
        return plan_slipping(tz=parameters.zone)
    if parameters.list == "never":
        return Plan([(None, None)], lambda sets: sets[0])
    return None


def _activity(
    parameters: Parameters, users: ActiveUsers | None
) -> tuple[ActiveUsers, Sequence[ActiveUsers] | None]:
    """Return the users active in the range, and on each of its days; None if these are unknown."""
    start, end = _range(parameters)
    if end - start <= timedelta(days=MAX_DAYS):
        days = days_of(start, end, tz=parameters.zone)
        try:
            active, *sets = active_users_each([(start, end), *days], users)
        except PrunedSpan:
            pass  # a day may begin in a bucket, even if the range does not
        else:
            return active, sets
    [active] = active_users_each([(start, end)], users)
    return active, None


def _range(parameters: Parameters) -> Bounds:
    start, end = checked(parameters.start, "start"), checked(parameters.end, "end")
    return outward(start), outward(end)


def _incomplete(parameters: Parameters) -> Incomplete | None:
    now = utc(checked(timezone.now(), "now"))
    return "running" if utc(checked(parameters.end, "end")) > now else None
