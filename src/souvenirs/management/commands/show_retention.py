from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable
from datetime import datetime
from typing import Any, get_args

from django.core.management.base import CommandError, CommandParser

from souvenirs.insights import DayNRetention, Period, Retention, day_n_retention, retention
from souvenirs.insights.retention import CohortBy, Mode, Reference

from ._insights import UNFINISHED, UNKNOWN, PeriodCommand, Table, label, number
from ._pictures import BOLD, Look, Value, painted, percent, shaded, with_bars

#: Options of the triangle, with their defaults.
TRIANGLE = {"cohort": "first_seen", "mode": "in", "reference": "first"}

MEAN = "mean"

PLAIN = Look()

#: Columns before the cells: the cohort and its size.
LEADING = 2


class Command(PeriodCommand):
    help = (
        "Shows who comes back: for the users first seen in each day, week, month, quarter or year "
        "how many of them were active in it, in the next one, and so on."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--cohort",
            metavar="KIND",
            help=f"what makes a cohort: {' or '.join(get_args(CohortBy))} (default: first_seen)",
        )
        parser.add_argument(
            "--mode",
            metavar="MODE",
            help=f"when they come: {' or '.join(get_args(Mode))} (default: in)",
        )
        parser.add_argument(
            "--reference",
            metavar="CELL",
            help=f"what a share is of: {' or '.join(get_args(Reference))} (default: first)",
        )
        parser.add_argument(
            "--counts", action="store_true", help="show numbers of users instead of shares"
        )
        parser.add_argument(
            "--day-n",
            metavar="1,7,30",
            help="instead, how many came back exactly so many days after their first day, and then "
            "or later",
        )

    def insight(
        self, options: dict[str, Any], start: datetime, end: datetime | None, **keywords: Any
    ) -> Any:
        chosen = {name: options[name] for name in TRIANGLE if options[name] is not None}
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

    def table(self, insight: Retention | DayNRetention, options: dict[str, Any]) -> Table:
        if isinstance(insight, DayNRetention):
            return _day_n_table(insight)
        return _triangle(insight, options["counts"], [])

    def most(self, insight: Retention | DayNRetention) -> float:
        """The highest share but that of the first column, which would leave the others pale."""
        if isinstance(insight, DayNRetention):
            return max(each.share or 0 for each in insight.days)
        shares = [row["share"] or 0 for row in insight.rows() if row["offset"]]
        return max(shares, default=0) or 1

    def picture(
        self,
        insight: Retention | DayNRetention,
        options: dict[str, Any],
        look: Look,
        most: float,
    ) -> Iterable[str]:
        if isinstance(insight, DayNRetention):
            yield from self._day_n_picture(insight, look, most)
            return
        shares = _relative(insight, most)
        yield from textwrap.wrap(_title(insight, options["counts"]), look.width)
        beside = [] if look.colour else shares
        table = _triangle(insight, options["counts"], beside, look)
        laid = self.laid_out(table, look, gap=1)
        yield painted(laid.header, BOLD, look)
        for row, cells in zip(laid.rows, shares, strict=False):
            yield _painted_row(row, laid.places, cells, look)

    def _day_n_picture(self, insight: DayNRetention, look: Look, most: float) -> Iterable[str]:
        laid = self.laid_out(_day_n_table(insight), look)
        yield painted(laid.header, BOLD, look)
        yield from with_bars(laid, [each.share for each in insight.days], most, look)


def _triangle(
    insight: Retention, counts: bool, beside: list[list[Value]], look: Look = PLAIN
) -> Table:
    """The table of cohorts; with a level beside each cell where ``beside`` has shares."""
    offsets = max((len(cohort.cells) for cohort in insight.cohorts), default=0)
    rows = []
    for position, cohort in enumerate(insight.cohorts):
        cells = [_cell(insight, position, offset, counts) for offset in range(len(cohort.cells))]
        rows.append([label(cohort.period), number(cohort.size), *cells])
    if not counts and rows:
        sizes = [cohort.size for cohort in insight.cohorts if cohort.size is not None]
        rows.append([MEAN, str(sum(sizes)), *map(percent, insight.mean())])
    for row, shares in zip(rows, beside, strict=False):
        row[LEADING:] = [
            shaded(cell, share, look) for cell, share in zip(row[LEADING:], shares, strict=True)
        ]
    return Table([insight.interval, "users", *map(str, range(offsets))], rows)


def _cell(insight: Retention, position: int, offset: int, counts: bool) -> str:
    users = insight.cohorts[position].cells[offset]
    if users is None:
        over = insight.cohorts[position + offset].period.complete
        return UNKNOWN if over else UNFINISHED
    return str(users) if counts else percent(insight.share(position, offset))


def _relative(insight: Retention, most: float) -> list[list[Value]]:
    """How strong each cell is drawn, row by row, and below them that of the means."""
    rows = [
        [insight.share(position, offset) for offset in range(len(cohort.cells))]
        for position, cohort in enumerate(insight.cohorts)
    ]
    return [
        [None if share is None else min(1, share / most) for share in row]
        for row in [*rows, list(insight.mean())]
    ]


def _painted_row(row: str, places: list[tuple[int, int]], shares: list[Value], look: Look) -> str:
    """A line of the triangle with its cells on backgrounds that touch each other."""
    if not look.colour:
        return row
    (_, edge), *cells = places[LEADING - 1 :]
    parts = [row[:edge]]
    for (_, end), share in zip(cells, shares, strict=False):
        parts.append(shaded(row[edge:end], share, look))
        edge = end
    return "".join(parts)


def _title(insight: Retention, counts: bool) -> str:
    unit = insight.interval
    seen = "first seen" if insight.cohort == "first_seen" else "registered"
    whole = "them" if insight.reference == "first" else f"those of the {unit} before"
    what = "how many of them" if counts else f"the % of {whole} who"
    when = f"so many {unit}s later" + (" or after that" if insight.mode == "in_or_later" else "")
    return f"Users {seen} in each {unit}, and {what} were active {when}:"


def _day_n_table(insight: DayNRetention) -> Table:
    rows = [
        [
            str(each.days),
            str(each.eligible),
            str(each.returned),
            percent(each.share),
            str(each.returned_or_later),
            percent(each.share_or_later),
        ]
        for each in insight.days
    ]
    return Table(["day", "users", "on it", "share", "or later", "share"], rows)


def _days(text: str) -> list[int]:
    """The days that a person wrote. Raises CommandError for what is no list of them."""
    parts = str(text).split(",")
    if not all(re.fullmatch(r"[1-9][0-9]{0,5}", part.strip()) for part in parts):
        raise CommandError(
            f"--day-n {str(text)[:100]!r} is not a list of days: write it like 1,7,30."
        )
    return [int(part) for part in parts]
