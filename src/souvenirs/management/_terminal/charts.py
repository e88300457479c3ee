"""Bars, sparklines and shades of text, for people.

Pure functions: what a stream can show comes in as a :class:`Look`. A share is from 0 to 1; a value
that is None is unknown and drawn as nothing, which differs from 0 wherever 0 is drawn.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, zip_longest
from math import ceil

Value = float | None

#: From nothing to all, for sparklines and, beside a number, for shades.
LEVELS = "▁▂▃▄▅▆▇█"
ASCII_LEVELS = ".:-=+xX#"

#: Parts of a cell, filled from the left, from below and from above, by eighths.
FROM_LEFT = " ▏▎▍▌▋▊▉█"
FROM_BELOW = " ▁▂▃▄▅▆▇█"
FROM_ABOVE = " ▔▔▀▀▀▀██"

#: Everything that is drawn where a stream can carry it.
BLOCKS = LEVELS + FROM_LEFT + FROM_ABOVE + "▒─"

#: Foreground and background of shades, of the 256 colours that terminals have.
SHADES = (
    "38;5;250;48;5;236",
    "38;5;255;48;5;23",
    "38;5;255;48;5;24",
    "38;5;255;48;5;30",
    "38;5;16;48;5;36",
    "38;5;16;48;5;42",
    "38;5;16;48;5;48",
)
BOLD = "1"
GREEN, CYAN, RED = "38;5;35", "38;5;80", "38;5;167"
CYAN_BEHIND = "48;5;80"

#: Bars beside a table; narrower ones than that say nothing.
NARROWEST, WIDEST = 8, 40


@dataclass(frozen=True, slots=True)
class Look:
    """What a stream can show: how many columns, in colour or not, with Unicode blocks or ASCII."""

    width: int = 80
    colour: bool = False
    blocks: bool = True


def painted(text: str, colour: str, look: Look) -> str:
    """Return the text in a colour, which is a part of an escape code, where there are colours."""
    return f"\x1b[{colour}m{text}\x1b[0m" if look.colour and text.strip() else text


def bar(value: Value, most: float, width: int, look: Look) -> str:
    """Return a bar of at most ``width`` cells, which ``most`` would fill; any is at least a bit."""
    if not value or not most:
        return ""
    if not look.blocks:
        return "#" * max(1, round(value / most * width))
    full, part = divmod(max(1, round(value / most * width * 8)), 8)
    return (FROM_LEFT[-1] * full + FROM_LEFT[part]).rstrip()


def sparkline(values: Sequence[Value], look: Look, most: float = 0) -> str:
    """Return a character for each value, as high as it is; what is not 0 is higher than 0.

    ``most`` is the highest value there is to compare with, where it is not among these.
    """
    most = max([most, *(value for value in values if value is not None)])
    return "".join(" " if value is None else _level(value, most, look) for value in values)


def resampled(values: Sequence[Value], width: int) -> list[Value]:
    """Return at most ``width`` values: means of neighbours where there are more."""
    if len(values) <= width:
        return list(values)
    edges = [len(values) * n // width for n in range(width + 1)]
    return [_mean(values[edges[n] : edges[n + 1]]) for n in range(width)]


def chart(
    above: Sequence[tuple[Value, Value]],
    below: Sequence[Value],
    labels: Sequence[str],
    look: Look,
    height: int = 10,
) -> list[str]:
    """Return the lines of columns that stand on a line and hang from it, the last ones that fit.

    Each of ``above`` is two values, the second stacked upon the first. The most that stands and the
    most that hangs are written at the left, the labels of the first and the last below.
    """
    tops = [(one or 0) + (other or 0) for one, other in above]
    drops = [value or 0 for value in below]
    high, low = max(tops, default=0), max(drops, default=0)
    margin = max(len(f"{high:+,}"), len(f"{-low:,}")) + 1
    fit = max(1, look.width - margin)
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
            _standing(top, first, row, unit, wide, look)
            for top, first in zip(tops, firsts, strict=True)
        ]
        lines.append(_line(f"{high:+,}" if row == rows_above - 1 else "", margin, cells, step))
    axis = ("─" if look.blocks else "-") * (step * len(tops) - (step - wide))
    lines.append(_line("0", margin, [axis], 1))
    for row in range(rows_below):
        cells = [_hanging(drop, row, unit, wide, look) for drop in drops]
        lines.append(_line(f"{-low:,}" if row == rows_below - 1 else "", margin, cells, step))
    lines.append(_line("", margin, [_ends(labels[-fit:], len(axis))], 1))
    return lines


def shaded(text: str, share: Value, look: Look) -> str:
    """Return the text on a background as strong as the share; without colours, beside a level.

    Without colours it is one character longer, whatever the share.
    """
    if look.colour:
        return text if share is None else painted(text, SHADES[_step(share, len(SHADES))], look)
    return text + (" " if share is None else _level(share, 1, look))


@dataclass(frozen=True, slots=True)
class Laid:
    """The lines of a table, where its columns lie in them, and how many did not fit."""

    header: str
    rows: list[str]
    places: list[tuple[int, int]]
    left_out: int


def laid_out(
    headers: Sequence[str],
    rows: Sequence[Sequence[str]],
    look: Look,
    gap: int = 2,
    names: int = 1,
) -> Laid:
    """Return a table without the last columns that do not fit; the first one stays in any case.

    So many columns of names are aligned at the left, the others at the right. Rows may be short.
    """
    lengths = [[len(cell) for cell in line] for line in (headers, *rows)]
    widths = [max(column) for column in zip_longest(*lengths, fillvalue=0)]
    ends = [end + gap * n for n, end in enumerate(accumulate(widths))]
    kept = max(1, sum(end <= look.width for end in ends))
    places = [(end - width, end) for end, width in zip(ends, widths, strict=True)][:kept]

    def line(cells: Sequence[str]) -> str:
        aligned = [
            cell.ljust(width) if n < names else cell.rjust(width)
            for n, (cell, width) in enumerate(zip(cells, widths[:kept], strict=False))
        ]
        return (" " * gap).join(aligned).rstrip()

    return Laid(line(headers), [line(row) for row in rows], places, len(widths) - kept)


def with_bars(laid: Laid, values: Sequence[Value], most: float, look: Look) -> Iterator[str]:
    """Generate the rows of a table with a bar beside each, where there is room."""
    end = laid.places[-1][1] + 2
    room = min(WIDEST, look.width - end)
    for row, value in zip(laid.rows, values, strict=True):
        drawn = bar(value, most, room, look) if room >= NARROWEST else ""
        yield (row.ljust(end) + painted(drawn, GREEN, look)).rstrip()


def printable(text: str) -> str:
    """Return the text without what moves the cursor or colours a terminal."""
    return "".join(char if char.isprintable() else "?" for char in text)


def percent(share: Value) -> str:
    """Return a share in per cent: 0% and 100% are exactly that, ``-`` is unknown."""
    if share is None:
        return "-"
    shown = f"{share:.0%}"
    if shown == "0%" and share:
        return "<1%"
    return ">99%" if shown == "100%" and share < 1 else shown


def _level(value: float, most: float, look: Look) -> str:
    levels = LEVELS if look.blocks else ASCII_LEVELS
    return levels[_step(value / most if most else 0, len(levels))]


def _step(share: float, steps: int) -> int:
    """Which of so many steps a share is at: the first is 0, and only that, the last is all."""
    return min(steps - 1, ceil(share * (steps - 1)))


def _mean(values: Sequence[Value]) -> Value:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def _line(label: str, margin: int, cells: Sequence[str], step: int) -> str:
    gap = " " if step > 1 else ""
    return (label.rjust(margin - 1) + " " + gap.join(cells)).rstrip()


def _ends(labels: Sequence[str], width: int) -> str:
    """The first and the last label, as far apart as that; only the last where they do not fit."""
    if len(labels) > 1 and len(labels[0]) + len(labels[-1]) < width:
        return labels[0] + labels[-1].rjust(width - len(labels[0]))
    return labels[-1].rjust(width) if labels else ""


def _standing(top: float, first: float, row: int, unit: float, wide: int, look: Look) -> str:
    """A cell of a column, counted from the line up."""
    filled = _eighths(top, row, unit)
    of_first = _eighths(first, row, unit)
    is_first = of_first * 2 >= filled
    if look.colour and look.blocks:
        if filled == 8 and 0 < of_first < 8:  # both, one upon the other
            return painted(FROM_BELOW[of_first] * wide, f"{GREEN};{CYAN_BEHIND}", look)
        char = FROM_BELOW[filled]
    elif look.blocks:
        char = FROM_BELOW[filled] if is_first else "▒" * _is_seen(filled, row) or " "
    else:
        char = ("#" if is_first else "+") * _is_seen(filled, row) or " "
    return painted(char * wide, GREEN if is_first else CYAN, look)


def _hanging(drop: float, row: int, unit: float, wide: int, look: Look) -> str:
    """A cell of a column, counted from the line down."""
    filled = _eighths(drop, row, unit)
    if not look.blocks:
        return painted(("x" * _is_seen(filled, row) or " ") * wide, RED, look)
    if look.colour and 0 < filled < 8:  # what is not filled from below, is from above
        return painted(FROM_BELOW[8 - filled] * wide, f"7;{RED}", look)
    return painted(FROM_ABOVE[filled] * wide, RED, look)


def _is_seen(eighths: int, row: int) -> bool:
    """Whether a cell that is all or nothing is drawn; next to the line, any is."""
    return eighths >= 4 or (eighths > 0 and row == 0)


def _eighths(value: float, row: int, unit: float) -> int:
    filled = max(0.0, min(1.0, value / unit - row))
    return max(round(filled * 8), 1 if value > 0 and row == 0 else 0)
