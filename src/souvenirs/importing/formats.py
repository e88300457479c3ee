"""The formats of files: a parser for the lines of each."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import tzinfo
from math import isnan
from typing import Any

from .cells import CellParser
from .files import COMPRESSIONS
from .lines import BadLine, Parser, Record
from .logs import LogParser
from .mapping import USER_AND_TIME, Mapping, object_in, value_at
from .times import parse_time

#: The formats, and a pattern for the names of their files without the suffix of a compression.
FORMATS = {
    "csv": re.compile(r"\.(csv|tsv)$"),
    "json": re.compile(r"\.(jsonl|ndjson|json)$"),
    "log": re.compile(r"([._-]|^)log([._-]|$)"),
}

#: The first whole number that a float of Python does not tell from the next.
INEXACT = 2**53


def format_of(name: str) -> str | None:
    """Return the format of a file by its name; None if it is unknown."""
    plain = name.lower()
    for compression in COMPRESSIONS:
        plain = plain.removesuffix(compression.suffix)
    return next((form for form, pattern in FORMATS.items() if pattern.search(plain)), None)


def parser_of(
    form: str,
    zone: tzinfo,
    names: dict[str, str] | None = None,
    columns: Sequence[str] | None = None,
    user_regex: str | None = None,
) -> Parser:
    """Return the parser of a format. ``columns`` are for CSV only, ``user_regex`` for logs only.

    ``names`` are those under which a line has its ``user`` and ``when``. Raises ValueError for
    columns without them, and for what is not a regular expression.
    """
    if form == "log":
        return LogParser(zone, names, user_regex)
    given = USER_AND_TIME._replace(**names or {})
    return CellParser(zone, given, columns) if form == "csv" else json_parser(zone, given)


def json_parser(zone: tzinfo, names: Mapping = USER_AND_TIME) -> Parser:
    """Return a parser of lines that are JSON objects with these keys.

    They may be the items of an array, one on a line. ``zone`` is the time zone of times without a
    UTC offset.
    """

    def parse(line: str) -> Record | None:
        item = line.strip(" \t,[]")
        if not item:
            return None
        data = object_in(item)
        when = value_at(data, names.when)
        if when is None or when == "":
            raise BadLine(f"no time under the key {names.when}; use --map user=KEY,when=KEY")
        user = _name(value_at(data, names.user))
        return Record(user, parse_time(str(when).strip(), zone))

    return parse


def _name(value: Any) -> str | None:
    """Return the name that a value of JSON is; None for nobody. Raises BadLine."""
    if value is None or isinstance(value, str):
        return (value or "").strip() or None
    if isinstance(value, float):
        if isnan(value):
            return None
        if value.is_integer() and abs(value) < INEXACT:
            return str(int(value))  # a table with gaps has 1.0 for 1
    elif isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise BadLine(f"{str(value)[:50]!r} is not a user")
