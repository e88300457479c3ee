"""What published figures cost: all of them once, and what a minute's traffic changes.

Souvenirs of the last minute are digested, then figures are published, in each round. A late import
is timed with the table of figures, and then with an empty one.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from statistics import median
from time import perf_counter

from _common import NAME, TITLES, answering, machine, ms, print_table, scratch, site_arguments
from _data import SEED, settle
from count import made_up
from django.db.backends.base.base import BaseDatabaseWrapper
from django.utils import timezone

from souvenirs.digests import Digester
from souvenirs.models import Figure, Souvenir
from souvenirs.publishing import Publisher
from souvenirs.stores import Sighting, get_store

#: Souvenirs of a minute, and of a batch of an import.
MINUTE, BATCH = 200, 5_000


def main() -> None:
    options = arguments()
    engines = answering(options.engines)
    print(f"## Publishing\n\n{machine(engines)}.\n")
    print(
        f"{options.rows:,} souvenirs of {options.users:,} users in the {options.days} days up to "
        "now; figures of everyone by day, week and month. After a minute's traffic of "
        f"{MINUTE} souvenirs, digested: the median and the longest of {options.rounds}. The import "
        f"of {BATCH:,} late souvenirs: the median.\n"
    )
    with tempfile.TemporaryDirectory(prefix=NAME) as folder:
        for engine in engines:
            with scratch(engine, options.keep) as connection:
                made_up(connection, options, Path(folder))
                print_table(
                    [TITLES[engine], "time"],
                    [[name, value] for name, value in measured(connection, options).items()],
                )


def arguments() -> argparse.Namespace:
    parser = site_arguments(__doc__, rows=1_000_000, users=100_000, days=1096)
    parser.add_argument("--rounds", type=int, default=11, help="11 by default")
    return parser.parse_args()


def measured(connection: BaseDatabaseWrapper, options: argparse.Namespace) -> dict[str, str]:
    """The rows of the table."""
    chance = Random(SEED)
    Figure.objects.all().delete()
    digest()
    first = timed(publish)
    settle(connection)
    rows = Figure.objects.count()
    refreshed, digested, recounted = [], [], []
    for _ in range(options.rounds):
        leave(chance, options.users, timezone.now() - timedelta(seconds=60))
        digested.append(timed(digest))
        refreshed.append(timed(publish))
        Figure.objects.filter(metric__in=["registered", "activated"]).delete()
        recounted.append(timed(publish))
    with_figures = imported(chance, options)
    Figure.objects.all().delete()
    without = imported(chance, options)
    return {
        f"first time: {rows:,} figures": ms(first),
        "digest a minute's traffic": f"{ms(median(digested))}, {ms(max(digested))}",
        "then refresh figures": f"{ms(median(refreshed))}, {ms(max(refreshed))}",
        "the same with accounts, once an hour": f"{ms(median(recounted))}, {ms(max(recounted))}",
        "late import": ms(median(with_figures)),
        "late import without figures": ms(median(without)),
    }


def digest() -> None:
    for _ in Digester().run():
        pass


def publish() -> None:
    publisher = Publisher()
    for _ in publisher.run():
        pass
    assert not publisher.failed, publisher.failed


def leave(chance: Random, users: int, since: datetime) -> None:
    Souvenir.objects.bulk_create(
        Souvenir(
            user_id=chance.randrange(1, users),
            when=since + timedelta(seconds=chance.randrange(60)),
        )
        for _ in range(MINUTE)
    )


def imported(chance: Random, options: argparse.Namespace) -> list[float]:
    """Seconds that batches of late souvenirs take, which are deleted again."""
    seconds = []
    month = timezone.now() - timedelta(days=options.days // 5)
    for _ in range(options.rounds):
        late = [
            Sighting(chance.randrange(1, options.users), month + timedelta(seconds=second))
            for second in range(BATCH)
        ]
        seconds.append(timed(lambda late=late: get_store().add_many(late)))
        Souvenir.objects.filter(digested=False).delete()
    return seconds


def timed(work: Callable[[], None]) -> float:
    began = perf_counter()
    work()
    return perf_counter() - began


if __name__ == "__main__":
    main()
