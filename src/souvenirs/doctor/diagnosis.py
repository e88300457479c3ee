"""All findings, of which none raises: what cannot be examined is a finding too."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from functools import partial
from typing import NamedTuple

from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError, connections, transaction

from ..resilience import time_limited
from ..stores import get_store
from . import activity, cache, configuration, database, growth
from .findings import Finding, State, sentence

#: How long a statement may take, in seconds.
SECONDS = 5


class Examination(NamedTuple):
    """What is examined: its area, its title, and the function that does it."""

    area: str
    title: str
    run: Callable[[str], Iterable[Finding]]


def diagnose(*, disk: float | None = None, is_brief: bool = False) -> list[Finding]:
    """Return all findings, with a forecast of when a disk of that many GB is full.

    A brief diagnosis leaves out the system checks and tries no cache.
    """
    found = [] if is_brief else _without_database()
    return [*found, *_of_database(disk, is_brief)]


def _without_database() -> list[Finding]:
    found = list(configuration.configuration())
    tried = list(cache.cache())
    if any(finding.state is not State.OK for finding in tried):
        # What a check supposes of the class of a cache has been tried.
        found = [finding for finding in found if finding.area != "cache"]
    return [*found, *tried]


def _of_database(disk: float | None, is_brief: bool) -> Iterator[Finding]:
    yield from database.tenants()
    try:
        alias = get_store().alias
    except Exception as error:  # noqa: BLE001 - of the site's own router
        yield _unexamined(MIGRATIONS, error)
        return
    needed = list(database.connection(alias)) or _examined(MIGRATIONS, alias)
    if needed:
        yield from needed
        return
    for examination in EXAMINATIONS:
        yield from _examined(examination, alias)
    forecast = partial(growth.growth, disk=disk)
    yield from _examined(Examination("growth", "Growth", forecast), alias)
    if not is_brief:
        checks = Examination("database", "System checks", configuration.database_checks)
        yield from _examined(checks, alias)


#: Without them, nothing else can be examined.
MIGRATIONS = Examination("database", "Migrations", database.migrations)

EXAMINATIONS = (
    Examination("database", "Clock", database.clock),
    Examination("database", "Indexes", database.indexes),
    Examination("database", "Size", database.sizes),
    Examination("database", "Replica", database.replica),
    Examination("recording", "Recording", activity.recording),
    Examination("recording", "Future", activity.future),
    Examination("digests", "Digesting", activity.digesting),
    Examination("digests", "Checksums", activity.corruption),
    Examination("digests", "Pruning", activity.pruning),
)


def _examined(examination: Examination, alias: str) -> list[Finding]:
    try:
        with _bounded(alias):
            return list(examination.run(alias))
    except (DatabaseError, ImproperlyConfigured, ValueError) as error:
        return [_unexamined(examination, error)]


def _bounded(alias: str) -> AbstractContextManager[object]:
    """Limit the time of statements; in a transaction of the site, keep it from being aborted."""
    connection = connections[alias]
    if connection.in_atomic_block:
        return transaction.atomic(using=alias)
    return time_limited(connection, seconds=SECONDS)


def _unexamined(examination: Examination, error: Exception) -> Finding:
    return Finding(
        examination.area,
        examination.title,
        State.ERROR,
        f"This could not be examined: {sentence(error)}.",
        "Correct what the sentence names, then run this command again.",
        quotes_error=True,
    )
