"""Made-up activity: few users do most of it, in a daily and a weekly rhythm, a growing site.

At most one souvenir per user and hour, as recording leaves them. Users are numbered in the order
in which they registered, half of them before the span of the souvenirs; nobody is seen before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

from _version1 import OldSouvenir
from django.contrib.auth.models import User
from django.core.management.color import no_style
from django.db.backends.base.base import BaseDatabaseWrapper

from souvenirs.models import Digest, Souvenir

#: Fixed, like the seed: the same command makes the same data.
END = datetime(2026, 1, 1, tzinfo=UTC)
SEED = 102

#: How busy the hours of a day (UTC) and the days of a week (from Monday) are.
HOURS = [2, 1, 1, 1, 1, 2, 4, 7, 11, 14, 14, 13, 11, 12, 13, 13, 12, 11, 10, 10, 9, 7, 5, 3]
DAYS = [11, 11, 11, 10, 9, 6, 5]

USER_COLUMNS = (
    "id, username, date_joined, is_active, password, email, first_name, last_name, "
    "is_superuser, is_staff"
)
PASSWORD = "pbkdf2_sha256$1000000$" + "x" * 22 + "$" + "x" * 44
CHUNK = 1 << 20


class Files:
    """The rows as tab-separated text, made once for all engines."""

    def __init__(self, folder: Path, rows: int, users: int, days: int, end: datetime = END) -> None:
        self.users_total, self.days, self.end = users, days, end
        self.start = end - timedelta(days=days)
        self.random = Random(SEED)
        self.users = folder / "users.tsv"
        self.souvenirs = folder / "souvenirs.tsv"
        with self.users.open("w") as file:
            file.writelines(self._user_lines())
        with self.souvenirs.open("w") as file:
            file.writelines(self._souvenir_lines(rows))
        with self.souvenirs.open("rb") as file:
            self.rows = sum(1 for _ in file)

    def _user_lines(self) -> Iterator[str]:
        first = self.start - timedelta(days=self.days)
        step = (self.end - first) / self.users_total
        for number in range(1, self.users_total + 1):
            joined = (first + step * (number - 1)).replace(tzinfo=None)
            active = int(self.random.random() < 0.9)
            name = f"user{number}"
            yield (
                f"{number}\t{name}\t{joined}\t{active}\t{PASSWORD}\t{name}@example.com"
                "\tFirst\tLast\t0\t0\n"
            )

    def _souvenir_lines(self, rows: int) -> Iterator[str]:
        random = self.random.random
        hours = [self.start + timedelta(hours=number) for number in range(self.days * 24)]
        growth = [0.5 + 0.5 * number / len(hours) for number in range(len(hours))]
        weights = [
            DAYS[hour.weekday()] * HOURS[hour.hour] * grown
            for hour, grown in zip(hours, growth, strict=True)
        ]
        scale, due, left = rows / sum(weights), 0.0, 0
        for hour, grown, weight in zip(hours, growth, weights, strict=True):
            due += weight * scale
            registered = int(self.users_total * grown)
            # Nearly everybody takes long to draw; who is left over comes in a later hour.
            wanted = min(round(due) - left, registered // 2)
            left += wanted
            seen: dict[int, None] = {}
            while len(seen) < wanted:
                seen[int(registered * random() ** 2) + 1] = None
            moments = sorted(int(random() * 3_600_000_000) for _ in seen)
            prefix = f"{hour:%Y-%m-%d %H}"
            for user, moment in zip(seen, moments, strict=True):
                seconds, micro = divmod(moment, 1_000_000)
                minute, second = divmod(seconds, 60)
                yield f"{user}\t{prefix}:{minute:02d}:{second:02d}.{micro:06d}\n"


def load(connection: BaseDatabaseWrapper, files: Files, with_old: bool = True) -> None:
    """Fill the tables, with that of 1.0.2; the indexes come after the rows, as that is quicker."""
    quote = connection.ops.quote_name
    copy = COPIES[connection.vendor]
    table, old_table = quote(Souvenir._meta.db_table), quote(OldSouvenir._meta.db_table)
    columns = f"user_id, {quote('when')}"
    with connection.schema_editor() as editor:
        for index in Souvenir._meta.indexes:
            editor.remove_index(Souvenir, index)
    copy(connection, files.users, quote(User._meta.db_table), USER_COLUMNS)
    copy(connection, files.souvenirs, table, columns)
    with connection.schema_editor() as editor:
        for index in Souvenir._meta.indexes:
            editor.add_index(Souvenir, index)
        if with_old:
            editor.create_model(OldSouvenir)
            editor.execute(
                f"INSERT INTO {old_table} ({columns}) SELECT {columns} FROM {table} ORDER BY id"
            )
    with connection.cursor() as cursor:
        # The rows came with their keys.
        for sql in connection.ops.sequence_reset_sql(no_style(), [User]):
            cursor.execute(sql)
    settle(connection)


def settle(connection: BaseDatabaseWrapper) -> None:
    """Do what the server would have done by itself by the time somebody asks for a report."""
    tables = {model._meta.db_table for model in (User, Souvenir, OldSouvenir, Digest)}
    with connection.cursor() as cursor:
        for table in tables.intersection(connection.introspection.table_names(cursor)):
            if connection.vendor == "postgresql":
                cursor.execute(f"VACUUM ANALYZE {table}")
            if connection.vendor == "mysql":
                cursor.execute(f"ANALYZE TABLE {table}")
                cursor.fetchall()


def _sqlite(connection: BaseDatabaseWrapper, path: Path, table: str, columns: str) -> None:
    places = ", ".join("?" for _ in columns.split(","))
    connection.ensure_connection()
    database = connection.connection
    with path.open() as file, database:
        database.execute("BEGIN")
        database.executemany(
            f"INSERT INTO {table} ({columns}) VALUES ({places})",
            (line.rstrip("\n").split("\t") for line in file),
        )


def _postgresql(connection: BaseDatabaseWrapper, path: Path, table: str, columns: str) -> None:
    with (
        path.open("rb") as file,
        connection.cursor() as cursor,
        cursor.copy(f"COPY {table} ({columns}) FROM STDIN") as copy,
    ):
        while chunk := file.read(CHUNK):
            copy.write(chunk)


def _mysql(connection: BaseDatabaseWrapper, path: Path, table: str, columns: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"LOAD DATA LOCAL INFILE %s INTO TABLE {table} ({columns})", [str(path)])


#: Copies a file into some columns of a table.
Copy = Callable[[BaseDatabaseWrapper, Path, str, str], None]

COPIES: dict[str, Copy] = {
    "sqlite": _sqlite,
    "postgresql": _postgresql,
    "mysql": _mysql,
}
