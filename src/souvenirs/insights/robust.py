"""Robust statistics of counts: medians, which a holiday or an outage in the past does not move."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, floor, sqrt
from statistics import median

#: What makes a median absolute deviation comparable with a standard deviation.
MAD_TO_SD = 1.4826


def stabilized(count: float) -> float:
    """Return ``2 * sqrt(count + 3/8)``, on which a random count varies by 1, whatever its mean.

    Of F. J. Anscombe, "The transformation of Poisson, binomial and negative-binomial data",
    Biometrika 35 (1948). Zero is a count like any other, which it is not on a logarithmic scale.
    """
    return 2 * sqrt(count + 3 / 8)


def count_at(stabilized_count: float) -> float:
    """Return the count, at least 0, that :func:`stabilized` turns into this value."""
    return max(0.0, (max(0.0, stabilized_count) / 2) ** 2 - 3 / 8)


def counts_between(low: float, high: float) -> tuple[int, int]:
    """Return the least and the greatest whole count between two values of :func:`stabilized`.

    If there is none, both are the count nearest to the middle.
    """
    # A count that is exactly at a limit must not be lost to rounding.
    least, most = ceil(count_at(low) - 1e-9), floor(count_at(high) + 1e-9)
    if least > most:
        least = most = round(count_at((low + high) / 2))
    return least, most


def seasonal(values: Sequence[float], season: int, last: int) -> tuple[float, list[float]]:
    """Return the expectation of the next value, and what it would have missed the last ones by.

    The *baseline* is the median of the last ``season`` values. The *effect* of a place in the
    season, such as a weekday, is the median of its values less the baseline before each, among the
    ``last`` values. The expectation is the baseline plus the effect. There are more than ``season``
    values.
    """
    first = max(season, len(values) - last)
    above = {n: values[n] - median(values[n - season : n]) for n in range(first, len(values))}
    effects = {
        place: median(of_place)
        for place in range(season)
        if (of_place := [each for n, each in above.items() if (len(values) - n) % season == place])
    }
    misses = [each - effects[(len(values) - n) % season] for n, each in above.items()]
    return median(values[-season:]) + effects.get(0, 0.0), misses


def spread_of(misses: Sequence[float]) -> float:
    """Return the robust standard deviation of values around 0."""
    return MAD_TO_SD * median(map(abs, misses))


def quantile(ordered: Sequence[float], probability: float) -> float:
    """Return the value below which the next one lies with this probability.

    Of n exchangeable values, the next one is below the k-th with a probability of k / (n + 1);
    between two of them, interpolated.
    """
    place = min(max((len(ordered) + 1) * probability - 1, 0.0), len(ordered) - 1.0)
    below = floor(place)
    above = ordered[min(below + 1, len(ordered) - 1)]
    return ordered[below] + (place - below) * (above - ordered[below])
