"""Migrations of the app that have not been applied."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext, suppress

from django.core.checks import CheckMessage, Warning
from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError, connections, router
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder

from ..stores import get_store

APP = "souvenirs"
FIRST = "0001_initial"


class NotMigrated(ImproperlyConfigured):
    """The tables of the app lack migrations, or a router keeps them out."""

    def __init__(self, alias: str) -> None:
        if has_tables(alias):
            super().__init__(f"{_problem(alias)}: {_remedy(alias)}.")
        else:
            schema = getattr(connections[alias], "schema_name", None)
            where = f"the database {alias!r}" if schema is None else f"the schema {schema!r}"
            super().__init__(f"A router keeps the tables of souvenirs out of {where}.")


def has_tables(alias: str) -> bool:
    """Whether the routers allow the tables of the app in a database, and in its current schema."""
    allows: bool = router.allow_migrate(alias, APP)
    return allows


@contextmanager
def migrated() -> Iterator[None]:
    """Raise NotMigrated in place of a database error if the tables of the app are not as needed.

    The migrations are only looked up after an error.
    """
    try:
        yield
    except DatabaseError as error:
        alias = get_store().alias
        with suppress(DatabaseError), _usable(connections[alias]) as connection:
            if not has_tables(alias) or unapplied(connection):
                raise NotMigrated(alias) from error
        raise


def check_migrated(connection: BaseDatabaseWrapper) -> Iterator[CheckMessage]:
    alias, missing = connection.alias, unapplied(connection)
    # The first ``migrate`` runs this check too: what it is about to create is not a problem.
    if missing and FIRST not in missing:
        remedy = _remedy(alias)
        yield Warning(
            f"{_problem(alias)}.", hint=f"{remedy[0].upper()}{remedy[1:]}.", id="souvenirs.W008"
        )


def unapplied(connection: BaseDatabaseWrapper) -> list[str]:
    """Return the names of the app's migrations that have not been applied."""
    known = MigrationLoader(None).disk_migrations
    applied = set(_applied(connection))
    return [name for app, name in known if app == APP and name not in applied]


def _applied(connection: BaseDatabaseWrapper) -> Iterator[str]:
    # Not through the ORM, which would use another connection of the same alias.
    if MigrationRecorder(connection).has_table():
        table = connection.ops.quote_name(MigrationRecorder.Migration._meta.db_table)
        with connection.cursor() as cursor:
            # S608: the table is Django's own.
            cursor.execute(f"SELECT name FROM {table} WHERE app = %s", [APP])  # noqa: S608
            yield from (name for (name,) in cursor.fetchall())


def _usable(connection: BaseDatabaseWrapper) -> AbstractContextManager[BaseDatabaseWrapper]:
    """Return a connection for queries after an error: a new one if it aborted a transaction."""
    is_aborted = connection.needs_rollback or not connection.is_usable()
    return closing(connection.copy()) if is_aborted else nullcontext(connection)


def _problem(alias: str) -> str:
    return f"The tables of souvenirs in the database {alias!r} lack migrations"


def _remedy(alias: str) -> str:
    return f"run manage.py migrate souvenirs --database {alias}"
