"""A database that answers within ``SOUVENIRS_TIMEOUT``, or an error: as far as its engine can.

The site's own connection is used, since a second one could wait for the first. What is changed for
a statement of ours is undone after it, or ends with it, and costs no further round trip.

* PostgreSQL: the limit of a statement, sent with it. Not inside a host transaction, where it would
  outlast the statement. A server that does not even say that time is up is given as long again,
  with psycopg 3.3 or newer, and the connection to it is closed.
* MariaDB: the limit of a statement, as part of it. MySQL has none for what writes. A silent server
  is given up in the same way, with PyMySQL.
* SQLite: how long to wait for another writer.

A connection that has to be made first may take two seconds on PostgreSQL and one on MariaDB and
MySQL, the shortest time that their clients know, unless the site's own ``connect_timeout`` or pool
says otherwise.
"""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import cache, partial
from time import monotonic
from typing import Any, TypeAlias

from django.db import transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from ..conf import conf
from .breaker import database_breaker

Execute: TypeAlias = Callable[..., Any]

#: Shortest time that the clients know for making a connection, in seconds.
CONNECT_SECONDS = {"postgresql": 2, "mysql": 1}

#: PQTRANS_ACTIVE of libpq: a statement is under way.
POSTGRESQL_ACTIVE = 1

#: Part of the limit after which an error is taken to have come from it.
NEARLY = 0.9

#: What is sent with a limit; to save points and the like it would be foreign.
LIMITED = ("INSERT", "SELECT")


class bounded:
    """A block within which the statements sent on these connections give up in time.

    They raise ``django.db.OperationalError`` when it is up, and then the breaker of the database
    opens; an error that comes at once closes it, since that costs nobody anything. Written out
    instead of with generators, because every souvenir pays for it.
    """

    def __init__(self, *connections: BaseDatabaseWrapper) -> None:
        self.connections = {connection.alias: connection for connection in connections}

    def __enter__(self) -> None:
        self.limits: list[Limit] = []
        self.began = monotonic()
        try:
            for connection in self.connections.values():
                if connection.connection is None:
                    _connect(connection)
                limit = LIMITS[connection.vendor](connection, conf.TIMEOUT)
                limit.set()
                self.limits.append(limit)
        except BaseException as error:
            self.__exit__(type(error))
            raise

    def __exit__(self, error: type[BaseException] | None, *_: object) -> None:
        if error is not None:
            waited = monotonic() - self.began >= NEARLY * conf.TIMEOUT
            (database_breaker.trip if waited else database_breaker.close)()
        while self.limits:
            self.limits.pop().undo()


def _connect(connection: BaseDatabaseWrapper) -> None:
    patient = connection.settings_dict
    options = patient.get("OPTIONS", {})
    seconds = CONNECT_SECONDS.get(connection.vendor)
    if seconds is None or {"connect_timeout", "pool"} & options.keys():
        connection.ensure_connection()
        return
    limits = {"connect_timeout": seconds}
    if _is_pymysql(connection) and "read_timeout" not in options:
        # To this driver, a server that accepts and says nothing is connected.
        limits["read_timeout"] = seconds
    connection.settings_dict = {**patient, "OPTIONS": {**options, **limits}}
    try:
        connection.ensure_connection()
    finally:
        connection.settings_dict = patient
    if "read_timeout" in limits:
        vars(connection.connection)["_read_timeout"] = None


class Limit(ABC):
    """What bounds the statements on one connection."""

    def __init__(self, connection: BaseDatabaseWrapper, seconds: float) -> None:
        self.connection: Any = connection
        self.seconds = seconds
        self.milliseconds = max(1, round(seconds * 1000))

    @abstractmethod
    def set(self) -> None:
        """Bound the statements from now on."""

    @abstractmethod
    def undo(self) -> None:
        """Leave the connection as it was."""


