"""The command that the commands about insights are made from."""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.core.serializers.json import DjangoJSONEncoder
from django.utils import timezone
from tabulate import tabulate

from souvenirs.calendar import (
    INTERVALS,
    START_OF_TIME,
    Boundaries,
    calendar_start,
    checked,
    interval_named,
    outward,
    utc,
    zone_for,
)
from souvenirs.conf import conf
from souvenirs.insights import Insight, Period, Segmented
from souvenirs.insights.layout import MICROSECOND
from souvenirs.stores import get_store

from ._helpers import (
    ReadingCommand,
    add_by_segment,
    add_segment,
    counted,
    errors_in_words,
    parse_range,
    parse_segments,
    parse_zone,
)
from ._pictures import BLOCKS, BOLD, Laid, Look, laid_out, painted, printable

UNFINISHED = "*"
UNKNOWN = "-"
EVERYONE = "everyone"
OVERLAP = "Segments can overlap: their numbers need not add up to those of everyone."

#: The letter that each interval has in a length like 12w.
UNITS = {name[0]: name for name in INTERVALS}

#: How many periods are shown where no range is given.
RECENT = {"day": 30, "week": 12, "month": 12, "quarter": 12, "year": 10}


#: What begins a formula in a spreadsheet.
FORMULA = ("=", "+", "-", "@", "\t", "\r")


@dataclass
class Table:
    """Cells as text: the first columns name what a line is about, the others are numbers."""

    headers: Sequence[str]
    rows: Sequence[Sequence[str]]
    names: int = 1

    def lines(self) -> list[str]:
        """Return the line of the headers, a rule, and a line for each row."""
        sides = ["left"] * self.names + ["right"] * (len(self.headers) - self.names)
        text = tabulate(
            self.rows,
            self.headers,
            colalign=sides if self.rows else None,
            disable_numparse=True,
        )
        return [line.rstrip() for line in text.splitlines()]


class InsightCommand(ReadingCommand, ABC):
    """Base of commands that show an insight: as a table, with pictures on a terminal, or as data.

    ``answer()`` returns what ``--json`` and ``--csv`` output, and ``show()`` makes lines of it.
    ``look`` says what the terminal can show; it is None where the output goes elsewhere.
    """

    look: Look | None = None
    #: Headers of CSV; without any, those of the first row.
    headers: Sequence[str] = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--tz", metavar="ZONE", help="time zone of days and dates, like Europe/Paris"
        )
        add_segment(parser)
        formats = parser.add_mutually_exclusive_group()
        formats.add_argument("--csv", action="store_true", help="output CSV instead of a table")
        formats.add_argument("--json", action="store_true", help="output JSON instead of a table")

    def handle(self, *args: Any, **options: Any) -> str | None:
        with errors_in_words():
            answer = self.answer(options)
        if options["json"]:
            return json.dumps(answer.to_dict(), cls=ExactEncoder, indent=2)
        if options["csv"]:
            write_csv(self.stdout, answer.rows(), self.headers)
            return None
        self.look = self._look(options)
        return "\n".join(self.show(answer, options))

    @abstractmethod
    def answer(self, options: dict[str, Any]) -> Insight:
        """Return an insight. What it refuses with ValueError is told in one sentence."""

    @abstractmethod
    def show(self, answer: Any, options: dict[str, Any]) -> Iterable[str]:
        """Generate the lines for people, and append to ``notes``."""

    def laid_out(self, table: Table, look: Look, gap: int = 2) -> Laid:
        """Return a table for the terminal, and note what does not fit."""
        laid = laid_out(table.headers, table.rows, look, gap, table.names)
        if laid.left_out:
            self.note(
                f"{counted(laid.left_out, 'column')} left out of a terminal {look.width} wide: "
                "--csv shows all."
            )
        return laid

    def note(self, sentence: str) -> None:
        """Have a sentence told once, below the output."""
        if sentence not in self.notes:
            self.notes.append(sentence)

    def _look(self, options: dict[str, Any]) -> Look | None:
        """What the output can show; pictures are for terminals, or where colour is forced."""
        forced = options["force_color"]
        if not (forced or self.stdout.isatty()):
            return None
        wanted = not os.environ.get("NO_COLOR") and self.style.ERROR("x") != "x"
        return Look(
            width=shutil.get_terminal_size().columns,
            colour=forced or wanted,
            blocks=carries(getattr(self.stdout, "encoding", None), BLOCKS),
        )


