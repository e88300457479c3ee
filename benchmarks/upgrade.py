"""How long each migration takes on the table that version 1.0.2 left, and who waits meanwhile.

While a migration runs, a souvenir, a report and a login are tried again and again: the table shows
the longest that one of each took.
"""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from time import perf_counter
from typing import NamedTuple

from _common import ENGINES, TITLES, answering, machine, print_table, say, scratch
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.recorder import MigrationRecorder

from tests.test_migrations import MOMENT, NUMBERS, VERSION_1

USERS = 100_000
#: Ten million souvenirs in the order of time are three years.
SECONDS_BETWEEN = 9
PAUSE = 0.02

LOCKS = {
    "sqlite": dict.fromkeys(["0002", "0003", "0004", "0005", "0006"], "whole database"),
    "postgresql": {
        "0002": "`SHARE`",
        "0003": "`ACCESS EXCLUSIVE`, also on the users",
        "0004": "`ACCESS EXCLUSIVE`",
        "0005": "`SHARE`",
        "0006": "`ACCESS EXCLUSIVE`",
    },
    "mariadb": {
        "0002": "none: in place, online",
        "0003": "none: in place, online",
        "0004": "none: in place, online",
        "0005": "none: in place, online",
        "0006": "`SHARED`: copies",
    },
}


def main() -> None:
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("engines", nargs="*", metavar="engine", help=", ".join(ENGINES))
    arguments = parser.parse_args()
    engines = answering(arguments.engines or ENGINES)
    table = [line for engine in engines for line in measure(engine, arguments.rows)]
    print(f"{arguments.rows:,} souvenirs of {USERS:,} users; {machine(engines)}.\n")
    waits = [f"a {name} waits" for name in ("souvenir", "report", "login")]
    print_table(["database", "migration", "takes", *waits, "lock"], table)


def measure(engine: str, rows: int) -> Iterator[list[str]]:
    with scratch(engine) as connection:
        say(f"{TITLES[engine]}: fills {rows:,} rows")
        fill(connection, rows)
        written = 0
        for name in migrations_to_come(connection):
            say(f"{TITLES[engine]}: {name}")
            took, tries = migrate(connection, name)
            written += tries[0].calls
            waits = [seconds(each.longest) for each in tries]
            lock = LOCKS[engine].get(name[:4], "")
            yield [TITLES[engine], f"`{name}`", seconds(took), *waits, lock]
        found = count(connection)
        if found != rows + written:
            raise RuntimeError(f"{rows:,} rows and {written:,} more have become {found:,}.")


def seconds(duration: float) -> str:
    return f"{duration:,.2f} s" if duration < 1 else f"{duration:,.0f} s"


def fill(connection: BaseDatabaseWrapper, rows: int) -> None:
    """Make the table that a site with version 1.0.2 has after some years."""
    call_command("migrate", "souvenirs", "zero", database=connection.alias, verbosity=0)
    User.objects.bulk_create([User(id=n, username=str(n)) for n in range(1, USERS + 1)])
    create_table, *constraints_and_indexes = VERSION_1[connection.vendor]
    moment = MOMENT[connection.vendor].format(seconds=f"n * {SECONDS_BETWEEN}", k="n")
    with connection.cursor() as cursor:
        cursor.execute(create_table)
        # Strides through the users, in numbers of 32 bits.
        cursor.execute(
            f"INSERT INTO souvenirs_souvenir (user_id, {connection.ops.quote_name('when')})"
            f" SELECT 1 + n % 10000000 * 127 % {USERS}, {moment}"
            f" FROM {NUMBERS[connection.vendor].format(last=rows - 1)} ORDER BY n"
        )
        for statement in constraints_and_indexes:
            cursor.execute(statement)
        if connection.vendor == "postgresql":
            # What the server does by itself in time.
            cursor.execute("VACUUM ANALYZE")
            cursor.execute("CHECKPOINT")
    MigrationRecorder(connection).record_applied("souvenirs", "0001_initial")


def migrations_to_come(connection: BaseDatabaseWrapper) -> list[str]:
    executor = MigrationExecutor(connection)
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes("souvenirs"))
    return [migration.name for migration, _ in plan]


def count(connection: BaseDatabaseWrapper) -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT COUNT(*) FROM souvenirs_souvenir")
        return int(cursor.fetchone()[0])


def migrate(connection: BaseDatabaseWrapper, name: str) -> tuple[float, list[Tries]]:
    """The seconds that a migration took, and how a souvenir, a report and a login fared."""
    when = connection.ops.quote_name("when")
    start, end = (
        MOMENT[connection.vendor].format(seconds=hour * 3600, k=0) for hour in (1000, 1001)
    )
    statements = [
        f"INSERT INTO souvenirs_souvenir (user_id, {when}) VALUES (1, {start})",
        "SELECT COUNT(DISTINCT user_id) FROM souvenirs_souvenir"
        f" WHERE {when} >= {start} AND {when} < {end}",
        f"UPDATE auth_user SET last_login = {start} WHERE id = 2",
    ]
    stopped = Event()
    with ThreadPoolExecutor() as pool:
        tries = [pool.submit(try_on, connection.alias, sql, stopped) for sql in statements]
        try:
            began = perf_counter()
            MigrationExecutor(connection).migrate([("souvenirs", name)])
            took = perf_counter() - began
        finally:
            stopped.set()
    return took, [each.result() for each in tries]


class Tries(NamedTuple):
    calls: int
    longest: float


def try_on(alias: str, sql: str, stopped: Event) -> Tries:
    """Do one thing again and again, on a connection of this thread."""
    connection = connections[alias]
    calls, longest = 0, 0.0
    try:
        with connection.cursor() as cursor:
            if connection.vendor == "sqlite":
                # A site gives up after five seconds; here the whole wait is wanted.
                cursor.execute("PRAGMA busy_timeout = 3600000")
            while not stopped.wait(PAUSE):
                began = perf_counter()
                cursor.execute(sql)
                longest = max(longest, perf_counter() - began)
                calls += 1
    finally:
        connection.close()
    return Tries(calls, longest)


if __name__ == "__main__":
    main()
