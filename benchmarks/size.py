"""What a souvenir takes on the disk, with its indexes, by engine and kind of primary key.

Measured before and after all are digested at once, and again after the space is given back. By
default, souvenirs arrive in bulk and in the order of time. ``--shuffled`` has them arrive in any
order, and ``--one-by-one`` each in a transaction of its own.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from random import Random

#: The user model of each kind of key, in ``_keyed``.
MODELS = {"integer": "_keyed.IntegerUser", "UUID": "_keyed.UUIDUser"}

# Django has one user model: each kind of key has a process of its own.
KIND = os.environ.get("SOUVENIRS_BENCH_KEYS", "integer")
os.environ["SOUVENIRS_BENCH_USER"] = MODELS[KIND]

from _common import ENGINES, NAME, TITLES, answering, machine, print_table, say, scratch
from _data import SEED, Files
from django.db.backends.base.base import BaseDatabaseWrapper
from keys import load

from souvenirs.digests import Digester
from souvenirs.models import Souvenir
from souvenirs.stores import get_store

HEADERS = [
    "bytes a souvenir",
    "of it indexes",
    "once digested",
    "space given back",
    "digests, for each souvenir",
]

#: How each engine gives space back: all of it, with the table locked meanwhile.
COMPACT = {
    "sqlite": ["VACUUM", "ANALYZE"],
    "postgresql": ["VACUUM FULL ANALYZE souvenirs_souvenir"],
    "mysql": ["OPTIMIZE TABLE souvenirs_souvenir"],
}

#: Statistics, which the sizes come from on MariaDB.
ANALYZE = {
    "sqlite": "ANALYZE",
    "postgresql": "ANALYZE souvenirs_souvenir",
    "mysql": "ANALYZE TABLE souvenirs_souvenir, souvenirs_digest",
}

#: The bytes of the indexes of the table of souvenirs beside the primary key.
INDEXES = {
    "sqlite": "SELECT SUM(pgsize) FROM dbstat WHERE name IN (SELECT name FROM sqlite_master "
    "WHERE type = 'index' AND tbl_name = 'souvenirs_souvenir')",
    "postgresql": "SELECT pg_indexes_size('souvenirs_souvenir')",
    "mysql": "SELECT index_length FROM information_schema.tables "
    "WHERE table_schema = DATABASE() AND table_name = 'souvenirs_souvenir'",
}


def main() -> None:
    options = arguments()
    if options.folder:
        measure(options)
        return
    engines = answering(options.engines)
    print(f"## Size\n\n{machine(engines)}.\n")
    with tempfile.TemporaryDirectory(prefix=NAME) as folder:
        files = Files(Path(folder), options.rows, options.users, options.days)
        if options.shuffled:
            shuffle(files.souvenirs)
        print(f"{files.rows:,} souvenirs of {files.users_total:,} users in {files.days} days.\n")
        rows = [
            [f"{TITLES[engine]}, {kind} keys", *asked(engine, kind, folder)]
            for engine in engines
            for kind in options.kinds
        ]
    print_table(["engine and kind of keys", *HEADERS], rows)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--users", type=int, default=10_000)
    parser.add_argument("--days", type=int, default=90)
    parser.add_argument("--engines", type=lambda names: names.split(","), default=ENGINES)
    parser.add_argument("--kinds", type=lambda names: names.split(","), default=list(MODELS))
    parser.add_argument("--shuffled", action="store_true", help="in any order")
    parser.add_argument("--one-by-one", action="store_true", help="not in bulk")
    parser.add_argument("--folder", help=argparse.SUPPRESS)
    return parser.parse_args()


def asked(engine: str, kind: str, folder: str) -> list[str]:
    """The cells of a row, from a process whose users have keys of that kind."""
    say(f"{TITLES[engine]}, {kind} keys...")
    done = subprocess.run(
        [sys.executable, __file__, *sys.argv[1:], f"--engines={engine}", f"--folder={folder}"],
        env={**os.environ, "SOUVENIRS_BENCH_KEYS": kind},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return done.stdout.split()


def shuffle(path: Path) -> None:
    lines = path.read_text().splitlines(keepends=True)
    Random(SEED).shuffle(lines)
    path.write_text("".join(lines))


def insert_each(connection: BaseDatabaseWrapper, path: Path, table: str, columns: str) -> None:
    """Insert each line of a file in a transaction of its own."""
    places = ", ".join("%s" for _ in columns.split(","))
    with path.open() as lines, connection.cursor() as cursor:
        for line in lines:
            values = line.rstrip("\n").split("\t")
            cursor.execute(f"INSERT INTO {table} ({columns}) VALUES ({places})", values)


def measure(options: argparse.Namespace) -> None:
    """Print the cells of a row."""
    with scratch(options.engines[0]) as connection:
        copy = insert_each if options.one_by_one else None
        load(connection, Path(options.folder), options.users, copy)
        before, rows = size_of("souvenirs_souvenir", connection), Souvenir.objects.count()
        [(indexes,)] = execute(connection, INDEXES[connection.vendor])
        for _ in Digester().run():
            pass
        after = size_of("souvenirs_souvenir", connection)
        digests = size_of("souvenirs_digest", connection)
        for statement in COMPACT[connection.vendor]:
            execute(connection, statement)
        compacted = size_of("souvenirs_souvenir", connection)
        sizes = (before, int(indexes), after, compacted, digests)
        print(*(f"{size / rows:.0f}" for size in sizes))


def size_of(table: str, connection: BaseDatabaseWrapper) -> int:
    """The bytes of a table with its indexes, as ``souvenirs_doctor`` tells them."""
    execute(connection, ANALYZE[connection.vendor])
    [size] = [each.size for each in get_store().measures().tables() if each.table == table]
    assert size is not None, "The engine does not tell the size of a table."
    return size


def execute(connection: BaseDatabaseWrapper, statement: str) -> list[tuple]:
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return list(cursor.fetchall()) if cursor.description else []


if __name__ == "__main__":
    main()
