from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import CommandParser
from django.core.serializers.json import DjangoJSONEncoder
from tabulate import tabulate

from souvenirs.calendar import Incomplete
from souvenirs.csvfiles import write_csv

from .._terminal import NO_VALUE, printable
from ._commands import ReportCommand, ReportRow
from ._options import add_format_options, add_options
from ._periods import EVERYONE, NOTES, OVERLAP_NOTE, mark
from ._segments import add_segment_options, has_segments


class Command(ReportCommand):
    help = (
        "Shows registered, activated and active users by day, week, month, quarter or year, "
        "of a subscription or of the calendar."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        add_options(parser, "--segment")
        add_segment_options(parser)
        add_format_options(parser)

    def handle(self, *args: Any, **options: Any) -> str | None:
        headers, rows = super().handle(*args, **options)
        if options.get("json"):
            entries = [_entry(headers, row) for row in rows]
            return json.dumps(entries, cls=DjangoJSONEncoder, indent=2)
        if options.get("csv"):
            write_csv(self.stdout, *_with_state(headers, rows))
            return None
        # What other programs read of a subscription is as in version 1.
        is_marked = bool(options.get("calendar")) or self.stdout.isatty()
        self.notes.extend(_notes(rows, is_marked=is_marked))
        if is_marked:
            rows = [_marked(row, int(has_segments(options))) for row in rows]
        if not has_segments(options):
            return tabulate(rows, headers, missingval=NO_VALUE)
        if not options.get("exclusive"):
            self.notes.append(OVERLAP_NOTE)
        named = [[_name(name), *cells] for name, *cells in rows]
        # The name of a segment may consist of digits; it is still not a number.
        return tabulate(named, headers, missingval=NO_VALUE, disable_numparse=[0])


def _name(segment: str | None) -> str:
    return EVERYONE if segment is None else printable(segment)


def _notes(rows: list[Any], *, is_marked: bool) -> Iterator[str]:
    """Generate notes on the incomplete periods of a table, and on unknown numbers."""
    usages = [row.usage for row in rows if isinstance(row, ReportRow)]
    for why, note in NOTES.items():
        found = {usage["period"]["start"] for usage in usages if usage.incomplete == why}
        if found:
            yield note if is_marked else _unmarked(why, len(found))
    if not all(usage.known for usage in usages):
        shown = "" if is_marked else ", and shown as 0"
        yield f"Active users are unknown before the first souvenir{shown}."
    if any(usage["usage"]["registered_users"] is None for usage in usages):
        yield (
            f"Registered and activated users are unknown: {get_user_model()._meta.label} has no "
            "field date_joined. Set SOUVENIRS_DATE_JOINED_FIELD to the name of another one."
        )


def _unmarked(why: Incomplete, count: int) -> str:
    """Return the note on the last periods where they are not marked; only one can be cut off."""
    if why == "cut":
        return "The last period is cut off by the end of the range."
    if count == 1:
        return "The last period is not over yet."
    return f"The last {count} periods are not over yet."


def _marked(row: list[Any], first: int) -> list[Any]:
    """Return the cells of a row, with what is unknown as None and a mark if it is incomplete.

    The mark is added to the cell at the position ``first``.
    """
    if not isinstance(row, ReportRow):
        return row
    cells = [*row[:-1], row.usage.counts[-1]]
    if not row.usage.complete:
        cells[first] = f"{cells[first]}{mark(row.usage.incomplete)}"
    return cells


def _with_state(headers: list[str], rows: list[Any]) -> tuple[list[str], list[Any]]:
    """Return headers and rows with three more columns, unless a subclass has made the report."""
    if not all(isinstance(row, ReportRow) for row in rows):
        return headers, rows
    states = ([*row, row.usage.complete, row.usage.known, row.usage.incomplete] for row in rows)
    return [*headers, "complete", "known", "incomplete"], list(states)


def _entry(headers: list[str], row: list[Any]) -> dict[str, Any]:
    if not isinstance(row, ReportRow):
        return dict(zip(headers, row, strict=True))
    usage = row.usage
    counts = {**usage["usage"], "active_users": usage.counts[-1]}
    return {
        **usage,
        "usage": counts,
        "complete": usage.complete,
        "incomplete": usage.incomplete,
        "known": usage.known,
    }
