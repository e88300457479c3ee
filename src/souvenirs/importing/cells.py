"""Lines of cells: CSV and its variants."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from contextlib import suppress
from datetime import tzinfo

from .lines import BadLine, Record, Unreadable
from .mapping import USER_AND_TIME, Mapping, missing
from .times import parse_time

SEPARATORS = ",;\t|"

#: The first line of a file for Excel, with the separator.
SEPARATOR_LINE = re.compile(r"sep=(.)", re.IGNORECASE)


class CellParser:
    """A parser of cells; the first row shows what separates them.

    The header row names the columns, among them those of the ``mapping``. If ``columns`` names them
    instead, a first row without a time is skipped as a header row, unless the cell of its time
    starts with a digit. ``zone`` is the time zone of times without a UTC offset. Raises ValueError
    if ``columns`` lacks one of the two, and the parser Unreadable if the header row does.
    """

    def __init__(
        self, zone: tzinfo, mapping: Mapping = USER_AND_TIME, columns: Sequence[str] | None = None
    ) -> None:
        self._zone = zone
        self._mapping = mapping
        self._separators = SEPARATORS
        self._is_first = True
        self._places = 0, 0
        self._names = [name.strip() for name in columns or ()]
        if self._names:
            if lacking := missing(mapping, self._names, "column"):
                raise ValueError(f"--columns {', '.join(self._names)!r} has {lacking}.")
            self._place()

    def __call__(self, line: str) -> Record | None:
        if self._is_first:
            return self._first(line)
        return self._record(self._cells(line, self._separators))

    def _first(self, line: str) -> Record | None:
        if len(self._separators) > 1 and (excel := SEPARATOR_LINE.fullmatch(line)):
            self._separators = excel[1]
            return None
        if not self._names:
            self._separators, self._names = self._header(line)
            self._place()
        else:
            width = len(self._names)
            fitting = (each for each in self._separators if line.count(each) + 1 >= width)
            self._separators = next(fitting, self._separators[0])
            self._is_first = False
            cells = self._cells(line, self._separators)
            try:
                return self._record(cells)
            except BadLine:
                if "".join(cells[self._places[1] :][:1]).strip()[:1].isdigit():
                    raise
        self._is_first = False
        return None

    def _place(self) -> None:
        user, when = (self._names.index(name) for name in self._mapping)
        self._places = user, when

    def _header(self, line: str) -> tuple[str, list[str]]:
        """Return the separator and the names of a header row; raises Unreadable."""
        for separator in self._separators:
            with suppress(BadLine):
                names = [cell.strip() for cell in self._cells(line, separator)]
                if not missing(self._mapping, names, "column"):
                    return separator, names
        names = [cell.strip(' "') for cell in line.split(self._separators[0])]
        raise Unreadable(
            f"the header row {', '.join(names)[:200]!r} has "
            f"{missing(self._mapping, names, 'column')}; use --map user=NAME,when=NAME or, without "
            "a header row, --columns"
        )

    def _cells(self, line: str, separator: str) -> list[str]:
        if '"' not in line:
            return line.split(separator)
        try:
            [row] = csv.reader([line], delimiter=separator, strict=True)
        except csv.Error as error:
            raise BadLine(f"not CSV: {error}") from None
        return row

    def _record(self, cells: list[str]) -> Record:
        user, when = self._places
        width = len(self._names)
        # A separator without quotes moves the cells after it, and with them the user or the time.
        is_moved = len(cells) > width and max(user, when) > 1 and any(cells[width:])
        if is_moved or len(cells) <= max(user, when):
            raise BadLine(f"the number of cells is {len(cells)}, not {width}")
        if not (text := cells[when].strip()):
            raise BadLine("no time")
        return Record(cells[user].strip() or None, parse_time(text, self._zone))
