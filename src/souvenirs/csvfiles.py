"""CSV files that are safe to open in a spreadsheet."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

#: Spreadsheets read text that starts with one of these, fullwidth forms included, as a formula.
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")  # noqa: RUF001


def write_csv(stream: Any, header: Sequence[str], rows: Iterable[Iterable[Any]]) -> None:
    """Write a header row, unless it is empty, and rows of values to a text stream."""
    writer = csv.writer(stream)
    if header:
        writer.writerow(header)
    writer.writerows([csv_value(value) for value in row] for row in rows)


def csv_value(value: Any) -> Any:
    """Return a value in the form in which it is written.

    Booleans are ``true`` and ``false``, datetimes are in ISO 8601, NUL characters are removed, and
    text that a spreadsheet would read as a formula starts with an apostrophe. Other values stay as
    they are, including negative integers given as text.
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
