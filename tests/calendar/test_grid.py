from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from souvenirs.calendar.grid import (
    BUCKETS,
    DAY_LEVEL,
    HOUR_LEVEL,
    MONTH_LEVEL,
    GridCell,
    cell_of,
    fill,
    is_split,
    moment_of,
    second_of,
    split_at,
)
from tests.conftest import INSTANT, at

LEVELS = [*BUCKETS, DAY_LEVEL, MONTH_LEVEL]
moments = st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC))


def seconds(*parts):
    return second_of(at(*parts))


@given(st.sampled_from(LEVELS), moments)
def test_cell_holds_its_second_and_ends_where_the_next_starts(level, moment):
    cell = cell_of(level, second_of(moment))
    assert moment_of(cell.start) <= moment < moment_of(cell.end)
    assert cell_of(level, cell.end) == GridCell(level, cell.end)
    assert cell_of(level, cell.end - 1) == cell


@given(moments)
def test_months_are_those_of_the_calendar_in_utc(moment):
    cell = cell_of(MONTH_LEVEL, second_of(moment))
    first = moment_of(cell.start)
    assert (first.year, first.month, first.day) == (moment.year, moment.month, 1)
    assert moment_of(cell.end) == (first + timedelta(days=31)).replace(day=1)


@given(st.sampled_from(list(pairwise(LEVELS))), moments)
def test_finer_cells_tile_coarser_ones(levels, moment):
    finer, coarser = sorted(levels)
    inside = cell_of(finer, second_of(moment))
    around = cell_of(coarser, second_of(moment))
    assert around.start <= inside.start < inside.end <= around.end


def test_seconds_before_1970_round_down():
    assert second_of(at(1969, 12, 31, 23, 59, 59, 500_000)) == -1


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        (None, None, True),
        (at(2016, 1, 2), None, False),
        (at(2016, 1, 2) - INSTANT, None, True),
        (None, at(2016, 1, 1), False),
        (None, at(2016, 1, 1) + INSTANT, True),
    ],
)
def test_overlaps_is_half_open(start, end, expected):
    assert GridCell(DAY_LEVEL, seconds(2016, 1, 1)).overlaps(start, end) is expected


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        (None, None, True),
        (at(2016, 1, 1), None, True),
        (at(2016, 1, 1) + INSTANT, None, False),
        (None, at(2016, 1, 2), True),
        (None, at(2016, 1, 2) - INSTANT, False),
    ],
)
def test_inside_is_half_open(start, end, expected):
    assert GridCell(DAY_LEVEL, seconds(2016, 1, 1)).is_inside(start, end) is expected


@given(st.sampled_from(BUCKETS), moments, moments)
def test_outline_is_the_range_and_nothing_else(length, one, other):
    start, end = min(one, other), max(one, other)
    (first, last), edges = split_at(length, start, end)
    pieces = sorted([*edges, (moment_of(first), moment_of(last))])
    pieces = [(a, b) for a, b in pieces if a < b]
    assert sum((b - a for a, b in pieces), timedelta()) == end - start
    assert all(a[1] == b[0] for a, b in pairwise(pieces))
    assert first % length == last % length == 0
    assert all(b - a < timedelta(seconds=length) for a, b in edges) or first >= last


@pytest.mark.parametrize(
    ("start", "end", "hours", "edges"),
    [
        (at(2016, 1, 1, 5), at(2016, 1, 1, 7), 2, []),
        (at(2016, 1, 1, 5) + INSTANT, at(2016, 1, 1, 7), 1, [0]),
        (at(2016, 1, 1, 5), at(2016, 1, 1, 7) + INSTANT, 2, [1]),
        (at(2016, 1, 1, 5, 1), at(2016, 1, 1, 5, 2), 0, [0]),
        (at(2016, 1, 1, 5), at(2016, 1, 1, 5), 0, []),
    ],
)
def test_edges_are_what_is_no_whole_hour(start, end, hours, edges):
    (first, last), found = split_at(HOUR_LEVEL, start, end)
    assert last - first == hours * HOUR_LEVEL
    assert len(found) == len(edges)


def test_fill_takes_what_lies_inside_and_leaves_the_rest_free():
    days = [GridCell(DAY_LEVEL, DAY_LEVEL * n) for n in (0, 1, 3, 4)]
    inside, free = fill((DAY_LEVEL - HOUR_LEVEL, 4 * DAY_LEVEL + HOUR_LEVEL), days)
    assert inside == [days[1], days[2]]
    assert free == [
        (DAY_LEVEL - HOUR_LEVEL, DAY_LEVEL),
        (2 * DAY_LEVEL, 3 * DAY_LEVEL),
        (4 * DAY_LEVEL, 4 * DAY_LEVEL + HOUR_LEVEL),
    ]


def test_fill_without_cells_leaves_everything_free():
    assert fill((0, HOUR_LEVEL), []) == ([], [(0, HOUR_LEVEL)])


def test_fill_of_nothing_is_nothing():
    assert fill((DAY_LEVEL, DAY_LEVEL), [GridCell(DAY_LEVEL, DAY_LEVEL)]) == ([], [])


def test_fill_leaves_out_a_cell_that_overlaps_the_one_before():
    cells = [GridCell(DAY_LEVEL, 0), GridCell(HOUR_LEVEL, HOUR_LEVEL), GridCell(DAY_LEVEL, 80_000)]
    assert fill((0, DAY_LEVEL + HOUR_LEVEL), cells) == (cells[:1], [(DAY_LEVEL, 90_000)])


@pytest.mark.parametrize(
    ("edge", "expected"),
    [
        (3_600, False),
        (5_400, True),
        (7_200, False),
        (9_000, True),
        (10_800, False),
        (12_600, False),
    ],
)
def test_bucket_of_an_era_is_split_by_an_edge_inside_it(edge, expected):
    assert is_split((edge, 360_000), HOUR_LEVEL, (3_600, 10_800)) is expected
    assert is_split((0, edge), HOUR_LEVEL, (3_600, 10_800)) is expected
