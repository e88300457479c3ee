"""What the same activity costs under each kind of primary key, compared with integers."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from random import Random
from statistics import median
from time import perf_counter
from typing import Any

#: The user model of each kind of key, in ``_keyed``.
MODELS = {
    "integer": "_keyed.IntegerUser",
    "64-bit": "_keyed.LargeUser",
    "UUID": "_keyed.UUIDUser",
    "text": "_keyed.TextUser",
}

# Django has one user model: each kind of key has a process of its own.
KIND = os.environ.get("SOUVENIRS_BENCH_KEYS", "integer")
os.environ["SOUVENIRS_BENCH_USER"] = MODELS[KIND]

from _common import (
    ENGINES,
    NAME,
    TITLES,
    answering,
    machine,
    ms,
    no_collection,
    print_table,
    say,
    scratch,
)
from _data import COPIES, END, SEED, Copy, Files
from _keyed import SITE
from django.contrib.auth import get_user_model
from django.db.backends.base.base import BaseDatabaseWrapper
from django.test import Client, override_settings
from insights import WEEKS

from souvenirs.control import active_users, count_active_users
from souvenirs.digests import Digester
from souvenirs.insights import growth, retention, stickiness
from souvenirs.models import Souvenir
from souvenirs.reports import calendar_monthly_usage


def main() -> None:
    options = arguments()
    if options.folder:
        with override_settings(**SITE):
            serve(options)
        return
    engines = answering(options.engines)
    print(f"## Kinds of keys\n\n{machine(engines)}.\n")
    with tempfile.TemporaryDirectory(prefix=NAME) as folder:
        say("Making up the data...")
        files = Files(Path(folder), options.rows, options.users, options.days)
        print(f"{files.rows:,} souvenirs of {files.users_total:,} users in {files.days} days.\n")
        for engine in engines:
            compare(engine, options, folder)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--users", type=int, default=10_000)
    parser.add_argument("--days", type=int, default=365)
    parser.add_argument("--engines", type=lambda names: names.split(","), default=ENGINES[:2])
    parser.add_argument("--kinds", type=lambda names: names.split(","), default=list(MODELS))
    parser.add_argument("--seconds", type=float, default=4, help="how long to repeat a question")
    parser.add_argument("--only", default="", help="ask only questions with this in their name")
    parser.add_argument("--folder", help=argparse.SUPPRESS)
    return parser.parse_args()


class Site:
    """A process whose users have keys of one kind. It answers one line with one line."""

    def __init__(self, kind: str, engine: str, folder: str) -> None:
        self.kind = kind
        # The last of two options of a name counts.
        own = [f"--engines={engine}", f"--folder={folder}"]
        self.process = subprocess.Popen(
            [sys.executable, __file__, *sys.argv[1:], *own],
            env={**os.environ, "SOUVENIRS_BENCH_KEYS": kind},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def ask(self, question: str) -> Any:
        assert self.process.stdin
        assert self.process.stdout
        print(question, file=self.process.stdin, flush=True)
        line = self.process.stdout.readline()
        assert line, f"The process of {self.kind} keys ended at {question!r}."
        return json.loads(line)

    def close(self) -> None:
        """End the process, which drops its database."""
        assert self.process.stdin
        self.process.stdin.close()
        self.process.wait()


def compare(engine: str, options: argparse.Namespace, folder: str) -> None:
    """Print what each question takes with each kind of keys, asked in turn."""
    with ExitStack() as stack:
        sites = []
        for kind in options.kinds:
            say(f"{TITLES[engine]}, {kind} keys...")
            sites.append(stack.enter_context(closing(Site(kind, engine, folder))))
            sites[-1].ask(LOAD)
        rows = [row(DIGEST, sites, [digested(sites)])]
        [asked, *_] = [site.ask(SETTLE) for site in sites]
        for question in asked:
            if options.only in question:
                say(f"  {question}")
                rows.append(row(question, sites, list(rounds(question, sites, options.seconds))))
        print_table([TITLES[engine], *options.kinds], rows)


def digested(sites: list[Site]) -> list[Any]:
    """The seconds that each site takes to digest everything, a step at a time in turn."""
    seconds, souvenirs = [0.0] * len(sites), [0] * len(sites)
    going = set(range(len(sites)))
    while going:
        for place in sorted(going):
            taken, done = sites[place].ask(DIGEST)
            seconds[place] += taken
            if done is None:
                going.remove(place)
            else:
                souvenirs[place] += done
    return list(zip(seconds, souvenirs, strict=True))


def rounds(question: str, sites: list[Site], seconds: float) -> Iterator[list[Any]]:
    """The seconds and the answers of all sites, again and again for that long."""
    for site in sites:
        site.ask(question)  # the first time, caches are cold
    began = perf_counter()
    while True:
        yield [site.ask(question) for site in sites]
        if perf_counter() - began >= seconds:
            return


def row(question: str, sites: list[Site], asked: list[list[Any]]) -> list[str]:
    """The median of each site, and of its ratio to the first one within a round."""
    expected = asked[0][0][1]
    for found in asked:
        for site, (_, answer) in zip(sites, found, strict=True):
            assert answer == expected, (question, site.kind, answer, expected)
    cells = [question]
    for place in range(len(sites)):
        cell = ms(median(found[place][0] for found in asked))
        ratio = median(found[place][0] / found[0][0] for found in asked)
        cells.append(f"{cell}, {ratio:.2f} x" if place else cell)
    return cells


#: What a site is asked besides its questions.
LOAD, DIGEST, SETTLE = "load", "digest", "settle"


def serve(options: argparse.Namespace) -> None:
    """Answer each question from standard input with its seconds and its answer, as JSON."""
    [engine] = options.engines
    with scratch(engine) as connection:
        steps = Digester().run()
        asked: dict[str, Callable[[], Any]] = {}
        for line in sys.stdin:
            question = line.strip()
            if question == LOAD:
                reply: Any = load(connection, Path(options.folder), options.users)
            elif question == DIGEST:
                reply = timed(lambda: getattr(next(steps, None), "souvenirs", None))
            elif question == SETTLE:
                settle(connection)
                asked = questions()
                reply = list(asked)
            else:
                with no_collection():
                    reply = timed(asked[question])
            print(json.dumps(reply), flush=True)


def timed(function: Callable[[], Any]) -> tuple[float, Any]:
    began = perf_counter()
    answer = function()
    return perf_counter() - began, answer


def keys(total: int) -> list[Any]:
    """The primary key of each user, counted from 1; the first is nobody's."""
    chance = Random(SEED)
    if KIND == "integer":
        return list(range(total + 1))
    if KIND == "64-bit":
        # As Twitter's are: milliseconds, a machine, a counter.
        return [chance.getrandbits(41) << 22 | number for number in range(total + 1)]
    found = [uuid.UUID(int=chance.getrandbits(128), version=4) for _ in range(total + 1)]
    return found if KIND == "UUID" else [f"acct_{each.hex[:24]}" for each in found]


