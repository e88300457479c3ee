"""Numbers drawn within a line of text: bars, sparklines and shades."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil

from .display import ASCII_LEVELS, FROM_LEFT, LEVELS, SHADES, Display, painted
from .numbers import Value


def bar(value: Value, maximum: float, width: int, display: Display) -> str:
    """Return a bar, ``width`` cells long for the maximum; empty only for 0 and for None."""
    if not value or not maximum:
        return ""
    if not display.blocks:
        return "#" * max(1, round(value / maximum * width))
    full, part = divmod(max(1, round(value / maximum * width * 8)), 8)
    return (FROM_LEFT[-1] * full + FROM_LEFT[part]).rstrip()


def sparkline(values: Sequence[Value], display: Display) -> str:
    """Return a character for each value, a space for None; only 0 gets the lowest level."""
    maximum = max((value for value in values if value is not None), default=0)
    return "".join(" " if value is None else _level(value, maximum, display) for value in values)


def resampled(values: Sequence[Value], width: int) -> list[Value]:
    """Return at most ``width`` values, each the mean of the known ones among its neighbours."""
    if len(values) <= width:
        return list(values)
    edges = [len(values) * n // width for n in range(width + 1)]
    return [_mean(values[edges[n] : edges[n + 1]]) for n in range(width)]


def shaded(text: str, share: Value, display: Display) -> str:
    """Return the text on a background that stands for the share, from 0 to 1.

    Without colours, return the text and a level instead, always one character longer.
    """
    if display.colour:
        return text if share is None else painted(text, SHADES[_rank(share, len(SHADES))], display)
    return text + (" " if share is None else _level(share, 1, display))


def _level(value: float, maximum: float, display: Display) -> str:
    levels = LEVELS if display.blocks else ASCII_LEVELS
    return levels[_rank(value / maximum if maximum else 0, len(levels))]


def _rank(share: float, ranks: int) -> int:
    """The rank of a share, counted from 0; only 0 has the first one."""
    return min(ranks - 1, ceil(share * (ranks - 1)))


def _mean(values: Sequence[Value]) -> Value:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None
