"""A logger for errors that could repeat with every request."""

from __future__ import annotations

import logging
from time import monotonic

from ..conf import conf

_logs: list[ThrottledLogger] = []


class ThrottledLogger:
    """Logs each message at most once per ``SOUVENIRS_BREAKER_SECONDS``, and counts the others."""

    def __init__(self, name: str) -> None:
        self.logger = logging.getLogger(name)
        self._due: dict[str, float] = {}
        self._left_out: dict[str, int] = {}
        _logs.append(self)

    def exception(self, message: str, *args: object, level: int = logging.ERROR) -> None:
        """Log a message with the exception being handled; see :meth:`log`."""
        self.log(level, message, *args, exc_info=True)

    def log(self, level: int, message: str, *args: object, exc_info: bool = False) -> None:
        """Log a message, unless it was logged recently.

        Messages are the same if they differ only in their arguments. They contain primary keys, but
        no names, sessions or URLs.
        """
        now = monotonic()
        if now < self._due.get(message, 0):
            self._left_out[message] = self._left_out.get(message, 0) + 1
            return
        self._due[message] = now + conf.BREAKER_SECONDS
        left_out = self._left_out.pop(message, 0)
        if left_out:
            message += f" {left_out} similar errors were not logged."
        self.logger.log(level, message, *args, exc_info=exc_info)

    def forget(self) -> None:
        self._due.clear()
        self._left_out.clear()


def reset() -> None:
    """Log each message again at its next occurrence."""
    for log in _logs:
        log.forget()
