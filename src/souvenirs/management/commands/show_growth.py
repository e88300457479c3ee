from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from souvenirs.insights import Growth, GrowthOfPeriod, growth

from .._terminal import BOLD, CYAN, GREEN, NO_VALUE, RED, Display, TextTable, column_chart, number
from ._periods import PeriodCommand, label, mark


class Command(PeriodCommand):
    help = (
        "Shows how the number of active users changes from each day, week, month, quarter or year "
        "to the next: who is new, retained from the previous period, resurrected (seen earlier, "
        "but not in the previous period) or churned (active in the previous period only). Net is "
        "new + resurrected - churned, the quick ratio is (new + resurrected) / churned."
    )

    def insight(
        self, options: dict[str, Any], start: datetime, end: datetime | None, **keywords: Any
    ) -> Any:
        return growth(start, end, **keywords)

    def table(self, insight: Growth, options: dict[str, Any]) -> TextTable:
        parts = ("active", "new", "retained", "resurrected")
        rows = [
            [
                label(each.period),
                *[number(getattr(each, part)) for part in parts],
                *_change(each),
            ]
            for each in insight.periods
        ]
        return TextTable([insight.interval, *parts, "churned", "net", "quick ratio"], rows)

    def picture(
        self, insight: Growth, options: dict[str, Any], display: Display, maximum: float
    ) -> Iterable[str]:
        above = [(each.new, each.resurrected) for each in insight.periods]
        yield _legend(display)
        labels = [label(each.period) for each in insight.periods]
        below = [each.churned if each.period.complete else None for each in insight.periods]
        yield from column_chart(above, below, labels, display)
        yield ""
        fitted = self.fitted(self.table(insight, options), display)
        yield display.painted(fitted.header, BOLD)
        for row, each in zip(fitted.rows, insight.periods, strict=True):
            net = each.net if each.period.complete else None
            yield _coloured(row, fitted.columns, net or 0, display)


def _change(each: GrowthOfPeriod) -> list[str]:
    """Return the churned users, net and quick ratio; only marks if the period is incomplete.

    They compare it with all of the previous period: in its rest, more users may have come back.
    """
    if not each.period.complete:
        return [mark(each.period.incomplete)] * 3
    return [
        number(each.churned),
        NO_VALUE if each.net is None else f"{each.net:+}" if each.net else "0",
        NO_VALUE if each.quick_ratio is None else f"{each.quick_ratio:.2f}",
    ]


#: Position of the column ``net``.
NET = 6


def _coloured(row: str, columns: list[tuple[int, int]], net: int, display: Display) -> str:
    """Return a row with ``net`` in colour, if it is shown and not 0."""
    if not net or len(columns) <= NET:
        return row
    start, end = columns[NET]
    return row[:start] + display.painted(row[start:end], GREEN if net > 0 else RED) + row[end:]


def _legend(display: Display) -> str:
    new, resurrected, churned = "█", "█" if display.colour else "▒", "█"
    if not display.blocks:
        new, resurrected, churned = "#", "+", "x"
    return (
        f"{display.painted(new, GREEN)} new  {display.painted(resurrected, CYAN)} resurrected"
        f"  {display.painted(churned, RED)} churned (below)"
    )
