from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import CommandParser
from django.core.serializers.json import DjangoJSONEncoder
from tabulate import tabulate

from souvenirs.csvfiles import write_csv

from .._terminal import NO_VALUE, printable
from ._commands import ReportCommand, ReportRow
from ._options import add_format_options, add_options
from ._periods import EVERYONE, OVERLAP_NOTE, UNFINISHED, UNFINISHED_NOTE


class Command(ReportCommand):
    help = (
        "Shows registered, activated and active users by day, week, month, quarter or year, "
        "of a subscription or of the calendar."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        add_options(parser, "--segment", "--by-segment", "--exclusive")
        add_format_options(parser)

    def handle(self, *args: Any, **options: Any) -> str | None:
        headers, rows = super().handle(*args, **options)
        if options.get("json"):
            entries = [_entry(headers, row) for row in rows]
            return json.dumps(entries, cls=DjangoJSONEncoder, indent=2)
        if options.get("csv"):
            write_csv(self.stdout, headers, rows)
            return None
        self.notes.extend(_notes(rows))
        if not options.get("by_segment"):
            return tabulate([_marked(row) for row in rows], headers, missingval=NO_VALUE)
        if not options.get("exclusive"):
            self.notes.append(OVERLAP_NOTE)
        named = [[_name(row[0]), *_marked(row, 1)] for row in rows]
        # The name of a segment may consist of digits; it is still not a number.
        return tabulate(named, headers, missingval=NO_VALUE, disable_numparse=[0])


def _name(segment: str | None) -> str:
    return EVERYONE if segment is None else printable(segment)


def _notes(rows: list[Any]) -> Iterator[str]:
    """Generate notes on the marks and the missing numbers of a table."""
    usages = [row.usage for row in rows if isinstance(row, ReportRow)]
    if any(not _is_complete(usage) for usage in usages):
        yield UNFINISHED_NOTE
    if any(usage["usage"]["active_users"] is None for usage in usages):
        yield "Active users are unknown before the first souvenir."
    if any(usage["usage"]["registered_users"] is None for usage in usages):
        yield (
            f"Registered and activated users are unknown: {get_user_model()._meta.label} has no "
            "field date_joined. Set SOUVENIRS_DATE_JOINED_FIELD to the name of another one."
        )


def _is_complete(usage: dict[str, Any]) -> bool:
    return bool(usage.get("complete", True))


def _marked(row: list[Any], first: int = 0) -> list[Any]:
    """Return the cells from the period on, with a mark if the period is not over yet."""
    cells = row[first:]
    if isinstance(row, ReportRow) and not _is_complete(row.usage):
        return [f"{cells[0]}{UNFINISHED}", *cells[1:]]
    return cells


def _entry(headers: list[str], row: list[Any]) -> dict[str, Any]:
    if isinstance(row, ReportRow):
        return {**row.usage, "complete": _is_complete(row.usage)}
    return dict(zip(headers, row, strict=True))
