"""Statements that fail if the database does not answer within ``SOUVENIRS_TIMEOUT``.

They are sent on the site's own connection: a second one could wait for the first. A limit ends with
its statement, or is reset after it, and costs no further round trip.

* PostgreSQL: ``statement_timeout``, sent with the statement. Not inside a transaction of the site,
  where it would outlast the statement. If the server does not answer within twice the time,
  psycopg 3.3 or newer gives up and the connection is closed.
* MariaDB: ``max_statement_time``, as part of the statement. MySQL has no such limit for writes. If
  the server does not answer within twice the time, PyMySQL gives up and closes the connection.
* SQLite: ``busy_timeout``, the time to wait for another writer.

A connection that has to be opened first may take two seconds on PostgreSQL and one on MariaDB and
MySQL, the shortest timeouts of their clients, unless the site sets ``connect_timeout`` or a pool.
"""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import cache
from time import monotonic
from typing import Any, TypeAlias

from django.db.backends.base.base import BaseDatabaseWrapper

from ..conf import conf
from .breaker import database_breaker

Execute: TypeAlias = Callable[..., Any]

#: Shortest timeouts of the clients for opening a connection, in seconds.
CONNECT_SECONDS = {"postgresql": 2, "mysql": 1}

#: PQTRANS_IDLE and PQTRANS_ACTIVE of libpq: no transaction is open, a statement is being executed.
POSTGRESQL_IDLE, POSTGRESQL_ACTIVE = 0, 1

#: The share of the limit after which an error is taken for a timeout.
NEARLY = 0.9

#: First words of the statements that are sent with a limit. Savepoints and the like are not.
LIMITED = ("INSERT", "SELECT", "(SELECT")


class time_limited:
    """A context manager for statements on these connections that must not wait long.

    They raise ``django.db.OperationalError`` when the time is up, by default after
    ``SOUVENIRS_TIMEOUT``, and then the breaker of the database opens. An earlier error closes it.
    A caller with a limit of its own, in ``seconds``, has a breaker of its own. A class is faster
    than a generator, and every souvenir uses it.
    """

    def __init__(self, *connections: BaseDatabaseWrapper, seconds: float | None = None) -> None:
        self.connections = {connection.alias: connection for connection in connections}
        self.seconds = seconds

    def __enter__(self) -> None:
        self.limits: list[Limit] = []
        self.began = monotonic()
        try:
            for connection in self.connections.values():
                if connection.connection is None:
                    _connect(connection)
                limit = LIMITS[connection.vendor](connection, self.seconds or conf.TIMEOUT)
                limit.set()
                self.limits.append(limit)
        except BaseException as error:
            self.__exit__(type(error))
            raise

    def __exit__(self, error: type[BaseException] | None, *_: object) -> None:
        if error is not None and self.seconds is None:
            waited = monotonic() - self.began >= NEARLY * conf.TIMEOUT
            breaker = database_breaker()
            (breaker.trip if waited else breaker.close)()
        while self.limits:
            self.limits.pop().undo()


def _connect(connection: BaseDatabaseWrapper) -> None:
    site_settings = connection.settings_dict
    options = site_settings.get("OPTIONS", {})
    seconds = CONNECT_SECONDS.get(connection.vendor)
    if seconds is None or {"connect_timeout", "pool"} & options.keys():
        connection.ensure_connection()
        return
    limits = {"connect_timeout": seconds}
    if _uses(connection, "pymysql") and "read_timeout" not in options:
        # connect_timeout of this driver ends before the server's greeting is read.
        limits["read_timeout"] = seconds
    connection.settings_dict = {**site_settings, "OPTIONS": {**options, **limits}}
    try:
        connection.ensure_connection()
    finally:
        connection.settings_dict = site_settings
    if "read_timeout" in limits:
        connection.connection._read_timeout = None


def _uses(connection: Any, driver: str) -> bool:
    return bool(connection.Database.__name__ == driver)


