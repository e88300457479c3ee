from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import CommandParser
from django.core.serializers.json import DjangoJSONEncoder
from tabulate import tabulate

from ._commands import ReportCommand, ReportRow
from ._helpers import add_by_segment, add_segment
from ._insights import EVERYONE, OVERLAP, UNFINISHED, csv_cell
from ._pictures import printable


class Command(ReportCommand):
    help = (
        "Shows registered, activated and active users by day, week, month, quarter or year, "
        "of a subscription or of the calendar."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        add_segment(parser)
        add_by_segment(parser)
        formats = parser.add_mutually_exclusive_group()
        formats.add_argument("--csv", action="store_true", help="output CSV instead of a table")
        formats.add_argument("--json", action="store_true", help="output JSON instead of a table")

    def handle(self, *args: Any, **options: Any) -> str | None:
        headers, rows = super().handle(*args, **options)
        if options.get("json"):
            entries = [_entry(headers, row) for row in rows]
            return json.dumps(entries, cls=DjangoJSONEncoder, indent=2)
        if options.get("csv"):
            writer = csv.writer(self.stdout)
            writer.writerow(headers)
            if options.get("by_segment"):
                rows = [[csv_cell(row[0]), *row[1:]] for row in rows]
            writer.writerows(rows)
            return None
        self.notes.extend(_notes(rows))
        if not options.get("by_segment"):
            return tabulate([_marked(row) for row in rows], headers, missingval="-")
        if not options.get("exclusive"):
            self.notes.append(OVERLAP)
        named = [[_name(row[0]), *_marked(row, 1)] for row in rows]
        # A name that is a number is a name.
        return tabulate(named, headers, missingval="-", disable_numparse=[0])


def _name(segment: str | None) -> str:
    return EVERYONE if segment is None else printable(segment)


def _notes(rows: list[Any]) -> Iterator[str]:
    """What the marks and the gaps of a table mean, for stderr."""
    usages = [row.usage for row in rows if isinstance(row, ReportRow)]
    if any(not _is_complete(usage) for usage in usages):
        yield f"{UNFINISHED} not over yet"
    if any(usage["usage"]["active_users"] is None for usage in usages):
        yield "Active users are unknown before the first souvenir."
    if any(usage["usage"]["registered_users"] is None for usage in usages):
        yield (
            f"Registered and activated users are unknown: {get_user_model()._meta.label} has no "
            "field date_joined. SOUVENIRS_DATE_JOINED_FIELD can name another one."
        )


def _is_complete(usage: dict[str, Any]) -> bool:
    return bool(usage.get("complete", True))


def _marked(row: list[Any], first: int = 0) -> list[Any]:
    """The cells of a line from the one that names the period, with a mark if that is not over."""
    cells = row[first:]
    if isinstance(row, ReportRow) and not _is_complete(row.usage):
        return [f"{cells[0]}{UNFINISHED}", *cells[1:]]
    return cells


def _entry(headers: list[str], row: list[Any]) -> dict[str, Any]:
    if isinstance(row, ReportRow):
        return {**row.usage, "complete": _is_complete(row.usage)}
    return dict(zip(headers, row, strict=True))
