import pytest

from souvenirs.insights import stickiness
from souvenirs.insights.stickiness import plan_stickiness
from souvenirs.insights.timeline import timeline_of
from tests.conftest import INSTANT, at, pk_of
from tests.oracle import DAY, END, NOW, START, UNITS, ZONES, Oracle, gives_its_users, sightings

pytestmark = [pytest.mark.django_db, pytest.mark.above_the_store]


@pytest.fixture(autouse=True)
def _now(set_now):
    set_now(NOW)


@pytest.mark.parametrize("now", [NOW, NOW + 50 * DAY])
@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("interval", UNITS)
def test_equals_brute_force(leave, set_now, zone, interval, now):
    """The last period is running, or over and cut off."""
    set_now(now)
    rows = sightings(users=100)
    leave(*rows)
    found = stickiness(START, END, interval=interval, tz=zone)
    oracle = Oracle(rows, interval=interval, zone=zone, now=now)
    assert tuple(each.active for each in found.periods) == oracle.series()
    assert [each.mean_dau for each in found.periods] == list(map(oracle.mean_dau, oracle.periods))
    ratios = [oracle.mean_ratio(days) for days in oracle.periods]
    assert [each.mean_ratio for each in found.periods] == pytest.approx(ratios, abs=0)
    for name, days in (("dau", 1), ("wau", 7), ("mau", 30)):
        assert tuple(getattr(each, name) for each in found.periods) == oracle.series(days)
    assert gives_its_users(found)


def test_ratios_by_hand(leave):
    """Three users in a week of seven days: one on all days, one on two, one on one."""
    monday = at(2017, 9, 4, 9)
    leave(*((1, monday + n * DAY) for n in range(7)), (2, monday), (2, monday + 6 * DAY))
    leave((3, monday + 2 * DAY), (4, monday - 10 * DAY))
    [found] = stickiness(monday, at(2017, 9, 11), interval="week").periods
    assert (found.active, found.mean_dau) == (3, 10 / 7)
    assert found.mean_ratio == pytest.approx(10 / 21)
    assert (found.dau, found.wau, found.mau) == (2, 3, 4)
    assert (found.dau_wau, found.dau_mau, found.wau_mau) == (2 / 3, 2 / 4, 3 / 4)


def test_ratio_is_one_if_every_user_comes_every_day(leave):
    leave(*((user, at(2017, 10, 31 - n)) for n in range(31) for user in (1, 2)))
    [found] = stickiness(at(2017, 10, 1), at(2017, 11, 1)).periods
    assert (found.mean_ratio, found.dau_mau) == (1, 1)


def test_no_ratio_without_active_users(leave):
    leave((1, at(2017, 1, 1)))
    [found] = stickiness(at(2017, 9, 1), at(2017, 10, 1)).periods
    assert (found.active, found.mean_dau, found.mau) == (0, 0, 0)
    assert (found.mean_ratio, found.dau_wau, found.dau_mau, found.wau_mau) == (None,) * 4


def test_unknown_before_the_first_souvenir(leave):
    leave((1, at(2017, 10, 1)))
    unknown, known = stickiness(at(2017, 9, 1), at(2017, 11, 1)).periods
    assert (unknown.active, unknown.mean_dau, unknown.mean_ratio) == (None, None, None)
    assert (unknown.dau, unknown.dau_mau) == (None, None)
    assert known.active == 1


@pytest.mark.parametrize("end", [None, at(2017, 12, 1), at(2018, 1, 1)])
def test_days_that_are_not_over_do_not_count(leave, end):
    """Nineteen days of November are over, and its twentieth to thirtieth are not."""
    leave(*((1, at(2017, 11, n)) for n in range(1, 20)))
    november = stickiness(at(2017, 11, 1), end).periods[0]
    assert (november.mean_dau, november.mean_ratio) == (1, 1)


def test_souvenir_of_a_day_to_come_is_in_no_mean(leave):
    leave(*((1, at(2017, 11, n)) for n in range(1, 20)), (2, at(2017, 11, 25)))
    [november] = stickiness(at(2017, 11, 1), at(2017, 12, 1)).periods
    assert (november.active, november.mean_dau) == (2, 1)


