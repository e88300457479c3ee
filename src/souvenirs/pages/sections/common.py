"""Notes and downloads of several pages."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any

from django.utils.translation import gettext as _

from ...api import Endpoint
from ...calendar import Incomplete, Period, checked
from ..links import PageRequest
from ..tables import Column, Download


def period_notes(
    incomplete: Collection[Incomplete | None], values: Iterable[float | None]
) -> list[str]:
    """Return the notes on incomplete periods and unknown values."""
    notes = []
    if "running" in incomplete:
        notes.append(_("“So far” marks a period that is not over yet."))
    if "cut" in incomplete:
        notes.append(_("“Cut off” marks a period that goes on after the end of the range."))
    if any(value is None for value in values):
        notes.append(_("– means unknown: there is no data before the first souvenir."))  # noqa: RUF001
    return notes


def range_links(periods: Sequence[Period], page: PageRequest) -> dict[str, Any]:
    """Return the edges of periods, and the URL to which the script adds a range of them."""
    edges = [page.written(checked(period.start, "start")) for period in periods]
    if periods:
        edges.append(page.written(checked(periods[-1].end, "end")))
    return {"edges": edges, "zoom": page.here(**dict.fromkeys(("preset", "from", "to")))}


def sorted_column(
    page: PageRequest, name: str, label: str, *, is_number: bool, is_descending: bool
) -> Column:
    """Return a column whose header sorts by it, first descending or not, and then in reverse."""
    current = page.parameters.order
    order = ""
    if current.removeprefix("-") == name:
        order = "descending" if current.startswith("-") else "ascending"
        is_descending = order == "ascending"
    url = page.here(page=None, order=f"-{name}" if is_descending else name)
    return Column(label, is_number=is_number, url=url, order=order)


def downloads(page: PageRequest, endpoint: Endpoint, /, **query: Any) -> list[Download]:
    """Return links to the data of a table in the API."""
    return [
        Download("CSV", page.api(endpoint, **query, format="csv")),
        Download("JSON", page.api(endpoint, **query, format="json")),
    ]