class PeriodCommand(InsightCommand):
    """Base of commands that show an insight by periods of the calendar, and by segments.

    The interval without ``--interval`` and ``--last`` is ``interval``.
    """

    interval = "month"

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--after",
            metavar="DATE",
            help=f"start with the period that holds this date (default: {self._recent()})",
        )
        parser.add_argument("--before", metavar="DATE", help="end there (exclusive) instead of now")
        parser.add_argument(
            "--last",
            metavar="12w",
            help="the last so many days (d), weeks (w), months (m), quarters (q) or years (y) of "
            "the calendar, the unfinished one too",
        )
        parser.add_argument(
            "--interval",
            metavar="UNIT",
            help=f"length of a period: {', '.join(INTERVALS)} "
            f"(default: the unit of --last, else {self.interval})",
        )
        super().add_arguments(parser)
        add_by_segment(parser)

    def _recent(self) -> str:
        return f"the last {RECENT[self.interval]} {self.interval}s, from the first souvenir on"

    def answer(self, options: dict[str, Any]) -> Insight:
        interval, start, end = self._range(options)
        segments = parse_segments(options)
        answer: Insight = self.insight(
            options,
            start,
            end,
            interval=interval,
            tz=options["tz"],
            **segments,
        )
        return answer

    @abstractmethod
    def insight(
        self, options: dict[str, Any], start: datetime, end: datetime | None, **keywords: Any
    ) -> Any:
        """Return the insight, which takes these keywords."""

    @abstractmethod
    def table(self, insight: Any, options: dict[str, Any]) -> Table:
        """Return the table that is shown where the output is no terminal."""

    @abstractmethod
    def picture(
        self, insight: Any, options: dict[str, Any], look: Look, most: float
    ) -> Iterable[str]:
        """Generate the lines that are shown on a terminal; ``most`` is that of all segments."""

    def most(self, insight: Any) -> float:
        """Return the highest value of an insight, which the pictures of all are compared with."""
        return 0

    def periods(self, insight: Any) -> Iterable[Period]:
        """Generate the periods of an insight."""
        return [each.period for each in insight.periods]

    def show(self, answer: Any, options: dict[str, Any]) -> Iterable[str]:
        parts = {EVERYONE: answer.everyone, **answer} if _is_segmented(answer) else {"": answer}
        self._explain(answer, next(iter(parts.values())), options)
        if self.look is None:
            return self._plain(parts, options)
        most = max(map(self.most, parts.values()))
        lines: list[str] = []
        for name, insight in parts.items():
            if name:
                gap = [""] if lines else []
                lines += [*gap, painted(printable(name), BOLD, self.look)]
            lines += self.picture(insight, options, self.look, most)
        return lines

    def _plain(self, parts: Mapping[str, Any], options: dict[str, Any]) -> list[str]:
        tables = {name: self.table(insight, options) for name, insight in parts.items()}
        if "" in tables:
            return tables[""].lines()
        rows = [[printable(name), *row] for name, table in tables.items() for row in table.rows]
        return Table(["segment", *tables[EVERYONE].headers], rows, names=2).lines()

    def _explain(self, answer: Any, everyone: Any, options: dict[str, Any]) -> None:
        periods = self.periods(everyone)
        if any(not period.complete for period in periods):
            self.note(f"{UNFINISHED} not over yet")
        if any(not period.known for period in periods):
            self.note("Numbers are unknown before the first souvenir.")
        if _is_segmented(answer) and not options["exclusive"]:
            self.note(OVERLAP)

    def _range(self, options: dict[str, Any]) -> tuple[str, datetime, datetime | None]:
        """The interval, the start and the end that the options mean."""
        zone = None if options["tz"] is None else parse_zone(options["tz"])
        start, end = parse_range(options, "after", "before", parse_zone(options["tz"]))
        last = options["last"]
        if last is not None and start is not None:
            raise CommandError("Cannot use --after and --last together.")
        count, unit = (None, self.interval) if last is None else parse_last(last, "--last")
        interval = unit if options["interval"] is None else options["interval"]
        interval = interval_named(interval).name
        if start is None:
            until = timezone.now() if end is None else end
            if count is None:
                start = later(periods_back(RECENT[interval], interval, until, zone), until)
            else:
                start = periods_back(count, unit, until, zone)
        return interval, start, end


class ExactEncoder(DjangoJSONEncoder):
    """Writes moments to the microsecond, as they are."""

    def default(self, o: Any) -> Any:
        return o.isoformat() if isinstance(o, datetime) else super().default(o)


def write_csv(stream: Any, rows: Sequence[Mapping[str, Any]], headers: Iterable[str]) -> None:
    """Write rows below the headers; without any, below the keys of the first row."""
    writer = csv.writer(stream)
    names = list(headers) or [name for row in rows[:1] for name in row]
    if names:
        writer.writerow(names)
    writer.writerows([csv_cell(value) for value in row.values()] for row in rows)


def csv_cell(value: Any) -> Any:
    """Return what to write for a value: moments as in ISO 8601, and no text that is a formula."""
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, str) and value.startswith(FORMULA):
        return f"'{value}"
    return value


def parse_last(text: str, option: str) -> tuple[int, str]:
    """Return how many of which interval ``12w`` means. Raises CommandError."""
    match = re.fullmatch(r"([1-9][0-9]{0,5})([a-z])", str(text).strip())
    if match is None or match[2] not in UNITS:
        raise CommandError(
            f"{option} {str(text)[:100]!r} is not a length of time: "
            "write it like 30d, 12w, 12m, 8q or 5y."
        )
    return int(match[1]), UNITS[match[2]]


def periods_back(number: int, interval: str, until: datetime, zone: tzinfo | None) -> datetime:
    """Return where so many periods of the calendar start, the last of which holds what is last."""
    end = checked(until, "--before")
    zone = zone_for(end, zone)
    step = interval_named(interval).step
    last = max(utc(end), START_OF_TIME + MICROSECOND) - MICROSECOND
    anchor = calendar_start(outward(last), step, zone, conf.WEEK_START)
    return outward(Boundaries(anchor, step, zone).boundary(1 - number))


def later(start: datetime, until: datetime) -> datetime:
    """Return the start, or the first souvenir where that comes after it and before the end."""
    first = get_store().first()
    if first is None or not utc(checked(start, "start")) < first < utc(checked(until, "end")):
        return start
    return outward(first)


def label(period: Period) -> str:
    """Return the label of a period, with a mark where it is not over yet."""
    return period.label if period.complete else f"{period.label}{UNFINISHED}"


def number(value: int | None) -> str:
    """Return a number for a table."""
    return UNKNOWN if value is None else str(value)


def carries(encoding: str | None, text: str) -> bool:
    """Return whether a stream of that encoding can carry the text; a stream without one can."""
    try:
        text.encode(encoding or "utf-8")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def _is_segmented(answer: Any) -> bool:
    return isinstance(answer, Segmented)
