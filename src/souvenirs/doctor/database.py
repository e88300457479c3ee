"""Findings of the database: whether it answers, its clock, its tables and its replica."""

from __future__ import annotations

from collections.abc import Iterator

from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError, connections

from ..checks import NotMigrated, has_tables, unapplied
from ..resilience import time_limited
from ..scope import has_scopes, scope
from ..stores import Measures, TableSize, get_store
from .findings import Finding, State, about, counted, in_bytes, length, sentence

#: By how many seconds two clocks may differ.
SKEW = 5

#: How long opening a connection may take, in seconds.
CONNECT = 5

#: By how many seconds a replica may lag behind.
LAG = 300


def connection(alias: str) -> Iterator[Finding]:
    """Yield an error unless the database answers."""
    try:
        with time_limited(connections[alias], seconds=CONNECT):
            pass
    except (DatabaseError, ImproperlyConfigured) as error:
        yield Finding(
            "database",
            "Connection",
            State.ERROR,
            f"The database {alias!r} does not answer: {sentence(error)}.",
            "Start it, or correct its entry in DATABASES.",
            quotes_error=True,
        )


def migrations(alias: str) -> Iterator[Finding]:
    """Yield an error unless the tables are as needed."""
    missing = sorted(unapplied(connections[alias]))
    if not has_tables(alias):
        yield Finding(
            "database",
            "Migrations",
            State.ERROR,
            str(NotMigrated(alias)),
            "Run this command where the tables are, such as in the schema of a tenant: with "
            "django-tenants, manage.py tenant_command souvenirs_doctor --schema=NAME.",
        )
    elif missing:
        yield Finding(
            "database",
            "Migrations",
            State.ERROR,
            f"The tables of souvenirs in the database {alias!r} lack "
            f"{counted(len(missing), 'migration')}, the first one is {missing[0]}.",
            f"Run manage.py migrate souvenirs --database {alias}.",
            {"missing": missing},
        )


def tenants() -> Iterator[Finding]:
    """Name the scope."""
    if not has_scopes():
        message = "The site has a single scope: nobody shares a primary key with another tenant."
        yield Finding("tenants", "Scope", State.OK, message, "", {"scope": None})
        return
    try:
        current = repr(scope())
    except Exception as error:  # noqa: BLE001 - of the site's own function
        message = f"SOUVENIRS_SCOPE or a router raises {type(error).__name__}: {sentence(error)}."
        remedy = "Correct it: without a scope, nothing is recorded. It has to work in commands too."
        yield Finding("tenants", "Scope", State.ERROR, message, remedy, quotes_error=True)
    else:
        message = f"The current scope is {current}; the findings are about this one only."
        yield Finding("tenants", "Scope", State.OK, message, "", {"scope": current})


def clock(alias: str) -> Iterator[Finding]:
    """Compare the clock of the database's server with ours."""
    title, skew = "Clock", get_store().measures().clock_skew()
    if skew is None:
        yield Finding("database", title, State.OK, "SQLite has no clock of its own.")
        return
    is_fine = abs(skew) <= SKEW
    direction = "ahead of" if skew > 0 else "behind"
    yield Finding(
        "database",
        title,
        about(State.WARNING, is_fine),
        f"The clocks of this machine and of the database {alias!r} agree to {SKEW} seconds."
        if is_fine
        else f"The clock of the database {alias!r} is {length(abs(skew))} {direction} that of this "
        "machine.",
        "" if is_fine else "Synchronize the clocks of all machines, for example with chrony.",
        {"seconds": round(skew, 3)},
    )


def indexes(alias: str) -> Iterator[Finding]:
    """Find the indexes that are gone."""
    missing = get_store().measures().missing_indexes()
    for index in missing:
        yield Finding(
            "database",
            f"Index {index.name}",
            State.ERROR,
            f"The table {index.table} lacks the index {index.name}, or it is invalid, so "
            "requests or reports read the whole table.",
            f"Drop it if it exists, and create it: {index.statement}",
            {"table": index.table, "index": index.name, "statement": index.statement},
        )
    if not missing:
        yield Finding("database", "Indexes", State.OK, "All indexes of the app exist.")


def sizes(alias: str) -> Iterator[Finding]:
    """Tell the size of each table."""
    for table in get_store().measures().tables():
        yield Finding(
            "database",
            f"Size of {table.table}",
            State.OK,
            f"{_rows(table)}{_bytes(table)}.",
            "",
            {
                "rows": table.rows.rows,
                "is_estimate": table.rows.is_estimate,
                "bytes": table.size,
            },
        )


def _rows(table: TableSize) -> str:
    rows = counted(table.rows.rows, "row")
    return f"About {rows}, an estimate" if table.rows.is_estimate else rows


def _bytes(table: TableSize) -> str:
    if table.size is None:
        return "; the engine does not tell how large it is"
    each = f", {table.size / table.rows.rows:,.0f} bytes a row" if table.rows.rows else ""
    return f"; {in_bytes(table.size)} with indexes{each}"


def replica(alias: str) -> Iterator[Finding]:
    """Compare the database that reports read with that of the souvenirs."""
    other = get_store().replica()
    if other is not None:
        yield _lag(get_store().measures(), other)


def _lag(primary: Measures, other: Measures) -> Finding:
    newest, seen = primary.newest(), other.newest()
    title, values = "Replica", {"database": other.alias}
    if newest is None or (seen is not None and (newest - seen).total_seconds() <= LAG):
        message = f"The database {other.alias!r}, which reports read, has the latest souvenirs."
        return Finding("database", title, State.OK, message, "", values)
    behind = (
        "all souvenirs"
        if seen is None
        else (f"the souvenirs of the last {length((newest - seen).total_seconds())}")
    )
    return Finding(
        "database",
        title,
        State.WARNING,
        f"The database {other.alias!r}, which reports read, lacks {behind}.",
        "See that replication runs, or let the router read souvenirs from the database that they "
        "are written to.",
        values,
    )
