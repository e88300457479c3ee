"""HTML tables.

Templates lay out all but the cells, of which a page has thousands. Shades are classes, ``s0`` to
``s10``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from typing import NamedTuple

from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from ..calendar import Incomplete
from .formats import incomplete_word, number


@dataclass(frozen=True)
class TableCell:
    """A cell: its text, a small note beside it, and a link."""

    text: str
    note: str = ""
    url: str = ""
    #: CSS classes.
    kind: str = ""
    is_header: bool = False
    #: Read by screen readers in place of the text.
    spoken: str = ""

    def __str__(self) -> SafeString:
        """Return the cell as HTML; a template would take ten times as long."""
        inside = escape(self.text)
        if self.spoken:
            inside = f'<span aria-hidden="true">{inside}</span>'
            inside += f'<span class="souvenirs-spoken">{escape(self.spoken)}</span>'
        if self.url:
            inside = f'<a href="{escape(self.url)}">{inside}</a>'
        if self.note:
            inside += f" <small>{escape(self.note)}</small>"
        kind = f' class="{escape(self.kind)}"' if self.kind else ""
        if self.is_header:
            return SafeString(f'<th scope="row"{kind}>{inside}</th>')
        return SafeString(f"<td{kind}>{inside}</td>")


class Column(NamedTuple):
    """The header of a column, with a link that sorts the table by it."""

    name: str
    is_number: bool = True
    url: str = ""
    #: ``ascending``, ``descending`` or empty.
    order: str = ""


class Download(NamedTuple):
    """A link to the table in another format."""

    name: str
    url: str


class PageTable(NamedTuple):
    """A table with its caption, notes and downloads."""

    caption: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[TableCell]]
    downloads: Sequence[Download] = ()
    notes: Sequence[str] = ()
    kind: str = ""
    #: Shown if there are no rows.
    nothing: str = ""


def shade(value: float | None, top: float) -> str:
    """Return the CSS class of a shade: ``s0`` for 0, up to ``s10`` for ``top``."""
    if value is None or not top:
        return "s0"
    # A value above 0 never has the shade of 0.
    return f"s{min(10, max(int(value > 0), round(value / top * 10)))}"


def header(text: str, incomplete: Incomplete | None = None, url: str = "") -> TableCell:
    """Return the header of a row, marked if it is about an incomplete period."""
    kind = "incomplete" if incomplete else ""
    return TableCell(text, note=incomplete_word(incomplete), url=url, kind=kind, is_header=True)


def pending(incomplete: Incomplete) -> TableCell:
    """Return a cell for a number that only a complete period has."""
    spoken = _("not over yet") if incomplete == "running" else _("cut off")
    return TableCell("…", kind="unfinished", spoken=spoken)


def numbers(values: Iterable[float | None], digits: int = 0) -> list[TableCell]:
    """Return cells with numbers."""
    return [TableCell(number(value, digits)) for value in values]
