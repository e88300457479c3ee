"""A chart of columns above and below an axis."""

from __future__ import annotations

from collections.abc import Sequence

from .display import CYAN, CYAN_BACKGROUND, FROM_ABOVE, FROM_BELOW, GREEN, RED, Display
from .numbers import Value


def column_chart(
    above: Sequence[tuple[Value, Value]],
    below: Sequence[Value],
    labels: Sequence[str],
    display: Display,
    height: int = 10,
) -> list[str]:
    """Return the lines of a chart of the last columns that fit the display.

    Each of ``above`` is two values, the second stacked on the first. The maxima above and below the
    axis are at the left, the labels of the first and the last column at the bottom.
    """
    tops = [(one or 0) + (other or 0) for one, other in above]
    drops = [value or 0 for value in below]
    high, low = max(tops, default=0), max(drops, default=0)
    margin = max(len(f"{high:+,}"), len(f"{-low:,}")) + 1
    fit = max(1, display.width - margin)
    step = max(1, min(6, fit // max(1, len(tops))))
    tops, drops = tops[-fit:], drops[-fit:]
    firsts = [one or 0 for one, _ in above][-fit:]
    rows_above = max(1, round(height * high / (high + low))) if high else 0
    rows_below = max(1, round(height * low / (high + low))) if low else 0
    unit = max(high / max(1, rows_above), low / max(1, rows_below))
    wide = max(1, step - 1)
    lines = []
    for row in reversed(range(rows_above)):
        cells = [
            _standing(top, first, row, unit, wide, display)
            for top, first in zip(tops, firsts, strict=True)
        ]
        lines.append(_line(f"{high:+,}" if row == rows_above - 1 else "", margin, cells, step))
    axis = ("─" if display.blocks else "-") * (step * len(tops) - (step - wide))
    lines.append(_line("0", margin, [axis], 1))
    for row in range(rows_below):
        cells = [_hanging(drop, row, unit, wide, display) for drop in drops]
        lines.append(_line(f"{-low:,}" if row == rows_below - 1 else "", margin, cells, step))
    lines.append(_line("", margin, [_ends(labels[-fit:], len(axis))], 1))
    return lines


def _line(label: str, margin: int, cells: Sequence[str], step: int) -> str:
    gap = " " if step > 1 else ""
    return (label.rjust(margin - 1) + " " + gap.join(cells)).rstrip()


def _ends(labels: Sequence[str], width: int) -> str:
    """Return a line with the first label, if it fits, at the left and the last at the right."""
    if len(labels) > 1 and len(labels[0]) + len(labels[-1]) < width:
        return labels[0] + labels[-1].rjust(width - len(labels[0]))
    return labels[-1].rjust(width) if labels else ""


def _standing(top: float, first: float, row: int, unit: float, wide: int, display: Display) -> str:
    """Return a cell above the axis, in a row counted from it."""
    filled = _eighths(top, row, unit)
    of_first = _eighths(first, row, unit)
    is_mostly_first = of_first * 2 >= filled
    if display.colour and display.blocks:
        if filled == 8 and 0 < of_first < 8:  # the boundary between both
            return display.painted(FROM_BELOW[of_first] * wide, f"{GREEN};{CYAN_BACKGROUND}")
        char = FROM_BELOW[filled]
    elif display.blocks:
        char = FROM_BELOW[filled] if is_mostly_first else "▒" * _is_drawn(filled, row) or " "
    else:
        char = ("#" if is_mostly_first else "+") * _is_drawn(filled, row) or " "
    return display.painted(char * wide, GREEN if is_mostly_first else CYAN)


def _hanging(drop: float, row: int, unit: float, wide: int, display: Display) -> str:
    """Return a cell below the axis, in a row counted from it."""
    filled = _eighths(drop, row, unit)
    if not display.blocks:
        return display.painted(("x" * _is_drawn(filled, row) or " ") * wide, RED)
    if display.colour and 0 < filled < 8:  # in reverse video, filled from above
        return display.painted(FROM_BELOW[8 - filled] * wide, f"7;{RED}")
    return display.painted(FROM_ABOVE[filled] * wide, RED)


def _is_drawn(eighths: int, row: int) -> bool:
    """Whether to draw a cell that is full or empty; next to the axis, any value is drawn."""
    return eighths >= 4 or (eighths > 0 and row == 0)


def _eighths(value: float, row: int, unit: float) -> int:
    filled = max(0.0, min(1.0, value / unit - row))
    return max(round(filled * 8), 1 if value > 0 and row == 0 else 0)
