"""The command that report commands are made from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.utils import timezone

from souvenirs import reports
from souvenirs.calendar import outward
from souvenirs.stores import get_store

from ._helpers import ReadingCommand, errors_in_words, parse_date, parse_segments, parse_zone

Report = tuple[list[str], list[Any]]

UNITS = ["daily", "weekly", "monthly", "quarterly", "yearly"]


class ReportRow(list[Any]):
    """The cells of a line, and the usage that they show."""

    def __init__(self, cells: Iterable[Any], usage: reports.Usage) -> None:
        super().__init__(cells)
        self.usage = usage


class ReportCommand(ReadingCommand):
    """Base of commands that report usage by period.

    ``handle()`` returns ``(headers, rows)``; a subclass shows them. The report ``monthly`` comes
    from the method ``monthly_report(options)``, which returns headers and ascending rows, and so on
    for any report that a subclass adds an option for.

    With the option ``by_segment``, which it leaves to subclasses to add, the rows of each segment
    follow those of everyone, and their first cell is its name, which is None for everyone.
    """

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--subscription-start",
            metavar="DATE",
            help="lay the periods from this date, when a customer's subscription started",
        )
        parser.add_argument(
            "--calendar",
            action="store_true",
            help="lay the periods by the calendar instead; from the first souvenir or --after",
        )
        parser.add_argument(
            "--after", metavar="DATE", help="leave out periods that end by then (inclusive)"
        )
        parser.add_argument("--before", metavar="DATE", help="end there (exclusive) instead of now")
        parser.add_argument(
            "--tz", metavar="ZONE", help="time zone of the periods, like Europe/Paris"
        )
        for unit in UNITS:
            parser.add_argument(
                f"--{unit}",
                action="store_const",
                dest="report",
                const=unit,
                help=f"report {unit} activity{UNIT_NOTES.get(unit, '')}",
            )
        parser.add_argument(
            "--recent",
            nargs="?",
            const=1,
            type=int,
            metavar="NUM",
            help="show only the last NUM periods (1 without a number)",
        )
        parser.add_argument(
            "--ascending", action="store_true", help="show the earliest period first, not last"
        )
        parser.add_argument(
            "--datefmt",
            default="%Y-%m-%d",
            help="strftime format of dates (default: %%Y-%%m-%%d)",
        )
        parser.add_argument(
            "--date",
            choices=["start", "end"],
            help="which end of a day a daily report shows (default: end; start with --calendar)",
        )

    def execute(self, *args: Any, **options: Any) -> str | None:
        """Run with the dates in ``options`` parsed."""
        zone = parse_zone(options.get("tz"))
        for name in ("subscription_start", "after", "before"):
            option = f"--{name.replace('_', '-')}"
            options[name] = parse_date(options.get(name), option, zone)
        return super().execute(*args, **options)

    def handle(self, *args: Any, **options: Any) -> Any:
        report = options["report"] or "monthly"
        self._check(report, options)
        method: Callable[[dict[str, Any]], Report] = getattr(self, f"{report}_report")
        with errors_in_words():
            headers, rows = method(options)
        shown: list[Any] = []
        for _, of_segment in groupby(rows, key=_segment_of):
            some = list(of_segment)
            if options["recent"]:
                some = some[-options["recent"] :]
            shown += some if options["ascending"] else some[::-1]
        if options.get("by_segment"):
            return ["segment", *headers], list(map(_with_segment, shown))
        return headers, shown

    def _check(self, report: str, options: dict[str, Any]) -> None:
        calendar, anchor = options.get("calendar"), options["subscription_start"]
        if calendar and anchor is not None:
            raise CommandError("Cannot use --calendar and --subscription-start together.")
        if report == "weekly" and not calendar:
            raise CommandError("weekly report requires --calendar.")
        after, before = options["after"], options["before"]
        if after is not None and before is not None and after > before:
            raise CommandError(f"--after {after} is later than --before {before}.")
        if report in UNITS and not calendar and anchor is None:
            raise CommandError(f"{report} report requires --subscription-start or --calendar.")

    def daily_report(self, options: dict[str, Any]) -> Report:
        shown = options.get("date") or ("start" if options.get("calendar") else "end")
        rows = [
            ReportRow([_date(usage, shown, options), *_counts(usage)], usage)
            for usage in self._usage("daily", options)
        ]
        return ["date", "registered", "activated", "active"], rows

    def weekly_report(self, options: dict[str, Any]) -> Report:
        return self._report("weekly", "week", options)

    def monthly_report(self, options: dict[str, Any]) -> Report:
        return self._report("monthly", "month", options)

    def quarterly_report(self, options: dict[str, Any]) -> Report:
        return self._report("quarterly", "quarter", options)

    def yearly_report(self, options: dict[str, Any]) -> Report:
        return self._report("yearly", "year", options)

    def _report(self, unit: str, heading: str, options: dict[str, Any]) -> Report:
        label = LABELS[unit][bool(options.get("calendar"))]
        rows = [
            ReportRow(
                [
                    usage["labels"][label],
                    _date(usage, "start", options),
                    _date(usage, "end", options),
                    *_counts(usage),
                ],
                usage,
            )
            for usage in self._usage(unit, options)
        ]
        return [heading, "start", "end", "registered", "activated", "active"], rows

    def _usage(self, unit: str, options: dict[str, Any]) -> Iterator[reports.Usage]:
        keywords = {
            "end": options["before"],
            "tz": options.get("tz"),
            "recent": options["recent"],
            **(parse_segments(options) if "by_segment" in options else {}),
        }
        if options.get("calendar"):
            calendar_usage = getattr(reports, f"calendar_{unit}_usage")
            start, end = options["after"] or _first_souvenir(), options["before"]
            if options["after"] is None and end is not None and start > end:
                start = end
            yield from calendar_usage(start, **keywords)
        else:
            name = "daily_usage" if unit == "daily" else f"customer_{unit}_usage"
            subscription_usage = getattr(reports, name)
            yield from subscription_usage(
                options["subscription_start"], start=options["after"], **keywords
            )


UNIT_NOTES = {"weekly": " (with --calendar)", "monthly": " (default)"}

#: What a period is called, in a subscription and in the calendar.
LABELS = {
    "weekly": ("", "calendar_year_week"),
    "monthly": ("year_month", "calendar_year_month"),
    "quarterly": ("year_quarter", "calendar_year_quarter"),
    "yearly": ("year", "calendar_year"),
}


def _segment_of(row: Any) -> str | None:
    return row.usage.get("segment") if isinstance(row, ReportRow) else None


def _with_segment(row: Any) -> Any:
    cells = [_segment_of(row), *row]
    return ReportRow(cells, row.usage) if isinstance(row, ReportRow) else cells


def _date(usage: reports.Usage, end: str, options: dict[str, Any]) -> str:
    moment: datetime = usage["period"][end]
    return moment.strftime(options["datefmt"])


def _counts(usage: reports.Usage) -> list[int | None]:
    counts = usage["usage"]
    return [counts["registered_users"], counts["activated_users"], counts["active_users"]]


def _first_souvenir() -> datetime:
    """Where a calendar starts by itself; without souvenirs, with the period that holds now."""
    first = get_store().first()
    return timezone.now() - timedelta(microseconds=1) if first is None else outward(first)
