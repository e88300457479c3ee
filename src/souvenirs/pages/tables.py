"""HTML tables.

Templates lay out all but the cells, of which a page has thousands. Shades are classes, ``s0`` to
``s10``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from .formats import number


@dataclass(frozen=True)
class TableCell:
    """A cell of a table: what is in it, smaller beside it, and where it leads."""

    text: str
    note: str = ""
    url: str = ""
    #: Classes.
    kind: str = ""
    is_header: bool = False
    #: What a screen reader says beside the text.
    spoken: str = ""

    def __str__(self) -> SafeString:
        """Return it as HTML, which as a template would take ten times as long."""
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


@dataclass(frozen=True)
class Column:
    """The head of a column, and where it leads: to the same table in another order."""

    name: str
    is_number: bool = True
    url: str = ""
    #: ``ascending``, ``descending`` or nothing.
    order: str = ""


@dataclass(frozen=True)
class Download:
    """The same table in another form."""

    name: str
    url: str


@dataclass(frozen=True)
class PageTable:
    """A table, and what is to be said about it."""

    caption: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[TableCell]]
    downloads: Sequence[Download] = ()
    notes: Sequence[str] = ()
    kind: str = ""
    #: What to say where there is no row.
    nothing: str = ""


def shade(value: float | None, top: float) -> str:
    """Return the class of a shade, from 0 for nothing to 10 for the most."""
    if value is None or not top:
        return "s0"
    # What is there at all can be told from nothing.
    return f"s{min(10, max(int(value > 0), round(value / top * 10)))}"


def header(text: str, is_complete: bool = True, url: str = "") -> TableCell:
    """Return the cell that a row is about."""
    note = "" if is_complete else _("so far")
    return TableCell(text, note=note, url=url, is_header=True)


def numbers(values: Iterable[float | None], digits: int = 0) -> list[TableCell]:
    """Return cells of numbers."""
    return [TableCell(number(value, digits)) for value in values]
