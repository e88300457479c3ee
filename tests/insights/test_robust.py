from math import sqrt
from random import Random
from statistics import NormalDist, median

import pytest

from souvenirs.insights.robust import (
    count_at,
    counts_between,
    quantile,
    seasonal,
    spread_of,
    stabilized,
)


@pytest.mark.parametrize("count", [0, 1, 7, 12_345])
def test_a_count_survives_the_scale(count):
    assert count_at(stabilized(count)) == pytest.approx(count)
    assert counts_between(stabilized(count), stabilized(count)) == (count, count)


def test_a_count_is_never_negative():
    assert count_at(-5) == count_at(0) == 0
    assert counts_between(-9, stabilized(2)) == (0, 2)


def test_between_two_counts_is_the_nearest():
    assert counts_between(stabilized(5.2), stabilized(5.3)) == (5, 5)
    assert counts_between(stabilized(5.7), stabilized(5.8)) == (6, 6)


@pytest.mark.parametrize("mean", [4, 40, 400])
def test_random_counts_vary_by_one(mean):
    chance = Random(1)
    counts = [sum(chance.random() < 0.01 for _ in range(100 * mean)) for _ in range(300)]
    values = [stabilized(count) for count in counts]
    centre = sum(values) / len(values)
    assert sqrt(sum((each - centre) ** 2 for each in values) / len(values)) == pytest.approx(
        1, abs=0.15
    )


def test_a_rhythm_is_expected_to_go_on():
    rhythm = [5.0, 5.0, 5.0, 5.0, 5.0, 1.0, 1.0]
    values = rhythm * 5
    for n, following in enumerate(rhythm):
        expected, misses = seasonal(values + rhythm[:n], 7, 28)
        assert expected == following
        assert set(misses) == {0.0}


def test_the_level_follows_growth():
    values = [float(n) for n in range(70)]
    # The level is the median of the last week, and each day is four above that before it.
    assert seasonal(values, 7, 56) == (70.0, [0.0] * 56)


def test_holidays_change_nothing():
    chance = Random(1)
    values = [10 + chance.random() for _ in range(70)]
    before, misses = seasonal(values, 7, 56)
    values[30] = values[45] = 0.0
    after, wider = seasonal(values, 7, 56)
    assert abs(after - before) < 0.5
    assert spread_of(wider) < 1.3 * spread_of(misses)


def test_a_short_history_has_no_effect_of_some_weekdays():
    expected, misses = seasonal([1.0] * 7 + [3.0], 7, 56)
    assert (expected, misses) == (1.0, [0.0])


def test_the_spread_is_a_standard_deviation():
    normal = NormalDist(0, 3)
    assert spread_of([normal.inv_cdf((n + 0.5) / 1000) for n in range(1000)]) == pytest.approx(
        3, rel=0.01
    )


def test_a_quantile_is_that_of_the_next_value():
    ordered = [float(n) for n in range(1, 10)]
    assert [quantile(ordered, share) for share in (0.1, 0.5, 0.9)] == [1, 5, 9]
    assert quantile(ordered, 0.25) == 2.5
    assert (quantile(ordered, 0.01), quantile(ordered, 0.99)) == (1, 9)
    assert quantile([4.0], 0.5) == median([4.0])
