"""What the benchmarks stand on: Django set up by importing this, scratch databases, a stopwatch.

Import it before any model.
"""

from __future__ import annotations

import argparse
import gc
import os
import platform
import random
import re
import resource
import signal
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from math import inf
from pathlib import Path
from statistics import median
from time import perf_counter
from types import SimpleNamespace
from typing import Any

import _others
import django
from django.conf import settings
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from tabulate import tabulate

# The repository's root is not on the path of a script in a folder of it.
sys.path.insert(0, str(Path(__file__).parents[1]))

from tests import servers

#: No two runs share a database or a key of a cache.
NAME = f"souvenirs_bench_{os.getpid()}"
ENGINES = list(servers.DATABASES)
TITLES = {
    "sqlite": "SQLite",
    "postgresql": "PostgreSQL",
    "mariadb": "MariaDB",
    "locmem": "LocMem",
    "redis": "Redis",
}

#: The user model of keys.py.
MODEL = os.environ.get("SOUVENIRS_BENCH_USER", "")

#: A window that does not end during a run; its length costs neither algorithm anything.
WEEK = 7 * 24 * 3600

#: The database in use: with no default, nothing can go to another one unnoticed.
current = SimpleNamespace(alias="default")


class Router:
    def db_for_read(self, model: Any, **hints: Any) -> str:
        return current.alias

    db_for_write = db_for_read


def database(engine: str) -> dict[str, Any]:
    configuration = servers.database(engine)
    configuration["TEST"] = {**configuration.get("TEST", {}), "NAME": NAME}
    options = configuration.setdefault("OPTIONS", {})
    if engine == "postgresql":
        # At the stock 4 MB both algorithms sort on disk, and that is all one would measure.
        options["options"] = "-c work_mem=64MB"
    if engine == "mariadb":
        options["local_infile"] = True
    return configuration


def set_up() -> None:
    settings.configure(
        DATABASES={"default": {}} | {engine: database(engine) for engine in ENGINES},
        DATABASE_ROUTERS=[Router()],
        CACHES={
            "locmem": {
                "BACKEND": "django.core.cache.backends.locmem.LocMemCache",
                "OPTIONS": {"MAX_ENTRIES": 100_000},
            },
            "redis": {
                "BACKEND": "django.core.cache.backends.redis.RedisCache",
                "LOCATION": servers.REDIS,
                "KEY_PREFIX": NAME,
            },
        },
        INSTALLED_APPS=[
            "django.contrib.admin",
            "django.contrib.auth",
            "django.contrib.contenttypes",
            "django.contrib.messages",
            "django.contrib.sessions",
            "souvenirs",
            *_others.apps(),
            *([MODEL.partition(".")[0]] if MODEL else []),
        ],
        AUTH_USER_MODEL=MODEL or "auth.User",
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        SECRET_KEY="benchmarks",
        USE_TZ=True,
        TIME_ZONE="UTC",
        SOUVENIRS_RATELIMIT_SECONDS=WEEK,
        SOUVENIRS_CACHE_NAME="locmem",
    )
    django.setup()
    # Scratch databases are dropped on the way out, so leave by the door.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("Terminated."))


set_up()


def answering(names: Sequence[str]) -> list[str]:
    """Those of the servers that answer; the others are named on stderr."""
    found = []
    for name in names:
        if name == "locmem" or servers.version(name):
            found.append(name)
        else:
            say(f"{TITLES[name]} does not answer: left out.")
    return found


def site_arguments(
    description: str | None, *, rows: int, users: int, days: int
) -> argparse.ArgumentParser:
    """Return a parser with the size of a site, the engines, and the databases to keep."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--rows", type=int, default=rows, help=f"souvenirs, {rows} by default")
    parser.add_argument("--users", type=int, default=users, help=f"users, {users} by default")
    parser.add_argument("--days", type=int, default=days, help=f"up to now, {days} by default")
    parser.add_argument(
        "--engines",
        type=lambda names: names.split(","),
        default=["sqlite", "postgresql"],
        help="sqlite,postgresql by default",
    )
    parser.add_argument(
        "--keep", metavar="NAME", help="leave the databases under this name, and use those there"
    )
    return parser


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def resident() -> float:
    """The memory of this process, in megabytes."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6


