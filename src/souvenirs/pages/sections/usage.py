"""Reports of registered, activated and active users."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from django.utils.translation import gettext as _

from ...api import USAGE
from ...calendar import checked, local
from ...counting import date_joined_field
from ...reports import Usage
from ..formats import number
from ..links import PageRequest
from ..tables import Column, PageTable, TableCell, header, numbers
from .common import downloads, period_notes


def _kinds() -> tuple[str, str, str]:
    return _("Registered"), _("Activated"), _("Active")


def usage_table(
    usages: Sequence[Usage],
    page: PageRequest,
    caption: str,
    interval: str,
    since: Mapping[str, str] | None = None,
) -> PageTable:
    """Return a report, latest period first."""
    zone = page.parameters.zone

    def people(usage: Usage) -> str:
        return page.people_in(usage["period"]["start"], usage["period"]["end"])

    rows = []
    for usage in reversed(usages):
        start, end = (
            local(checked(usage["period"][name], name), zone) for name in ("start", "end")
        )
        registered, activated, active = usage.counts
        rows.append(
            [
                header(_label_of(usage), usage.incomplete),
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
            *map(Column, _kinds()),
        ],
        rows=rows,
        downloads=downloads(page, USAGE, **(since or {}), interval=interval),
        notes=_usage_notes(usages),
    )


def _label_of(usage: Usage) -> str:
    return str(next(iter(usage["labels"].values())))


def _usage_notes(usages: Sequence[Usage]) -> list[str]:
    incomplete = [usage.incomplete for usage in usages]
    notes = period_notes(incomplete, (usage.counts[-1] for usage in usages))
    if date_joined_field() is None:
        notes.append(_("The user model of this site has no date of registration."))
    return notes
