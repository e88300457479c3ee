"""What the API answers to each question: rows, and what else there is to say."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta, tzinfo
from typing import Any, NamedTuple

from django.contrib.auth import get_user_model
from django.core.checks import CheckMessage
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext_noop

from ..calendar import checked, local
from ..checks.settings import check_settings
from ..checks.site import check_digesting, check_site
from ..counting import ActiveUsers, active_users, groups_by, segment
from ..digests import status
from ..insights import (
    growth,
    inactive,
    last_seen_many,
    never_seen,
    recently_seen,
    retention,
    stickiness,
)
from ..insights.results import Insight, Segmented
from ..insights.retention import Retention
from ..insights.series import active_series
from ..reports import (
    calendar_daily_usage,
    calendar_monthly_usage,
    calendar_quarterly_usage,
    calendar_weekly_usage,
    calendar_yearly_usage,
    customer_monthly_usage,
    customer_quarterly_usage,
    customer_yearly_usage,
    daily_usage,
)
from ..stores import get_store
from .figures import busy_hours
from .parameters import BadQuestion
from .people import name_of
from .questions import Question, check_groups, check_report, iso

Row = dict[str, Any]


class Table(NamedTuple):
    """Rows for a CSV, and which columns of them."""

    columns: tuple[str, ...]
    rows: list[Row]


@dataclass(frozen=True)
class Answer:
    """The rows, and what else there is to say; and a CSV where that is no table of the rows."""

    rows: list[Row]
    more: Mapping[str, Any] = field(default_factory=dict)
    table: Table | None = None


# What the periods of a report are called, of the calendar and of a subscription.
OF_CALENDAR: dict[str, tuple[Callable[..., Any], str]] = {
    "day": (calendar_daily_usage, "calendar_date"),
    "week": (calendar_weekly_usage, "calendar_year_week"),
    "month": (calendar_monthly_usage, "calendar_year_month"),
    "quarter": (calendar_quarterly_usage, "calendar_year_quarter"),
    "year": (calendar_yearly_usage, "calendar_year"),
}
OF_SUBSCRIPTION: dict[str, tuple[Callable[..., Any], str]] = {
    "day": (daily_usage, "year_month"),
    "month": (customer_monthly_usage, "year_month"),
    "quarter": (customer_quarterly_usage, "year_quarter"),
    "year": (customer_yearly_usage, "year"),
}


def answer_usage(question: Question) -> Answer:
    """Return registered, activated and active users, period by period."""
    check_report(question)
    groups = _groups(question)
    if question.subscription_start is None:
        report, label = OF_CALENDAR[question.interval]
        usages = report(question.start, question.end, tz=question.zone, **groups)
    else:
        report, label = OF_SUBSCRIPTION[question.interval]
        start, end = question.start, question.end
        usages = report(question.subscription_start, start, end, question.zone, **groups)
    return Answer(
        [
            {
                **{name: usage[name] for name in ("segment",) if name in usage},
                "label": str(usage["labels"][label]),
                "start": _stamp(usage["period"]["start"], question.zone),
                "end": _stamp(usage["period"]["end"], question.zone),
                "complete": usage.get("complete", True),
                "registered": usage["usage"]["registered_users"],
                "activated": usage["usage"]["activated_users"],
                "active": usage["usage"]["active_users"],
            }
            for usage in usages
        ]
    )


def answer_series(question: Question) -> Answer:
    """Return how many users were active, period by period."""
    found = active_series(
        question.start,
        question.end,
        interval=question.interval,
        window=question.window,
        tz=question.zone,
        **_groups(question),
    )
    return Answer(_rows(found, question))


def answer_growth(question: Question) -> Answer:
    """Return who is new, retained, resurrected and churned, period by period."""
    found = growth(
        question.start,
        question.end,
        interval=question.interval,
        tz=question.zone,
        **_groups(question),
    )
    return Answer(_rows(found, question))


def answer_stickiness(question: Question) -> Answer:
    """Return daily, weekly and monthly actives, and how often users come, period by period."""
    found = stickiness(
        question.start,
        question.end,
        interval=question.interval,
        tz=question.zone,
        **_groups(question),
    )
    return Answer(_rows(found, question))


def answer_busy(question: Question) -> Answer:
    """Return how many users are active in each hour of the week."""
    end = question.end or timezone.now()
    found = busy_hours(end, question.zone, _members(question))
    means = found.means or {}
    return Answer(
        [
            {"weekday": weekday, "hour": hour, "active": mean}
            for weekday in found.days
            for hour, mean in enumerate(means.get(weekday, (None,) * 24))
        ]
    )


def answer_retention(question: Question) -> Answer:
    """Return cohorts, each with how many of its users came back in each period."""
    found: Retention | Segmented[Retention] = retention(
        question.start,
        question.end,
        interval=question.interval,
        cohort=question.cohort,
        mode=question.mode,
        reference=question.reference,
        tz=question.zone,
        **_groups(question),
    )
    everyone = found.everyone if isinstance(found, Segmented) else found
    cells = _rows(found, question)
    columns = ("label", "start", "end", "complete", "size", "offset", "users", "share")
    return Answer(_cohorts(cells), {"mean": list(everyone.mean())}, Table(columns, cells))


def _cohorts(cells: list[Row]) -> list[Row]:
    """Cells as they follow each other, gathered into their cohorts."""
    cohorts: list[Row] = []
    for cell in cells:
        of_cohort = {name: cell[name] for name in cell if name not in ("offset", "users", "share")}
        if cell["offset"] == 0:
            cohorts.append({**of_cohort, "users": [], "shares": []})
        cohorts[-1]["users"].append(cell["users"])
        cohorts[-1]["shares"].append(cell["share"])
    return cohorts


def answer_people(question: Question) -> Answer:
    """Return a page of users in the order of their primary keys, and when each was last seen.

    Who was active and has been deleted since has a row without a name, so that there are as many
    rows as users were counted.
    """
    first = (question.page - 1) * question.per_page
    last = first + question.per_page
    users: dict[Any, Any]
    if question.list == "active":
        active = active_users(question.start, question.end, _members(question))
        keys, total = active.page(first, last), len(active)
        users = get_user_model()._default_manager.in_bulk(keys)
    else:
        listed = _listed(question).order_by("pk")
        users = {user.pk: user for user in listed[first:last]}
        keys, total = list(users), listed.count()
    seen = last_seen_many(keys)
    return Answer(
        [
            {
                "id": str(key),
                "username": name_of(users[key]) if key in users else None,
                "last_seen": maybe_stamp(seen[key], question.zone),
            }
            for key in keys
        ],
        {"total": total},
    )


def _listed(question: Question) -> QuerySet[Any]:
    members = _members(question)
    queryset = None if members is None else members.users()
    length = timedelta(days=question.days)
    if question.list == "recent":
        return recently_seen(length, queryset)
    if question.list == "inactive":
        return inactive(length, queryset)
    return never_seen(queryset)


def answer_health(question: Question) -> Answer:
    """Return since when users are counted, how far digesting has come, and what is set wrong."""
    checks = [
        {
            "id": str(message.id),
            "message": str(message.msg),
            "hint": str(message.hint) if message.hint else None,
        }
        for message in failed_checks()
    ]
    known = status()
    moments = {
        "counted_since": get_store().first(),
        "digested_until": known.digested_until,
        "oldest_waiting": known.oldest_waiting,
        "pruned_until": known.pruned_until,
    }
    state = {
        **{name: maybe_stamp(moment, question.zone) for name, moment in moments.items()},
        "souvenirs_waiting": known.souvenirs_waiting,
    }
    levels = [
        {
            "digests": level.name,
            "rows": level.rows,
            "stale": level.stale,
            "sightings": level.sightings,
            "bytes": level.size,
        }
        for level in known.levels
    ]
    tables = {
        "state": Table(
            ("what", "state"), [{"what": name, "state": value} for name, value in state.items()]
        ),
        "checks": Table(("id", "message", "hint"), checks),
    }
    return Answer(levels, {**state, "checks": checks}, tables.get(question.table))


def failed_checks() -> list[CheckMessage]:
    """Return the system checks that fail on this site, and that nobody has silenced, by id."""
    messages = [*check_settings(), *check_site(), *check_digesting()]
    failed = [message for message in messages if not message.is_silenced()]
    return sorted(failed, key=lambda message: str(message.id))


def _groups(question: Question) -> dict[str, Any]:
    """The arguments of an insight that say about whom it is; few enough for one answer."""
    groups = None
    if question.by is not None:
        groups = groups_by(question.by)
        if not groups:
            raise BadQuestion("by", gettext_noop("Nobody is in a group."))
        check_groups(question, len(groups))
    return {"users": _members(question), "by": groups, "exclusive": question.exclusive}


def _members(question: Question) -> ActiveUsers | None:
    return None if question.segment is None else segment(question.segment)


def _rows(found: Insight, question: Question) -> list[Row]:
    return [
        {
            name: _stamp(value, question.zone) if isinstance(value, datetime) else value
            for name, value in row.items()
        }
        for row in found.rows()
    ]


def _stamp(moment: datetime, zone: tzinfo) -> str:
    return iso(local(checked(moment, "moment"), zone))


def maybe_stamp(moment: datetime | None, zone: tzinfo) -> str | None:
    """Return a moment, if there is one, as the API writes it."""
    return None if moment is None else _stamp(moment, zone)
