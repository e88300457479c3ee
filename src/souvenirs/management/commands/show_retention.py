from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from typing import Any, get_args

from django.core.management.base import CommandError, CommandParser

from souvenirs.insights import (
    CohortBy,
    DayNRetention,
    Mode,
    Period,
    Reference,
    Retention,
    day_n_retention,
    retention,
)

from .._terminal import BOLD, NO_VALUE, Display, TextTable, Value, number, percent
from ._periods import NOTES, PeriodCommand, label, mark

#: Options that cannot be combined with ``--day-n``.
TRIANGLE_OPTIONS = ("cohort", "mode", "reference")

MEAN = "mean"

#: Columns before the cells: the cohort and its size.
LEADING = 2


class Command(PeriodCommand):
    help = (
        "Shows how many users come back: of the users first seen in each day, week, month, quarter "
        "or year, the percentage active 0, 1, 2 and more periods later."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--cohort",
            metavar="KIND",
            help="date that assigns users to a cohort: "
            f"{' or '.join(get_args(CohortBy))} (default: first_seen)",
        )
        parser.add_argument(
            "--mode",
            metavar="MODE",
            help="count users active in each period, or in it or later: "
            f"{' or '.join(get_args(Mode))} (default: in)",
        )
        parser.add_argument(
            "--reference",
            metavar="CELL",
            help="denominator of the percentages, the users of the "
            f"{' or '.join(get_args(Reference))} cell (default: first)",
        )
        parser.add_argument(
            "--counts", action="store_true", help="show numbers of users instead of percentages"
        )
        parser.add_argument(
            "--day-n",
            metavar="1,7,30",
            help="show how many users were active on these days after their first one, and how "
            "many then or later, instead of cohorts",
        )

    def insight(
        self, options: dict[str, Any], start: datetime, end: datetime | None, **keywords: Any
    ) -> Any:
        chosen = {name: options[name] for name in TRIANGLE_OPTIONS if options[name] is not None}
        if options["day_n"] is None:
            return retention(start, end, **keywords, **chosen)
        unused = [*chosen, *[name for name in ("interval", "counts") if options[name]]]
        if unused:
            raise CommandError(f"Cannot use --day-n and --{unused[0]} together.")
        del keywords["interval"]
        return day_n_retention(start, end, days=_days(options["day_n"]), **keywords)

    def periods(self, insight: Retention | DayNRetention) -> Iterable[Period]:
        if isinstance(insight, DayNRetention):
            return []
        return [cohort.period for cohort in insight.cohorts]

    def table(self, insight: Retention | DayNRetention, options: dict[str, Any]) -> TextTable:
        if isinstance(insight, DayNRetention):
            return self._day_n_table(insight)
        return _triangle(insight, options["counts"])

    def maximum(self, insight: Retention | DayNRetention) -> float:
        """Return the highest share outside the first column, which would make the others pale."""
        if isinstance(insight, DayNRetention):
            return max(each.share or 0 for each in insight.days)
        shares = [share or 0 for row in _shares(insight) for share in row[1:]]
        return max(shares, default=0) or 1

    def picture(
        self,
        insight: Retention | DayNRetention,
        options: dict[str, Any],
        display: Display,
        maximum: float,
    ) -> Iterable[str]:
        if isinstance(insight, DayNRetention):
            fitted = self.fitted(self._day_n_table(insight), display)
            yield from fitted.with_bars([each.share for each in insight.days], maximum, display)
            return
        yield from textwrap.wrap(_title(insight, options["counts"]), display.width)
        shares = _scaled_shares(insight, maximum)
        table = _triangle(insight, options["counts"])
        if not display.colour:
            table = _with_shades(table, shares, display)
        fitted = self.fitted(table, display, gap=1)
        yield display.painted(fitted.header, BOLD)
        for row, cells in zip(fitted.rows, shares, strict=False):
            yield _with_background(row, fitted.columns, cells, display)

    def _day_n_table(self, insight: DayNRetention) -> TextTable:
        """Return a row for each n, and note what the marks mean."""
        for each in insight.days:
            if each.incomplete:
                self.note(NOTES[each.incomplete])
        rows = [
            [
                f"{each.days}{mark(each.incomplete)}",
                str(each.eligible),
                str(each.returned),
                percent(each.share),
                str(each.returned_or_later),
                percent(each.share_or_later),
            ]
            for each in insight.days
        ]
        return TextTable(["day", _counted(insight), "on it", "share", "or later", "share"], rows)


