"""Reports of registered, activated and active users."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.utils.translation import gettext as _

from ...api import USAGE
from ...calendar import checked, local
from ...counting import date_joined_field
from ..charts import Chart, Line
from ..formats import number
from ..links import PageRequest
from ..tables import Column, PageTable, TableCell, header, numbers
from .common import downloads, period_notes


def usage_chart(usages: Sequence[dict[str, Any]]) -> Chart:
    """Return the chart of registered, activated and active users."""
    return Chart(
        id="souvenirs-usage",
        title=_("Registered, activated and active users"),
        labels=[_label_of(usage) for usage in usages],
        lines=[
            Line(name, [usage["usage"][key] for usage in usages]) for key, name in _kinds().items()
        ],
    )


def _kinds() -> dict[str, str]:
    return {
        "registered_users": _("Registered"),
        "activated_users": _("Activated"),
        "active_users": _("Active"),
    }


def usage_table(
    usages: Sequence[dict[str, Any]],
    page: PageRequest,
    caption: str,
    interval: str,
    since: Mapping[str, str] | None = None,
) -> PageTable:
    """Return a report, latest period first."""
    zone = page.parameters.zone

    def people(usage: dict[str, Any]) -> str:
        return page.people_in(usage["period"]["start"], usage["period"]["end"])

    rows = []
    for usage in reversed(usages):
        start, end = (
            local(checked(usage["period"][name], name), zone) for name in ("start", "end")
        )
        registered, activated, active = (usage["usage"][key] for key in _kinds())
        rows.append(
            [
                header(_label_of(usage), usage.get("complete", True)),
                TableCell(start.date().isoformat(), kind="date"),
                TableCell(end.date().isoformat(), kind="date"),
                *numbers([registered, activated]),
                TableCell(number(active), url=people(usage) if active else ""),
            ]
        )
    return PageTable(
        caption=caption,
        columns=[
            Column(_("Period"), is_number=False),
            Column(_("From"), is_number=False),
            Column(_("Before"), is_number=False),
            *map(Column, _kinds().values()),
        ],
        rows=rows,
        downloads=downloads(page, USAGE, **(since or {}), interval=interval),
        notes=_usage_notes(usages),
    )


def _label_of(usage: dict[str, Any]) -> str:
    return str(next(iter(usage["labels"].values())))


def _usage_notes(usages: Sequence[dict[str, Any]]) -> list[str]:
    complete = (usage.get("complete", True) for usage in usages)
    notes = period_notes(complete, (usage["usage"]["active_users"] for usage in usages))
    if date_joined_field() is None:
        notes.append(_("The user model of this site has no date of registration."))
    return notes
