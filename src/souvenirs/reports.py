"""Registered, activated and active users, period by period.

Every report is a generator of dicts that are yours to change::

    {
        "period": {"start": datetime, "end": datetime},
        "labels": {...},
        "usage": {"registered_users": int, "activated_users": int, "active_users": int},
    }

* ``registered_users`` counts the accounts made before the period's end; ``activated_users`` those
  of them that are activated today; ``active_users`` the distinct users seen in the period.
* A count is None where it is unknown: ``active_users`` of a period that ended before the first
  souvenir, the others where the user model does not say when a user registered.
* ``"complete": False`` is added to a period that is not over yet. Where a report's ``end`` cuts a
  period off, the dict shows the end it was cut at.

Ranges are half-open, ``[start, end)``, and ``end`` is now by default. ``tz`` is the time zone in
which the periods are laid, see :mod:`souvenirs.periods`. ``recent`` keeps only the last so many
periods, and only these are counted. A report asks the database at most four questions, whatever its
range (one more for each further 4,000 periods, and one where users are not their own numbers, see
:mod:`souvenirs.stores.numbers`). One of more than 100,000 periods is refused with ValueError, as
are a naive datetime under ``USE_TZ`` and a start later than the end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta, tzinfo
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.utils import timezone

from .accounts import accounts_as_of
from .calendars import (
    label_calendar_date,
    label_calendar_year,
    label_calendar_year_month,
    label_calendar_year_quarter,
    label_calendar_year_week,
    middle_of_week,
)
from .conf import conf, function_in
from .instants import checked, checked_range, local, outward, utc
from .periods import (
    DAY,
    MONTH,
    QUARTER,
    WEEK,
    YEAR,
    Grid,
    Step,
    calendar_start,
    earlier,
    months_between,
)
from .stores import get_store

Usage = dict[str, Any]
Labels = dict[str, Any]

#: More periods than this are a slip of the pen, not a report.
MAX_PERIODS = 100_000


def daily_usage(
    subscription_start: datetime,
    start: datetime | None = None,
    end: datetime | None = None,
    tz: str | tzinfo | None = None,
    recent: int | None = None,
) -> Iterator[Usage]:
    """Generate usage per day from the subscription's time of day, labelled as its month is.

    Days that end at or before ``start`` are left out.
    """
    grid = Grid(subscription_start, DAY, tz)

    def labels(number: int) -> Labels:
        return _month_labels(months_between(grid.wall(0), grid.wall(number)) + 1)

    return _report(grid, labels, start, end, recent)


def customer_monthly_usage(
    subscription_start: datetime,
    start: datetime | None = None,
    end: datetime | None = None,
    tz: str | tzinfo | None = None,
    recent: int | None = None,
) -> Iterator[Usage]:
    """Generate usage per subscription month: ``Y01 M01`` starts with the subscription.

    Months that end at or before ``start`` are left out; the others keep their numbers.
    """
    grid = Grid(subscription_start, MONTH, tz)
    return _report(grid, lambda number: _month_labels(number + 1), start, end, recent)


def customer_quarterly_usage(
    subscription_start: datetime,
    start: datetime | None = None,
    end: datetime | None = None,
    tz: str | tzinfo | None = None,
    recent: int | None = None,
) -> Iterator[Usage]:
    """Generate usage per subscription quarter, ``Y01 Q1``; see :func:`customer_monthly_usage`."""

    def labels(number: int) -> Labels:
        quarter = number + 1
        return {"year_quarter": label_year_quarter_q(quarter), "year": label_year_q(quarter)}

    return _report(Grid(subscription_start, QUARTER, tz), labels, start, end, recent)


def customer_yearly_usage(
    subscription_start: datetime,
    start: datetime | None = None,
    end: datetime | None = None,
    tz: str | tzinfo | None = None,
    recent: int | None = None,
) -> Iterator[Usage]:
    """Generate usage per subscription year, ``Y01``; see :func:`customer_monthly_usage`."""
    grid = Grid(subscription_start, YEAR, tz)
    return _report(grid, lambda number: {"year": label_year_y(number + 1)}, start, end, recent)


def calendar_daily_usage(
    start: datetime,
    end: datetime | None = None,
    tz: str | tzinfo | None = None,
    recent: int | None = None,
) -> Iterator[Usage]:
    """Generate usage per calendar day, from the day that holds ``start``."""

    def labels(day: datetime) -> Labels:
        return {
            "calendar_date": label_calendar_date(day),
            "calendar_year_month": label_calendar_year_month(day),
            "calendar_year": label_calendar_year(day),
        }

    return _calendar_report(DAY, labels, start, end, tz, recent)


def calendar_weekly_usage(
    start: datetime,
    end: datetime | None = None,
    tz: str | tzinfo | None = None,
    recent: int | None = None,
    week_start: int | None = None,
) -> Iterator[Usage]:
    """Generate usage per calendar week, from the week that holds ``start``.

    Weeks start on ``week_start``, from 1 (Monday) to 7 (Sunday), which is ``SOUVENIRS_WEEK_START``
    by default: Monday. The labels are those of ISO 8601: a week and the year it belongs to.
    """

    def labels(day: datetime) -> Labels:
        return {
            "calendar_year_week": label_calendar_year_week(day),
            "calendar_year": middle_of_week(day).isocalendar().year,
        }

    return _calendar_report(WEEK, labels, start, end, tz, recent, week_start)


def calendar_monthly_usage(
    start: datetime,
    end: datetime | None = None,
    tz: str | tzinfo | None = None,
    recent: int | None = None,
) -> Iterator[Usage]:
    """Generate usage per calendar month, from the month that holds ``start``."""

    def labels(day: datetime) -> Labels:
        return {
            "calendar_year_month": label_calendar_year_month(day),
            "calendar_year": label_calendar_year(day),
        }

    return _calendar_report(MONTH, labels, start, end, tz, recent)


def calendar_quarterly_usage(
    start: datetime,
    end: datetime | None = None,
    tz: str | tzinfo | None = None,
    recent: int | None = None,
) -> Iterator[Usage]:
    """Generate usage per calendar quarter, from the quarter that holds ``start``."""

    def labels(day: datetime) -> Labels:
        return {
            "calendar_year_quarter": label_calendar_year_quarter(day),
            "calendar_year": label_calendar_year(day),
        }

    return _calendar_report(QUARTER, labels, start, end, tz, recent)


def calendar_yearly_usage(
    start: datetime,
    end: datetime | None = None,
    tz: str | tzinfo | None = None,
    recent: int | None = None,
) -> Iterator[Usage]:
    """Generate usage per calendar year, from the year that holds ``start``."""

    def labels(day: datetime) -> Labels:
        return {"calendar_year": label_calendar_year(day)}

    return _calendar_report(YEAR, labels, start, end, tz, recent)


def _calendar_report(
    step: Step,
    labels: Callable[[datetime], Labels],
    start: datetime,
    end: datetime | None,
    tz: str | tzinfo | None,
    recent: int | None,
    week_start: int | None = None,
) -> Iterator[Usage]:
    first_day = conf.WEEK_START if week_start is None else week_start
    anchor = calendar_start(start, step, tz, first_day)
    grid = Grid(anchor, step, anchor.tzinfo)
    return _report(grid, lambda number: labels(grid.wall(number)), start, end, recent)


def _report(
    grid: Grid,
    labels: Callable[[int], Labels],
    start: datetime | None,
    end: datetime | None,
    recent: int | None,
) -> Iterator[Usage]:
    since, until = checked_range(start, end)
    if recent is not None and not (isinstance(recent, int) and recent >= 1):
        raise ValueError(f"recent must be at least 1, not {recent!r}.")
    now = checked(timezone.now(), "now")
    until = until or now
    if since is not None and utc(since) >= utc(until):
        return iter(())
    first = 0 if since is None else max(0, grid.number(since))
    count = max(0, grid.number(utc(until) - timedelta(microseconds=1)) + 1 - first)
    if recent is not None and count > recent:
        first, count = first + count - recent, recent
    if count > MAX_PERIODS:
        raise ValueError(
            f"The range has {count:,} periods, more than {MAX_PERIODS:,}: "
            "choose a shorter range or longer periods."
        )
    return _rows(grid, labels, first, until, now)


def _rows(
    grid: Grid, labels: Callable[[int], Labels], first: int, end: datetime, now: datetime
) -> Iterator[Usage]:
    spans = list(grid.spans(first, end))
    periods = [
        (outward(start), outward(local(earlier(following, end), grid.zone)))
        for _, start, following in spans
    ]
    for (number, _, following), usage in zip(spans, usage_for_periods(iter(periods)), strict=False):
        usage.update(labels=labels(number))
        if utc(following) > utc(now):
            usage["complete"] = False
        yield usage


def usage_for_periods(*args: Any, **kwargs: Any) -> Iterable[Usage]:
    """Return the usage of periods, by the function in ``SOUVENIRS_USAGE_REPORTS_FUNCTION`` if set.

    That function takes what :func:`_usage_for_periods` takes and yields what it yields, one dict
    for each period in turn; it may call it and add to its dicts. Raises ImproperlyConfigured where
    the setting names nothing that can be called.
    """
    return usage_reports_function()(*args, **kwargs)


def usage_reports_function() -> Callable[..., Iterable[Usage]]:
    """Return the function in the setting, or the app's own where it is empty."""
    function = function_in("USAGE_REPORTS_FUNCTION") or _usage_for_periods
    if function is usage_for_periods:
        raise ImproperlyConfigured(
            "SOUVENIRS_USAGE_REPORTS_FUNCTION is usage_for_periods, which would call itself."
        )
    return function


