"""The lines of a file, and the record on each."""

from __future__ import annotations

import gzip
import io
import sys
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from datetime import datetime
from pathlib import Path
from typing import IO, Any, NamedTuple

GZIP = b"\x1f\x8b"


class BadLine(Exception):
    """A line that cannot be read; the message says why."""


class Unreadable(BadLine):
    """A line at which, and after which, the file cannot be read."""


class Record(NamedTuple):
    """A line that was read: the user as written, None if there is none, and the UTC time."""

    user: str | None
    when: datetime


Entry = Record | BadLine

#: Returns the record of a line, or None for a header row; raises BadLine.
Parser = Callable[[str], Record | None]


@contextmanager
def open_entries(
    path: str, parser: Parser
) -> Iterator[tuple[Iterator[tuple[int, Entry]], Callable[[], int]]]:
    """Open a file like :func:`open_text`; yields entries like :func:`read_lines` in its place."""
    with open_text(path) as (lines, position):
        yield read_lines(lines, parser), position


def read_lines(lines: Iterable[str], parser: Parser) -> Iterator[tuple[int, Entry]]:
    """Yield the number, counted from 1, and the entry of each line.

    Empty lines and header rows are skipped, and NUL characters, which a crash may leave in a file,
    are ignored. If the rest of the file cannot be read, the last entry is Unreadable.
    """
    number = 0
    try:
        for number, line in enumerate(lines, 1):
            text = line.replace("\0", "").strip()
            entry = _read(text, parser) if text else None
            if entry is not None:
                yield number, entry
    except (OSError, EOFError, zlib.error) as error:
        yield number + 1, Unreadable(f"the rest of the file cannot be read: {error}")


def _read(line: str, parser: Parser) -> Entry | None:
    try:
        return parser(line)
    except BadLine as error:
        return error


@contextmanager
def open_text(path: str) -> Iterator[tuple[IO[str], Callable[[], int]]]:
    """Open a plain or gzipped file as text; ``-`` is standard input.

    Yields the lines, and a function that returns how many bytes of the file have been read, 0 if
    that is unknown. Bytes that are not UTF-8 become replacement characters; a byte order mark is
    removed.
    """
    raw: Any
    with nullcontext(sys.stdin.buffer) if path == "-" else Path(path).open("rb") as raw:
        zipped = raw.peek(len(GZIP)).startswith(GZIP)
        binary: Any = gzip.GzipFile(fileobj=raw) if zipped else nullcontext(raw)
        with binary as stream:
            text = io.TextIOWrapper(stream, encoding="utf-8-sig", errors="replace", newline="")
            try:
                yield text, raw.tell if raw.seekable() else lambda: 0
            finally:
                text.detach()  # keeps standard input open
