"""What the figures of an overview cost in each time zone, with and without digests of local days.

For each zone, the site's ``TIME_ZONE`` is set to it and its local days are built; then the figures
are computed with them and, in turn, without them. Both must give the same.
"""

from __future__ import annotations

import argparse
import tempfile
from datetime import datetime
from pathlib import Path
from time import perf_counter
from typing import Any
from zoneinfo import ZoneInfo

from _common import NAME, TITLES, answering, machine, ms, print_table, say, scratch, site_arguments
from _data import settle
from count import made_up
from django.db import transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.test import override_settings
from django.utils import timezone

from souvenirs.calendar import LOCAL_LEVEL, Timeline, interval_named, local
from souvenirs.digests import Digester, status
from souvenirs.insights import plan_growth, plan_stickiness, results_of
from souvenirs.models import Digest
from souvenirs.stores import get_store
from souvenirs.web import busyhours

ZONES = ["UTC", "America/New_York", "Asia/Kolkata"]


def main() -> None:
    options = arguments()
    engines = answering(options.engines)
    print(f"## Time zones\n\n{machine(engines)}.\n")
    print(
        f"{options.rows:,} souvenirs of {options.users:,} users in the {options.days} days up to "
        f"now, all digested, in buckets of {options.bucket} seconds. The figures of an overview of "
        "12 months: daily, weekly and monthly actives of each day, growth by month, and the busy "
        f"hours of four weeks. The fastest of {options.rounds} alternating rounds.\n"
    )
    with tempfile.TemporaryDirectory(prefix=NAME) as folder:
        for engine in engines:
            with (
                scratch(engine, options.keep) as connection,
                override_settings(SOUVENIRS_BUCKET_SECONDS=options.bucket),
            ):
                made_up(connection, options, Path(folder))
                rows = [measured(connection, name, options.rounds) for name in ZONES]
                headers = [TITLES[engine], "without local days", "with them", "built in", "size"]
                print_table(headers, rows)


def arguments() -> argparse.Namespace:
    parser = site_arguments(__doc__, rows=300_000, users=30_000, days=1096)
    parser.add_argument("--bucket", type=int, default=1800, help="seconds, 1800 by default")
    parser.add_argument("--rounds", type=int, default=11, help="11 by default")
    return parser.parse_args()


def measured(connection: BaseDatabaseWrapper, name: str, rounds: int) -> list[str]:
    """A row of the table."""
    zone, now = ZoneInfo(name), timezone.now()
    with override_settings(TIME_ZONE=name):
        began = perf_counter()
        for _ in Digester().run():
            pass
        built = perf_counter() - began
        settle(connection)
        kept = [level for level in status().levels if level.level == LOCAL_LEVEL]
        size = f"{kept[0].rows:,} rows, {kept[0].size / 1e6:.1f} MB" if kept else "none"
        taken: dict[bool, list[float]] = {False: [], True: []}
        answers: dict[bool, Any] = {}
        for _ in range(rounds):
            with transaction.atomic(using=connection.alias):
                seconds, answers[True] = timed(zone, now)
                taken[True].append(seconds)
                Digest.objects.filter(level__gt=LOCAL_LEVEL).delete()
                seconds, answers[False] = timed(zone, now)
                taken[False].append(seconds)
                transaction.set_rollback(True, using=connection.alias)
    assert answers[True] == answers[False], name
    row = [name, ms(min(taken[False])), ms(min(taken[True])), ms(built), size]
    say("  " + ", ".join(row))
    return row


def timed(zone: ZoneInfo, now: datetime) -> tuple[float, list[Any]]:
    began = perf_counter()
    found = figures(zone, now)
    return perf_counter() - began, [str(each) for each in found]


def figures(zone: ZoneInfo, now: datetime) -> list[Any]:
    moment, days = busyhours.last_day_of(now, now, zone)
    midnight = local(now, zone).replace(hour=0, minute=0, second=0, microsecond=0)
    start = midnight.replace(year=now.year - 1, day=1)
    first = get_store().first()

    def timeline(interval: str) -> Timeline:
        unit = interval_named(interval)
        return Timeline.of(unit, start, moment, zone, now=now, first_souvenir=first)

    return results_of(
        [
            plan_stickiness(timeline("day")),
            plan_growth(timeline("month")),
            busyhours.plan_busy_hours(days, first),
        ]
    )


if __name__ == "__main__":
    main()
