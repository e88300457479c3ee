from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from souvenirs.insights import Growth, growth

from ._insights import UNKNOWN, PeriodCommand, Table, label, number
from ._pictures import BOLD, CYAN, GREEN, RED, Look, chart, painted


class Command(PeriodCommand):
    help = (
        "Shows where the active users of each day, week, month, quarter or year come from: new, "
        "retained from the period before, or resurrected, which is seen before but not then; and "
        "how many of that period have gone (churned). Net is new + resurrected - churned, the "
        "quick ratio (new + resurrected) / churned."
    )

    def insight(
        self, options: dict[str, Any], start: datetime, end: datetime | None, **keywords: Any
    ) -> Any:
        return growth(start, end, **keywords)

    def table(self, insight: Growth, options: dict[str, Any]) -> Table:
        parts = ("active", "new", "retained", "resurrected", "churned")
        rows = [
            [
                label(each.period),
                *[number(getattr(each, part)) for part in parts],
                UNKNOWN if each.net is None else f"{each.net:+}" if each.net else "0",
                UNKNOWN if each.quick_ratio is None else f"{each.quick_ratio:.2f}",
            ]
            for each in insight.periods
        ]
        return Table([insight.interval, *parts, "net", "quick ratio"], rows)

    def picture(
        self, insight: Growth, options: dict[str, Any], look: Look, most: float
    ) -> Iterable[str]:
        above = [(each.new, each.resurrected) for each in insight.periods]
        yield _legend(look)
        labels = [label(each.period) for each in insight.periods]
        yield from chart(above, [each.churned for each in insight.periods], labels, look)
        yield ""
        laid = self.laid_out(self.table(insight, options), look)
        yield painted(laid.header, BOLD, look)
        for row, each in zip(laid.rows, insight.periods, strict=True):
            yield _coloured(row, laid.places, each.net or 0, look)


#: Position of the column that says whether it is getting better.
NET = 6


def _coloured(row: str, places: list[tuple[int, int]], net: int, look: Look) -> str:
    if not net or len(places) <= NET:
        return row
    start, end = places[NET]
    return row[:start] + painted(row[start:end], GREEN if net > 0 else RED, look) + row[end:]


def _legend(look: Look) -> str:
    new, back, gone = ("█", "█" if look.colour else "▒", "█") if look.blocks else ("#", "+", "x")
    return (
        f"{painted(new, GREEN, look)} new  {painted(back, CYAN, look)} resurrected"
        f"  {painted(gone, RED, look)} churned (below)"
    )
