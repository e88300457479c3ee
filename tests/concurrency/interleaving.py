"""Actors that take turns, statement by statement, each on a connection of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable

from django.db import connections

#: How long an actor may take for a statement before it is taken to wait for a lock. One that is
#: only slow goes on while others act, which is another order, and no worse a one.
PATIENCE = 0.04

#: How long the whole of a script may take.
LIMIT = 60

EVER = 10**9

REPEATABLE = {
    "postgresql": "SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL REPEATABLE READ",
    "mysql": "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ",
}


class Actor:
    """A thread that does its work as far as it is allowed to, pausing after each statement."""

    def __init__(self, work: Callable[[Actor], None], alias: str, repeatable: bool = False) -> None:
        self.work, self.alias, self.repeatable = work, alias, repeatable
        self.condition = threading.Condition()
        self.allowed = self.statements = 0
        self.is_waiting = self.is_done = False
        self.error: BaseException | None = None
        self.thread = threading.Thread(target=self._run, name=work.__name__, daemon=True)
        self.thread.start()
        with self.condition:
            self.condition.wait_for(self._has_stopped, LIMIT)

    def advance(self, statements: int = EVER) -> bool:
        """Allow some more statements; return False if a lock keeps it from them."""
        with self.condition:
            self.allowed += statements
            self.is_waiting = False
            before = self.statements
            self.condition.notify_all()
            while not self.condition.wait_for(self._has_stopped, PATIENCE):
                if self.statements == before:
                    return False
                before = self.statements
            return True

    def finish(self) -> None:
        """Wait for its end and raise what it raised."""
        with self.condition:
            self.allowed = EVER
            self.condition.notify_all()
        self.thread.join(LIMIT)
        if self.thread.is_alive():
            raise TimeoutError(f"The {self.thread.name} hangs.")
        if self.error is not None:
            raise self.error

    def pause(self) -> None:
        """Wait until it may go on."""
        with self.condition:
            self.allowed -= 1
            self.statements += 1
            while self.allowed <= 0:
                self.is_waiting = True
                self.condition.notify_all()
                if not self.condition.wait(LIMIT):
                    raise TimeoutError("Nobody lets this go on.")
            self.is_waiting = False

    def _has_stopped(self) -> bool:
        return self.is_waiting or self.is_done

    def _run(self) -> None:
        connection = connections[self.alias]
        try:
            if self.repeatable:
                with connection.cursor() as cursor:
                    cursor.execute(REPEATABLE[connection.vendor])
            else:
                connection.ensure_connection()
            self.allowed += 1
            self.pause()
            with connection.execute_wrapper(self._pausing):
                self.work(self)
        except BaseException as error:
            self.error = error
        finally:
            connection.close()
            with self.condition:
                self.is_done = True
                self.condition.notify_all()

    def _pausing(self, execute, sql, params, many, context):
        result = execute(sql, params, many, context)
        self.pause()
        return result