class _PostgreSQL(Limit):
    def set(self) -> None:
        connection = self.connection
        self.is_set = not connection.in_atomic_block and connection.get_autocommit()
        if not self.is_set:
            return
        self.setting = f"SET LOCAL statement_timeout = {self.milliseconds}"
        self.driver = connection.connection
        if _can_stop_waiting(type(self.driver)):  # type: ignore[arg-type]
            self.driver.wait = partial(self.driver.wait, timeout=2 * self.seconds)
        options = connection.settings_dict.get("OPTIONS", {})
        by_server = options.get("server_side_binding", False)
        self.wrapper = self.send_after if by_server else self.send_with
        connection.execute_wrappers.append(self.wrapper)

    def undo(self) -> None:
        if not self.is_set:
            return
        self.connection.execute_wrappers.remove(self.wrapper)
        if vars(self.driver).pop("wait", None) and _is_active(self.driver):
            # It was given up; whatever it may still say answers no later question.
            self.connection.close()

    def send_with(self, execute: Execute, sql: str, *arguments: Any) -> Any:
        """Send the limit in front of the statement."""
        if not sql.startswith(LIMITED):
            return execute(sql, *arguments)
        result = execute(f"{self.setting}; {sql}", *arguments)
        if _can_skip_results(type(self.driver)):  # type: ignore[arg-type]
            arguments[-1]["cursor"].nextset()  # the limit's own comes first
        return result

    def send_after(self, execute: Execute, sql: str, *arguments: Any) -> Any:
        """Send the limit and the statement one by one: a server that binds takes no two."""
        if not sql.startswith(LIMITED) or self.connection.in_atomic_block:
            return execute(sql, *arguments)
        with transaction.atomic(using=self.connection.alias):
            with self.connection.cursor() as cursor:
                cursor.execute(self.setting)
            return execute(sql, *arguments)


def _is_active(driver: Any) -> bool:
    return bool(driver.info.transaction_status == POSTGRESQL_ACTIVE)


@cache
def _can_stop_waiting(driver: Any) -> bool:
    wait = getattr(driver, "wait", None)
    return wait is not None and "timeout" in inspect.signature(wait).parameters


@cache
def _can_skip_results(driver: Any) -> bool:
    return bool(driver.__module__.partition(".")[0] == "psycopg")


class _MySQL(Limit):
    def set(self) -> None:
        self.limits = self.connection.mysql_is_mariadb
        if self.limits:
            self.prefix = f"SET STATEMENT max_statement_time={self.milliseconds / 1000} FOR "
            self.connection.execute_wrappers.append(self.send)
        self.driver = vars(self.connection.connection) if _is_pymysql(self.connection) else {}
        self.patience = self.driver.get("_read_timeout")
        # It closes the connection by itself when that time is up.
        self.driver["_read_timeout"] = 2 * self.seconds

    def undo(self) -> None:
        self.driver["_read_timeout"] = self.patience
        if self.limits:
            self.connection.execute_wrappers.remove(self.send)

    def send(self, execute: Execute, sql: str, *arguments: Any) -> Any:
        return execute(self.prefix + sql if sql.startswith(LIMITED) else sql, *arguments)


def _is_pymysql(connection: Any) -> bool:
    return bool(connection.vendor == "mysql" and connection.Database.__name__ == "pymysql")


class _SQLite(Limit):
    # Past Django's cursor, which would show these among the site's queries.

    def set(self) -> None:
        self.driver = self.connection.connection
        (self.patience,) = self.driver.execute("PRAGMA busy_timeout").fetchone()
        self.driver.execute(f"PRAGMA busy_timeout = {min(self.patience, self.milliseconds)}")

    def undo(self) -> None:
        self.driver.execute(f"PRAGMA busy_timeout = {self.patience}")


LIMITS: dict[str, type[Limit]] = {"postgresql": _PostgreSQL, "mysql": _MySQL, "sqlite": _SQLite}
