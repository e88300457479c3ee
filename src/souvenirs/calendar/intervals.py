"""Calendar units by name, and their labels."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import NamedTuple

from .periods import DAY, MONTH, QUARTER, WEEK, YEAR, Step


def label_calendar_date(day: datetime) -> str:
    """Return ``2016-01-31`` for that day."""
    return day.date().isoformat()


def label_calendar_year_week(day: datetime) -> str:
    """Return ``2016-W01`` for the week starting on the day: the ISO week with most of its days."""
    year, week, _ = middle_of_week(day).isocalendar()
    return f"{year:04d}-W{week:02d}"


def label_calendar_year_month(day: datetime) -> str:
    """Return ``2016-01`` for a day in that month."""
    return f"{day.year:04d}-{day.month:02d}"


def label_calendar_year_quarter(day: datetime) -> str:
    """Return ``2016-Q1`` for a day in that quarter."""
    return f"{day.year:04d}-Q{(day.month - 1) // 3 + 1}"


def label_calendar_year(day: datetime) -> int:
    """Return 2016 for a day in that year."""
    return day.year


def middle_of_week(day: datetime) -> datetime:
    """Return the fourth day of a week, given its first; it determines the year of the week."""
    return day + timedelta(days=3)


class Interval(NamedTuple):
    """A named calendar unit, its length, and a function from its first day to its label."""

    name: str
    step: Step
    label: Callable[[datetime], str | int]


INTERVALS = {
    interval.name: interval
    for interval in (
        Interval("day", DAY, label_calendar_date),
        Interval("week", WEEK, label_calendar_year_week),
        Interval("month", MONTH, label_calendar_year_month),
        Interval("quarter", QUARTER, label_calendar_year_quarter),
        Interval("year", YEAR, label_calendar_year),
    )
}


def interval_named(name: str) -> Interval:
    """Return the interval of that name; ValueError if there is none."""
    try:
        return INTERVALS[name]
    except (KeyError, TypeError):
        raise ValueError(f"interval must be one of {', '.join(INTERVALS)}, not {name!r}.") from None
