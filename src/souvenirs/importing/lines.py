"""The lines of a file, and the record on each."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from typing import NamedTuple

#: The characters of the longest line that is read.
LONGEST = 1024 * 1024
#: The characters of the longest name.
LONGEST_NAME = 1_000


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


def read_lines(lines: Iterable[str], parser: Parser) -> Iterator[tuple[int, Entry]]:
    """Yield the number, counted from 1, and the entry of each line.

    Empty lines and header rows are skipped, and NUL characters, which a crash may leave in a file,
    are ignored. A line of more than LONGEST characters is bad. If the rest of the file cannot be
    read, the last entry is Unreadable.
    """
    number = 0
    try:
        for number, line in enumerate(lines, 1):
            entry = _read(line, parser)
            if entry is not None:
                yield number, entry
    except Unreadable as error:
        yield number + 1, error


def _read(line: str, parser: Parser) -> Entry | None:
    text = line.rstrip("\r\n").removeprefix("\ufeff")  # a byte order mark between joined files
    if len(text) > LONGEST:
        return BadLine("longer than 1 MiB")
    if "\0" in text:
        text = text.replace("\0", "")
    if not text or text.isspace():
        return None
    try:
        record = parser(text)
    except BadLine as error:
        return error
    if record is not None and record.user is not None and len(record.user) > LONGEST_NAME:
        return BadLine(f"its user has more than {LONGEST_NAME:,} characters")
    return record
