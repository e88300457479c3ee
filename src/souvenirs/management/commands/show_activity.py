from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from souvenirs.insights import Stickiness, stickiness

from ._insights import PeriodCommand, Table, label, number
from ._pictures import BOLD, GREEN, Look, Value, painted, percent, resampled, sparkline, with_bars


class Command(PeriodCommand):
    help = (
        "Shows how many users were active by day, week, month, quarter or year: in the period, and "
        "in the 1, 7 and 30 days up to its end (dau, wau, mau). Stickiness is the mean of the "
        "daily actives over the actives of the period."
    )
    interval = "day"

    def insight(
        self, options: dict[str, Any], start: datetime, end: datetime | None, **keywords: Any
    ) -> Any:
        return stickiness(start, end, **keywords)

    def table(self, insight: Stickiness, options: dict[str, Any]) -> Table:
        rows = [
            {
                insight.interval: label(each.period),
                "active": number(each.active),
                "dau": number(each.dau),
                "wau": number(each.wau),
                "mau": number(each.mau),
                "stickiness": percent(each.mean_ratio),
                "dau/mau": percent(each.dau_mau),
            }
            for each in insight.periods
        ]
        headers = [insight.interval, *COLUMNS[insight.interval == "day"]]
        return Table(headers, [[row[header] for header in headers] for row in rows])

    def most(self, insight: Stickiness) -> float:
        return max((each.active or 0 for each in insight.periods), default=0)

    def picture(
        self, insight: Stickiness, options: dict[str, Any], look: Look, most: float
    ) -> Iterable[str]:
        for name in ("dau", "wau", "mau"):
            values = [getattr(each, name) for each in insight.periods]
            yield from _summary(name, values, look)
        yield ""
        laid = self.laid_out(self.table(insight, options), look)
        yield painted(laid.header, BOLD, look)
        yield from with_bars(laid, [each.active for each in insight.periods], most, look)


#: Without what is the same for each day.
COLUMNS = {
    True: ["dau", "wau", "mau", "dau/mau"],
    False: ["active", "dau", "wau", "mau", "stickiness", "dau/mau"],
}


def _summary(name: str, values: list[Value], look: Look) -> Iterable[str]:
    """A line with the course of the values, the last one and the highest."""
    known = [value for value in values if value is not None]
    if known:
        words = f"  {known[-1]:,}, at most {max(known):,}"
        drawn = sparkline(resampled(values, max(1, look.width - len(words) - 5)), look)
        yield f"{name}  {painted(drawn, GREEN, look)}{words}"
