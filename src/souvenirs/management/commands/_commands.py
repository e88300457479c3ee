"""The base of the commands that report usage."""

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

from ._errors import command_errors
from ._options import add_options, parse_date, parse_range, parse_zone
from ._reading import ReadingCommand
from ._segments import has_segments, parse_segments

Report = tuple[list[str], list[Any]]

REPORTS = ["daily", "weekly", "monthly", "quarterly", "yearly"]


class ReportRow(list[Any]):
    """The cells of a row, and the usage they are taken from."""

    def __init__(self, cells: Iterable[Any], usage: reports.Usage) -> None:
        super().__init__(cells)
        self.usage = usage


class ReportCommand(ReadingCommand):
    """Base of commands that report usage by period.

    ``handle()`` returns ``(headers, rows)``, which a subclass outputs. The option ``report`` names
    the report: ``"monthly"`` calls ``monthly_report(options)``, which returns headers and rows in
    ascending order. A subclass adds a report with such a method and an option that sets ``report``.
    Active users of an unknown period are 0, as in version 1, and None with ``calendar``; each
    :class:`ReportRow` has its ``usage``.

    A subclass may add the options ``--segment``, ``--by-segment`` and ``--exclusive``, and ``--by``
    with ``--top``. With ``by_segment`` or ``by``, the rows of everyone come first and those of each
    segment follow; the first cell of each row is the name of its segment, None for everyone.
    """

    def add_arguments(self, parser: CommandParser) -> None:
        add_options(parser, "--subscription-start")
        parser.add_argument(
            "--calendar",
            action="store_true",
            help="report periods of the calendar instead",
        )
        add_options(
            parser,
            "--after",
            "--before",
            "--tz",
            after="; the first period, or of days the first month of the subscription, is shown "
            "in full (default: the start of the subscription or the first souvenir)",
            before=" (default: now)",
        )
        for unit in REPORTS:
            parser.add_argument(
                f"--{unit}",
                action="store_const",
                dest="report",
                const=unit,
                help=f"report {unit} activity{REPORT_NOTES.get(unit, '')}",
            )
        parser.add_argument(
            "--recent",
            nargs="?",
            const=1,
            type=int,
            metavar="NUM",
            help="show only the last NUM periods (default: all; 1 if NUM is omitted)",
        )
        parser.add_argument(
            "--ascending", action="store_true", help="show the earliest period first"
        )
        parser.add_argument(
            "--datefmt",
            default="%Y-%m-%d",
            help="strftime format of dates (default: %%Y-%%m-%%d)",
        )
        parser.add_argument(
            "--date",
            choices=["start", "end"],
            help="date shown for a day, its start or its end (default: end; start with --calendar)",
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
        with command_errors():
            headers, rows = method(options)
        shown: list[Any] = []
        for _, of_segment in groupby(rows, key=_segment_of):
            some = list(of_segment)
            if options["recent"]:
                some = some[-options["recent"] :]
            shown += some if options["ascending"] else some[::-1]
        if has_segments(options):
            return ["segment", *headers], list(map(_with_segment, shown))
        return headers, shown

    def _check(self, report: str, options: dict[str, Any]) -> None:
        calendar, anchor = options.get("calendar"), options["subscription_start"]
        if calendar and anchor is not None:
            raise CommandError("Cannot use --calendar and --subscription-start together.")
        if report == "weekly" and not calendar:
            raise CommandError("The weekly report requires --calendar.")
        if calendar:
            parse_range(options, parse_zone(options.get("tz")))
        if report in REPORTS and not calendar and anchor is None:
            raise CommandError(f"The {report} report requires --subscription-start or --calendar.")

    def daily_report(self, options: dict[str, Any]) -> Report:
        shown = options.get("date") or ("start" if options.get("calendar") else "end")
        rows = [
            ReportRow([_date(usage, shown, options), *_counts(usage, options)], usage)
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

    def _segments(self, options: dict[str, Any]) -> dict[str, Any]:
        start = options["after"] or options["subscription_start"]
        return parse_segments(options, start, options["before"], self.notes)

    def _report(self, unit: str, heading: str, options: dict[str, Any]) -> Report:
        label = LABELS[unit][bool(options.get("calendar"))]
        rows = [
            ReportRow(
                [
                    usage["labels"][label],
                    _date(usage, "start", options),
                    _date(usage, "end", options),
                    *_counts(usage, options),
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
            **(self._segments(options) if "by_segment" in options else {}),
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


REPORT_NOTES = {"weekly": " (with --calendar)", "monthly": " (default)"}

#: The labels of periods of a subscription and of the calendar.
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


def _counts(usage: reports.Usage, options: dict[str, Any]) -> Iterable[int | None]:
    if options.get("calendar"):
        return usage.counts
    counts = usage["usage"]
    return counts["registered_users"], counts["activated_users"], counts["active_users"]


def _first_souvenir() -> datetime:
    """Return the time of the first souvenir; without one, an instant in the current period."""
    first = get_store().first()
    return timezone.now() - timedelta(microseconds=1) if first is None else outward(first)
