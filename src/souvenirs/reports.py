"""Registered, activated and active users, period by period.

Every report is a generator of :class:`Usage`, dicts which callers may change::

    {
        "period": {"start": datetime, "end": datetime},
        "labels": {...},
        "usage": {"registered_users": int, "activated_users": int, "active_users": int},
    }

* ``registered_users`` counts the accounts registered before the end of the period,
  ``activated_users`` the ones among these that are activated today, and ``active_users`` the
  distinct users seen in the period.
* The first two are None if the user model has no date-joined field. ``active_users`` of an unknown
  period is None, but 0 in the reports that version 1 had: those of a subscription,
  :func:`calendar_monthly_usage` and :func:`base_usage_for_periods`.
* If ``end`` cuts a period off, the dict has that end, and ``Usage.incomplete`` is ``"cut"``.

Ranges are half-open, ``[start, end)``; ``end`` is now by default. ``tz``, ``users``, ``by`` and
``exclusive`` are those of :mod:`souvenirs.insights`. With ``by`` the periods of everyone come
first, then those of each segment, and each dict has the name of its ``"segment"``, None for
everyone. Membership in a group is as of now, also for past periods. ``recent`` limits the report to
the last N periods of the range.

A report takes at most four queries, whatever its range; one more per 4,000 further periods, two
more for non-integer primary keys, three more for ``by``, and those that evaluate the groups.
Reports raise ValueError for more than 100,000 periods, a naive datetime under ``USE_TZ`` and
``exclusive`` without ``by``, and for a start later than the end: the reports that version 1 had are
empty then.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, tzinfo
from functools import cache, wraps
from typing import Any, ParamSpec, TypedDict, Unpack

from django.core.exceptions import ImproperlyConfigured
from django.utils import timezone

from .calendar import (
    DAY,
    MONTH,
    QUARTER,
    WEEK,
    YEAR,
    Boundaries,
    Bounds,
    NumberedPeriod,
    Step,
    calendar_boundaries,
    checked,
    checked_range,
    is_known,
    label_calendar_date,
    label_calendar_year,
    label_calendar_year_month,
    label_calendar_year_quarter,
    label_calendar_year_week,
    label_year_m,
    label_year_month_m,
    label_year_q,
    label_year_quarter_m,
    label_year_quarter_q,
    label_year_y,
    middle_of_week,
    month_to_month,
    month_to_quarter,
    month_to_year,
    months_between,
    outward,
    periods_in,
    quarter_to_quarter,
    quarter_to_year,
    utc,
)
from .conf import conf
from .counting import (
    ActiveUsers,
    By,
    Group,
    Usage,
    accounts_as_of,
    base_usage_for_periods,
    group_of,
    groups_if_any,
    usage_read_together,
)
from .stores import get_store

Labels = dict[str, Any]


class Whom(TypedDict, total=False):
    """The users of a report; everyone by default."""

    #: A group, see :mod:`souvenirs.insights`.
    users: Any
    #: The segments to break the report down by, see :mod:`souvenirs.insights`.
    by: By | None
    exclusive: bool


P = ParamSpec("P")


def _report_function(report: Callable[P, Iterator[Usage]]) -> Callable[P, Iterator[Usage]]:
    """Raise TypeError for an unknown keyword in the name of a report, not of what it calls."""
    known = {*inspect.signature(report).parameters, *Whom.__annotations__} - {"whom"}

    @wraps(report)
    def named(*args: P.args, **keywords: P.kwargs) -> Iterator[Usage]:
        for name in keywords.keys() - known:
            raise TypeError(f"{report.__name__}() got an unexpected keyword argument {name!r}")
        return report(*args, **keywords)

    return named


@_report_function
def daily_usage(
    subscription_start: datetime,
    start: datetime | None = None,
    end: datetime | None = None,
    tz: str | tzinfo | None = None,
    recent: int | None = None,
    **whom: Unpack[Whom],
) -> Iterator[Usage]:
    """Generate usage per day from the subscription's time of day, labelled with its month.

    The first day is that of the subscription month of ``start``.
    """
    days = Boundaries(subscription_start, DAY, tz)
    if start is not None:
        since, until = checked(start, "start"), checked(end or timezone.now(), "end")
        months = Boundaries(subscription_start, MONTH, tz)
        if utc(since) < utc(until):
            start = months.boundary(months.number(since))

    def labels(number: int) -> Labels:
        return _month_labels(months_between(days.wall(0), days.wall(number)) + 1)

    return _report(days, labels, start, end, recent, **whom)


@_report_function
def customer_monthly_usage(
    subscription_start: datetime,
    start: datetime | None = None,
    end: datetime | None = None,
    tz: str | tzinfo | None = None,
    recent: int | None = None,
    **whom: Unpack[Whom],
) -> Iterator[Usage]:
    """Generate usage per subscription month: ``Y01 M01`` starts with the subscription.

    Months that end at or before ``start`` are left out; the others keep their numbers.
    """
    months = Boundaries(subscription_start, MONTH, tz)
    return _report(months, lambda number: _month_labels(number + 1), start, end, recent, **whom)


@_report_function
def customer_quarterly_usage(
    subscription_start: datetime,
    start: datetime | None = None,
    end: datetime | None = None,
    tz: str | tzinfo | None = None,
    recent: int | None = None,
    **whom: Unpack[Whom],
) -> Iterator[Usage]:
    """Generate usage per subscription quarter, ``Y01 Q1``; see :func:`customer_monthly_usage`."""

    def labels(number: int) -> Labels:
        quarter = number + 1
        return {"year_quarter": label_year_quarter_q(quarter), "year": label_year_q(quarter)}

    quarters = Boundaries(subscription_start, QUARTER, tz)
    return _report(quarters, labels, start, end, recent, **whom)


@_report_function
def customer_yearly_usage(
    subscription_start: datetime,
    start: datetime | None = None,
    end: datetime | None = None,
    tz: str | tzinfo | None = None,
    recent: int | None = None,
    **whom: Unpack[Whom],
) -> Iterator[Usage]:
    """Generate usage per subscription year, ``Y01``; see :func:`customer_monthly_usage`."""

    years = Boundaries(subscription_start, YEAR, tz)
    return _report(
        years, lambda number: {"year": label_year_y(number + 1)}, start, end, recent, **whom
    )


@_report_function
def calendar_daily_usage(
    start: datetime,
    end: datetime | None = None,
    tz: str | tzinfo | None = None,
    recent: int | None = None,
    **whom: Unpack[Whom],
) -> Iterator[Usage]:
    """Generate usage per calendar day, from the day of ``start``."""
    return _calendar_report(DAY, start, end, tz, recent, **whom)


@_report_function
def calendar_weekly_usage(
    start: datetime,
    end: datetime | None = None,
    tz: str | tzinfo | None = None,
    recent: int | None = None,
    week_start: int | None = None,
    **whom: Unpack[Whom],
) -> Iterator[Usage]:
    """Generate usage per calendar week, from the week of ``start``.

    Weeks start on ``week_start``, from 1 (Monday) to 7 (Sunday); the default is
    ``SOUVENIRS_WEEK_START``. Labels are those of ISO 8601: a week and the year it belongs to.
    """
    return _calendar_report(WEEK, start, end, tz, recent, week_start, **whom)


@_report_function
def calendar_monthly_usage(
    start: datetime,
    end: datetime | None = None,
    tz: str | tzinfo | None = None,
    recent: int | None = None,
    **whom: Unpack[Whom],
) -> Iterator[Usage]:
    """Generate usage per calendar month, from the month of ``start``."""
    # As in version 1, the range begins with the month, so that it need not be empty if ``start`` is
    # later than ``end``.
    return _report(*_calendar(MONTH, start, tz), None, end, recent, **whom)


@_report_function
def calendar_quarterly_usage(
    start: datetime,
    end: datetime | None = None,
    tz: str | tzinfo | None = None,
    recent: int | None = None,
    **whom: Unpack[Whom],
) -> Iterator[Usage]:
    """Generate usage per calendar quarter, from the quarter of ``start``."""
    return _calendar_report(QUARTER, start, end, tz, recent, **whom)


@_report_function
def calendar_yearly_usage(
    start: datetime,
    end: datetime | None = None,
    tz: str | tzinfo | None = None,
    recent: int | None = None,
    **whom: Unpack[Whom],
) -> Iterator[Usage]:
    """Generate usage per calendar year, from the year of ``start``."""
    return _calendar_report(YEAR, start, end, tz, recent, **whom)


#: The labels of the calendar periods of each length, as functions of their first day.
CALENDAR_LABELS: dict[Step, dict[str, Callable[[datetime], str | int]]] = {
    DAY: {
        "calendar_date": label_calendar_date,
        "calendar_year_month": label_calendar_year_month,
        "calendar_year": label_calendar_year,
    },
    WEEK: {
        "calendar_year_week": label_calendar_year_week,
        "calendar_year": lambda day: middle_of_week(day).isocalendar().year,
    },
    MONTH: {
        "calendar_year_month": label_calendar_year_month,
        "calendar_year": label_calendar_year,
    },
    QUARTER: {
        "calendar_year_quarter": label_calendar_year_quarter,
        "calendar_year": label_calendar_year,
    },
    YEAR: {"calendar_year": label_calendar_year},
}


def _calendar_report(
    step: Step,
    start: datetime,
    end: datetime | None,
    tz: str | tzinfo | None,
    recent: int | None,
    week_start: int | None = None,
    **whom: Unpack[Whom],
) -> Iterator[Usage]:
    checked_range(start, end)
    report = _report(*_calendar(step, start, tz, week_start), start, end, recent, **whom)
    return map(_with_unknown, report)


def _calendar(
    step: Step, start: datetime, tz: str | tzinfo | None, week_start: int | None = None
) -> tuple[Boundaries, Callable[[int], Labels]]:
    """Return the boundaries of calendar periods, and the function that labels them by number."""
    boundaries = calendar_boundaries(start, step, tz, week_start)

    def labels(number: int) -> Labels:
        day = boundaries.wall(number)
        return {name: label(day) for name, label in CALENDAR_LABELS[step].items()}

    return boundaries, labels


def _with_unknown(row: Usage) -> Usage:
    """Return the row with None for active users if they are unknown."""
    row["usage"]["active_users"] = row.counts[-1]
    return row


def _report(
    boundaries: Boundaries,
    labels: Callable[[int], Labels],
    start: datetime | None,
    end: datetime | None,
    recent: int | None,
    *,
    users: Any = None,
    by: By | None = None,
    exclusive: bool = False,
) -> Iterator[Usage]:
    groups = _groups(users, by, exclusive)
    since = None if start is None else checked(start, "start")
    until = None if end is None else checked(end, "end")
    if recent is not None and not (isinstance(recent, int) and recent >= 1):
        raise ValueError(f"recent must be at least 1, not {recent!r}.")
    now = checked(timezone.now(), "now")
    periods = periods_in(boundaries, since, until or now, now, recent)
    return _labelled(periods, labels, groups, with_segment=by is not None)


def _groups(users: Any, by: By | None, exclusive: bool) -> dict[str | None, Group]:
    """Return the group of a report under the name None, and its members in each segment by name.

    The group is None for everyone.
    """
    # An iterator can be read only once.
    group = group_of(users)
    segments = groups_if_any(by, exclusive) or {}
    if (group is not None or by is not None) and not takes_users():
        raise ImproperlyConfigured(
            "The function in SOUVENIRS_USAGE_REPORTS_FUNCTION has no parameter users, which a "
            "report on a group of users requires."
        )
    if group is not None and segments:
        group = ActiveUsers(group)
    groups: dict[str | None, Group] = {None: group}
    for name, members in segments.items():
        groups[name] = members if group is None else members & group
    return groups


def _labelled(
    periods: Iterable[NumberedPeriod],
    labels: Callable[[int], Labels],
    groups: Mapping[str | None, Group],
    *,
    with_segment: bool,
) -> Iterator[Usage]:
    """Generate the usage of each period for each group, with labels."""
    periods = list(periods)
    ranges = [(outward(period.start), outward(period.end)) for period in periods]
    first_souvenir = cache(get_store().first)

    def is_known_to(usage: Mapping[str, Any], end: datetime) -> bool:
        if isinstance(usage, Usage):
            return usage.known
        # The site's function built a dict of its own. It may count what has left no souvenir.
        return bool(usage["usage"].get("active_users")) or is_known(end, first_souvenir())

    for segment, usages in zip(groups, _usage_of_each(ranges, list(groups.values())), strict=True):
        for period, usage in zip(periods, usages, strict=False):
            known = is_known_to(usage, period.end)
            usage.update(labels=labels(period.number))
            row = {"segment": segment, **usage} if with_segment else usage
            yield Usage(row, incomplete=period.incomplete, known=known)


def _usage_of_each(periods: list[Bounds], groups: Sequence[Group]) -> Iterator[Iterable[Usage]]:
    """Generate the usage of the periods for each group; the first group contains the others."""
    if len(groups) > 1 and usage_reports_function() is base_usage_for_periods:
        known = [None if group is None else ActiveUsers(group) for group in groups]
        yield from usage_read_together(periods, known)
        return
    for group in groups:
        # A function written for version 1 has no parameter users.
        whom = {} if group is None else {"users": group}
        yield usage_for_periods(iter(periods), **whom)


def usage_for_periods(*args: Any, **kwargs: Any) -> Iterable[Usage]:
    """Return the usage of periods, by the function in ``SOUVENIRS_USAGE_REPORTS_FUNCTION`` if set.

    That function has the parameters of :func:`base_usage_for_periods` and also yields a dict for
    each period in turn; it may call it and add to its dicts. It is passed ``users`` only for a
    report on a group: without that parameter it can only report on everyone. Raises
    ImproperlyConfigured if the setting does not name a callable.
    """
    return usage_reports_function()(*args, **kwargs)


#: The name in version 1, which projects wrap or replace.
_usage_for_periods = base_usage_for_periods


def usage_reports_function() -> Callable[..., Iterable[Usage]]:
    """Return the function in the setting, or the app's own if it is empty."""
    function = conf.USAGE_REPORTS_FUNCTION or _usage_for_periods
    if function is usage_for_periods:
        raise ImproperlyConfigured(
            "SOUVENIRS_USAGE_REPORTS_FUNCTION is usage_for_periods, which would call itself."
        )
    return function


def takes_users() -> bool:
    """Return whether there can be reports on a group of users."""
    try:
        inspect.signature(usage_reports_function()).bind([], users=None)
    except TypeError:
        return False
    return True


def registered_users_as_of(date: datetime) -> tuple[int | None, int | None]:
    """Return the numbers of users registered before ``date``, and of those now activated.

    Both are None if the user model has no date-joined field.
    """
    [(registered, activated)] = accounts_as_of([checked(date, "date")])
    return registered, activated


def _month_labels(month: int) -> Labels:
    return {
        "year_month": label_year_month_m(month),
        "year_quarter": label_year_quarter_m(month),
        "year": label_year_m(month),
    }
