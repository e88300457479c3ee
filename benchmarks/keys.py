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
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from random import Random
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
    alternate,
    answering,
    machine,
    ms,
    print_table,
    say,
    scratch,
)
from _data import COPIES, END, SEED, Files
from django.contrib.auth import get_user_model
from django.db.backends.base.base import BaseDatabaseWrapper
from django.test import Client, override_settings
from insights import WEEKS

from souvenirs.control import active_users, count_active_users
from souvenirs.digests import Digester
from souvenirs.insights import growth, retention, stickiness
from souvenirs.models import Souvenir

#: A site with the pages of the app, and little else.
SITE: dict[str, Any] = {
    "ROOT_URLCONF": "_keyed.urls",
    "ALLOWED_HOSTS": ["testserver"],
    "STATIC_URL": "static/",
    "MIDDLEWARE": [
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
    ],
    "TEMPLATES": [{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}],
}


def main() -> None:
    options = arguments()
    if options.folder:
        with override_settings(**SITE):
            measure(options)
        return
    engines = answering(options.engines)
    print(f"## Kinds of keys\n\n{machine(engines)}.\n")
    with tempfile.TemporaryDirectory(prefix=NAME) as folder:
        say("Making up the data...")
        files = Files(Path(folder), options.rows, options.users, options.days)
        print(f"{files.rows:,} souvenirs of {files.users_total:,} users in {files.days} days.\n")
        for engine in engines:
            found = {kind: in_its_own_process(kind, engine, folder) for kind in options.kinds}
            print_found(engine, found)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--users", type=int, default=10_000)
    parser.add_argument("--days", type=int, default=365)
    parser.add_argument("--engines", type=lambda names: names.split(","), default=ENGINES[:2])
    parser.add_argument("--kinds", type=lambda names: names.split(","), default=list(MODELS))
    parser.add_argument("--seconds", type=float, default=1, help="how long to repeat a question")
    parser.add_argument("--folder", help=argparse.SUPPRESS)
    return parser.parse_args()


def in_its_own_process(kind: str, engine: str, folder: str) -> dict[str, list[Any]]:
    """Each question with its seconds, and with its answer."""
    say(f"{TITLES[engine]}, {kind} keys...")
    # The last of two options of a name counts.
    own = [f"--engines={engine}", f"--folder={folder}"]
    output = subprocess.run(
        [sys.executable, __file__, *sys.argv[1:], *own],
        env={**os.environ, "SOUVENIRS_BENCH_KEYS": kind},
        stdout=subprocess.PIPE,
        check=True,
    )
    found: dict[str, list[Any]] = json.loads(output.stdout)
    return found


def print_found(engine: str, found: dict[str, dict[str, list[Any]]]) -> None:
    first, *others = found
    rows = []
    for question, (seconds, answer) in found[first].items():
        row = [question, ms(seconds)]
        for kind in others:
            taken, same = found[kind][question]
            assert same == answer, (question, kind, same, answer)
            row.append(f"{ms(taken)}, {taken / seconds:.2f} x")
        rows.append(row)
    print_table([TITLES[engine], *found], rows)


def measure(options: argparse.Namespace) -> None:
    """Print the seconds and the answer of each question, as JSON."""
    [engine] = options.engines
    found = {}
    with scratch(engine) as connection:
        load(connection, Path(options.folder), options.users)
        began = perf_counter()
        for _ in Digester().run():
            pass
        found["digest"] = perf_counter() - began, Souvenir.objects.filter(digested=True).count()
        settle(connection)
        for question, ask in questions().items():
            say(f"  {question}")
            [answer], [seconds] = alternate([ask], options.seconds)
            found[question] = seconds, answer
    print(json.dumps(found))


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


def load(connection: BaseDatabaseWrapper, folder: Path, total: int) -> None:
    """Fill the tables of users and of souvenirs."""
    user_model = get_user_model()
    prepare = user_model._meta.pk.get_db_prep_save
    written = [str(prepare(key, connection)) for key in keys(total)]

    def users() -> Iterator[str]:
        for line in (folder / "users.tsv").open():
            number, name, joined, active, password, *_ = line.split("\t")
            plan = "pro" if int(number) % 10 == 0 else "free"
            yield f"{written[int(number)]}\t{name}\t{joined}\t{active}\t{plan}\t{password}\n"

    def souvenirs() -> Iterator[str]:
        for line in (folder / "souvenirs.tsv").open():
            number, when = line.split("\t")
            yield f"{written[int(number)]}\t{when}"

    copy = COPIES[connection.vendor]
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
        "a list of 50 of them": listed,
        "the overview": page(f"/?from={three_months[0]:%Y-%m-%d}&to={END:%Y-%m-%d}&tz=UTC"),
        "people": page("/people/?tz=UTC"),
    }


if __name__ == "__main__":
    main()
