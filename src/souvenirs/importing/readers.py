"""Sightings as files and Django's own tables tell them, one line at a time."""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
import sys
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from functools import lru_cache
from pathlib import Path
from typing import IO, Any, NamedTuple

from django.apps import apps
from django.contrib.auth import get_user_model
from django.core.exceptions import FieldDoesNotExist
from django.db import models

from ..calendar import checked, utc

#: How many rows of a table are in memory at a time.
ROWS = 5_000

GZIP = b"\x1f\x8b"

#: Older moments than this one, like the year 1 of an unset date, are not sightings.
EARLIEST_YEAR = 1000

#: Seconds since 1970; eight digits would be a date.
EPOCH = re.compile(r"\d{9,11}(\.\d+)?", re.ASCII)

#: The outline of ISO 8601, for Python takes anything for the T between a date and its time.
ISO = re.compile(r"[\dW-]{8,10}([T ].+)?", re.ASCII)

#: Host, ident, user and time of the Common Log Format with whatever an extension puts behind them,
#: or before them the virtual host and its port.
LOG_LINE = re.compile(r"(?:\S+:\d+ (?!- ))?\S+ \S+ (?P<user>.+?) \[(?P<time>\d\d/[^\]]+)\]")
LOG_TIME = re.compile(
    r"(\d\d)/([A-Z][a-z]{2})/(\d{4}):(\d\d):(\d\d):(\d\d)(?:\.\d+)? ([+-])(\d\d)(\d\d)", re.ASCII
)

#: What a web server writes for a byte that is no plain character; Apache also escapes quotes.
LOG_ESCAPE = re.compile(rb'\\(?:x([0-9A-Fa-f]{2})|(["\\]))')

# Not from the calendar module, whose names are those of the locale.
NAMES = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec"
MONTHS = {name: number for number, name in enumerate(NAMES.split(), 1)}


class BadLine(Exception):
    """A line that cannot be read; its text says why."""


class Unreadable(BadLine):
    """A line from which on a file cannot be read."""


class Record(NamedTuple):
    """A line that was read: who (None where it names nobody) and when, in UTC."""

    user: str | None
    when: datetime


#: A line's record, or why it has none.
Reading = Record | BadLine

#: Turns one line into a record, or into None where the line is a heading; raises BadLine.
Parser = Callable[[str], Record | None]


def read_lines(lines: Iterable[str], parser: Parser) -> Iterator[tuple[int, Reading]]:
    """Yield ``(line number from 1, reading)`` of every line that is neither empty nor a heading.

    NUL characters, which a crash may leave in a file, are left out. Where the file cannot be read
    on, the last reading is an Unreadable.
    """
    number = 0
    try:
        for number, line in enumerate(lines, 1):
            text = line.replace("\0", "").strip()
            reading = _read(text, parser) if text else None
            if reading is not None:
                yield number, reading
    except (OSError, EOFError, zlib.error) as error:
        yield number + 1, Unreadable(f"the file cannot be read on: {error}")


def _read(line: str, parser: Parser) -> Reading | None:
    try:
        return parser(line)
    except BadLine as error:
        return error


