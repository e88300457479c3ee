"""What insights cost, and what the same answers cost as SQL."""

from __future__ import annotations

import argparse
import gc
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from math import inf
from pathlib import Path
from random import Random
from time import perf_counter
from typing import Any
from unittest.mock import patch

from _common import (
    ENGINES,
    NAME,
    TITLES,
    alternate,
    answering,
    machine,
    ms,
    no_collection,
    print_table,
    resident,
    say,
    scratch,
)
from _data import END, SEED, Files, load
from count import digest
from django.db import connections
from django.test.utils import CaptureQueriesContext

from souvenirs.digests.digester import Digester
from souvenirs.insights import active_series, growth, power_curve, retention, stickiness
from souvenirs.models import Souvenir
from souvenirs.stores.orm import OrmStore

#: The last twelve whole weeks, from a Monday to a Monday.
LAST_MONDAY = datetime(2025, 12, 29, tzinfo=UTC)
WEEKS = LAST_MONDAY - timedelta(weeks=12), LAST_MONDAY

#: Users by the week of their first souvenir and by the weeks in which they came.
RETENTION_SQL = """
WITH firsts AS (
    SELECT user_id, min("when") AS first FROM souvenirs_souvenir GROUP BY user_id
), weeks AS (
    SELECT user_id, date_trunc('week', "when" AT TIME ZONE 'UTC') AS week
    FROM souvenirs_souvenir WHERE "when" >= %(start)s AND "when" < %(end)s GROUP BY 1, 2
)
SELECT date_trunc('week', first AT TIME ZONE 'UTC') AS cohort, week, count(*)
FROM firsts JOIN weeks USING (user_id)
WHERE first >= %(start)s GROUP BY 1, 2
"""

#: New, retained and resurrected users of each week, by a join of the weeks with themselves.
GROWTH_SQL = """
WITH firsts AS (
    SELECT user_id, min("when") AS first FROM souvenirs_souvenir GROUP BY user_id
), weeks AS (
    SELECT user_id, date_trunc('week', "when" AT TIME ZONE 'UTC') AS week
    FROM souvenirs_souvenir
    WHERE "when" >= %(start)s - interval '7 days' AND "when" < %(end)s GROUP BY 1, 2
)
SELECT now.week,
       count(*) FILTER (WHERE date_trunc('week', first AT TIME ZONE 'UTC') = now.week),
       count(before.user_id),
       count(*) FILTER (
           WHERE before.user_id IS NULL
           AND date_trunc('week', first AT TIME ZONE 'UTC') < now.week
       )
FROM weeks now JOIN firsts USING (user_id)
LEFT JOIN weeks before ON before.user_id = now.user_id
    AND before.week = now.week - interval '7 days'
WHERE now.week >= %(start)s AT TIME ZONE 'UTC' GROUP BY 1
"""


def main() -> None:
    options = arguments()
    engines = answering(options.engines)
    print(f"## Insights\n\n{machine(engines)}.\n")
    with tempfile.TemporaryDirectory(prefix=NAME) as folder:
        say("Making up the data...")
        files = Files(Path(folder), options.rows, options.users, options.days)
        print(
            f"{files.rows:,} souvenirs of {files.users_total:,} users in {files.days} days, all "
            'digested. "After reading" is the time spent on the sets once the queries have '
            "returned them. Each time is the best of all rounds.\n"
        )
        for engine in engines:
            with scratch(engine) as connection:
                say(f"Loading them into {TITLES[engine]}...")
                load(connection, files)
                digest(connection, files.rows)
                rows = [
                    measured(engine, title, ask, options.seconds)
                    for title, ask in questions().items()
                ]
                headers = [TITLES[engine], "queries", "in all", "after reading"]
                print_table(headers, rows)
                if engine == "postgresql":
                    beside_sql(engine, options.seconds)
    for engine in engines:
        long_history(engine, options.months)


