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
which the periods are laid. ``recent`` keeps only that many of the last periods, and only these are
counted. ``users`` restricts a report to a group: a queryset of users, or users or primary keys in
any iterable. ``by`` and ``exclusive`` are those of :mod:`souvenirs.insights`: the periods of
everyone come first, then those of each segment, and each dict begins with the name of its
``"segment"``, which is None for everyone. Who is in a group is asked now, and not as of then.

A report asks the database at most four questions, whatever its range (one more for each further
4,000 periods, and one where users are not their own numbers, see :mod:`souvenirs.sets.numbers`);
groups are asked for besides, and ``by`` adds three, however many segments there are. One of more
than 100,000 periods is refused with ValueError, as are a naive datetime under ``USE_TZ``, a start
later than the end and ``exclusive`` without ``by``.
"""

from __future__ import annotations

import inspect
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta, tzinfo
from itertools import accumulate
from operator import or_
from typing import Any, NamedTuple

from django.core.exceptions import ImproperlyConfigured
from django.utils import timezone

from .calendar import (
    DAY,
    MONTH,
    QUARTER,
    WEEK,
    YEAR,
    Boundaries,
    Step,
    calendar_start,
    check_period_count,
    checked,
    checked_range,
    earlier,
    label_calendar_date,
    label_calendar_year,
    label_calendar_year_month,
    label_calendar_year_quarter,
    label_calendar_year_week,
    local,
    middle_of_week,
    months_between,
    outward,
    utc,
)
from .conf import conf
from .counting import (
    UNKNOWN,
    Accounts,
    ActiveUsers,
    By,
    accounts_as_of,
    active_users_each,
    date_joined_field,
    group_of,
    groups_if_any,
    new_accounts,
)
from .stores import get_store

Usage = dict[str, Any]
Labels = dict[str, Any]


class Whom(NamedTuple):
    """Whom a report is about, as its caller says."""

    users: Any
    by: By | None
    exclusive: bool


def daily_usage(
    subscription_start: datetime,
    start: datetime | None = None,
    end: datetime | None = None,
    tz: str | tzinfo | None = None,
    recent: int | None = None,
    *,
    users: Any = None,
    by: By | None = None,
    exclusive: bool = False,
) -> Iterator[Usage]:
    """Generate usage per day from the subscription's time of day, labelled as its month is.

    Days that end at or before ``start`` are left out.
    """
    grid = Boundaries(subscription_start, DAY, tz)

    def labels(number: int) -> Labels:
        return _month_labels(months_between(grid.wall(0), grid.wall(number)) + 1)

    return _report(grid, labels, start, end, recent, Whom(users, by, exclusive))


def customer_monthly_usage(
    subscription_start: datetime,
    start: datetime | None = None,
    end: datetime | None = None,
    tz: str | tzinfo | None = None,
    recent: int | None = None,
    *,
    users: Any = None,
    by: By | None = None,
    exclusive: bool = False,
) -> Iterator[Usage]:
    """Generate usage per subscription month: ``Y01 M01`` starts with the subscription.

    Months that end at or before ``start`` are left out; the others keep their numbers.
    """
    grid = Boundaries(subscription_start, MONTH, tz)
    return _report(
        grid,
        lambda number: _month_labels(number + 1),
        start,
        end,
        recent,
        Whom(users, by, exclusive),
    )


def customer_quarterly_usage(
    subscription_start: datetime,
    start: datetime | None = None,
    end: datetime | None = None,
    tz: str | tzinfo | None = None,
    recent: int | None = None,
    *,
    users: Any = None,
    by: By | None = None,
    exclusive: bool = False,
) -> Iterator[Usage]:
    """Generate usage per subscription quarter, ``Y01 Q1``; see :func:`customer_monthly_usage`."""

    def labels(number: int) -> Labels:
        quarter = number + 1
        return {"year_quarter": label_year_quarter_q(quarter), "year": label_year_q(quarter)}

    return _report(
        Boundaries(subscription_start, QUARTER, tz),
        labels,
        start,
        end,
        recent,
        Whom(users, by, exclusive),
    )


def customer_yearly_usage(
    subscription_start: datetime,
    start: datetime | None = None,
    end: datetime | None = None,
    tz: str | tzinfo | None = None,
    recent: int | None = None,
    *,
    users: Any = None,
    by: By | None = None,
    exclusive: bool = False,
) -> Iterator[Usage]:
    """Generate usage per subscription year, ``Y01``; see :func:`customer_monthly_usage`."""
    grid = Boundaries(subscription_start, YEAR, tz)
    return _report(
        grid,
        lambda number: {"year": label_year_y(number + 1)},
        start,
        end,
        recent,
        Whom(users, by, exclusive),
    )


def calendar_daily_usage(
    start: datetime,
    end: datetime | None = None,
    tz: str | tzinfo | None = None,
    recent: int | None = None,
    *,
    users: Any = None,
    by: By | None = None,
    exclusive: bool = False,
) -> Iterator[Usage]:
    """Generate usage per calendar day, from the day that holds ``start``."""

    def labels(day: datetime) -> Labels:
        return {
            "calendar_date": label_calendar_date(day),
            "calendar_year_month": label_calendar_year_month(day),
            "calendar_year": label_calendar_year(day),
        }

    whom = Whom(users, by, exclusive)
    return _calendar_report(DAY, labels, start, end, tz, recent, whom)


def calendar_weekly_usage(
    start: datetime,
    end: datetime | None = None,
    tz: str | tzinfo | None = None,
    recent: int | None = None,
    week_start: int | None = None,
    *,
    users: Any = None,
    by: By | None = None,
    exclusive: bool = False,
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

    whom = Whom(users, by, exclusive)
    return _calendar_report(WEEK, labels, start, end, tz, recent, whom, week_start)


def calendar_monthly_usage(
    start: datetime,
    end: datetime | None = None,
    tz: str | tzinfo | None = None,
    recent: int | None = None,
    *,
    users: Any = None,
    by: By | None = None,
    exclusive: bool = False,
) -> Iterator[Usage]:
    """Generate usage per calendar month, from the month that holds ``start``."""

    def labels(day: datetime) -> Labels:
        return {
            "calendar_year_month": label_calendar_year_month(day),
            "calendar_year": label_calendar_year(day),
        }

    whom = Whom(users, by, exclusive)
    return _calendar_report(MONTH, labels, start, end, tz, recent, whom)


def calendar_quarterly_usage(
    start: datetime,
    end: datetime | None = None,
    tz: str | tzinfo | None = None,
    recent: int | None = None,
    *,
    users: Any = None,
    by: By | None = None,
    exclusive: bool = False,
) -> Iterator[Usage]:
    """Generate usage per calendar quarter, from the quarter that holds ``start``."""

    def labels(day: datetime) -> Labels:
        return {
            "calendar_year_quarter": label_calendar_year_quarter(day),
            "calendar_year": label_calendar_year(day),
        }

    whom = Whom(users, by, exclusive)
    return _calendar_report(QUARTER, labels, start, end, tz, recent, whom)


def calendar_yearly_usage(
    start: datetime,
    end: datetime | None = None,
    tz: str | tzinfo | None = None,
    recent: int | None = None,
    *,
    users: Any = None,
    by: By | None = None,
    exclusive: bool = False,
) -> Iterator[Usage]:
    """Generate usage per calendar year, from the year that holds ``start``."""

    def labels(day: datetime) -> Labels:
        return {"calendar_year": label_calendar_year(day)}

    whom = Whom(users, by, exclusive)
    return _calendar_report(YEAR, labels, start, end, tz, recent, whom)


def _calendar_report(
    step: Step,
    labels: Callable[[datetime], Labels],
    start: datetime,
    end: datetime | None,
    tz: str | tzinfo | None,
    recent: int | None,
    whom: Whom,
    week_start: int | None = None,
) -> Iterator[Usage]:
    first_day = conf.WEEK_START if week_start is None else week_start
    anchor = calendar_start(start, step, tz, first_day)
    grid = Boundaries(anchor, step, anchor.tzinfo)
    return _report(grid, lambda number: labels(grid.wall(number)), start, end, recent, whom)


def _report(
    grid: Boundaries,
    labels: Callable[[int], Labels],
    start: datetime | None,
    end: datetime | None,
    recent: int | None,
    whom: Whom,
) -> Iterator[Usage]:
    groups = _groups(whom)
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
    check_period_count(count)
    rows = _rows(grid, labels, first, until, now, groups)
    if whom.by is None:
        return (usage for _, usage in rows)
    return ({"segment": segment, **usage} for segment, usage in rows)


def _groups(whom: Whom) -> dict[str | None, ActiveUsers | None]:
    """Everyone whom a report is about, whose name is None, and those in each segment.

    None is everybody.
    """
    # Read once: a queryset is a query, and an iterator is empty after that.
    group = None if whom.users is None else ActiveUsers(whom.users)
    segments = groups_if_any(whom.by, whom.exclusive) or {}
    if (group is not None or whom.by is not None) and not takes_users():
        raise ImproperlyConfigured(
            "The function in SOUVENIRS_USAGE_REPORTS_FUNCTION takes no users=, "
            "which a report about some of the users needs."
        )
    groups: dict[str | None, ActiveUsers | None] = {None: group}
    for name, members in segments.items():
        groups[name] = members if group is None else members & group
    return groups


def _rows(
    grid: Boundaries,
    labels: Callable[[int], Labels],
    first: int,
    end: datetime,
    now: datetime,
    groups: Mapping[str | None, ActiveUsers | None],
) -> Iterator[tuple[str | None, Usage]]:
    spans = list(grid.spans(first, end))
    periods = [
        (outward(start), outward(local(earlier(following, end), grid.zone)))
        for _, start, following in spans
    ]
    for segment, usages in zip(groups, _usage_of_each(periods, list(groups.values())), strict=True):
        for (number, _, following), usage in zip(spans, usages, strict=False):
            usage.update(labels=labels(number))
            if utc(following) > utc(now):
                usage["complete"] = False
            yield segment, usage


def _usage_of_each(
    periods: list[tuple[datetime, datetime]], groups: Sequence[ActiveUsers | None]
) -> Iterator[Iterable[Usage]]:
    """Generate the usage of the periods by each of some groups; the first has all of the others."""
    if len(groups) > 1 and usage_reports_function() is _usage_for_periods:
        yield from _read_together(periods, groups)
        return
    for group in groups:
        # As ever where it is about everybody: the function may be one of version 1.
        whom = {} if group is None else {"users": group}
        yield usage_for_periods(iter(periods), **whom)


def _read_together(
    periods: list[tuple[datetime, datetime]], groups: Sequence[ActiveUsers | None]
) -> Iterator[Iterable[Usage]]:
    ranges = [_checked_period(start, end) for start, end in periods]
    everyone = groups[0]
    first = get_store().first()
    sets = active_users_each(ranges, everyone)
    accounts = _accounts_of_each([end for _, end in ranges], groups)
    for group, known in zip(groups, accounts, strict=True):
        counts = [len(users) if group is None else users.count_common(group) for users in sets]
        yield _usages(periods, counts, first, known)


def _accounts_of_each(
    ends: list[datetime], groups: Sequence[ActiveUsers | None]
) -> Iterator[list[Accounts]]:
    """Generate the accounts of each group as of each end, all from one reading of the users."""
    if not ends or date_joined_field() is None:
        yield from ([UNKNOWN] * len(ends) for _ in groups)
        return
    moments = sorted({utc(end) for end in ends})
    among = groups[0]
    new = new_accounts(moments, None if among is None else among.users())
    by_then = [
        list(accumulate((ActiveUsers(each) for each in kind), or_))
        for kind in zip(*new, strict=True)
    ]
    places = [bisect_right(moments, utc(end)) - 1 for end in ends]
    for group in groups:
        registered, activated = (
            [len(users) if group is None else users.count_common(group) for users in kind]
            for kind in by_then
        )
        yield [Accounts(registered[place], activated[place]) for place in places]


def usage_for_periods(*args: Any, **kwargs: Any) -> Iterable[Usage]:
    """Return the usage of periods, by the function in ``SOUVENIRS_USAGE_REPORTS_FUNCTION`` if set.

    That function takes what :func:`_usage_for_periods` takes and yields what it yields, one dict
    for each period in turn; it may call it and add to its dicts. It is given ``users`` only where a
    report is about some of them: one that does not take them can only report on everybody. Raises
    ImproperlyConfigured where the setting names nothing that can be called.
    """
    return usage_reports_function()(*args, **kwargs)


def usage_reports_function() -> Callable[..., Iterable[Usage]]:
    """Return the function in the setting, or the app's own where it is empty."""
    function = conf.USAGE_REPORTS_FUNCTION or _usage_for_periods
    if function is usage_for_periods:
        raise ImproperlyConfigured(
            "SOUVENIRS_USAGE_REPORTS_FUNCTION is usage_for_periods, which would call itself."
        )
    return function


def takes_users() -> bool:
    """Return whether there can be reports about some of the users."""
    try:
        inspect.signature(usage_reports_function()).bind([], users=None)
    except TypeError:
        return False
    return True


def _usage_for_periods(
    periods: Iterable[tuple[datetime, datetime]], *, users: Any = None
) -> Iterator[Usage]:
    """Generate the usage of each ``(start, end)`` of datetimes, in any order, without labels.

    ``users`` restricts it to a group.
    """
    periods = list(periods)
    ranges = [_checked_period(start, end) for start, end in periods]
    group = None if users is None else ActiveUsers(users)
    active, first = get_store().count_each(ranges, group_of(group))
    among = None if group is None else group.users()
    accounts = accounts_as_of([end for _, end in ranges], among)
    yield from _usages(periods, active, first, accounts)


def _usages(
    periods: Iterable[tuple[datetime, datetime]],
    active: Iterable[int],
    first: datetime | None,
    accounts: Iterable[Accounts],
) -> Iterator[Usage]:
    now = utc(checked(timezone.now(), "now"))
    for (start, end), users, (registered, activated) in zip(periods, active, accounts, strict=True):
        _, until = _checked_period(start, end)
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
