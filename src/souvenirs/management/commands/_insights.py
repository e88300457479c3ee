"""The base of the commands that show an insight."""

from __future__ import annotations

import json
import os
import shutil
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from django.core.management.base import CommandParser
from django.core.serializers.json import DjangoJSONEncoder

from souvenirs.csvfiles import write_csv
from souvenirs.insights import Insight

from .._terminal import BLOCKS, Display, FittedTable, TextTable, can_encode, pluralize
from ._errors import command_errors
from ._options import add_format_options, add_options
from ._reading import ReadingCommand


class InsightCommand(ReadingCommand, ABC):
    """Base of commands that show an insight: as a table, as charts on a terminal, or as data.

    ``answer()`` returns the insight that ``--json`` and ``--csv`` output, ``show()`` turns it into
    lines. ``display`` is the terminal's display; None if the output is not a terminal.
    """

    display: Display | None = None
    #: Headers of the CSV; if empty, the keys of the first row.
    headers: Sequence[str] = ()

    def add_arguments(self, parser: CommandParser) -> None:
        add_options(parser, "--tz", "--segment")
        add_format_options(parser)

    def handle(self, *args: Any, **options: Any) -> str | None:
        with command_errors():
            answer = self.answer(options)
        if options["json"]:
            return json.dumps(answer.to_dict(), cls=ExactEncoder, indent=2)
        if options["csv"]:
            rows = answer.rows()
            headers = self.headers or list(rows[0] if rows else ())
            write_csv(self.stdout, headers, (row.values() for row in rows))
            return None
        self.display = self._display(options)
        return "\n".join(self.show(answer, options))

    @abstractmethod
    def answer(self, options: dict[str, Any]) -> Insight:
        """Return the insight; a ValueError is reported to the user."""

    @abstractmethod
    def show(self, answer: Any, options: dict[str, Any]) -> Iterable[str]:
        """Generate the lines of the output, and add notes."""

    def fitted(self, table: TextTable, display: Display, gap: int = 2) -> FittedTable:
        """Return the columns of a table that fit the terminal, and note how many do not."""
        fitted = table.fitted(display.width, gap)
        if fitted.hidden:
            self.note(
                f"{pluralize(fitted.hidden, 'column')} hidden: the terminal is only "
                f"{pluralize(display.width, 'character')} wide; --csv has all columns."
            )
        return fitted

    def note(self, sentence: str) -> None:
        """Add a note, unless it has been added before."""
        if sentence not in self.notes:
            self.notes.append(sentence)

    def _display(self, options: dict[str, Any]) -> Display | None:
        """Return the display of the output; None unless it is a terminal or colour is forced."""
        forced = options["force_color"]
        if not (forced or self.stdout.isatty()):
            return None
        wanted = not os.environ.get("NO_COLOR") and self.style.ERROR("x") != "x"
        return Display(
            width=shutil.get_terminal_size().columns,
            colour=forced or wanted,
            blocks=can_encode(getattr(self.stdout, "encoding", None), BLOCKS),
        )


class ExactEncoder(DjangoJSONEncoder):
    """A JSON encoder that keeps the microseconds and the UTC offset of datetimes."""

    def default(self, o: Any) -> Any:
        return o.isoformat() if isinstance(o, datetime) else super().default(o)
