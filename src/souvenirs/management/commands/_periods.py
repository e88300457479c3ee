"""The base of the commands that show an insight by calendar period."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Mapping
from datetime import datetime, tzinfo
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.utils import timezone

from souvenirs.calendar import (
    MICROSECOND,
    START_OF_TIME,
    Incomplete,
    calendar_boundaries,
    checked,
    interval_named,
    outward,
    utc,
    zone_for,
)
from souvenirs.insights import Insight, Period, Segmented
from souvenirs.stores import get_store

from .._terminal import BOLD, Display, TextTable, printable
from ._insights import InsightCommand
from ._options import add_options, parse_length, parse_range, parse_zone
from ._segments import add_segment_options, parse_segments

#: Marks of incomplete periods, by why they are, and the notes on them.
MARKS: dict[Incomplete, str] = {"running": "*", "cut": "~"}
NOTES: dict[Incomplete, str] = {
    "running": f"{MARKS['running']} not over yet",
    "cut": f"{MARKS['cut']} cut off by the end of the range",
}
EVERYONE = "everyone"
OVERLAP_NOTE = "Segments can overlap, so their numbers need not add up to those of everyone."

#: The number of periods shown without --after and --last.
RECENT = {"day": 30, "week": 12, "month": 12, "quarter": 12, "year": 10}


class PeriodCommand(InsightCommand):
    """Base of commands that show an insight by calendar period, and by segment.

    ``interval`` is the length of a period without ``--interval`` and ``--last``.
    """

    interval = "month"

    def add_arguments(self, parser: CommandParser) -> None:
        add_options(
            parser,
            "--after",
            "--before",
            "--last",
            "--interval",
            after="; the first period is shown in full (default: the last "
            f"{RECENT[self.interval]} {self.interval}s, but none before the first souvenir)",
            before=" (default: now)",
            interval=f" (default: the unit of --last, otherwise {self.interval})",
        )
        super().add_arguments(parser)
        add_segment_options(parser)
        add_options(parser, "--of")

    def answer(self, options: dict[str, Any]) -> Insight:
        interval, start, end = self._range(options)
        keywords = {
            "interval": interval,
            "tz": options["tz"],
            "of": options["of"],
            **parse_segments(options, start, end, self.notes),
        }
        return self.insight(options, start, end, **keywords)

    @abstractmethod
    def insight(
        self, options: dict[str, Any], start: datetime, end: datetime | None, **keywords: Any
    ) -> Insight:
        """Return the insight; ``keywords`` are its arguments."""

    @abstractmethod
    def table(self, insight: Any, options: dict[str, Any]) -> TextTable:
        """Return the table for an output that is not a terminal."""

    @abstractmethod
    def picture(
        self, insight: Any, options: dict[str, Any], display: Display, maximum: float
    ) -> Iterable[str]:
        """Generate the lines for a terminal, drawn to the scale of ``maximum``."""

    def maximum(self, insight: Any) -> float:
        """Return the highest value drawn; the pictures of all segments share one scale."""
        return 0

    def periods(self, insight: Any) -> Iterable[Period]:
        """Return the periods of an insight."""
        return [each.period for each in insight.periods]

    def show(self, answer: Any, options: dict[str, Any]) -> Iterable[str]:
        parts = {"": answer}
        if isinstance(answer, Segmented):
            parts = {EVERYONE: answer.everyone, **answer}
        self._explain(next(iter(parts.values())))
        if isinstance(answer, Segmented) and not options["exclusive"]:
            self.note(OVERLAP_NOTE)
        if self.display is None:
            return self._plain(parts, options)
        maximum = max(map(self.maximum, parts.values()))
        lines: list[str] = []
        for name, insight in parts.items():
            if name:
                gap = [""] if lines else []
                lines += [*gap, self.display.painted(printable(name), BOLD)]
            lines += self.picture(insight, options, self.display, maximum)
        return lines

    def _plain(self, parts: Mapping[str, Any], options: dict[str, Any]) -> list[str]:
        tables = {name: self.table(insight, options) for name, insight in parts.items()}
        if "" in tables:
            return tables[""].lines()
        rows = [[printable(name), *row] for name, table in tables.items() for row in table.rows]
        return TextTable(["segment", *tables[EVERYONE].headers], rows, names=2).lines()

    def _explain(self, insight: Any) -> None:
        """Add the notes about what is counted, marks and missing numbers."""
        if insight.of is not None:
            self.note(of_note(insight.of))
        periods = self.periods(insight)
        for why, note in NOTES.items():
            if any(period.incomplete == why for period in periods):
                self.note(note)
        if any(not period.known for period in periods):
            self.note("Numbers are unknown before the first souvenir.")

    def _range(self, options: dict[str, Any]) -> tuple[str, datetime, datetime | None]:
        """Return the interval, the start and the end."""
        zone, start, end = parse_ends(options)
        last = options["last"]
        count, unit = (None, self.interval) if last is None else parse_length(last, "--last")
        interval = unit if options["interval"] is None else options["interval"]
        interval = interval_named(interval).name
        if start is None:
            until = timezone.now() if end is None else end
            if count is None:
                start = start_of_last(RECENT[interval], interval, until, zone)
                start = _not_before_history(start, until)
            else:
                start = start_of_last(count, unit, until, zone)
        return interval, start, end


def of_note(of: str) -> str:
    """Return the note that groups are counted instead of users."""
    return f"Counted are groups of users by {of}, with today's members."


def parse_ends(
    options: dict[str, Any],
) -> tuple[tzinfo | None, datetime | None, datetime | None]:
    """Return the time zone, the start and the end of the range; None if left out.

    With ``--last`` there is no start, and none may be given.
    """
    zone = None if options["tz"] is None else parse_zone(options["tz"])
    start, end = parse_range(options, parse_zone(options["tz"]))
    if options["last"] is not None and start is not None:
        raise CommandError("Cannot use --after and --last together.")
    return zone, start, end


def start_of_last(count: int, interval: str, until: datetime, zone: tzinfo | None) -> datetime:
    """Return the start of the last ``count`` calendar periods that begin before ``until``."""
    end = checked(until, "--before")
    last = max(utc(end), START_OF_TIME + MICROSECOND) - MICROSECOND
    boundaries = calendar_boundaries(last, interval_named(interval).step, zone_for(end, zone))
    return outward(boundaries.boundary(1 - count))


def _not_before_history(start: datetime, until: datetime) -> datetime:
    """Return the start, or the first souvenir if that is later and in the range."""
    first = get_store().first()
    if first is None or not utc(checked(start, "start")) < first < utc(checked(until, "end")):
        return start
    return outward(first)


def label(period: Period) -> str:
    """Return the label of a period, marked if the period is incomplete."""
    return period.label + mark(period.incomplete)


def mark(incomplete: Incomplete | None) -> str:
    """Return the mark of an incomplete period; nothing if it is complete."""
    return MARKS[incomplete] if incomplete else ""
