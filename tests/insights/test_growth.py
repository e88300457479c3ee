from datetime import datetime
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from souvenirs.insights import growth
from tests.conftest import INSTANT, at
from tests.oracle import END, NOW, START, UNITS, ZONES, Oracle, gives_its_users, keys, sightings

pytestmark = [pytest.mark.django_db, pytest.mark.above_the_store]

PARTS = ("active", "new", "retained", "resurrected", "churned")


@pytest.fixture(autouse=True)
def _now(set_now):
    set_now(NOW)


def counts(found):
    return [tuple(getattr(each, part) for part in PARTS) for each in found.periods]


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("interval", UNITS)
def test_equals_brute_force(leave, zone, interval):
    rows = sightings()
    leave(*rows)
    found = growth(START, END, interval=interval, tz=zone)
    for each, expected in zip(
        found.periods, Oracle(rows, interval=interval, zone=zone).growth(), strict=True
    ):
        for part, users in expected.items():
            assert getattr(each, part) == len(users)
            assert found.users(each.period, part).pks == keys(users)
    assert gives_its_users(found)


@pytest.mark.parametrize("interval", UNITS)
def test_identities(leave, interval):
    leave(*sightings())
    periods = growth(START, END, interval=interval).periods
    for each in periods:
        assert each.new + each.retained + each.resurrected == each.active
    for before, each in pairwise(periods):
        assert each.retained + each.churned == before.active
        assert each.net == each.active - before.active


def test_by_hand(leave):
    september, october, november = at(2017, 9, 5), at(2017, 10, 5), at(2017, 11, 5)
    leave((1, september), (2, september), (1, october), (3, october), (2, november), (3, november))
    found = growth(september, at(2017, 12, 1))
    assert counts(found) == [(2, 2, 0, 0, 0), (2, 1, 1, 0, 1), (2, 0, 1, 1, 1)]
    assert [each.net for each in found.periods] == [2, 0, 0]
    assert [each.quick_ratio for each in found.periods] == [None, 1, 1]


def test_new_is_over_all_history(leave):
    leave((1, at(2001, 1, 1)), (1, at(2017, 9, 5)), (2, at(2017, 9, 5)))
    [each] = growth(START, at(2017, 10, 1)).periods
    assert (each.new, each.resurrected) == (1, 1)


@pytest.mark.parametrize(
    ("seen", "part"),
    [
        (at(2017, 8, 1), "retained"),
        (at(2017, 8, 1) - INSTANT, "resurrected"),
        (at(2017, 9, 1) - INSTANT, "retained"),
        (at(2017, 9, 1), "new"),
    ],
)
def test_edges_of_the_period_before(leave, seen, part):
    leave((1, seen), (1, at(2017, 9, 30)))
    found = growth(START, at(2017, 10, 1))
    assert [len(found.users(0, each)) for each in ("active", part)] == [1, 1]


def test_unknown_before_the_first_souvenir(leave):
    leave((1, at(2017, 10, 1)))
    unknown, known = growth(START, at(2017, 11, 1)).periods
    assert [getattr(unknown, part) for part in (*PARTS, "net", "quick_ratio")] == [None] * 7
    assert (known.new, known.churned, known.quick_ratio) == (1, 0, None)


@pytest.mark.parametrize("first", [29, 31])
def test_period_before_is_not_a_day_that_the_zone_left_out(leave, first):
    """Samoa had no 30 December 2011: the day before the 31st was the 29th."""
    apia = ZoneInfo("Pacific/Apia")
    leave(*((1, datetime(2011, 12, day, 12, tzinfo=apia)) for day in (28, 29, 31)))
    leave((2, datetime(2011, 12, 29, 12, tzinfo=apia)))
    found = growth(
        datetime(2011, 12, first, tzinfo=apia), datetime(2012, 1, 1, tzinfo=apia), interval="day"
    )
    last = found.periods[-1]
    assert (last.period.label, last.retained, last.churned) == ("2011-12-31", 1, 1)


def test_other_parts_are_refused(leave):
    leave((1, START))
    with pytest.raises(ValueError, match="part must be active, new, retained, resurrected or chu"):
        growth(START, END).users(0, "lost")


def test_rows(leave):
    leave((1, at(2017, 10, 1)), (2, at(2017, 11, 1)))
    found = growth(at(2017, 11, 1))
    assert found.rows() == [
        {
            "label": "2017-11",
            "start": at(2017, 11, 1),
            "end": NOW,
            "complete": False,
            "incomplete": "running",
            "active": 1,
            "new": 1,
            "retained": 0,
            "resurrected": 0,
            "churned": 1,
            "net": 0,
            "quick_ratio": 1,
        }
    ]
    assert found.to_dict() == {
        "insight": "Growth",
        "interval": "month",
        "tz": "UTC",
        "rows": found.rows(),
    }
