"""The formats of files: a parser for the lines of each."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Sequence
from datetime import tzinfo
from typing import Any

from .lines import BadLine, Parser, Record, Unreadable
from .times import parse_log_time, parse_time

#: The formats, and a pattern for the names of their files without ``.gz``.
FORMATS = {
    "csv": re.compile(r"\.csv$"),
    "json": re.compile(r"\.(jsonl|ndjson|json)$"),
    "log": re.compile(r"([._-]|^)log([._-]|$)"),
}

#: Host, ident, user and time of the Common Log Format. An extension may add fields after them, and
#: a virtual host with its port before them.
LOG_LINE = re.compile(r"(?:\S+:\d+ (?!- ))?\S+ \S+ (?P<user>.+?) \[(?P<time>\d\d/[^\]]+)\]")

#: How web servers escape bytes other than printable ASCII; Apache also escapes quotes.
LOG_ESCAPE = re.compile(rb'\\(?:x([0-9A-Fa-f]{2})|(["\\]))')


def format_of(name: str) -> str | None:
    """Return the format of a file by its name; None if it is unknown."""
    plain = name.lower().removesuffix(".gz")
    return next((form for form, pattern in FORMATS.items() if pattern.search(plain)), None)


def parser_of(
    form: str, zone: tzinfo, columns: Sequence[str] | None = None, user_regex: str | None = None
) -> Parser:
    """Return the parser of a format. ``columns`` are for CSV only, ``user_regex`` for logs only."""
    if form == "csv":
        return csv_parser(columns, zone)
    return json_parser(zone) if form == "json" else log_parser(user_regex)


def csv_parser(columns: Sequence[str] | None, zone: tzinfo) -> Parser:
    """Return a parser of comma-separated lines.

    The header row names the columns, ``user_id`` and ``when`` among them; the parser raises
    Unreadable if one of them is missing. If ``columns`` names them instead, a first line whose time
    does not start with a digit is skipped as a header row. Raises ValueError if ``columns`` lacks
    one of the two. ``zone`` is the time zone of times without a UTC offset.
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
                header = ", ".join(names)[:200]
                raise Unreadable(
                    f"the header row {header!r} has {missing}; without a header row, use --columns"
                )
            return None
        fields = dict(zip(names, row, strict=False))
        if is_first and not fields.get("when", "").strip()[:1].isdigit():
            return None
        return _record(fields, zone)

    return parse


def _missing(names: Sequence[str]) -> str:
    missing = [f"no column {name}" for name in ("user_id", "when") if name not in names]
    return " and ".join(missing)


def json_parser(zone: tzinfo) -> Parser:
    """Return a parser of lines that are JSON objects with ``user_id`` and ``when``.

    ``zone`` is the time zone of times without a UTC offset.
    """

    def parse(line: str) -> Record:
        try:
            fields = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise BadLine(f"not JSON: {getattr(error, 'msg', error)}") from None
        if not isinstance(fields, dict):
            raise BadLine("not a JSON object")
        return _record(fields, zone)

    return parse


def _record(fields: dict[str, Any], zone: tzinfo) -> Record:
    when = fields.get("when")
    if when is None:
        raise BadLine("no time")
    user = fields.get("user_id")
    name = "" if user is None else str(user).strip()
    return Record(name or None, parse_time(str(when).strip(), zone))


def log_parser(user_regex: str | None = None) -> Parser:
    """Return a parser of web access logs in the Common or Combined Log Format or an extension.

    The user is the authenticated one, the third word of a line, None if that is ``-``; or the first
    group of ``user_regex``, searched for in the line. Raises ValueError if that is not a regular
    expression with a group.
    """
    find_user = _compiled(user_regex).search if user_regex else None

    def parse(line: str) -> Record:
        match = LOG_LINE.match(line)
        if match is None:
            raise BadLine("not an access log line")
        if find_user:
            found = find_user(line)
            user = found[1] if found else None
        else:
            user = _unescaped(match["user"].strip('"'))
        return Record(None if user == "-" else user or None, parse_log_time(match["time"]))

    return parse


def _compiled(regex: str) -> re.Pattern[str]:
    try:
        pattern = re.compile(regex)
    except re.error as error:
        raise ValueError(f"{regex!r} is not a regular expression: {error}.") from None
    if not pattern.groups:
        raise ValueError(f"{regex!r} has no group for the user, as in '/users/(\\d+)/'.")
    return pattern


def _unescaped(name: str) -> str:
    r"""Return the name that a web server wrote as ``J\xc3\xbcrgen``."""
    if "\\" not in name:
        return name
    plain = LOG_ESCAPE.sub(lambda m: m[2] or bytes([int(m[1], 16)]), name.encode())
    return plain.decode(errors="replace")