def _usage_for_periods(periods: Iterable[tuple[datetime, datetime]]) -> Iterator[Usage]:
    """Generate the usage of each ``(start, end)`` of datetimes, in any order, without labels."""
    periods = list(periods)
    ranges = [_checked_period(start, end) for start, end in periods]
    active, first = get_store().count_each(ranges)
    accounts = accounts_as_of([end for _, end in ranges])
    now = utc(checked(timezone.now(), "now"))
    for (start, end), (_, until), users, (registered, activated) in zip(
        periods, ranges, active, accounts, strict=True
    ):
        known = first is not None and utc(first) < utc(until)
        usage: Usage = {
            "period": {"start": start, "end": end},
            "usage": {
                "registered_users": registered,
                "activated_users": activated,
                "active_users": users if known else None,
            },
        }
        if utc(until) > now:
            usage["complete"] = False
        yield usage


def _checked_period(start: datetime, end: datetime) -> tuple[datetime, datetime]:
    checked_range(start, end)
    return checked(start, "start"), checked(end, "end")


def registered_users_as_of(date: datetime) -> tuple[int | None, int | None]:
    """Return how many users registered before ``date``, and how many of them are activated today.

    Both are None where the user model has no field for when a user registered.
    """
    [(registered, activated)] = accounts_as_of([checked(date, "date")])
    return registered, activated


def _month_labels(month: int) -> Labels:
    return {
        "year_month": label_year_month_m(month),
        "year_quarter": label_year_quarter_m(month),
        "year": label_year_m(month),
    }


def label_year_month_m(month: int) -> str:
    """Return ``Y01 M01`` for month 1 of a subscription."""
    return f"{label_year_m(month)} M{(month - 1) % 12 + 1:02d}"


def label_year_quarter_m(month: int) -> str:
    """Return ``Y01 Q1`` for month 1 of a subscription."""
    return label_year_quarter_q((month - 1) // 3 + 1)


def label_year_m(month: int) -> str:
    """Return ``Y01`` for month 1 of a subscription."""
    return label_year_y((month - 1) // 12 + 1)


def label_year_quarter_q(quarter: int) -> str:
    """Return ``Y01 Q1`` for quarter 1 of a subscription."""
    return f"{label_year_q(quarter)} Q{(quarter - 1) % 4 + 1}"


def label_year_q(quarter: int) -> str:
    """Return ``Y01`` for quarter 1 of a subscription."""
    return label_year_y((quarter - 1) // 4 + 1)


def label_year_y(year: int) -> str:
    """Return ``Y01`` for year 1 of a subscription."""
    return f"Y{year:02d}"
