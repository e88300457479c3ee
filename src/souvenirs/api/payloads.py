"""The data of each endpoint: rows and other members."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NamedTuple, cast

from django.contrib.auth import get_user_model
from django.db.models import QuerySet
from django.utils import timezone

from ..calendar import Incomplete, checked, utc
from ..counting import active_users, queryset_of
from ..digests import status
from ..insights import (
    Insight,
    Retention,
    Segmented,
    inactive,
    last_seen_many,
    never_seen,
    recently_seen,
    retention,
    stickiness,
)
from ..publishing import growth_of, series_of
from ..reports import (
    Usage,
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
from ..statements import issued_statements, statement_row
from ..stores import get_store
from ..web import (
    Parameters,
    busyhours,
    check_report,
    clock_time,
    failed_checks,
    grouplists,
    name_of,
    timestamp,
)

Row = dict[str, Any]


class CsvTable(NamedTuple):
    """The columns of a CSV file, and its rows."""

    columns: tuple[str, ...]
    rows: list[Row]


@dataclass(frozen=True)
class Payload:
    """The rows and other members of a response; ``csv`` if a CSV file has other rows."""

    rows: list[Row]
    more: Mapping[str, Any] = field(default_factory=dict)
    csv: CsvTable | None = None


#: The columns of a list of groups.
GROUP_COLUMNS = (
    "group",
    "provisioned",
    "active",
    "share",
    "days",
    "days_per_seat",
    "last_seen",
)

#: Reports by calendar interval, each with the key of its periods' labels.
OF_CALENDAR: dict[str, tuple[Callable[..., Any], str]] = {
    "day": (calendar_daily_usage, "calendar_date"),
    "week": (calendar_weekly_usage, "calendar_year_week"),
    "month": (calendar_monthly_usage, "calendar_year_month"),
    "quarter": (calendar_quarterly_usage, "calendar_year_quarter"),
    "year": (calendar_yearly_usage, "calendar_year"),
}
#: Reports by subscription interval, each with the key of its periods' labels.
OF_SUBSCRIPTION: dict[str, tuple[Callable[..., Any], str]] = {
    "day": (daily_usage, "year_month"),
    "month": (customer_monthly_usage, "year_month"),
    "quarter": (customer_quarterly_usage, "year_quarter"),
    "year": (customer_yearly_usage, "year"),
}


#: What a row has of a cell of retention, each with its name where a row has those of all cells.
OF_CELLS = {"users": "users", "share": "shares", "cell_incomplete": "cells_incomplete"}


def usage_payload(parameters: Parameters) -> Payload:
    """Return registered, activated and active users by period."""
    check_report(parameters)
    groups = _groups(parameters)
    start, end = parameters.start, parameters.end
    if start and end and utc(start) == utc(end):
        return Payload([])
    if parameters.subscription_start is None:
        report, label = OF_CALENDAR[parameters.interval]
        usages = report(start, end, tz=parameters.zone, **groups)
    else:
        report, label = OF_SUBSCRIPTION[parameters.interval]
        usages = report(parameters.subscription_start, start, end, parameters.zone, **groups)
    # As in version 1, days begin with the month of the start.
    usages = (usage for usage in usages if _ends_after(usage, start))
    return Payload(
        [
            {
                **{name: usage[name] for name in ("segment",) if name in usage},
                "label": str(usage["labels"][label]),
                "start": _written(usage["period"]["start"], parameters),
                "end": _written(usage["period"]["end"], parameters),
                "complete": usage.complete,
                "incomplete": usage.incomplete,
                **dict(zip(("registered", "activated", "active"), usage.counts, strict=True)),
            }
            for usage in usages
        ]
    )


def _ends_after(usage: Usage, start: datetime | None) -> bool:
    return start is None or utc(checked(usage["period"]["end"], "end")) > utc(
        checked(start, "start")
    )


def series_payload(parameters: Parameters) -> Payload:
    """Return active users by period."""
    found = series_of(**_arguments(parameters), window=parameters.window)
    return Payload(_rows(found, parameters))


def growth_payload(parameters: Parameters) -> Payload:
    """Return growth accounting by period."""
    return Payload(_rows(growth_of(**_arguments(parameters)), parameters))


def stickiness_payload(parameters: Parameters) -> Payload:
    """Return daily, weekly and monthly active users, and their ratios, by period."""
    return Payload(_rows(stickiness(**_arguments(parameters)), parameters))


def busy_payload(parameters: Parameters) -> Payload:
    """Return the average number of active users by hour of the week."""
    end = parameters.end or timezone.now()
    found = busyhours.busy_hours(end, parameters.zone, parameters.users)
    means = found.means or {}
    return Payload(
        [
            {"weekday": weekday, "hour": hour, "active": mean}
            for weekday in found.days
            for hour, mean in enumerate(means.get(weekday, (None,) * 24))
        ]
    )


def retention_payload(parameters: Parameters) -> Payload:
    """Return cohorts and their retention."""
    found: Retention | Segmented[Retention] = retention(
        **_arguments(parameters),
        cohort=parameters.cohort,
        mode=parameters.mode,
        reference=parameters.reference,
    )
    everyone = found.everyone if isinstance(found, Segmented) else found
    cells = _rows(found, parameters)
    columns = (
        "label",
        "start",
        "end",
        "complete",
        "incomplete",
        "size",
        "offset",
        "users",
        "share",
        "cell_incomplete",
    )
    return Payload(_cohorts(cells), {"mean": list(everyone.mean())}, CsvTable(columns, cells))


def _cohorts(cells: list[Row]) -> list[Row]:
    """Return consecutive cells grouped by cohort."""
    cohorts: list[Row] = []
    for cell in cells:
        if cell["offset"] == 0:
            of_cohort = {name: cell[name] for name in cell if name not in ("offset", *OF_CELLS)}
            cohorts.append({**of_cohort, **{name: [] for name in OF_CELLS.values()}})
        for name, of_all in OF_CELLS.items():
            cohorts[-1][of_all].append(cell[name])
    return cohorts


def people_payload(parameters: Parameters) -> Payload:
    """Return a page of users, sorted by primary key, and when each was last seen.

    ``incomplete`` is ``"running"`` if the range of the list is not over, else None.

    Active users who have since been deleted have a row without a name, so that there is a row for
    each counted user.
    """
    first = (parameters.page - 1) * parameters.per_page
    last = first + parameters.per_page
    users: dict[Any, Any]
    if parameters.list == "active":
        active = active_users(parameters.start, parameters.end, parameters.users)
        keys, total = active.page(first, last), len(active)
        users = get_user_model()._default_manager.in_bulk(keys)
    else:
        listed = _listed(parameters).order_by("pk")
        users = {user.pk: user for user in listed[first:last]}
        keys, total = list(users), listed.count()
    seen = last_seen_many(keys)
    rows = [
        {
            "id": str(key),
            "username": name_of(users[key]) if key in users else None,
            "last_seen": _written(seen[key], parameters),
        }
        for key in keys
    ]
    state = {"incomplete": _incomplete(parameters)}
    table = CsvTable(
        ("id", "username", "last_seen", "incomplete"), [{**row, **state} for row in rows]
    )
    return Payload(rows, {"total": total, **state}, table)


def _incomplete(parameters: Parameters) -> Incomplete | None:
    """Return why the range of a list is incomplete; None if the list is not of a range."""
    end, now = checked(cast(datetime, parameters.end), "end"), checked(timezone.now(), "now")
    return "running" if parameters.list == "active" and utc(end) > utc(now) else None


def _listed(parameters: Parameters) -> QuerySet[Any]:
    queryset = queryset_of(parameters.users)
    length = timedelta(days=parameters.days)
    if parameters.list == "recent":
        return recently_seen(length, queryset)
    if parameters.list == "inactive":
        return inactive(length, queryset)
    return never_seen(queryset)


def groups_payload(parameters: Parameters) -> Payload:
    """Return a page of groups, their seats, and when one of their users was last seen."""
    first = (parameters.page - 1) * parameters.per_page
    found = grouplists.list_groups(parameters, first, first + parameters.per_page)
    rows = [
        {
            "group": each.name,
            "provisioned": each.seats.provisioned,
            "active": each.seats.active,
            "share": each.seats.share,
            "days": each.seats.days,
            "days_per_seat": each.seats.days_per_seat,
            "last_seen": _written(each.last_seen, parameters),
        }
        for each in found.groups
    ]
    state = {"incomplete": found.incomplete}
    table = CsvTable((*GROUP_COLUMNS, *state), [{**row, **state} for row in rows])
    return Payload(rows, {"total": found.total, "active": found.active, **state}, table)


def statements_payload(parameters: Parameters) -> Payload:
    """Return a page of statements, the latest first, or one of them with its content."""
    found = issued_statements()
    if parameters.statement is not None:
        found = found.filter(pk=parameters.statement)
    first = (parameters.page - 1) * parameters.per_page
    statements = list(found[first : first + parameters.per_page])
    rows = [
        {
            **statement_row(each),
            **{
                name: _written(getattr(each, name), parameters)
                for name in ("start", "end", "issued")
            },
        }
        for each in statements
    ]
    is_one = parameters.statement is not None and statements
    content = statements[0].content if is_one else None
    return Payload(rows, {"total": found.count(), "content": content})


def health_payload(parameters: Parameters) -> Payload:
    """Return the start of history, the progress of digesting, and failed system checks."""
    known = status()
    checks = [
        {
            "id": str(message.id),
            "message": str(message.msg),
            "hint": str(message.hint) if message.hint else None,
        }
        for message in failed_checks(known)
    ]
    moments = {
        "counted_since": get_store().first(),
        "digested_until": known.digested_until,
        "oldest_waiting": known.oldest_waiting,
        "pruned_until": known.pruned_until,
    }
    state = {
        **{name: _written(moment, parameters) for name, moment in moments.items()},
        "souvenirs_waiting": known.souvenirs_waiting,
    }
    levels = [
        {
            "digests": level.name,
            "rows": level.rows,
            "stale": level.stale,
            "members": level.members,
            "bytes": level.size,
        }
        for level in known.levels
    ]
    tables = {
        "state": CsvTable(
            ("what", "state"), [{"what": name, "state": value} for name, value in state.items()]
        ),
        "checks": CsvTable(("id", "message", "hint"), checks),
    }
    return Payload(levels, {**state, "checks": checks}, tables.get(parameters.table))


def _arguments(parameters: Parameters) -> dict[str, Any]:
    """Return the arguments common to all insights. Raises InvalidParameter."""
    return {
        "start": parameters.start,
        "end": parameters.end,
        "interval": parameters.interval,
        "tz": parameters.zone,
        "of": parameters.of,
        **_groups(parameters),
    }


def _groups(parameters: Parameters) -> dict[str, Any]:
    """Return the arguments that select users. Raises InvalidParameter."""
    return {
        "users": parameters.users,
        "by": parameters.groups,
        # Of the values of a listed field, some have been chosen that are exclusive among all.
        "exclusive": parameters.exclusive and parameters.top is None,
    }


def _rows(found: Insight, parameters: Parameters) -> list[Row]:
    return [
        {
            name: _written(value, parameters) if isinstance(value, datetime) else value
            for name, value in row.items()
        }
        for row in found.rows()
    ]


def _written(moment: datetime | None, parameters: Parameters) -> str | None:
    """Return a moment in the time zone of the parameters, in the notation of their format."""
    write = clock_time if parameters.format == "excel" else timestamp
    return write(moment, parameters.zone)