class Limit(ABC):
    """A time limit on the statements of a connection."""

    def __init__(self, connection: BaseDatabaseWrapper, seconds: float) -> None:
        self.connection: Any = connection
        self.driver: Any = connection.connection
        self.seconds = seconds
        #: After which a server is given up that does not say that the time is up.
        self.patience = min(2 * seconds, max(seconds, 2 * conf.TIMEOUT))
        self.milliseconds = max(1, round(seconds * 1000))

    @abstractmethod
    def set(self) -> None:
        """Limit the statements from now on."""

    @abstractmethod
    def undo(self) -> None:
        """Leave the connection as it was."""


class _PostgreSQL(Limit):
    def set(self) -> None:
        connection = self.connection
        self.is_set = not connection.in_atomic_block and (
            connection.get_autocommit() or self.driver.info.transaction_status == POSTGRESQL_IDLE
        )
        if self.is_set:
            self.prefix = f"SET LOCAL statement_timeout = {self.milliseconds}; "
            self.wrapper = connection.execute_wrapper(
                self.send if _uses(connection, "psycopg") else self.send_by_psycopg2
            )
            self.wrapper.__enter__()

    def undo(self) -> None:
        if self.is_set:
            self.wrapper.__exit__(None, None, None)
            if self.driver.info.transaction_status == POSTGRESQL_ACTIVE:
                # The client gave up; the answer must not be taken for that of a later statement.
                self.connection.close()

    def send(self, execute: Execute, sql: str, params: Any, many: bool, context: Any) -> Any:
        """Send the limit in front of the statement, and give up a server that is silent."""
        cursor = context["cursor"].cursor
        is_limited = sql.startswith(LIMITED)
        if is_limited:
            if self.connection.settings_dict.get("OPTIONS", {}).get("server_side_binding"):
                # With server-side binding, the server accepts only one statement at a time.
                client_cursor = self.connection.Database.ClientCursor(self.driver)
                sql, params = client_cursor.mogrify(sql, params), None
            sql = self.prefix + sql
        timeout = {"timeout": self.patience} if _can_give_up(type(self.driver)) else {}  # type: ignore[arg-type]
        self.connection.validate_no_broken_transaction()
        with self.connection.wrap_database_errors, self.driver.lock:
            self.driver.wait(cursor._execute_gen(sql, params, prepare=False), **timeout)
        if is_limited:
            cursor.nextset()  # the first result is that of the limit
        return cursor

    def send_by_psycopg2(self, execute: Execute, sql: str, *arguments: Any) -> Any:
        """Send the limit in front of the statement; this driver returns the last result."""
        return execute(self.prefix + sql if sql.startswith(LIMITED) else sql, *arguments)


@cache
def _can_give_up(driver: Any) -> bool:
    return "timeout" in inspect.signature(driver.wait).parameters


class _MySQL(Limit):
    def set(self) -> None:
        self.wrapper: AbstractContextManager[None] = nullcontext()
        if self.connection.mysql_is_mariadb:
            self.prefix = f"SET STATEMENT max_statement_time={self.milliseconds / 1000} FOR "
            self.wrapper = self.connection.execute_wrapper(self.send)
        self.wrapper.__enter__()
        if _uses(self.connection, "pymysql"):
            self.site_timeout = self.driver._read_timeout
            # The driver closes the connection when that time is up.
            self.driver._read_timeout = self.patience

    def undo(self) -> None:
        if _uses(self.connection, "pymysql"):
            self.driver._read_timeout = self.site_timeout
        self.wrapper.__exit__(None, None, None)

    def send(self, execute: Execute, sql: str, *arguments: Any) -> Any:
        return execute(self.prefix + sql if sql.startswith(LIMITED) else sql, *arguments)


class _SQLite(Limit):
    # Not by Django's cursor, which would show these statements among the site's queries.

    def set(self) -> None:
        (self.site_timeout,) = self.driver.execute("PRAGMA busy_timeout").fetchone()
        self.driver.execute(f"PRAGMA busy_timeout = {min(self.site_timeout, self.milliseconds)}")

    def undo(self) -> None:
        self.driver.execute(f"PRAGMA busy_timeout = {self.site_timeout}")


LIMITS: dict[str, type[Limit]] = {"postgresql": _PostgreSQL, "mysql": _MySQL, "sqlite": _SQLite}
