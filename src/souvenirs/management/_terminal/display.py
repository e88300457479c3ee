"""The display of an output stream, which draws numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

from .numbers import Value

#: From lowest to highest, for sparklines and for shades without colours.
RAMP = "▁▂▃▄▅▆▇█"
ASCII_RAMP = ".:-=+xX#"

#: Cells filled by eighths from the left, from below and from above.
FROM_LEFT = " ▏▎▍▌▋▊▉█"
FROM_BELOW = " ▁▂▃▄▅▆▇█"
FROM_ABOVE = " ▔▔▀▀▀▀██"

#: The block characters, which are drawn if the stream's encoding has all of them.
BLOCKS = RAMP + FROM_LEFT + FROM_ABOVE + "▒─"

#: Parameters of ANSI escape sequences.
BOLD = "1"
GREEN, CYAN, RED = "38;5;35", "38;5;80", "38;5;167"
CYAN_BACKGROUND = "48;5;80"

#: Foregrounds and backgrounds from weak to strong, of the 256-colour palette.
SHADES = (
    "38;5;250;48;5;236",
    "38;5;255;48;5;23",
    "38;5;255;48;5;24",
    "38;5;255;48;5;30",
    "38;5;16;48;5;36",
    "38;5;16;48;5;42",
    "38;5;16;48;5;48",
)


@dataclass(frozen=True, slots=True)
class Display:
    """The columns of a terminal, and whether it shows colours and Unicode block characters."""

    width: int = 80
    colour: bool = False
    blocks: bool = True

    def painted(self, text: str, colour: str) -> str:
        """Return the text in a colour, an ANSI parameter, if there are colours."""
        return f"\x1b[{colour}m{text}\x1b[0m" if self.colour and text.strip() else text

    def bar(self, value: Value, maximum: float, width: int) -> str:
        """Return a bar, ``width`` cells long for the maximum; empty only for 0 and None."""
        if not value or not maximum:
            return ""
        if not self.blocks:
            return "#" * max(1, round(value / maximum * width))
        full, part = divmod(max(1, round(value / maximum * width * 8)), 8)
        return (FROM_LEFT[-1] * full + FROM_LEFT[part]).rstrip()

    def sparkline(self, values: Sequence[Value]) -> str:
        """Return a character for each value, a space for None; only 0 has the lowest one."""
        maximum = max((value for value in values if value is not None), default=0)
        return "".join(self._character(value, maximum) for value in values)

    def shaded(self, text: str, share: Value) -> str:
        """Return the text on a background that shows the share, from 0 to 1.

        Without colours, return the text and a character of the ramp instead.
        """
        if not self.colour:
            return text + self._character(share, 1)
        return text if share is None else self.painted(text, SHADES[_rank(share, len(SHADES))])

    def _character(self, value: Value, maximum: float) -> str:
        if value is None:
            return " "
        ramp = RAMP if self.blocks else ASCII_RAMP
        return ramp[_rank(value / maximum if maximum else 0, len(ramp))]


def _rank(share: float, ranks: int) -> int:
    """Return the rank of a share, counted from 0; only a share of 0 has rank 0."""
    return min(ranks - 1, ceil(share * (ranks - 1)))


def resampled(values: Sequence[Value], width: int) -> list[Value]:
    """Return at most ``width`` values, each the mean of the known ones among its neighbours."""
    if len(values) <= width:
        return list(values)
    edges = [len(values) * n // width for n in range(width + 1)]
    return [_mean(values[edges[n] : edges[n + 1]]) for n in range(width)]


def _mean(values: Sequence[Value]) -> Value:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def printable(text: str) -> str:
    """Return the text with a ``?`` for each control character."""
    return "".join(char if char.isprintable() else "?" for char in text)


def can_encode(encoding: str | None, text: str) -> bool:
    """Return whether an encoding has every character of the text; None stands for UTF-8."""
    try:
        text.encode(encoding or "utf-8")
    except (UnicodeEncodeError, LookupError):
        return False
    return True
