"""What a statement would say if it were issued now."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Any

from django.utils import timezone

from ..calendar import (
    DAY,
    Bounds,
    Period,
    calendar_boundaries,
    checked,
    is_known,
    periods_in,
    utc,
    zone_for,
    zone_named,
)
from ..conf import conf
from ..statementfile import FORMAT
from ..stores import ActiveUsers, Store, get_store
from .customers import Customer

DEFINITION = "Users with at least one souvenir in [start, end)"
MEMBERS = ", among those who were in the group of the customer when this was issued"


class TooEarly(ValueError):
    """A statement cannot be issued yet."""


@dataclass(frozen=True)
class Draft:
    """What a statement would say now; nothing of it is stored."""

    #: The content without what only an issued statement has, see :mod:`souvenirs.statementfile`:
    #: ``issued``, ``number``, ``previous`` and ``root`` are None, and so is ``active_users`` if
    #: nothing had been recorded when the period ended.
    content: Mapping[str, Any]
    users: ActiveUsers
    #: Why it cannot be issued now, as a sentence; None if it can.
    obstacle: str | None


@dataclass(frozen=True)
class Terms:
    """What a statement is to be about."""

    customer: Customer
    start: datetime
    end: datetime
    zone: tzinfo
    #: The days after the period that are left for late imports.
    grace: int
    plan: str | None = None
    quota: int | None = None
    issuer: str | None = None

    @classmethod
    def checked(
        cls,
        customer: Customer,
        period: Any,
        tz: str | tzinfo | None,
        grace: int | None,
        plan: str | None,
        quota: int | None,
        issuer: str | None,
    ) -> Terms:
        """Return the terms that a caller gives; raises ValueError or TypeError."""
        start, end = bounds_of(period)
        # By its name, which is all that a statement has of it.
        zone = zone_named(str(zone_for(start, tz)))
        for name, text in (("plan", plan), ("issuer", issuer)):
            if text is not None and not isinstance(text, str):
                raise TypeError(f"{name} must be text, not {text!r}.")
        days = conf.STATEMENT_GRACE_DAYS if grace is None else _whole("grace", grace, " of days")
        if quota is not None:
            _whole("quota", quota, " of users")
        return cls(customer, start, end, zone, days, plan, quota, issuer)

    @property
    def due(self) -> datetime:
        """The moment from which the statement can be issued."""
        try:
            return utc(self.end) + timedelta(days=self.grace)
        except OverflowError:
            return datetime.max.replace(tzinfo=UTC)

    def obstacle(self, now: datetime, first_souvenir: datetime | None) -> str | None:
        """Return why the statement cannot be issued now; None if it can."""
        if not is_known(self.end, first_souvenir):
            return (
                f"Nothing was recorded before {shown(self.end)}, so nobody knows who was active: "
                "import the history first."
            )
        if utc(now) < utc(self.end):
            return f"The period is not over: its statement can be issued from {shown(self.due)}."
        if utc(now) < self.due:
            return (
                f"The {self.grace} days for late imports are not over: the statement can be issued "
                f"from {shown(self.due)}."
            )
        return None

    def draft(self) -> Draft:
        """Return what the statement would say now, read from the database that is written to."""
        now = checked(timezone.now(), "now")
        store = get_store().primary()
        # First, because a souvenir that is digested meanwhile does not come back.
        first, digested = store.first(), is_digested(store, self.end)
        days = list(self._days(now))
        members = self.customer.members()
        bounds = [(self.start, self.end), *(bounds for _, bounds in days)]
        active, *of_days = store.users_each(bounds, members)
        pruned = store.pruned(self.start, self.end)
        known = is_known(self.end, first)
        content = {
            "format": FORMAT,
            "issuer": self.issuer,
            "customer": self.customer.content,
            "number": None,
            "previous": None,
            "issued": None,
            "start": shown(self.start),
            "end": shown(self.end),
            "time_zone": str(self.zone),
            "definition": DEFINITION + (MEMBERS if self.customer.of else "") + ".",
            "active_users": len(active) if known else None,
            "days": {
                day.isoformat(): len(users) for (day, _), users in zip(days, of_days, strict=True)
            },
            "plan": self.plan,
            "quota": self.quota,
            "coverage": {
                "first_souvenir": None if first is None else shown(first),
                "digested": digested,
                "pruned": None if pruned is None else [shown(moment) for moment in pruned],
                "over": utc(now) >= utc(self.end),
                "grace_days": self.grace,
                "grace_passed": utc(now) >= self.due,
            },
            "root": None,
        }
        return Draft(content, active, self.obstacle(now, first))

    def _days(self, now: datetime) -> list[tuple[date, Bounds]]:
        """Return the local days of the period, cut off at its start and its end."""
        days = calendar_boundaries(self.start, DAY, self.zone)
        first = utc(self.start)
        return [
            (days.wall(each.number).date(), (max(first, utc(each.start)), utc(each.end)))
            for each in periods_in(days, self.start, self.end, now)
        ]


def bounds_of(period: Any) -> Bounds:
    """Return the start and the end of a period, given as a pair, a row of a report or a period.

    Raises ValueError for one that is empty or cut off.
    """
    if getattr(period, "incomplete", None) == "cut":
        raise ValueError("The period is cut off where the report ends: report more of it.")
    if isinstance(period, Period):
        start, end = period.start, period.end
    elif isinstance(period, Mapping) and "period" in period:
        start, end = period["period"]["start"], period["period"]["end"]
    else:
        try:
            start, end = period
        except (TypeError, ValueError):
            raise TypeError(
                f"period must be (start, end), or a row of a report, not {period!r}."
            ) from None
    first, last = checked(start, "start"), checked(end, "end")
    if utc(first) >= utc(last):
        raise ValueError(f"start {first} is not earlier than end {last}.")
    return first, last


def is_digested(store: Store, end: datetime) -> bool:
    """Whether everything seen before a moment has been digested, and the digests are whole."""
    digested = store.digested()
    return digested.agree and (digested.until is None or digested.until >= utc(end))


def shown(moment: datetime) -> str:
    """Return an aware moment as a statement has it: in UTC, as in ``2016-01-31T00:00:00Z``."""
    return utc(moment).replace(tzinfo=None).isoformat() + "Z"


def moment_of_text(text: str) -> datetime:
    """Return the moment that a statement has."""
    return datetime.fromisoformat(text)


def _whole(name: str, number: Any, of: str) -> int:
    if isinstance(number, bool) or not isinstance(number, int) or number < 0:
        raise ValueError(f"{name} must be a whole number{of}, not {number!r}.")
    return number
