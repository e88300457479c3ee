"""A mail as plain text, in lines of at most 78 columns."""

from __future__ import annotations

import textwrap
import unicodedata
from collections.abc import Iterator

from .wording import Row, Wording

WIDTH = 76

#: The columns of a table: name, number and change.
NAME, VALUE, CHANGE = 38, 14, 22

#: The longest bar.
BAR = 40


def as_text(wording: Wording) -> str:
    """Return the mail as text."""
    return "\n".join(line.rstrip() for line in _lines(wording)) + "\n"


def _lines(wording: Wording) -> Iterator[str]:
    yield from _paragraph(wording.site)
    yield from _paragraph(wording.headline)
    if wording.comparison:
        yield from _paragraph(wording.comparison)
    yield from _paragraph(wording.period)
    yield from _picture(wording)
    for table in wording.tables:
        yield ""
        yield _columns(Row(_fitted(table.heading, NAME), *wording.columns))
        yield "-" * (NAME + VALUE + CHANGE)
        yield from map(_columns, table.rows)
    if wording.slipping:
        yield ""
        yield wording.slipping_heading
        yield "-" * (NAME + VALUE + CHANGE)
        yield from _paragraph(wording.slipping)
        for name in wording.names:
            yield f"* {_fitted(name, WIDTH - 2)}"
    yield ""
    for note in (*wording.notes, wording.footer):
        yield from _paragraph(note)


def _picture(wording: Wording) -> Iterator[str]:
    yield ""
    yield wording.picture_heading
    yield "-" * (NAME + VALUE + CHANGE)
    names = max(_width(bar.name) for bar in wording.bars)
    values = max(_width(bar.value) for bar in wording.bars)
    for bar in wording.bars:
        drawn = "#" * -(-BAR * bar.length // 100)
        yield f"{_left(bar.name, names)}  {_right(bar.value, values)}  {drawn}"


def _columns(row: Row) -> str:
    name = _left(_fitted(row.name, NAME), NAME)
    return f"{name}{_right(row.value, VALUE)}{_right(row.change, CHANGE)}"


def _paragraph(text: str) -> list[str]:
    return textwrap.wrap(text, WIDTH, break_on_hyphens=False) or [""]


def _left(text: str, width: int) -> str:
    return text + " " * (width - _width(text))


def _right(text: str, width: int) -> str:
    return " " * (width - _width(text)) + text


def _fitted(text: str, width: int) -> str:
    """Return a text cut off where it is wider than a column."""
    if _width(text) <= width:
        return text
    while _width(text) > width - 1:
        text = text[:-1]
    return f"{text}…"


def _width(text: str) -> int:
    """Return the columns that a text takes: two for a letter of East Asia, none for an accent."""
    return sum(
        0 if unicodedata.combining(each) else 1 + (unicodedata.east_asian_width(each) in "WF")
        for each in text
    )
