"""CSV in which no spreadsheet takes a text for a formula."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

#: Spreadsheets take a text that begins like this for a formula; the fullwidth forms count too.
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")  # noqa: RUF001


def write_csv(stream: Any, header: Sequence[str], rows: Iterable[Iterable[Any]]) -> None:
    """Write a header, unless it is empty, and rows of values to a text stream."""
    writer = csv.writer(stream)
    if header:
        writer.writerow(header)
    writer.writerows([csv_value(value) for value in row] for row in rows)


def csv_value(value: Any) -> Any:
    """Return what to write for a value.

    Booleans are ``true`` and ``false``, moments are in ISO 8601, and a text that a spreadsheet
    would take for a formula is preceded by an apostrophe. Numbers stay as they are, negative ones
    that arrive as text too.
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return value.isoformat()
    if not isinstance(value, str):
        return value
    text = value.replace("\0", "")
    if text.startswith(FORMULA) and not re.fullmatch("-[0-9]+", text):
        return f"'{text}"
    return text