@contextmanager
def open_text(path: str) -> Iterator[tuple[IO[str], Callable[[], int]]]:
    """Open a plain or gzipped file, ``-`` for standard input, as text.

    Yields the lines and a function that tells how many bytes of the file were read, 0 where that
    is not known. Bytes that are not UTF-8 become replacement characters; a byte order mark is
    taken off.
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
                text.detach()  # standard input stays open


def csv_parser(columns: Sequence[str] | None, zone: tzinfo) -> Parser:
    """Return a parser of comma-separated lines with a user and a time.

    The first line names the columns, ``user_id`` and ``when`` among them. With ``columns`` the
    lines are in that order, and a first line whose time does not start with a digit is taken for
    a heading. Raises ValueError where one of the two columns is missing; where it is missing in
    the heading, the parser raises Unreadable.
    """
    names = [name.strip() for name in columns or ()]
    if names and (missing := _missing(names)):
        raise ValueError(f"--columns {', '.join(names)!r} has {missing}.")
    first = True

    def parse(line: str) -> Record | None:
        nonlocal first, names
        is_first, first = first, False
        try:
            [row] = csv.reader([line], strict=True)
        except csv.Error as error:
            raise BadLine(f"not CSV: {error}") from None
        if not names:
            names = [name.strip() for name in row]
            if missing := _missing(names):
                heading = ", ".join(names)[:200]
                raise Unreadable(
                    f"the heading {heading!r} has {missing}; "
                    "a file without a heading needs --columns"
                )
            return None
        fields = dict(zip(names, row, strict=False))
        if is_first and not fields.get("when", "").strip()[:1].isdigit():
            return None
        return _record(fields, zone)

    return parse


def json_parser(zone: tzinfo) -> Parser:
    """Return a parser of lines that are JSON objects with ``user_id`` and ``when``."""

    def parse(line: str) -> Record:
        try:
            fields = json.loads(line)
        except (ValueError, RecursionError) as error:
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
            raise BadLine("not a line of an access log")
        if find_user:
            found = find_user(line)
            user = found[1] if found else None
        else:
            user = _unescaped(match["user"].strip('"'))
        return Record(None if user == "-" else user or None, _log_time(match["time"]))

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
    """Yield the last login of every user who ever signed in.

    Raises LookupError where the user model does not keep it.
    """
    user_model = get_user_model()
    try:
        user_model._meta.get_field("last_login")
    except FieldDoesNotExist:
        raise LookupError(f"{user_model._meta.label} has no field last_login.") from None
    users = user_model._default_manager.exclude(last_login=None)
    return _numbered(users, "pk", "last_login")


def admin_log() -> Iterator[tuple[int, Record]]:
    """Yield every action in the log of Django's admin. Raises LookupError where it is not there."""
    if not apps.is_installed("django.contrib.admin"):
        raise LookupError("django.contrib.admin is not installed.")
    entries = apps.get_model("admin", "LogEntry")._default_manager.all()
    return _numbered(entries, "user_id", "action_time")


def _numbered(
    rows: models.QuerySet[Any, Any], user: str, when: str
) -> Iterator[tuple[int, Record]]:
    sightings = _paged(rows, user, when)
    for number, (key, moment) in enumerate(sightings, 1):
        yield number, Record(str(key), utc(checked(moment, when)))


def _paged(rows: models.QuerySet[Any, Any], *fields: str) -> Iterator[tuple[Any, ...]]:
    """The rows in the order of their keys, by many short queries.

    One long query would hold its snapshot while we write; SQLite then refuses to let us write as
    soon as somebody else has.
    """
    # As expressions: some versions of Django leave a field out that is named twice.
    ordered = rows.order_by("pk").values_list("pk", *map(models.F, fields))
    page = list(ordered[:ROWS])
    while page:
        yield from (row[1:] for row in page)
        page = list(ordered.filter(pk__gt=page[-1][0])[:ROWS])


def _missing(names: Sequence[str]) -> str:
    missing = [f"no column {name}" for name in ("user_id", "when") if name not in names]
    return " and ".join(missing)


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
            moment = datetime.fromtimestamp(float(text), UTC)
        elif ISO.fullmatch(text):
            moment = datetime.fromisoformat(text)
        else:
            raise ValueError
        moment = utc(moment if moment.tzinfo else moment.replace(tzinfo=zone))
        return _sighted(moment)
    except (ValueError, OverflowError):
        raise BadLine(
            f"{text[:50]!r} is neither a time in ISO 8601 nor seconds since 1970"
        ) from None


@lru_cache(maxsize=64)  # neighbours in a log share their second
def _log_time(text: str) -> datetime:
    match = LOG_TIME.fullmatch(text)
    try:
        if match is None:
            raise ValueError
        day, month, year, hour, minute, second, sign, hours, minutes = match.groups()
        offset = timedelta(hours=int(hours), minutes=int(minutes))
        zone = timezone(-offset if sign == "-" else offset)
        moment = datetime(
            int(year), MONTHS[month], int(day), int(hour), int(minute), int(second), tzinfo=zone
        )
        return _sighted(utc(moment))
    except (KeyError, ValueError, OverflowError):
        raise BadLine(f"'{text[:50]}' is not a time of an access log") from None


def _sighted(moment: datetime) -> datetime:
    if moment.year < EARLIEST_YEAR:
        raise ValueError
    return moment


def _unescaped(name: str) -> str:
    r"""What a web server wrote as ``J\xc3\xbcrgen``."""
    if "\\" not in name:
        return name
    plain = LOG_ESCAPE.sub(lambda m: m[2] or bytes([int(m[1], 16)]), name.encode())
    return plain.decode(errors="replace")
