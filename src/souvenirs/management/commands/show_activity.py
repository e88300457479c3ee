from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from souvenirs.insights import Stickiness, stickiness

from .._terminal import GREEN, Display, TextTable, Value, number, percent, resampled
from ._periods import PeriodCommand, label


class Command(PeriodCommand):
    help = (
        "Shows how many users were active in each day, week, month, quarter or year, and in the "
        "1, 7 and 30 days up to its end (dau, wau, mau). Stickiness is the mean of the daily "
        "active users divided by the active users of the period."
    )
    interval = "day"

    def insight(
        self, options: dict[str, Any], start: datetime, end: datetime | None, **keywords: Any
    ) -> Any:
        return stickiness(start, end, **keywords)

    def table(self, insight: Stickiness, options: dict[str, Any]) -> TextTable:
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
        return TextTable(headers, [[row[header] for header in headers] for row in rows])

    def maximum(self, insight: Stickiness) -> float:
        return max((each.active or 0 for each in insight.periods), default=0)

    def picture(
        self, insight: Stickiness, options: dict[str, Any], display: Display, maximum: float
    ) -> Iterable[str]:
        state = WORDS[insight.periods[-1].period.incomplete] if insight.periods else ""
        for name in ("dau", "wau", "mau"):
            values = [getattr(each, name) for each in insight.periods]
            yield from _summary(name, values, state, display)
        yield ""
        fitted = self.fitted(self.table(insight, options), display)
        yield from fitted.with_bars([each.active for each in insight.periods], maximum, display)


#: Columns by whether periods are days: the active users of a day are its dau.
COLUMNS = {
    True: ["dau", "wau", "mau", "dau/mau"],
    False: ["active", "dau", "wau", "mau", "stickiness", "dau/mau"],
}


#: Said of the last value, by why its period is incomplete.
WORDS = {None: "", "running": " so far", "cut": " cut off"}


def _summary(name: str, values: list[Value], state: str, display: Display) -> Iterable[str]:
    """Generate a line with a sparkline, the last value and the maximum, unless all are None."""
    known = [value for value in values if value is not None]
    if known:
        words = f"  {known[-1]:,}{state}, at most {max(known):,}"
        drawn = display.sparkline(resampled(values, max(1, display.width - len(words) - 5)))
        yield f"{name}  {display.painted(drawn, GREEN)}{words}"
