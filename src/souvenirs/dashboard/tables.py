"""Tables as CSV that a spreadsheet can be trusted with."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django.http import HttpResponse

#: What makes a spreadsheet take a text for a formula; the wide forms mean the same to it.
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")  # noqa: RUF001


def csv_response(
    name: str, columns: Sequence[str], rows: Iterable[Mapping[str, Any]]
) -> HttpResponse:
    """Return the columns of rows as a file to download."""
    response = HttpResponse(
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="souvenirs-{name}.csv"'},
    )
    writer = csv.writer(response)
    writer.writerow(columns)
    writer.writerows([cell(row[column]) for column in columns] for row in rows)
    return response


def cell(value: Any) -> Any:
    """Return a value as it is written: numbers as they are, and no text that is a formula."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, str):
        return value
    text = value.replace("\0", "")
    if text.startswith(FORMULA) and not re.fullmatch("-[0-9]+", text):
        return f"'{text}"
    return text
