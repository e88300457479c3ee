"""What version 1.0.2 documented for ``souvenirs.utils``."""

import types
from datetime import datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from souvenirs import utils
from souvenirs.calendar import periods
from souvenirs.utils import (
    adjust_to_calendar_month,
    adjust_to_subscription_start,
    iter_days,
    iter_months,
    iter_quarters,
    iter_weeks,
    iter_years,
    nearest_dom,
    next_month,
)
from tests.conftest import INSTANT, at

ITERATORS = [iter_days, iter_weeks, iter_months, iter_quarters, iter_years]
NAMES_OF_1_0_2 = {
    "adjust_to_calendar_month",
    "adjust_to_subscription_start",
    "iter_days",
    "iter_months",
    "iter_quarters",
    "iter_years",
    "nearest_dom",
    "next_month",
}


def dates(spans):
    return [f"{start:%Y-%m-%d}" for start, _ in spans]


def test_every_old_name_is_there():
    assert set(utils.__all__) >= NAMES_OF_1_0_2


@pytest.mark.parametrize("name", utils.__all__)
def test_name_is_that_of_the_calendar(name):
    assert getattr(utils, name) is getattr(periods, name)


@pytest.mark.parametrize("iterate", ITERATORS)
def test_iterator_is_a_generator(iterate):
    assert type(iterate(at(2016, 1, 1), at(2016, 3, 1))) is types.GeneratorType


@pytest.mark.parametrize("iterate", ITERATORS)
def test_starts_keep_the_wall_time(iterate):
    start = datetime(2015, 12, 31, 1, 2, 3, 4, tzinfo=ZoneInfo("America/New_York"))
    spans = iterate(start, at(2019, 1, 1))
    assert {each.time() for each, _ in spans} == {time(1, 2, 3, 4)}


@pytest.mark.parametrize("iterate", ITERATORS)
def test_each_period_ends_at_the_start_of_the_next(iterate):
    spans = list(iterate(at(2015, 12, 31, 1, 2, 3), at(2019, 1, 1)))
    assert all(one[1] == other[0] for one, other in pairwise(spans))


@pytest.mark.parametrize("iterate", ITERATORS)
def test_first_period_starts_at_the_start(iterate):
    assert next(iterate(at(2016, 2, 29, 1, 2, 3), at(2019, 1, 1)))[0] == at(2016, 2, 29, 1, 2, 3)


@pytest.mark.parametrize("iterate", ITERATORS)
def test_last_period_is_cut_at_the_end(iterate):
    end = at(2019, 6, 10, 11, 22, 33)
    assert list(iterate(at(2015, 12, 31), end))[-1][1] == end


@pytest.mark.parametrize("iterate", ITERATORS)
def test_end_shortly_after_the_start_cuts_the_only_period(iterate):
    start = at(2016, 1, 31)
    assert list(iterate(start, start + INSTANT)) == [(start, start + INSTANT)]


@pytest.mark.parametrize("iterate", ITERATORS)
def test_no_periods_if_the_end_is_the_start(iterate):
    assert list(iterate(at(2016, 1, 1), at(2016, 1, 1))) == []


@pytest.mark.parametrize("iterate", ITERATORS)
def test_no_periods_if_the_end_is_before_the_start(iterate):
    assert list(iterate(at(2016, 1, 1), at(2015, 1, 1))) == []


@pytest.mark.parametrize(
    ("iterate", "following"),
    [
        (iter_days, at(2016, 2, 1)),
        (iter_weeks, at(2016, 2, 7)),
        (iter_months, at(2016, 2, 29)),
        (iter_quarters, at(2016, 4, 30)),
        (iter_years, at(2017, 1, 31)),
    ],
)
def test_end_on_a_boundary_starts_no_period(iterate, following):
    assert list(iterate(at(2016, 1, 31), following)) == [(at(2016, 1, 31), following)]


@pytest.mark.parametrize("iterate", ITERATORS)
def test_end_an_instant_after_a_boundary_starts_one(iterate):
    (_, boundary), *_ = iterate(at(2016, 1, 31), at(2019, 1, 1))
    assert list(iterate(at(2016, 1, 31), boundary + INSTANT))[1:] == [
        (boundary, boundary + INSTANT)
    ]


def test_days():
    assert dates(iter_days(at(2016, 2, 27, 1), at(2016, 3, 2))) == [
        "2016-02-27",
        "2016-02-28",
        "2016-02-29",
        "2016-03-01",
    ]


def test_weeks():
    spans = list(iter_weeks(at(2016, 2, 24), at(2016, 3, 10)))
    assert dates(spans) == ["2016-02-24", "2016-03-02", "2016-03-09"]


def test_months_from_december_31():
    assert dates(iter_months(at(2015, 12, 31, 1, 2, 3), at(2017, 4, 1))) == [
        "2015-12-31",
        "2016-01-31",
        "2016-02-29",
        "2016-03-31",
        "2016-04-30",
        "2016-05-31",
        "2016-06-30",
        "2016-07-31",
        "2016-08-31",
        "2016-09-30",
        "2016-10-31",
        "2016-11-30",
        "2016-12-31",
        "2017-01-31",
        "2017-02-28",
        "2017-03-31",
    ]


