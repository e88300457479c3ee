"""Sightings as files and Django's own tables tell them, one line at a time."""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from pathlib import Path
from typing import IO, Any, NamedTuple

from django.apps import apps
from django.contrib.auth import get_user_model

from ..instants import checked

# Not from the calendar module, whose names are those of the locale.
NAMES = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec"
MONTHS = {name: number for number, name in enumerate(NAMES.split(), 1)}

#: host, ident, user and time of the Common Log Format, with whatever an extension puts behind them.
LOG_LINE = re.compile(
    r"\S+ \S+ (?P<user>.+?) "
    r"\[(\d{2})/([A-Z][a-z]{2})/(\d{4}):(\d{2}):(\d{2}):(\d{2}) ([+-])(\d{2})(\d{2})\]",
    re.ASCII,
)

#: Seconds since 1970; eight digits would be a date.
EPOCH = re.compile(r"\d{9,11}(\.\d+)?", re.ASCII)


class BadLine(Exception):
    """A line that cannot be read; its text says why."""


class Record(NamedTuple):
    """A line that was read: who (None where it names nobody) and when."""

    user: str | None
    when: datetime


#: A line's record, or why it has none.
Reading = Record | BadLine

#: Turns one line into a record, or into None where the line is a heading; raises BadLine.
Parser = Callable[[str], Record | None]


def read_lines(lines: Iterable[str], parser: Parser) -> Iterator[tuple[int, Reading]]:
    """Yield ``(line number from 1, reading)`` of every line that is neither empty nor a heading."""
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            record = parser(line)
        except BadLine as error:
            yield number, error
        else:
            if record is not None:
                yield number, record


@contextmanager
def open_text(path: str) -> Iterator[tuple[IO[str], Callable[[], int]]]:
    """Open a plain or gzipped file, ``-`` for standard input, as text.

    Yields the lines and a function that tells how many bytes of the file were read. Bytes that are
    not UTF-8 become replacement characters; a byte order mark is taken off.
    """
    if path == "-":
        yield sys.stdin, lambda: 0
        return
    with Path(path).open("rb") as raw:
        zipped = raw.read(2) == b"\x1f\x8b"
        raw.seek(0)
        binary: Any = gzip.GzipFile(fileobj=raw) if zipped else raw
        with io.TextIOWrapper(binary, encoding="utf-8-sig", errors="replace", newline="") as text:
            yield text, raw.tell


def csv_parser(columns: Sequence[str] | None, zone: tzinfo) -> Parser:
    """Return a parser of comma-separated lines with a user and a time.

    The first line names the columns, ``user_id`` and ``when`` among them. With ``columns`` the
    lines are in that order, and a first line whose time cannot be read is taken for a heading.
    Raises ValueError where one of the two columns is missing.
    """
    names = list(columns) if columns else []
    if names:
        _check_columns(names)
    first = True

    def parse(line: str) -> Record | None:
        nonlocal first, names
        heading, first = first, False
        try:
            [row] = csv.reader([line.replace("\0", "")], strict=True)
        except csv.Error as error:
            raise BadLine(f"not CSV: {error}") from None
        if not names:
            names = [name.strip() for name in row]
            _check_columns(names)
            return None
        try:
            return _record(dict(zip(names, row, strict=False)), zone)
        except BadLine:
            if heading:
                return None
            raise

    return parse


def json_parser(zone: tzinfo) -> Parser:
    """Return a parser of lines that are JSON objects with ``user_id`` and ``when``."""

    def parse(line: str) -> Record:
        try:
            fields = json.loads(line)
        except ValueError as error:
            raise BadLine(f"not JSON: {error}") from None
        if not isinstance(fields, dict):
            raise BadLine("not a JSON object")
        return _record(fields, zone)

    return parse


def log_parser(user_regex: str | None = None) -> Parser:
    """Return a parser of web access logs in the Common or Combined Log Format or an extension.

    The user is the authenticated one, the third word of a line, and nobody where that is ``-``; or
    what the first group of ``user_regex`` finds in the line. Raises ValueError where that is not a
    regular expression with a group.
    """
    find_user = _compiled(user_regex).search if user_regex else None

    def parse(line: str) -> Record:
        match = LOG_LINE.match(line)
        if match is None:
            raise BadLine("not an access log line")
        user: str | None = match["user"].strip('"')
        if find_user:
            found = find_user(line)
            user = found[1] if found else None
        return Record(None if user == "-" else user or None, _log_time(match))

    return parse


def _compiled(regex: str) -> re.Pattern[str]:
    try:
        pattern = re.compile(regex)
    except re.error as error:
        raise ValueError(f"{regex!r} is not a regular expression: {error}.") from None
    if not pattern.groups:
        raise ValueError(f"{regex!r} has no group that tells the user, like in '/users/(\\d+)/'.")
    return pattern


def last_logins() -> Iterator[tuple[int, Record]]:
    """Yield the last login of every user who ever signed in."""
    users = get_user_model()._default_manager.exclude(last_login=None).order_by("last_login")
    rows = users.values_list("pk", "last_login").iterator()
    return _numbered(rows)


def admin_log() -> Iterator[tuple[int, Record]]:
    """Yield every action in the log of Django's admin. Raises LookupError where it is not there."""
    entries = apps.get_model("admin", "LogEntry")._default_manager.order_by("action_time")
    return _numbered(entries.values_list("user_id", "action_time").iterator())


def _numbered(rows: Iterable[tuple[Any, datetime | None]]) -> Iterator[tuple[int, Record]]:
    for number, (user, when) in enumerate(rows, 1):
        yield number, Record(str(user), checked(when, "when"))


def _check_columns(names: Sequence[str]) -> None:
    missing = sorted({"user_id", "when"}.difference(names))
    if missing:
        raise ValueError(
            f"no column {' and no column '.join(missing)} in {', '.join(names)[:200]!r}: "
            "name the columns of a file without a heading with --columns."
        )


def _record(fields: dict[str, Any], zone: tzinfo) -> Record:
    when = fields.get("when")
    if when is None:
        raise BadLine("no time")
    user = fields.get("user_id")
    name = "" if user is None else str(user).strip()
    return Record(name or None, _time(str(when).strip(), zone))


def _time(text: str, zone: tzinfo) -> datetime:
    try:
        if EPOCH.fullmatch(text):
            return datetime.fromtimestamp(float(text), UTC)
        moment = datetime.fromisoformat(text)
        return checked(moment if moment.tzinfo else moment.replace(tzinfo=zone), "when")
    except (ValueError, OverflowError):
        raise BadLine(f"{text[:50]!r} is not a time in ISO 8601") from None


def _log_time(match: re.Match[str]) -> datetime:
    day, month, year, hour, minute, second, sign, hours, minutes = match.groups()[1:]
    try:
        offset = timedelta(hours=int(hours), minutes=int(minutes))
        zone = timezone(-offset if sign == "-" else offset)
        return datetime(
            int(year), MONTHS[month], int(day), int(hour), int(minute), int(second), tzinfo=zone
        )
    except (KeyError, ValueError):
        raise BadLine("no such time") from None
