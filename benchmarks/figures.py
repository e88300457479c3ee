"""What reading published figures saves: charts computed from digests, and with figures, in turn.

Both must give the same. Figures are read however few they are, to show from how many on it pays.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch
from zoneinfo import ZoneInfo

from _common import (
    NAME,
    TITLES,
    alternate,
    answering,
    machine,
    ms,
    print_table,
    say,
    scratch,
    site_arguments,
    times,
)
from _data import settle
from count import made_up
from django.db.backends.base.base import BaseDatabaseWrapper
from django.utils import timezone

from souvenirs.digests import Digester
from souvenirs.pages.figures import Question, overview
from souvenirs.publishing import Publisher, growth_of, reading, series_of
from souvenirs.stores import get_store

#: Intervals, and days up to now.
RANGES = [
    *(("day", days) for days in (60, 120, 365, 1095, 2555)),
    *(("week", days) for days in (365, 840, 2555)),
    ("month", 2555),
]

EVERYONE = {"users": None, "by": None, "exclusive": False, "of": None}
NEVER = 10**9


def main() -> None:
    options = arguments()
    engines = answering(options.engines)
    print(f"## Reading figures\n\n{machine(engines)}.\n")
    print(
        f"{options.rows:,} souvenirs of {options.users:,} users in the {options.days} days up to "
        "now, all digested and published. The series of active users and growth accounting as "
        "the API has them, and the chart alone and all numbers of the overview. The best of all "
        "rounds.\n"
    )
    with tempfile.TemporaryDirectory(prefix=NAME) as folder:
        for engine in engines:
            with scratch(engine, options.keep) as connection:
                made_up(connection, options, Path(folder))
                publish(connection)
                rows = list(measured(options))
                headers = [TITLES[engine], "question", "computed", "with figures", "faster"]
                print_table(headers, rows)


def arguments() -> argparse.Namespace:
    parser = site_arguments(__doc__, rows=300_000, users=30_000, days=2557)
    parser.add_argument("--seconds", type=float, default=2, help="how long to repeat a question")
    return parser.parse_args()


def publish(connection: BaseDatabaseWrapper) -> None:
    for _ in Digester().run():
        pass
    for _ in Publisher().run():
        pass
    settle(connection)


def measured(options: argparse.Namespace) -> Iterator[list[str]]:
    """The rows of the table."""
    now = timezone.now()
    with patch.object(timezone, "now", lambda: now):
        for interval, days in RANGES:
            for name, ask in questions(interval, days).items():
                answers, (computed, read) = alternate(
                    [with_at_least(NEVER, ask), with_at_least(1, ask)], options.seconds
                )
                assert answers[0] == answers[1] != [], (interval, days, name)
                span = f"{days:,} days by {interval}"
                row = [span, name, ms(computed), ms(read), times(computed, read)]
                say("  " + ", ".join(row))
                yield row


def questions(interval: str, days: int) -> dict[str, Callable[[], Any]]:
    now, zone, first = timezone.now(), ZoneInfo("UTC"), get_store().first()
    start = (now - timedelta(days=days)).astimezone(UTC)
    options: dict[str, Any] = {"interval": interval, "tz": zone, **EVERYONE}

    def chart() -> Any:
        found = overview(Question(start, None, interval, zone, first, only="trend"))
        return found.trend.everyone.values

    def page() -> Any:
        found = overview(Question(start, None, interval, zone, first))
        return [found.trend.everyone.values, found.growth.rows(), found.figures]

    return {
        "series": lambda: series_of(start, None, window=None, **options).rows(),
        "growth": lambda: growth_of(start, None, **options).rows(),
        "chart": chart,
        "overview": page,
    }


def with_at_least(fewest: int, ask: Callable[[], Any]) -> Callable[[], Any]:
    """Ask where figures of at least that many periods are read."""

    def run() -> Any:
        with patch.object(reading, "FEWEST", fewest):
            return ask()

    return run


if __name__ == "__main__":
    main()