def load(
    connection: BaseDatabaseWrapper, folder: Path, total: int, copy: Copy | None = None
) -> None:
    """Fill the tables of users and of souvenirs, by default as fast as the engine can."""
    user_model = get_user_model()
    prepare = user_model._meta.pk.get_db_prep_save
    # Nobody has the first one, which MariaDB would refuse.
    written = ["", *(str(prepare(key, connection)) for key in keys(total)[1:])]

    def users() -> Iterator[str]:
        for line in (folder / "users.tsv").open():
            number, name, joined, active, password, *_ = line.split("\t")
            plan = "pro" if int(number) % 10 == 0 else "free"
            yield f"{written[int(number)]}\t{name}\t{joined}\t{active}\t{plan}\t{password}\n"

    def souvenirs() -> Iterator[str]:
        for line in (folder / "souvenirs.tsv").open():
            number, when = line.split("\t")
            yield f"{written[int(number)]}\t{when}"

    copy = copy or COPIES[connection.vendor]
    quote = connection.ops.quote_name
    loads = [
        (user_model, users, "id, username, date_joined, is_active, plan, password"),
        (Souvenir, souvenirs, f"user_id, {quote('when')}"),
    ]
    for model, lines, columns in loads:
        path = folder / f"{KIND}.tsv"
        with path.open("w") as file:
            file.writelines(lines())
        copy(connection, path, quote(model._meta.db_table), columns)
        path.unlink()
    settle(connection)


def settle(connection: BaseDatabaseWrapper) -> None:
    """Do what the server would have done by itself by the time somebody asks."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("VACUUM ANALYZE")


def questions() -> dict[str, Callable[[], Any]]:
    thirty_days = END - timedelta(days=30), END
    three_months = END - timedelta(days=90), END
    users = get_user_model().objects.all()
    client = Client()
    client.force_login(users.get(username="user1"))

    def page(url: str) -> Callable[[], int]:
        def ask() -> int:
            status = client.get(url).status_code
            assert status == 200, (url, status)
            return status

        return ask

    def triangle() -> list[Any]:
        return [cohort.cells for cohort in retention(*WEEKS, interval="week", tz="UTC").cohorts]

    def by_plan() -> Any:
        found = growth(*WEEKS, interval="week", tz="UTC", by="plan")
        return [(name, [each.new for each in one.periods]) for name, one in found.items()]

    def joined() -> list[Any]:
        found = retention(*WEEKS, interval="week", tz="UTC", cohort="joined")
        return [[cohort.size, *cohort.cells] for cohort in found.cohorts]

    def months(**whom: Any) -> list[Any]:
        rows = calendar_monthly_usage(END - timedelta(days=360), END, "UTC", **whom)
        return [[row.get("segment"), *row.counts] for row in rows]

    def listed() -> int:
        return len(active_users(*thirty_days).users().order_by("username")[:50])

    def algebra() -> int:
        months = [active_users(*each) for each in pairwise((three_months[0], *thirty_days))]
        return len(months[0] & months[1])

    return {
        "30 days": lambda: count_active_users(*thirty_days),
        "retention, 12 x 12 weeks": lambda: json.loads(json.dumps(triangle())),
        "growth, 12 weeks": lambda: [
            each.net for each in growth(*WEEKS, interval="week", tz="UTC").periods
        ],
        "stickiness, 90 days": lambda: [
            each.mau for each in stickiness(*three_months, interval="day", tz="UTC").periods
        ],
        "active in both of two ranges": algebra,
        "30 days, of a queryset": lambda: count_active_users(
            *thirty_days, users=users.filter(is_active=True)
        ),
        "growth by a field": lambda: json.loads(json.dumps(by_plan())),
        "retention by registration": joined,
        "12 months, of a queryset": lambda: months(users=users.filter(is_active=True)),
        "12 months, by a field": lambda: months(by="plan"),
        "a list of 50 of them": listed,
        "the overview": page(f"/?from={three_months[0]:%Y-%m-%d}&to={END:%Y-%m-%d}&tz=UTC"),
        "people": page("/people/?tz=UTC"),
    }


if __name__ == "__main__":
    main()