def test_quarters_from_november_30():
    assert dates(iter_quarters(at(2015, 11, 30, 1, 2, 3), at(2017, 5, 1))) == [
        "2015-11-30",
        "2016-02-29",
        "2016-05-30",
        "2016-08-30",
        "2016-11-30",
        "2017-02-28",
    ]


def test_years_from_february_29():
    assert dates(iter_years(at(2016, 2, 29, 1, 2, 3), at(2020, 3, 1))) == [
        "2016-02-29",
        "2017-02-28",
        "2018-02-28",
        "2019-02-28",
        "2020-02-29",
    ]


@pytest.mark.parametrize(
    "moment",
    [at(2017, 3, 1), at(2017, 3, 27, 10, 36), at(2017, 4, 1) - INSTANT],
    ids=["first instant", "middle", "last instant"],
)
def test_calendar_month(moment):
    assert adjust_to_calendar_month(moment) == at(2017, 3, 1)


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        (at(2017, 3, 31, 23, 30), at(2017, 3, 31, 23, 30)),
        (at(2017, 3, 31, 23, 30) - INSTANT, at(2017, 2, 28, 23, 30)),
        (at(2017, 3, 31, 23, 31), at(2017, 3, 31, 23, 30)),
        (at(2017, 3, 27, 10, 41), at(2017, 2, 28, 23, 30)),
        (at(2017, 2, 28, 23, 30), at(2017, 2, 28, 23, 30)),
        (at(2017, 2, 28, 23, 30) - INSTANT, at(2017, 1, 31, 23, 30)),
        (at(2017, 4, 30, 23, 30), at(2017, 4, 30, 23, 30)),
        (at(2020, 2, 29, 23, 30), at(2020, 2, 29, 23, 30)),
        (at(2020, 2, 29, 23, 30) - INSTANT, at(2020, 1, 31, 23, 30)),
        (at(2017, 1, 31, 23, 30) - INSTANT, at(2016, 12, 31, 23, 30)),
        (at(2016, 3, 1), at(2016, 2, 29, 23, 30)),
        (at(2015, 2, 28, 23), at(2015, 1, 31, 23, 30)),
    ],
)
def test_subscription_month_of_the_31st(moment, expected):
    assert adjust_to_subscription_start(moment, at(2017, 1, 31, 23, 30)) == expected


def test_subscription_month_of_its_own_start():
    start = at(2016, 12, 31, 12)
    assert adjust_to_subscription_start(start, start) == start


MARCH_30 = at(2017, 3, 30, 11, 5)


@pytest.mark.parametrize(
    ("keywords", "expected"),
    [
        ({}, at(2017, 4, 30, 11, 5)),
        ({"delta": 2}, at(2017, 5, 30, 11, 5)),
        ({"delta": 9}, at(2017, 12, 30, 11, 5)),
        ({"delta": 12}, at(2018, 3, 30, 11, 5)),
        ({"delta": -1}, at(2017, 2, 28, 11, 5)),
        ({"delta": -3}, at(2016, 12, 30, 11, 5)),
        ({"delta": -12}, at(2016, 3, 30, 11, 5)),
        ({"delta": -13}, at(2016, 2, 29, 11, 5)),
        ({"preferred_dom": 31}, at(2017, 4, 30, 11, 5)),
        ({"preferred_dom": 31, "delta": 2}, at(2017, 5, 31, 11, 5)),
        ({"preferred_dom": 31, "delta": 12}, at(2018, 3, 31, 11, 5)),
        ({"preferred_dom": 31, "delta": -1}, at(2017, 2, 28, 11, 5)),
        ({"preferred_dom": 31, "delta": -12}, at(2016, 3, 31, 11, 5)),
        ({"preferred_dom": 1}, at(2017, 4, 1, 11, 5)),
    ],
    ids=str,
)
def test_next_month(keywords, expected):
    assert next_month(MARCH_30, **keywords) == expected


def test_next_month_takes_the_day_as_second_argument():
    assert next_month(at(2017, 2, 28), 31) == at(2017, 3, 31)


def test_next_month_of_no_month_is_refused():
    with pytest.raises(ValueError, match=r"^delta must not be 0\.$"):
        next_month(MARCH_30, delta=0)


def test_next_month_keeps_a_naive_moment_naive():
    assert next_month(datetime(2017, 1, 31, 8)) == datetime(2017, 2, 28, 8)


@pytest.mark.parametrize(
    ("year", "month", "day", "expected"),
    [
        (2017, 1, 1, 1),
        (2017, 1, 31, 31),
        (2017, 2, 28, 28),
        (2017, 2, 29, 28),
        (2017, 2, 31, 28),
        (2016, 2, 29, 29),
        (2016, 2, 30, 29),
        (2000, 2, 30, 29),
        (2100, 2, 29, 28),
        (2017, 4, 31, 30),
        (2017, 12, 31, 31),
    ],
)
def test_nearest_day_of_month(year, month, day, expected):
    assert nearest_dom(year, month, day) == expected


def test_a_day_is_24_hours_in_utc():
    spans = iter_days(at(2024, 3, 1), at(2024, 4, 15))
    assert {end - start for start, end in spans} == {timedelta(days=1)}
