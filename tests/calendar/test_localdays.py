"""Local days on the grid of digests, compared with the wall clock."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import pairwise, product
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from souvenirs.calendar import DAY, Boundaries
from souvenirs.calendar.grid import (
    BUCKETS,
    DAY_LEVEL,
    INVENTORY_LEVEL,
    LOCAL_LEVELS,
    LONGEST_LOCAL_DAY,
    MONTH_LEVEL,
    GridCell,
    cell_of,
    moment_of,
    second_of,
)
from souvenirs.calendar.localdays import local_days, local_level
from tests.conftest import at

ZONES = [
    "America/New_York",
    "America/Sao_Paulo",  # skipped midnights
    "America/St_Johns",  # changed its clocks at one minute past midnight
    "Asia/Kathmandu",
    "Asia/Kolkata",
    "Australia/Lord_Howe",  # changes its clocks by half an hour
    "Europe/London",
    "Pacific/Apia",  # skipped a day
    "Pacific/Kwajalein",  # skipped a day
    "Africa/Monrovia",  # had an offset with seconds
    "UTC",
]
months = st.datetimes(datetime(1965, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC)).map(
    lambda moment: cell_of(MONTH_LEVEL, second_of(moment))
)


def days_of(month, zone):
    """The local days that meet a month, as pairs of instants, as periods have them."""
    days = Boundaries((moment_of(month.start) - timedelta(days=2)).replace(tzinfo=zone), DAY, zone)
    bounds = [days.boundary(number).astimezone(UTC) for number in range(37)]
    return [pair for pair in pairwise(bounds) if pair[0] < pair[1]]


@given(months, st.sampled_from(ZONES), st.sampled_from(BUCKETS))
def test_cells_are_the_whole_buckets_of_local_days_in_the_month(month, name, bucket):
    zone = ZoneInfo(name)
    wanted = []
    for start, end in days_of(month, zone):
        inside = [
            second
            for second in range(month.start, month.end, bucket)
            if start <= moment_of(second) and moment_of(second + bucket) <= end
        ]
        if len(inside) > 1:
            wanted.append((inside[0], inside[-1] + bucket))
    wanted = [
        (first, last)
        for first, last in wanted
        if last - first <= LONGEST_LOCAL_DAY
        if last - first != DAY_LEVEL or first % DAY_LEVEL
    ]
    assert [(cell.start, cell.end) for cell in local_days(month, zone, bucket)] == wanted


@pytest.mark.parametrize(
    ("name", "month", "lengths"),
    [
        ("America/New_York", at(2025, 3, 1), {5: 1, 24: 29, 23: 1, 20: 1}),
        ("America/New_York", at(2025, 11, 1), {4: 1, 24: 28, 25: 1, 19: 1}),
        ("Asia/Kolkata", at(2025, 1, 1), {18.5: 1, 24: 30, 5.5: 1}),
        ("Pacific/Apia", at(2011, 12, 1), {10: 1, 24: 30, 14: 1}),
        ("Europe/London", at(2025, 1, 1), {}),
        ("Europe/London", at(2025, 7, 1), {24: 30, 23: 1, 1: 1}),
    ],
)
def test_cells_of_a_month(name, month, lengths):
    cells = local_days(cell_of(MONTH_LEVEL, second_of(month)), ZoneInfo(name), 1_800)
    assert Counter((cell.end - cell.start) / 3_600 for cell in cells) == lengths


@pytest.mark.parametrize("year", [1, 9999])
def test_no_local_days_where_a_zone_cannot_represent_them(year):
    month = cell_of(MONTH_LEVEL, second_of(datetime(year, 1, 1, tzinfo=UTC)))
    assert local_days(month, ZoneInfo("Asia/Tokyo"), 3_600) == []


def test_no_flipped_bit_makes_a_level_another_one():
    lengths = range(BUCKETS[-1], LONGEST_LOCAL_DAY + 1, BUCKETS[-1])
    assert [local_level(length) for length in lengths] == list(LOCAL_LEVELS)
    levels = {*BUCKETS, DAY_LEVEL, MONTH_LEVEL, INVENTORY_LEVEL, *LOCAL_LEVELS}
    assert len(levels) == len(BUCKETS) + 3 + len(LOCAL_LEVELS)
    assert not [
        (level, bit)
        for level, bit in product(LOCAL_LEVELS, range(31))
        if level ^ 1 << bit in levels
    ]


def test_level_says_the_length():
    for length in range(BUCKETS[-1], LONGEST_LOCAL_DAY + 1, BUCKETS[-1]):
        assert GridCell(local_level(length), -7_200).end == length - 7_200
