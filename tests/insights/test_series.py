from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from souvenirs.control import PrunedSpan
from souvenirs.digests import Pruner
from souvenirs.insights import active_series
from tests.conftest import INSTANT, at
from tests.digesting import digest
from tests.oracle import (
    DAY,
    END,
    NOW,
    START,
    UNITS,
    ZONES,
    Oracle,
    gives_its_users,
    keys,
    sightings,
)

pytestmark = [pytest.mark.django_db, pytest.mark.above_the_store]

SAO_PAULO = ZoneInfo("America/Sao_Paulo")


@pytest.fixture(autouse=True)
def _now(set_now):
    set_now(NOW)


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("interval", UNITS)
def test_equals_brute_force(leave, zone, interval):
    rows = sightings()
    leave(*rows)
    oracle = Oracle(rows, interval=interval, zone=zone)
    for window in (None, 1, 7, 30, 45):
        found = active_series(START, END, interval=interval, window=window, tz=zone)
        assert found.values == oracle.series(window)
        sets = oracle.actives() if window is None else oracle.trailing(window)
        assert [found.users(n).pks for n in range(len(sets))] == list(map(keys, sets))
        assert gives_its_users(found)


@pytest.mark.parametrize(
    ("window", "days"),
    [("dau", 1), ("wau", 7), ("mau", 30), (3, 3), (timedelta(days=7), 7), (None, None)],
)
def test_names_of_windows(window, days):
    assert active_series(START, END, window=window).window == days


@pytest.mark.parametrize(
    "window",
    ["", "yau", 0, -7, 1.0, True, 36_601, timedelta(), timedelta(hours=36), -7 * DAY, [], b"dau"],
)
def test_other_windows_are_refused(window):
    with pytest.raises(ValueError, match=r"window must be 'dau', 'wau', 'mau' or a whole number"):
        active_series(START, END, window=window)


@pytest.mark.parametrize("interval", ["day", "week", "month", "quarter", "year"])
def test_window_ends_with_the_period_for_every_interval(leave, interval):
    leave((1, at(2017, 1, 1)), (2, at(2017, 12, 24, 23, 59)), (3, at(2017, 12, 25)))
    found = active_series(at(2017, 12, 31), at(2018, 1, 1), interval=interval, window="wau")
    assert (found.values, found.starts) == ((1,), (at(2017, 12, 25),))


def test_window_is_cut_off_at_the_end_of_the_range(leave):
    leave((1, at(2017, 9, 5, 12)), (2, at(2017, 9, 5, 12) - INSTANT), (3, at(2017, 9, 4)))
    found = active_series(at(2017, 9, 5), at(2017, 9, 5, 12), window=2)
    assert (found.values, found.periods[0].end) == ((2,), at(2017, 9, 5, 12))


def test_days_outside_the_windows_are_not_read(leave):
    # A bucket of UTC that contains a midnight of Kolkata, and is pruned: neither day is countable.
    midnight = at(2017, 9, 9, 18, 30)
    leave((1, midnight - INSTANT), (2, midnight), (3, at(2017, 9, 30, 12)))
    digest()
    list(Pruner(at(2017, 9, 10)).run())
    with pytest.raises(PrunedSpan):
        active_series(START, at(2017, 9, 30, 18, 30), window="dau", tz="Asia/Kolkata")
    for window in ("dau", "wau"):
        found = active_series(
            START, at(2017, 9, 30, 18, 30), interval="month", window=window, tz="Asia/Kolkata"
        )
        assert found.values == (1,)


def test_days_without_anybody_are_zero(leave):
    leave((1, at(2017, 9, 4)), (1, at(2017, 9, 7)))
    assert active_series(START, at(2017, 9, 8)).values == (1, 0, 0, 1)


def test_days_before_the_first_souvenir_are_unknown(leave):
    leave((1, at(2017, 9, 6)))
    assert active_series(START, at(2017, 9, 8)).values == (None, None, 1, 0)


def test_window_that_reaches_back_before_the_first_souvenir_is_known(leave):
    leave((1, at(2017, 9, 6)))
    assert active_series(START, at(2017, 9, 8), window="mau").values == (None, None, 1, 1)


def test_day_that_is_cut_off_before_the_first_souvenir_is_unknown(leave):
    leave((1, at(2017, 9, 4, 12)))
    assert active_series(START, at(2017, 9, 4, 12)).values == (None,)
    assert active_series(START, at(2017, 9, 4, 12) + INSTANT).values == (1,)


def test_unknown_value_has_no_users(leave):
    leave((1, at(2017, 9, 6)))
    assert not active_series(START, at(2017, 9, 8)).users(0)


def test_days_from_a_midnight_that_the_clock_jumps_over(leave):
    """That day starts at one o'clock; the days after it start at midnight again."""
    leave((1, at(2017, 10, 17, 2, 30)), (2, at(2017, 10, 15, 2, 59)), (3, at(2017, 10, 15, 3)))
    first, last = (datetime(2017, 10, n, 1, tzinfo=SAO_PAULO) for n in (15, 17))
    found = active_series(first, last, window="dau")
    assert found.values == (1, 0, 1)
    assert found.starts[1].hour == 0


def test_month_from_a_midnight_that_the_clock_jumps_over(leave):
    """Paraguay's October of 2023 began at one o'clock."""
    leave((1, at(2023, 10, 31, 3, 30)), (2, at(2023, 10, 31, 2, 30)))
    found = active_series(
        at(2023, 10, 15), at(2023, 11, 15), interval="month", window="dau", tz="America/Asuncion"
    )
    assert found.users(0).pks == keys([1])


def test_rows(leave):
    leave((1, at(2017, 11, 19, 9)))
    found = active_series(at(2017, 11, 19), window="wau")
    assert found.rows() == [
        {
            "label": "2017-11-19",
            "start": at(2017, 11, 13),
            "end": at(2017, 11, 20),
            "complete": True,
            "incomplete": None,
            "value": 1,
        },
        {
            "label": "2017-11-20",
            "start": at(2017, 11, 14),
            "end": NOW,
            "complete": False,
            "incomplete": "running",
            "value": 1,
        },
    ]
    assert found.to_dict() == {
        "insight": "Series",
        "interval": "day",
        "window": 7,
        "tz": "UTC",
        "rows": found.rows(),
    }
