"""Sites that switch autocommit off, and commit their transactions themselves."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from django.apps import apps
from django.conf import settings
from django.db import connections, router
from django.db.backends.base.base import BaseDatabaseWrapper

from ..resilience import time_limited

#: PQTRANS_IDLE of libpq.
POSTGRESQL_IDLE = 0


def is_manual(connection: BaseDatabaseWrapper) -> bool:
    """Whether the connection is open, and what is written on it now has to be committed."""
    if connection.connection is None or connection.in_atomic_block:
        return False
    return not connection.autocommit


def may_be_in_transaction(connection: Any) -> bool:
    """Whether a transaction may be open, where the site commits; MySQL does not tell."""
    if connection.vendor == "postgresql":
        return bool(connection.connection.info.transaction_status != POSTGRESQL_IDLE)
    if connection.vendor == "sqlite":
        return bool(connection.connection.in_transaction)
    if not connection.mysql_is_mariadb:
        return True
    with time_limited(connection), connection.cursor() as cursor:
        cursor.execute("SELECT @@in_transaction")
        return bool(cursor.fetchone()[0])


@contextmanager
def committing() -> Iterator[None]:
    """Commit whatever is written to the tables of the app, on sites without autocommit, too.

    Raises RuntimeError if the site may have a transaction open there.
    """
    models = apps.get_app_config("souvenirs").get_models()
    with ExitStack() as stack:
        for alias in sorted({router.db_for_write(model) for model in models}):
            stack.enter_context(_with_autocommit(connections[alias]))
        yield


@contextmanager
def _with_autocommit(connection: BaseDatabaseWrapper) -> Iterator[None]:
    if is_manual(connection) and may_be_in_transaction(connection):
        raise RuntimeError(
            f"The site may have a transaction open on the database {connection.alias!r}: "
            "commit it, or close the connection, first."
        )
    # One that is not needed in the end is not opened.
    is_closed = connection.connection is None
    is_off = is_closed and not settings.DATABASES[connection.alias].get("AUTOCOMMIT", True)
    if not (is_off or is_manual(connection)):
        yield
        return
    connection.set_autocommit(True)
    try:
        yield
    finally:
        # One that has been closed is as in the settings when it is opened again.
        if connection.connection is not None:
            connection.set_autocommit(False)
