"""What an output stream can display."""

from __future__ import annotations

from dataclasses import dataclass

#: From lowest to highest, for sparklines and for levels beside numbers.
LEVELS = "▁▂▃▄▅▆▇█"
ASCII_LEVELS = ".:-=+xX#"

#: Cells filled by eighths from the left, from below and from above.
FROM_LEFT = " ▏▎▍▌▋▊▉█"
FROM_BELOW = " ▁▂▃▄▅▆▇█"
FROM_ABOVE = " ▔▔▀▀▀▀██"

#: Every character drawn if the stream's encoding has them all.
BLOCKS = LEVELS + FROM_LEFT + FROM_ABOVE + "▒─"

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


def painted(text: str, colour: str, display: Display) -> str:
    """Return the text in a colour, which is an ANSI parameter, if the display has colours."""
    return f"\x1b[{colour}m{text}\x1b[0m" if display.colour and text.strip() else text


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