def peak() -> float:
    """The most memory that this process has had, in megabytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3


def machine(names: Sequence[str]) -> str:
    """One line on what the numbers were measured on."""
    servers_used = [name for name in names if name != "locmem"]
    versions = [f"{TITLES[name]} {_number(servers.version(name))}" for name in servers_used]
    python, cores = platform.python_version(), os.cpu_count()
    versions = [f"{cores} cores", f"Python {python}", f"Django {django.__version__}", *versions]
    return ", ".join(versions)


def _number(version: str | None) -> str:
    # MariaDB puts 5.5.5- in front of its own number, for old clients.
    return re.split(r"[- ]", (version or "").removeprefix("5.5.5-"))[0]


def print_table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    align = ["left"] + ["right"] * (len(headers) - 1)
    print(tabulate(rows, headers, tablefmt="pipe", colalign=align, disable_numparse=True))
    print(flush=True)


def ms(seconds: float) -> str:
    return f"{seconds * 1e3:,.{digits(seconds * 1e3)}f} ms"


def us(seconds: float) -> str:
    return f"{seconds * 1e6:,.{digits(seconds * 1e6)}f} µs"


def times(baseline: float, seconds: float) -> str:
    ratio = baseline / seconds
    return f"{ratio:,.{digits(ratio)}f} x"


def digits(number: float) -> int:
    return 0 if abs(number) >= 100 else 1 if abs(number) >= 10 else 2


@contextmanager
def scratch(engine: str, keep: str | None = None) -> Iterator[BaseDatabaseWrapper]:
    """A migrated database of its own, dropped in the end; with ``keep`` one of that name, kept."""
    connection = connections[engine]
    with tempfile.TemporaryDirectory(prefix=NAME) as folder:
        if keep:
            connection.settings_dict["TEST"]["NAME"] = keep
        if engine == "sqlite":
            place = Path(tempfile.gettempdir() if keep else folder)
            connection.settings_dict["TEST"]["NAME"] = str(place / f"{keep or NAME}.sqlite3")
        before = connection.settings_dict["NAME"]
        current.alias = engine
        connection.creation.create_test_db(
            verbosity=0, autoclobber=True, serialize=False, keepdb=bool(keep)
        )
        try:
            yield connection
        finally:
            connection.creation.destroy_test_db(before, verbosity=0, keepdb=bool(keep))
            current.alias = "default"


@contextmanager
def no_collection() -> Iterator[None]:
    """Keep the garbage collector from falling on one of the two."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def alternate(
    functions: Sequence[Callable[[], Any]], seconds: float
) -> tuple[list[Any], list[float]]:
    """The answer of each, and its best seconds; all of them in turn in every round.

    New rounds begin for that many seconds; there are two, unless one takes five times as long, and
    one in any case.
    """
    began = perf_counter()
    best = [inf] * len(functions)
    answers: list[Any] = []
    rounds = 0
    with no_collection():
        while (
            not rounds
            or (spent := perf_counter() - began) < seconds
            or (rounds < 2 and spent < 5 * seconds)
        ):
            timed = [_timed(function) for function in functions]
            answers = answers or [answer for answer, _ in timed]
            best = [min(one, taken) for one, (_, taken) in zip(best, timed, strict=True)]
            rounds += 1
    return answers, best


def _timed(function: Callable[[], Any]) -> tuple[Any, float]:
    began = perf_counter()
    answer = function()
    return answer, perf_counter() - began


def alternate_quick(
    functions: Sequence[Callable[[], Any]], rounds: int = 15, seconds: float = 0.05
) -> list[float]:
    """The best seconds per call of each: loops of about ``seconds``, all of them in turn."""
    loops = [_loop(function) for function in functions]
    sizes = [max(1, int(seconds / (loop(20) / 20))) for loop in loops]
    with no_collection():
        taken = [
            [loop(size) / size for loop, size in zip(loops, sizes, strict=True)]
            for _ in range(rounds)
        ]
    return [min(column) for column in zip(*taken, strict=True)]


def _loop(function: Callable[[], Any]) -> Callable[[int], float]:
    def run(size: int) -> float:
        began = perf_counter()
        for _ in range(size):
            function()
        return perf_counter() - began

    return run


def alternate_calls(
    functions: Sequence[Callable[[Any], Any]], arguments: Sequence[Iterable[Any]]
) -> list[float]:
    """The median seconds of one call of each with each of its arguments, in turn call by call.

    For what is small beside the noise of a database: that hits all of them alike. Who is first in a
    turn is chance, since whoever comes second finds more in the caches of the processor.
    """
    taken: list[list[float]] = [[] for _ in functions]
    order, chance = list(range(len(functions))), random.Random(0)
    with no_collection():
        for row in zip(*arguments, strict=True):
            chance.shuffle(order)
            for place in order:
                function, argument = functions[place], row[place]
                began = perf_counter()
                function(argument)
                taken[place].append(perf_counter() - began)
    return [median(seconds) for seconds in taken]
