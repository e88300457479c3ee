"""What it costs to count organizations, compared with counting their users, and to list them."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from datetime import timedelta
from random import Random
from typing import Any

KINDS = {"integer": "_keyed.IntegerUser", "UUID": "_keyed.UUIDUser"}

# Django has one user model: each kind of key has a process of its own.
KIND = os.environ.get("SOUVENIRS_BENCH_KEYS", "integer")
os.environ["SOUVENIRS_BENCH_USER"] = KINDS[KIND]

from _common import (
    ENGINES,
    TITLES,
    alternate,
    answering,
    current,
    machine,
    ms,
    print_table,
    say,
    scratch,
    times,
)
from _data import END, SEED, settle
from _keyed import SITE
from _keyed.models import Organization
from django.contrib.auth import get_user_model
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.test import Client, override_settings
from django.test.utils import CaptureQueriesContext
from insights import WEEKS

from souvenirs.control import active_groups, active_users
from souvenirs.digests.digester import Digester
from souvenirs.insights import (
    active_series,
    growth,
    inactive_groups,
    last_seen_groups,
    last_seen_many,
    most_active,
    most_active_groups,
    retention,
    seats,
    stickiness,
)
from souvenirs.models import Souvenir
from souvenirs.querysets import inactive

OF, FIELD = "organization", "organization__name"
MONTH = END - timedelta(days=30), END
YEAR = END - timedelta(days=365), END


def main() -> None:
    options = arguments()
    if options.kind:
        measure(options)
        return
    engines = answering(options.engines)
    print(f"## Organizations\n\n{machine(engines)}.\n")
    print(
        f"{options.rows:,} souvenirs of {options.users:,} users in {options.organizations:,} "
        f"organizations, in {options.days} days, all digested. Each time is the best of all "
        "rounds.\n"
    )
    for engine in engines:
        for kind in KINDS:
            subprocess.run(
                [sys.executable, __file__, *sys.argv[1:], f"--engines={engine}", f"--kind={kind}"],
                env={**os.environ, "SOUVENIRS_BENCH_KEYS": kind},
                check=True,
            )


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--users", type=int, default=200_000)
    parser.add_argument("--organizations", type=int, default=5_000)
    parser.add_argument("--days", type=int, default=365)
    parser.add_argument("--engines", type=lambda names: names.split(","), default=ENGINES[:2])
    parser.add_argument("--seconds", type=float, default=2, help="how long to repeat a question")
    parser.add_argument("--kind", choices=KINDS, help=argparse.SUPPRESS)
    return parser.parse_args()


def measure(options: argparse.Namespace) -> None:
    [engine] = options.engines
    with scratch(engine) as connection:
        say(f"{TITLES[engine]}, {KIND} keys...")
        load(connection, options)
        rows = []
        for title, (of_users, of_groups) in questions().items():
            say(f"  {title}")
            _, (users, groups) = alternate([of_users, of_groups], options.seconds)
            rows.append([title, ms(users), ms(groups), times(users, groups)])
        headers = [f"{TITLES[engine]}, {KIND} keys", "users", "organizations", "ratio"]
        print_table(headers, rows)
        with override_settings(**SITE, SOUVENIRS_GROUP_BY=[FIELD]):
            rows = [[title, *cost(ask, options.seconds)] for title, ask in pages().items()]
        print_table([f"{TITLES[engine]}, {KIND} keys", "time", "queries"], rows)


def cost(ask: Callable[[], Any], seconds: float) -> tuple[str, str]:
    """The best time of a question, and the number of its queries."""
    with CaptureQueriesContext(connections[current.alias]) as queries:
        ask()
        count = len(queries)
    _, [best] = alternate([ask], seconds)
    return ms(best), str(count)


def pages() -> dict[str, Callable[[], Any]]:
    """What a reader asks for who looks through the organizations."""
    client = Client()
    client.force_login(get_user_model()._default_manager.get(username="user 1"))

    def page(url: str) -> Callable[[], None]:
        def ask() -> None:
            status = client.get(f"/{url}&from={MONTH[0]:%Y-%m-%d}&to={END:%Y-%m-%d}").status_code
            assert status == 200, (url, status)

        return ask

    return {
        "the page Groups, 30 days": page("groups/?list=all"),
        "searched for a name": page("groups/?q=organization+77"),
        "sorted by days per seat": page("groups/?order=-days"),
        "sorted by last seen": page("groups/?order=-seen"),
        "inactive for 30 days": page("groups/?list=inactive"),
        "slipping away": page("groups/?list=slipping"),
        "all of them as CSV": page("api/groups?format=csv&per_page=10000"),
        "the chart of the overview": page("?only=trend&interval=day"),
        "by organization": page(f"?only=trend&interval=day&compare={FIELD}"),
        "of one organization": page(f"?only=trend&interval=day&segment={FIELD}:Organization+1"),
    }


def load(connection: BaseDatabaseWrapper, options: argparse.Namespace) -> None:
    chance = Random(SEED)
    user_model = get_user_model()
    organizations = Organization.objects.bulk_create(
        [Organization(name=f"Organization {n}") for n in range(options.organizations)]
    )
    users = user_model._default_manager.bulk_create(
        [
            user_model(
                pk=key_of(n, chance),
                username=f"user {n}",
                date_joined=END,
                organization=chance.choice(organizations),
            )
            for n in range(1, options.users + 1)
        ],
        batch_size=5_000,
    )
    keys = [user.pk for user in users]
    for _ in range(0, options.rows, 50_000):
        Souvenir.objects.bulk_create(
            souvenirs(chance, keys, min(options.rows, 50_000), options.days), batch_size=5_000
        )
    list(Digester().run())
    settle(connection)


def key_of(number: int, chance: Random) -> Any:
    return number if KIND == "integer" else uuid.UUID(int=chance.getrandbits(128))


def souvenirs(chance: Random, keys: list[Any], count: int, days: int) -> Iterator[Souvenir]:
    """Some users come often, most hardly ever."""
    for _ in range(count):
        user = keys[int(len(keys) * chance.random() ** 2)]
        when = END - timedelta(minutes=chance.randrange(1, days * 24 * 60))
        yield Souvenir(user_id=user, when=when)


def questions() -> dict[str, tuple[Callable[[], Any], Callable[[], Any]]]:
    """Each question about users, and about organizations."""

    def both(insight: Callable[..., Any], *range_: Any, **keywords: Any) -> Any:
        return (lambda: insight(*range_, **keywords)), (lambda: insight(*range_, **keywords, of=OF))

    return {
        "active in 30 days": (
            lambda: len(active_users(*MONTH)),
            lambda: len(active_groups(OF, *MONTH)),
        ),
        "12 months": both(active_series, *YEAR, interval="month"),
        "growth, 12 months": both(growth, *YEAR, interval="month"),
        "retention, 12 x 12 weeks": both(retention, *WEEKS, interval="week"),
        "stickiness of a month": both(stickiness, *MONTH, interval="month"),
        "a year of MAU, day by day": both(active_series, *YEAR, window="mau"),
        "inactive for 90 days": (
            lambda: inactive().count(),
            lambda: len(inactive_groups(OF)),
        ),
        "most active in 30 days": (
            lambda: most_active(*MONTH),
            lambda: most_active_groups(OF, *MONTH),
        ),
        "seats in 30 days; users: those active": (
            lambda: active_users(*MONTH),
            lambda: seats(OF, *MONTH),
        ),
        "when each was last seen; users: a thousand": (
            lambda: last_seen_many(get_user_model()._default_manager.order_by("pk")[:1_000]),
            lambda: last_seen_groups(OF),
        ),
    }


if __name__ == "__main__":
    main()
