"""Samoa had no 30 December 2011. Every insight counts days by date, that one included."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from souvenirs.insights import active_series, day_n_retention, growth, power_curves, retention
from souvenirs.reports import calendar_daily_usage
from tests.conftest import INSTANT
from tests.oracle import Oracle, gives_its_users, keys, sightings

pytestmark = [pytest.mark.django_db, pytest.mark.above_the_store]

ZONE = "Pacific/Apia"
APIA = ZoneInfo(ZONE)
SKIPPED = date(2011, 12, 30)
START, END = datetime(2011, 12, 5, tzinfo=APIA), datetime(2012, 1, 12, 15, tzinfo=APIA)
#: The moment at which the 29th ended and the 31st began.
GAP = datetime(2011, 12, 30, 10, tzinfo=UTC)


@pytest.fixture
def oracle(leave, set_now):
    set_now(END)
    rows = sightings(start=START.astimezone(UTC), days=38, users=20)
    leave(*rows, (1, datetime(2011, 12, 29, 12, tzinfo=APIA)), (1, GAP))
    rows += [(1, datetime(2011, 12, 29, 12, tzinfo=APIA)), (1, GAP)]
    return Oracle(rows, START, END, "day", ZONE, END)


def existing(oracle, values):
    """The values of the days that there were."""
    pairs = zip(oracle.periods, values, strict=True)
    return [value for (day,), value in pairs if day != SKIPPED]


def test_period_of_the_skipped_day_is_in_no_report(oracle):
    found = {row["labels"]["calendar_date"] for row in calendar_daily_usage(START, END, ZONE)}
    expected = {day.isoformat() for (day,) in oracle.periods if day != SKIPPED}
    assert found == expected


@pytest.mark.parametrize(("window", "length"), [(None, None), ("wau", 7), ("mau", 30)])
def test_last_days(oracle, window, length):
    keywords = {} if window is None else {"window": window}
    found = active_series(START, END, interval="day", tz=ZONE, **keywords)
    assert list(found.values) == existing(oracle, oracle.series(length))


def test_days_of_use(oracle):
    found = power_curves(START, END, interval="day", days=7, tz=ZONE)
    expected = existing(oracle, oracle.days_of_use(7))
    assert [curve.exactly for curve in found.curves] == [
        tuple(list(used.values()).count(n) for n in range(1, 8)) for used in expected
    ]


@pytest.mark.parametrize("mode", ["in", "in_or_later"])
def test_days_later_in_retention(oracle, mode):
    found = retention(START, END, interval="day", mode=mode, tz=ZONE)
    cohorts = oracle.first_seen()
    expected = existing(oracle, oracle.cells(cohorts, mode))
    assert [cohort.cells for cohort in found.cohorts] == [
        tuple(None if users is None else len(users) for users in row) for row in expected
    ]
    for position, row in enumerate(expected):
        for offset, users in enumerate(row):
            assert users is None or found.users(position, offset).pks == keys(users)
    assert gives_its_users(found)


def test_days_later_in_day_n_retention(oracle):
    found = day_n_retention(START, END, days=(1, 2, 7, 25, 30), tz=ZONE)
    for each in found.days:
        eligible, returned, later = map(len, oracle.day_n(each.days))
        assert (each.eligible, each.returned) == (eligible, returned)
        assert each.returned_or_later == later
    assert gives_its_users(found)


@pytest.mark.parametrize(("end", "cells"), [(GAP, (1,)), (GAP + INSTANT, (1, 0, None))])
def test_user_of_the_day_before(leave, set_now, end, cells):
    """As of the moment between the two days, and just after it."""
    set_now(end)
    leave((1, GAP - INSTANT), (1, GAP))
    found = retention(datetime(2011, 12, 29, tzinfo=APIA), end, interval="day", tz=ZONE)
    assert found.cohorts[0].cells == cells
    set_now(END)
    [one, two] = day_n_retention(
        datetime(2011, 12, 29, tzinfo=APIA), END, days=[1, 2], tz=ZONE
    ).days
    assert (one.eligible, one.returned, one.returned_or_later) == (1, 0, 1)
    assert (two.eligible, two.returned, two.returned_or_later) == (1, 1, 1)


def test_period_of_a_cell_on_the_day_that_was_skipped(leave, set_now):
    set_now(END)
    leave((1, GAP - INSTANT), (1, GAP))
    end = GAP + timedelta(hours=12)
    found = retention(datetime(2011, 12, 29, tzinfo=APIA), end, interval="day", tz=ZONE)
    assert [found.period(0, offset).label for offset in range(3)] == [
        "2011-12-29",
        "2011-12-29",
        "2011-12-31",
    ]
    assert (found.cohorts[0].cells, found.mean()) == ((1, 0, 1), (1, 0, None))


def test_previous_period_is_the_last_day_there_was(leave, set_now):
    set_now(END)
    leave((1, GAP - INSTANT), (1, GAP))
    found = growth(START, datetime(2012, 1, 1, tzinfo=APIA), interval="day", tz=ZONE)
    assert (found.periods[-1].period.label, found.periods[-1].retained) == ("2011-12-31", 1)


@pytest.mark.parametrize(("now", "complete"), [(GAP - INSTANT, False), (GAP, True)])
def test_day_before_is_complete_when_the_next_one_begins(leave, set_now, now, complete):
    set_now(now)
    leave((1, GAP - INSTANT))
    start, end = datetime(2011, 12, 29, tzinfo=APIA), datetime(2012, 1, 2, tzinfo=APIA)
    row, *_ = calendar_daily_usage(start, end, ZONE)
    period = active_series(start, end, interval="day", tz=ZONE).periods[0]
    cohort = retention(start, end, interval="day", tz=ZONE).cohorts[0]
    assert (row.complete, period.complete, cohort.period.complete) == (complete,) * 3
    assert cohort.cells[:3] == ((1, 0, None) if complete else (None, None, None))
