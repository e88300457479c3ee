"""Tables of text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, zip_longest

from tabulate import tabulate

from .display import BOLD, GREEN, Display
from .numbers import Value

#: The minimum and maximum width of a bar beside a table.
NARROWEST_BAR, WIDEST_BAR = 8, 40


@dataclass(frozen=True, slots=True)
class FittedTable:
    """The lines of a table that fits a display."""

    header: str
    rows: list[str]
    #: The start and end of each column in the lines.
    columns: list[tuple[int, int]]
    #: The number of columns at the right that did not fit.
    hidden: int

    def with_bars(self, values: Sequence[Value], maximum: float, display: Display) -> Iterator[str]:
        """Generate the header and each row, with a bar beside the row if there is room."""
        start = self.columns[-1][1] + 2
        width = min(WIDEST_BAR, display.width - start)
        yield display.painted(self.header, BOLD)
        for row, value in zip(self.rows, values, strict=True):
            drawn = display.bar(value, maximum, width) if width >= NARROWEST_BAR else ""
            yield (row.ljust(start) + display.painted(drawn, GREEN)).rstrip()


@dataclass(frozen=True)
class TextTable:
    """Cells as text; rows may be shorter than the headers.

    The first ``names`` columns are names, aligned left; the others are numbers, aligned right.
    """

    headers: Sequence[str]
    rows: Sequence[Sequence[str]]
    names: int = 1

    def lines(self) -> list[str]:
        """Return the whole table as lines: the headers, a rule, and the rows."""
        sides = ["left"] * self.names + ["right"] * (len(self.headers) - self.names)
        text = tabulate(
            self.rows,
            self.headers,
            colalign=sides if self.rows else None,
            disable_numparse=True,
        )
        return [line.rstrip() for line in text.splitlines()]

    def fitted(self, width: int, gap: int = 2) -> FittedTable:
        """Return the table without the last columns that do not fit; the first one always stays."""
        lengths = [[len(cell) for cell in line] for line in (self.headers, *self.rows)]
        widths = [max(column) for column in zip_longest(*lengths, fillvalue=0)]
        ends = [end + gap * n for n, end in enumerate(accumulate(widths))]
        kept = max(1, sum(end <= width for end in ends))

        def line(cells: Sequence[str]) -> str:
            aligned = [
                cell.ljust(width) if n < self.names else cell.rjust(width)
                for n, (cell, width) in enumerate(zip(cells, widths[:kept], strict=False))
            ]
            return (" " * gap).join(aligned).rstrip()

        columns = [(end - width, end) for end, width in zip(ends, widths, strict=True)]
        return FittedTable(
            line(self.headers), [line(row) for row in self.rows], columns[:kept], len(widths) - kept
        )
