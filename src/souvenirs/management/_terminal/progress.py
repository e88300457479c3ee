"""A progress line."""

from __future__ import annotations

import time
from io import TextIOBase
from typing import Any

from django.core.management.base import OutputWrapper

from .numbers import pluralize


class Progress:
    """A line with the progress of a command; written only to a terminal."""

    #: Seconds between two updates of the line.
    INTERVAL = 0.2

    def __init__(self, stream: Any, total: int, unit: str) -> None:
        """``unit`` is a singular noun; a total of 0 is unknown."""
        while isinstance(stream, OutputWrapper):
            stream = stream._out  # the wrapper ends each write with a newline
        self._stream: TextIOBase = stream
        self._total = total
        self._unit = unit
        self._shown = self._stream.isatty()
        self._started = self._drawn = time.monotonic()

    def update(self, done: int, units: int) -> None:
        """Show that ``done`` of the total and this many units have been processed."""
        now = time.monotonic()
        if self._shown and now - self._drawn >= self.INTERVAL:
            self._drawn = now
            self._draw(done, units, now - self._started)

    def finish(self) -> None:
        """Clear the line."""
        if self._shown:
            self._stream.write("\r\x1b[K")
            self._stream.flush()

    def _draw(self, done: int, units: int, elapsed: float) -> None:
        line = f"{pluralize(units, self._unit)}, {units / elapsed:,.0f}/s"
        if done and self._total:
            minutes, seconds = divmod(round(elapsed * max(0, self._total - done) / done), 60)
            share = min(1, done / self._total)
            bar = ("#" * round(share * 30)).ljust(30)
            line = f"[{bar}] {share:4.0%}  {line}, {minutes}:{seconds:02} left"
        self._stream.write(f"\r\x1b[K{line}")
        self._stream.flush()