def long_history(engine: str, months: int, users: int = 63_000) -> None:
    """A matrix of cohorts by month, over as many years as a large project has."""
    chance = Random(SEED)
    first = END - timedelta(days=31 * months)
    with scratch(engine):
        say("Making up a long history...")
        souvenirs = []
        for user in range(1, users + 1):
            month = chance.randrange(months)
            while month < months and (month == 0 or chance.random() < 0.9):
                souvenirs.append(Souvenir(user_id=user, when=first + timedelta(days=31 * month)))
                month += chance.randrange(1, 4)
        Souvenir.objects.bulk_create(souvenirs, batch_size=10_000)
        del souvenirs
        list(Digester().run())
        gc.collect()
        before = resident()
        began = perf_counter()
        found = retention(interval="month", tz=UTC, end=END)
        taken = perf_counter() - began
        cells = sum(len(cohort.cells) for cohort in found.cohorts)
        print(
            f"{TITLES[engine]}: retention of {len(found.cohorts)} months, {cells:,} cells, over "
            f"{users:,} users took {ms(taken)}; the process grew by {resident() - before:.0f} MB.\n"
        )


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--users", type=int, default=100_000)
    parser.add_argument("--days", type=int, default=365)
    parser.add_argument("--months", type=int, default=442, help="of a long history")
    parser.add_argument("--engines", type=lambda names: names.split(","), default=ENGINES)
    parser.add_argument("--seconds", type=float, default=2, help="how long to repeat a question")
    return parser.parse_args()


def questions() -> dict[str, Callable[[], Any]]:
    year = END - timedelta(days=365), END

    def trailing() -> list[Any]:
        return [active_series(*year, window=window, tz=UTC) for window in ("dau", "wau", "mau")]

    return {
        "retention, 12 x 12 weeks": lambda: retention(*WEEKS, interval="week", tz=UTC),
        "growth, 12 weeks": lambda: growth(*WEEKS, interval="week", tz=UTC),
        "a year of DAU, WAU and MAU, day by day": trailing,
        "the same with ratios": lambda: stickiness(*year, interval="day", tz=UTC),
        "L28": lambda: power_curve(END, tz=UTC),
    }


def measured(engine: str, title: str, ask: Callable[[], Any], seconds: float) -> list[str]:
    say(f"  {title}")
    with CaptureQueriesContext(connections[engine]) as queries:
        ask()
    _, (in_all,) = alternate([ask], seconds)
    return [title, str(len(queries)), ms(in_all), ms(after_reading(ask, seconds))]


def after_reading(ask: Callable[[], Any], seconds: float) -> float:
    """The best time of all but what the store is asked for."""
    reading = 0.0

    def timed(verb: Callable[..., Any]) -> Callable[..., Any]:
        def run(*arguments: Any, **keywords: Any) -> Any:
            nonlocal reading
            began = perf_counter()
            found = verb(*arguments, **keywords)
            reading += perf_counter() - began
            return found

        return run

    best = inf
    verbs = {name: timed(getattr(OrmStore, name)) for name in ("users_each", "first")}
    with patch.multiple(OrmStore, **verbs), no_collection():
        started = perf_counter()
        while perf_counter() - started < seconds:
            reading, began = 0.0, perf_counter()
            ask()
            best = min(best, perf_counter() - began - reading)
    return best


def beside_sql(engine: str, seconds: float) -> None:
    """The same numbers, asked for in SQL."""

    def ask(sql: str) -> Callable[[], list[Any]]:
        def run() -> list[Any]:
            with connections[engine].cursor() as cursor:
                cursor.execute(sql, {"start": WEEKS[0], "end": WEEKS[1]})
                return sorted(cursor.fetchall())

        return run

    def cohorts() -> list[Any]:
        found = retention(*WEEKS, interval="week", tz=UTC)
        return [
            (naive(one.period.start), naive(found.cohorts[n + offset].period.start), users)
            for n, one in enumerate(found.cohorts)
            for offset, users in enumerate(one.cells)
            if users
        ]

    def parts() -> list[Any]:
        return [
            (naive(one.period.start), one.new, one.retained, one.resurrected)
            for one in growth(*WEEKS, interval="week", tz=UTC).periods
        ]

    rows = []
    for title, sql, ours in [
        ("retention, 12 x 12 weeks", RETENTION_SQL, cohorts),
        ("growth, 12 weeks", GROWTH_SQL, parts),
    ]:
        say(f"  {title}, in SQL")
        answers, (sql_taken, taken) = alternate([ask(sql), ours], seconds)
        assert answers[0] == answers[1] != []
        rows.append([title, ms(sql_taken), ms(taken), f"{sql_taken / taken:,.0f} x"])
    print_table(["PostgreSQL", "joins in SQL", "insights", "times faster"], rows)


def naive(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(tzinfo=None)


if __name__ == "__main__":
    main()
