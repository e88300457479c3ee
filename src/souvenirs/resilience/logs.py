"""One line where there could be one for each request."""

from __future__ import annotations

import logging
from time import monotonic

from ..conf import conf

_logs: list[RareLog] = []


class RareLog:
    """Logs each kind of message once in ``SOUVENIRS_BREAKER_SECONDS``, and how often it was due."""

    def __init__(self, name: str) -> None:
        self.logger = logging.getLogger(name)
        self._due: dict[str, float] = {}
        self._left_out: dict[str, int] = {}
        _logs.append(self)

    def exception(self, message: str, *args: object, level: int = logging.ERROR) -> None:
        """Log a message and the exception being handled.

        The message, before its arguments are put in, is its kind. It tells of ids, never of names,
        sessions or addresses.
        """
        now = monotonic()
        if now < self._due.get(message, 0):
            self._left_out[message] = self._left_out.get(message, 0) + 1
            return
        self._due[message] = now + conf.BREAKER_SECONDS
        left_out = self._left_out.pop(message, 0)
        if left_out:
            message += f" {left_out} like this were not logged."
        self.logger.log(level, message, *args, exc_info=True)

    def forget(self) -> None:
        self._due.clear()
        self._left_out.clear()


def reset() -> None:
    """Log the next message of each kind."""
    for log in _logs:
        log.forget()
