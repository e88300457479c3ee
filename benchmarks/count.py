"""What a report costs: version 2 beside the algorithm of version 1.0.2, in one process."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from itertools import pairwise
from pathlib import Path
from time import perf_counter
from typing import Any, NamedTuple

from _common import (
    ENGINES,
    NAME,
    TITLES,
    alternate,
    answering,
    machine,
    ms,
    peak,
    print_table,
    resident,
    say,
    scratch,
    times,
)
from _data import END, Files, load, settle
from _version1 import OldSouvenir
from _version1 import count_active_users as old_count
from _version1 import usage as old_usage
from django.db.backends.base.base import BaseDatabaseWrapper
from django.utils import timezone

from souvenirs.control import count_active_users
from souvenirs.digests.digester import Digester
from souvenirs.digests.status import status
from souvenirs.models import Souvenir
from souvenirs.reports import calendar_daily_usage
from souvenirs.stores import get_store

Period = tuple[datetime, datetime]

HEADERS = ["1.0.2", "1.0.2 on our indexes", "version 2", "times faster", "on our indexes"]


class Work(NamedTuple):
    """One question; the same one to version 1.0.2, in either table, and to version 2."""

    title: str
    old: Callable[[Any], Any]
    new: Callable[[], Any]


def main() -> None:
    options = arguments()
    engines = answering(options.engines)
    with tempfile.TemporaryDirectory(prefix=NAME) as folder:
        say("Making up the data...")
        files = Files(Path(folder), options.rows, options.users, options.days)
        print(f"## Counting\n\n{machine(engines)}.\n")
        print(
            f"{files.rows:,} souvenirs of {files.users_total:,} users in {files.days} days, all of "
            "them digested by version 2. Version 1.0.2 is measured twice: on its own table with "
            "its own indexes, and on the table of version 2. PostgreSQL has 64 MB of `work_mem`. "
            "Each time is the best of all rounds.\n"
        )
        for engine in engines:
            with scratch(engine) as connection:
                say(f"Loading them into {TITLES[engine]}...")
                began = perf_counter()
                load(connection, files)
                say(f"Digesting them, loaded in {perf_counter() - began:.0f} s...")
                digested = digest(connection, files.rows)
                say(f"Counting on {TITLES[engine]}...")
                rows = [measured(work, options.seconds) for work in works(files.start)]
            print_table([TITLES[engine], *HEADERS], rows)
            print(digested, flush=True)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000, help="souvenirs, 1000000 by default")
    parser.add_argument("--users", type=int, default=100_000, help="users, 100000 by default")
    parser.add_argument("--days", type=int, default=365, help="days they lie in, 365 by default")
    parser.add_argument(
        "--engines",
        type=lambda names: names.split(","),
        default=ENGINES,
        help=f"{','.join(ENGINES)} by default",
    )
    parser.add_argument(
        "--seconds", type=float, default=2, help="how long to repeat one question, 2 by default"
    )
    options = parser.parse_args()
    if unknown := set(options.engines) - set(ENGINES):
        parser.error(f"unknown engine {', '.join(unknown)}: choose from {', '.join(ENGINES)}")
    if options.days < 90:
        parser.error("--days must be at least 90, as the longest report is")
    return options


def made_up(connection: BaseDatabaseWrapper, options: argparse.Namespace, folder: Path) -> None:
    """Make up the souvenirs of the days up to now and digest them, unless there are some."""
    if Souvenir.objects.exists():
        return
    say(f"Making up the data of {TITLES[connection.alias]}...")
    hour = timezone.now().replace(minute=0, second=0, microsecond=0)
    files = Files(folder, options.rows, options.users, options.days, hour)
    load(connection, files, with_old=False)
    say(digest(connection, files.rows))


def digest(connection: BaseDatabaseWrapper, rows: int) -> str:
    """Digest everything, and say in a sentence what it took."""
    before = resident()
    began = perf_counter()
    for _ in Digester().fold():
        pass
    folded = perf_counter() - began
    for _ in Digester().refresh():
        pass
    made = perf_counter() - began - folded
    grown = peak() - before
    settle(connection)
    levels = status().levels
    size = sum(level.size for level in levels)
    parts = ", ".join(f"{level.size / rows:.2f} {level.name}" for level in levels)
    return (
        f"Digesting processed {rows / folded:,.0f} souvenirs per second, including marking "
        f"them as digested; days and months took {made:.1f} s. The process grew by {grown:.0f} MB. "
        f"Digests take {size / rows:.2f} bytes per souvenir: {parts}.\n"
    )


def works(start: datetime) -> list[Work]:
    """The questions, about the end of the span; and all of it."""
    one_day = END - timedelta(days=8), END - timedelta(days=7)
    thirty_days = END - timedelta(days=30), END
    months = last_months(12)
    days = [(END - timedelta(days=n), END - timedelta(days=n - 1)) for n in range(90, 0, -1)]

    def report() -> list[tuple[Any, ...]]:
        usages = calendar_daily_usage(days[0][0], END, tz="UTC")
        return [(*usage["period"].values(), *usage["usage"].values()) for usage in usages]

    return [
        Work(
            "1 day", lambda model: old_count(*one_day, model), lambda: count_active_users(*one_day)
        ),
        Work(
            "30 days",
            lambda model: old_count(*thirty_days, model),
            lambda: count_active_users(*thirty_days),
        ),
        *(
            Work(
                f"{title}, active users",
                lambda model, periods=periods: [old_count(*period, model) for period in periods],
                lambda periods=periods: get_store().count_each(periods).counts,
            )
            for title, periods in [("12 calendar months", months), ("90 single days", days)]
        ),
        Work("90 single days, whole report", lambda model: list(old_usage(days, model)), report),
        Work(
            "all time",
            lambda model: old_count(start, END, model),
            lambda: count_active_users(start, END),
        ),
    ]


def last_months(count: int) -> list[Period]:
    starts = [END]
    while len(starts) <= count:
        starts.append((starts[-1] - timedelta(days=1)).replace(day=1))
    starts.reverse()
    return list(pairwise(starts))


def measured(work: Work, seconds: float) -> list[str]:
    """A row of the table, if all of them give the same answer."""
    say(f"  {work.title}")
    old, old_on_ours = partial(work.old, OldSouvenir), partial(work.old, Souvenir)
    # What comes after the other table finds the caches of the engine full of it: not counted.
    answers, taken = alternate([old, work.new, old_on_ours, work.new], seconds)
    assert answers[0]
    assert all(answer == answers[0] for answer in answers)
    own, _, ours, new = taken
    return [work.title, ms(own), ms(ours), ms(new), times(own, new), times(ours, new)]


if __name__ == "__main__":
    main()