@pytest.mark.parametrize(
    ("now", "mean"),
    [
        (at(2017, 11, 20) - INSTANT, 1 / 18),
        (at(2017, 11, 20), 4 / 19),
        (at(2017, 11, 20, 23), 4 / 19),
    ],
)
def test_day_under_way_is_in_no_mean(leave, set_now, now, mean):
    leave(*((1, at(2017, 11, n)) for n in range(18, 21)), *((n, at(2017, 11, 19)) for n in (2, 3)))
    set_now(now)
    [november] = stickiness(at(2017, 11, 1), at(2017, 11, 25)).periods
    assert (november.mean_dau, november.period.incomplete) == (mean, "running")


def test_user_of_the_day_under_way_is_in_no_ratio(leave, set_now):
    """Before, both users of yesterday came every day; today, a third one is new."""
    leave(*((user, at(2017, 11, day)) for user in (1, 2) for day in (1, 2)), (3, at(2017, 11, 3)))
    set_now(at(2017, 11, 3, 12))
    [november] = stickiness(at(2017, 11, 1)).periods
    assert (november.active, november.mean_dau, november.mean_ratio) == (3, 2, 1)


@pytest.mark.parametrize(
    ("end", "mean"),
    [(at(2017, 9, 3) - INSTANT, 1), (at(2017, 9, 3), 2), (at(2017, 9, 3) + INSTANT, 2)],
)
def test_day_that_is_cut_off_is_in_no_mean(leave, end, mean):
    leave((1, at(2017, 9, 1)), *((n, at(2017, 9, 2)) for n in (1, 2, 3)), (1, at(2017, 9, 3)))
    [found] = stickiness(at(2017, 9, 1), end).periods
    assert (found.mean_dau, found.period.incomplete) == (mean, "cut")
    assert found.mean_ratio == (1 if mean == 1 else 2 / 3)


def test_first_day_has_no_mean_until_it_is_over(leave):
    leave((1, NOW - INSTANT))
    [found] = stickiness(interval="day").periods
    assert (found.active, found.dau, found.mean_dau, found.mean_ratio) == (1, 1, None, None)


def test_period_that_has_not_begun_has_no_mean(leave):
    leave((1, at(2017, 11, 1)))
    december = stickiness(at(2017, 11, 1), at(2018, 1, 1)).periods[1]
    assert (december.active, december.mean_dau, december.mean_ratio) == (0, None, None)


def test_day_that_a_zone_left_out_does_not_count(leave, set_now):
    """Samoa had no 30 December 2011."""
    leave(*((1, at(2011, 12, n, 12)) for n in range(1, 32)))
    found = stickiness(at(2011, 12, 15), at(2011, 12, 31, 10), tz="Pacific/Apia").periods
    assert found[0].mean_dau == 1


def test_users_by_part_and_label(leave):
    leave((1, at(2017, 9, 30)), (2, at(2017, 9, 1)))
    found = stickiness(at(2017, 9, 1), at(2017, 10, 1))
    assert (len(found.users("2017-09")), len(found.users("2017-09", "dau"))) == (2, 1)
    with pytest.raises(ValueError, match="part must be active, dau, wau or mau, not 'yau'"):
        found.users(0, "yau")


def test_rows(leave):
    leave((1, at(2017, 9, 30)))
    found = stickiness(at(2017, 9, 1), at(2017, 10, 1))
    assert found.rows() == [
        {
            "label": "2017-09",
            "start": at(2017, 9, 1),
            "end": at(2017, 10, 1),
            "complete": True,
            "incomplete": None,
            "active": 1,
            "mean_dau": 1 / 30,
            "mean_ratio": 1 / 30,
            "dau": 1,
            "wau": 1,
            "mau": 1,
            "dau_wau": 1,
            "dau_mau": 1,
            "wau_mau": 1,
        }
    ]
    assert found.to_dict() == {
        "insight": "Stickiness",
        "interval": "month",
        "tz": "UTC",
        "rows": found.rows(),
    }


def test_days_before_the_first_souvenir_are_not_read(leave, set_now):
    set_now(at(2025, 7, 1))
    leave((1, at(2025, 6, 1)), (1, at(2025, 6, 3)))
    plan = plan_stickiness(timeline_of(at(1925, 1, 1), at(2025, 7, 1), "month", "UTC"))
    assert len(plan.ranges) == 29 + 30
    found = stickiness(at(1925, 1, 1), at(2025, 7, 1), tz="UTC")
    assert len(found.periods) == 12 * 100 + 6
    assert [each.mau for each in found.periods[-2:]] == [None, 1]
    assert found.users("2025-06", "dau").pks == frozenset()
    assert found.users("2025-06", "mau").pks == {pk_of(1)}
    for part in ("active", "dau", "wau", "mau"):
        assert not found.users("2025-05", part)
