"""Seats: how many of a group's users are active, and on how many days."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, tzinfo
from typing import Any, NamedTuple

from django.contrib.auth import get_user_model
from django.core.exceptions import FieldError
from django.db.models import F, IntegerField

from ..calendar import Incomplete
from ..counting import ActiveUsers, active_users_each, is_active_field
from ..stores import GroupField, Memberships, counts_as_group
from .powercurve import bit_slices
from .results import Insight, ratio
from .timeline import timeline_of


@dataclass(frozen=True, slots=True)
class SeatsOfGroup:
    """The seats of a group, like an organization."""

    #: The value of the field that groups the users: the key of an organization, for instance.
    group: Hashable
    #: The number of seats that it has; None if unknown.
    provisioned: int | None
    #: The number of its users who were active in the range.
    active: int
    #: On how many local days they were active, in all; None if that was not counted.
    days: int | None

    @property
    def share(self) -> float | None:
        """The active seats, divided by the provisioned ones; None if there are none."""
        return ratio(self.active, self.provisioned)

    @property
    def days_per_seat(self) -> float | None:
        """The mean number of days on which a user of an active seat was active."""
        return ratio(self.days, self.active)


class SeatSets(NamedTuple):
    """Users of one reading, from whom the seats of each group are counted."""

    #: Those whose account is active.
    accounts: ActiveUsers
    #: Those active in a range.
    active: ActiveUsers
    #: On how many of its days they were, see :func:`bit_slices`; None if that is not counted.
    slices: Sequence[ActiveUsers] | None

    def of_each(self, members: Mapping[Hashable, ActiveUsers]) -> list[SeatsOfGroup]:
        """Return the seats of each group, which has as many as active accounts."""
        groups = list(members.values())
        counts = zip(
            members,
            self.accounts.count_common_each(groups),
            self.active.count_common_each(groups),
            self._days_of_each(groups),
            strict=True,
        )
        return [SeatsOfGroup(*each) for each in counts]

    def _days_of_each(self, groups: Sequence[ActiveUsers]) -> Sequence[int | None]:
        """Return on how many days the members of each group were active, in all."""
        if self.slices is None:
            return [None] * len(groups)
        days = [0] * len(groups)
        for n, digit in enumerate(self.slices):
            for place, count in enumerate(digit.count_common_each(groups)):
                days[place] += count << n
        return days


COLUMNS = ("group", "provisioned", "active", "share", "days", "days_per_seat")


@dataclass(frozen=True)
class Seats(Insight):
    """The seats of each group in ``[start, end)``, in ascending order of the groups' keys."""

    of: str
    #: The start of the first day, and the end of the last one, cut off at the end of the range.
    start: datetime | None
    end: datetime | None
    tz: str
    #: Why the last day is incomplete, or None, see :class:`Period`.
    incomplete: Incomplete | None
    groups: tuple[SeatsOfGroup, ...]
    _active: Mapping[Hashable, ActiveUsers] = field(repr=False, compare=False)
    _field: GroupField = field(repr=False, compare=False)

    def rows(self) -> list[dict[str, Any]]:
        """Return a row for each group, with its numbers, ``share`` and ``days_per_seat``."""
        return [{name: getattr(each, name) for name in COLUMNS} for each in self.groups]

    def _common(self) -> dict[str, Any]:
        return {
            "of": self.of,
            "start": self.start,
            "end": self.end,
            "tz": self.tz,
            "incomplete": self.incomplete,
        }

    def users(self, group: Any) -> ActiveUsers:
        """Return the active users of a group, given as an object or by its key.

        Raises KeyError for an unknown group, and ValueError for an object of another model.
        """
        return self._active[self._field.key_of(group)]


def seats(
    of: str,
    start: datetime | None = None,
    end: datetime | None = None,
    *,
    provisioned: str | Mapping[Any, int] | None = None,
    tz: str | tzinfo | None = None,
    users: Any = None,
) -> Seats:
    """Return how many seats each group, like an organization, has and uses in a range.

    ``of`` is the field of the user model whose values are the groups, see
    :func:`souvenirs.control.active_groups`. An *active* seat is a user of the group who was active
    in the range, on so many of its local *days*. ``provisioned`` is the number of seats that a
    group has: by default that of its users whose account is active today; or a field with the
    number, like ``"organization__seats"``; or a dict by group. Active seats may be more than that.
    Groups without active users are included; with ``users``, those that have one of them.

    ``start``, ``end``, ``tz`` and ``users`` are those of every insight, see
    :mod:`souvenirs.insights`; ``users`` restricts the active seats and the accounts. Raises
    ValueError also if ``of`` or ``provisioned`` is not a field, and for numbers of seats that are
    not whole numbers, or differ among the users of a group.
    """
    timeline = timeline_of(start, end, "day", tz)
    given = None if users is None else ActiveUsers(users)
    sets = active_users_each(timeline.ranges, given)
    read = [*sets, active_accounts(), *([] if given is None else [given])]
    read, memberships = Memberships.read(read, of, has_others=True)
    slices = bit_slices(read[: len(sets)])
    counted = SeatSets(read[len(sets)], ActiveUsers.union(slices), slices)
    members = memberships.members_among(None if given is None else read[-1])
    found = counted.of_each(members)
    if provisioned is not None:
        has = _provisioned(memberships.field, provisioned)
        found = [replace(each, provisioned=has.get(each.group)) for each in found]
    last = timeline.periods[-1] if timeline.periods else None
    return Seats(
        of=of,
        start=timeline.periods[0].start if last else None,
        end=last.end if last else None,
        tz=str(timeline.zone),
        incomplete=last.incomplete if last else None,
        groups=tuple(found),
        _active={group: own & counted.active for group, own in members.items()},
        _field=memberships.field,
    )


def active_accounts() -> ActiveUsers:
    """Return the users whose account is active; all, if the user model does not say."""
    found = get_user_model()._default_manager.all()
    is_active = is_active_field()
    if is_active is not None:
        found = found.filter(**{is_active.name: True})
    return ActiveUsers(found)


def _provisioned(of: GroupField, seats: str | Mapping[Any, int]) -> dict[Hashable, int]:
    found: dict[Hashable, int] = {}
    for group, number in _numbers(of, seats):
        if isinstance(number, bool) or not isinstance(number, int) or number < 0:
            raise ValueError(f"The seats of {group!r} must be a whole number, not {number!r}.")
        if found.setdefault(group, number) != number:
            raise ValueError(
                f"The users of {group!r} have different numbers of seats, {found[group]:,} and "
                f"{number:,}: provisioned must be a field of the group."
            )
    return found


def _numbers(of: GroupField, seats: str | Mapping[Any, int]) -> Iterator[tuple[Hashable, Any]]:
    if isinstance(seats, Mapping):
        yield from ((of.key_of(group), number) for group, number in seats.items())
        return
    everyone = get_user_model()._default_manager.order_by()
    try:
        found: Any = F(seats).resolve_expression(everyone.query)
        is_number = isinstance(found.output_field, IntegerField)
    except (FieldError, AttributeError, TypeError):
        is_number = False
    if not is_number:
        raise ValueError(
            f"provisioned must be a dict of numbers by group, or an integer field of "
            f"{everyone.model._meta.label} or of a related model, not {seats!r}."
        )
    # Not distinct: a collation may take two groups for the same.
    rows = everyone.values_list(F(of.path), F(seats)).iterator()
    yield from (
        (group, number) for group, number in rows if counts_as_group(group) and number is not None
    )
