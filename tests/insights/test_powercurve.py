from collections import Counter
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from souvenirs.insights import power_curve, power_curves
from tests.conftest import INSTANT, at
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


def exactly_of(use, days):
    """The number of users for each number of active days."""
    counts = Counter(use.values())
    return tuple(counts[n] for n in range(1, days + 1))


@pytest.mark.thorough
@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("interval", UNITS)
def test_history_equals_brute_force(leave, zone, interval):
    rows = sightings()
    leave(*rows)
    oracle = Oracle(rows, interval=interval, zone=zone)
    for days in (1, 7, 31):
        found = power_curves(START, END, interval=interval, days=days, tz=zone)
        uses = list(oracle.days_of_use(days))
        assert [curve.exactly for curve in found.curves] == [exactly_of(use, days) for use in uses]
        assert gives_its_users(found)


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("end", [END, at(2017, 10, 15, 3), at(2017, 11, 5, 4, 30), at(2017, 11, 1)])
def test_curve_equals_brute_force(leave, zone, end):
    rows = sightings()
    leave(*rows)
    found = power_curve(end, tz=zone)
    [use] = Oracle(rows, end - INSTANT, end, zone=zone).days_of_use(28)
    assert found.exactly == exactly_of(use, 28)
    for n in range(1, 29):
        assert found.users(n).pks == keys(user for user, days in use.items() if days == n)
        assert found.at_least[n - 1] == sum(days >= n for days in use.values())
    assert gives_its_users(found)


def test_by_hand(leave):
    monday = at(2017, 9, 4, 9)
    leave(*((1, monday + n * DAY) for n in range(7)), (2, monday), (2, monday + DAY), (3, monday))
    leave((3, monday + 6 * DAY), (4, monday - DAY), (5, monday + 7 * DAY))
    curve = power_curve(at(2017, 9, 11), days=7)
    assert curve.exactly == (0, 2, 0, 0, 0, 0, 1)
    assert curve.at_least == (3, 3, 1, 1, 1, 1, 1)
    assert curve.users(2).pks == keys([2, 3])
    assert curve.users(1, at_least=True).pks == keys([1, 2, 3])


def test_without_an_end_the_last_day_is_yesterday(leave):
    leave((1, NOW), (2, at(2017, 11, 19, 23, 59)), (3, at(2017, 11, 13)), (4, at(2017, 11, 12)))
    curve = power_curve(days=7)
    assert (curve.start, curve.end) == (at(2017, 11, 13), at(2017, 11, 20))
    assert (curve.exactly[0], curve.complete) == (2, True)


def test_yesterday_is_that_of_the_zone(leave, set_now):
    set_now(at(2017, 11, 20, 2))
    leave((1, at(2017, 11, 19, 12)), (1, at(2017, 11, 1)))
    curve = power_curve(days=1, tz="America/New_York")
    assert curve.end == datetime(2017, 11, 19, tzinfo=ZoneInfo("America/New_York"))
    assert curve.exactly == (0,)


@pytest.mark.parametrize(
    ("end", "start", "incomplete"),
    [
        (at(2017, 11, 20), at(2017, 11, 18), None),
        (at(2017, 11, 20) + INSTANT, at(2017, 11, 19), "running"),
        (at(2017, 11, 19, 12), at(2017, 11, 18), "cut"),
        (at(2017, 11, 21), at(2017, 11, 19), "running"),
    ],
)
def test_last_day_holds_the_last_instant_before_the_end(leave, end, start, incomplete):
    curve = power_curve(end, days=2)
    assert (curve.start, curve.end, curve.incomplete) == (start, end, incomplete)
    assert curve.complete is (incomplete is None)


def test_end_at_a_midnight_that_the_clock_jumps_over(leave):
    leave((1, at(2017, 10, 15, 2, 59)), (2, at(2017, 10, 15, 3)))
    midnight, one = (datetime(2017, 10, 15, hour, tzinfo=SAO_PAULO) for hour in (0, 1))
    for end in (midnight, one):
        curve = power_curve(end, days=1)
        assert (curve.exactly, curve.tz) == ((1,), "America/Sao_Paulo")
        assert curve.start == datetime(2017, 10, 14, tzinfo=SAO_PAULO)


def test_unknown_before_the_first_souvenir(leave):
    leave((1, at(2017, 9, 4)))
    curve = power_curve(at(2017, 9, 4), days=2)
    assert (curve.exactly, curve.at_least) == (None, None)
    assert [(row["exactly"], row["at_least"]) for row in curve.rows()] == [(None, None)] * 2
    assert not curve.users(1)


def test_no_active_users_is_zero(leave):
    leave((1, at(2017, 1, 1)))
    assert power_curve(days=3).exactly == (0, 0, 0)


@pytest.mark.parametrize("days", [0, -1, 367, 7.0, True, "7", None])
@pytest.mark.parametrize("insight", [power_curve, power_curves])
def test_other_numbers_of_days_are_refused(insight, days):
    with pytest.raises(ValueError, match="days must be a whole number from 1 to 366, not"):
        insight(days=days)


@pytest.mark.parametrize("days", [0, 8, 1.5, "1"])
def test_numbers_that_a_curve_does_not_have_are_refused(leave, days):
    with pytest.raises(ValueError, match="days must be a whole number from 1 to 7, not"):
        power_curve(days=7).users(days)


def test_end_before_all_time_is_refused():
    with pytest.raises(ValueError, match="end is out of range"):
        power_curve(at(1, 1, 1))


def test_rows_and_users_of_the_history(leave):
    leave((1, at(2017, 11, 14)), (1, at(2017, 11, 20)), (2, at(2017, 11, 20)))
    found = power_curves(at(2017, 11, 13), days=2)
    assert found.rows() == [
        {
            "label": label,
            "start": start,
            "end": end,
            "complete": complete,
            "incomplete": None if complete else "running",
            "days": days,
            "exactly": exactly,
            "at_least": at_least,
        }
        for label, start, end, complete, days, exactly, at_least in [
            ("2017-W46", at(2017, 11, 18), at(2017, 11, 20), True, 1, 0, 0),
            ("2017-W46", at(2017, 11, 18), at(2017, 11, 20), True, 2, 0, 0),
            ("2017-W47", at(2017, 11, 19), NOW, False, 1, 2, 2),
            ("2017-W47", at(2017, 11, 19), NOW, False, 2, 0, 0),
        ]
    ]
    assert found.users("2017-W47", 1).pks == keys([1, 2])
    assert found.to_dict() == {
        "insight": "PowerCurves",
        "interval": "week",
        "days": 2,
        "tz": "UTC",
        "rows": found.rows(),
    }


def test_curve_as_a_dict(leave):
    leave((1, at(2017, 11, 19)))
    found = power_curve(days=1)
    assert found.to_dict() == {
        "insight": "PowerCurve",
        "start": at(2017, 11, 19),
        "end": at(2017, 11, 20),
        "complete": True,
        "incomplete": None,
        "days": 1,
        "tz": "UTC",
        "rows": [{"days": 1, "exactly": 1, "at_least": 1}],
    }