def _counted(insight: Retention | DayNRetention) -> str:
    return "users" if insight.of is None else "groups"


def _triangle(insight: Retention, counts: bool) -> TextTable:
    """Return a row for each cohort, and one for the mean shares."""
    offsets = max((len(cohort.cells) for cohort in insight.cohorts), default=0)
    rows = []
    for position, cohort in enumerate(insight.cohorts):
        cells = [_cell(insight, position, offset, counts) for offset in range(len(cohort.cells))]
        rows.append([label(cohort.period), number(cohort.size), *cells])
    if not counts and rows:
        complete = [cohort for cohort in insight.cohorts if cohort.period.complete]
        users = sum(cohort.size or 0 for cohort in complete)
        rows.append([MEAN, str(users), *map(percent, insight.mean())])
    return TextTable([insight.interval, _counted(insight), *map(str, range(offsets))], rows)


def _cell(insight: Retention, position: int, offset: int, counts: bool) -> str:
    users, period = insight.cohorts[position].cells[offset], insight.period(position, offset)
    if not period.complete:
        return mark(period.incomplete)
    if users is None:
        return NO_VALUE
    return str(users) if counts else percent(insight.share(position, offset))


def _scaled_shares(insight: Retention, maximum: float) -> list[list[Value]]:
    """Return the shares of each cohort and the means, scaled so that the maximum is 1."""
    return [
        [None if share is None else min(1, share / maximum) for share in row]
        for row in [*_shares(insight), list(insight.mean())]
    ]


def _shares(insight: Retention) -> list[list[Value]]:
    """Return the shares of each cohort; None for those in an incomplete period."""
    return [
        [
            insight.share(position, offset) if insight.period(position, offset).complete else None
            for offset in range(len(cohort.cells))
        ]
        for position, cohort in enumerate(insight.cohorts)
    ]


def _with_shades(table: TextTable, shares: list[list[Value]], display: Display) -> TextTable:
    """Return the table with a shade beside each cell."""
    rows = [
        [*row[:LEADING], *map(display.shaded, row[LEADING:], each)]
        for row, each in zip(table.rows, shares, strict=False)
    ]
    return replace(table, rows=rows)


def _with_background(
    row: str, columns: list[tuple[int, int]], shares: list[Value], display: Display
) -> str:
    """Return a row of the triangle with its cells on backgrounds without gaps."""
    if not display.colour:
        return row
    (_, edge), *cells = columns[LEADING - 1 :]
    parts = [row[:edge]]
    for (_, end), share in zip(cells, shares, strict=False):
        parts.append(display.shaded(row[edge:end], share))
        edge = end
    return "".join(parts)


def _title(insight: Retention, counts: bool) -> str:
    unit = insight.interval
    seen = "first seen" if insight.cohort == "first_seen" else "registered"
    whole = "them" if insight.reference == "first" else f"those active the {unit} before"
    what = "how many of them" if counts else f"the percentage of {whole} who"
    when = f"N {unit}s later" + (" or after that" if insight.mode == "in_or_later" else "")
    return f"Users {seen} in each {unit}, and {what} were active {when}:"


def _days(text: str) -> list[int]:
    """Return the numbers in a list such as ``1,7,30``; raises CommandError for anything else."""
    parts = str(text).split(",")
    if not all(re.fullmatch(r"[1-9][0-9]{0,5}", part.strip()) for part in parts):
        raise CommandError(
            f"--day-n {str(text)[:100]!r} is not a list of days: use a format such as 1,7,30."
        )
    return [int(part) for part in parts]
