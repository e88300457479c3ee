"""The tables of the health page."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from django.core.checks import CheckMessage
from django.utils.translation import gettext as _

from ...api import HEALTH
from ...calendar import DAY_LEVEL, LOCAL_LEVEL, MONTH_LEVEL, checked, local
from ...digests import Level, Status
from ...doctor import Finding, State
from ..formats import minute, number, stretched
from ..links import PageRequest
from ..tables import Column, Download, PageTable, TableCell, header, numbers
from .common import downloads


def status_table(progress: Status, first_souvenir: datetime | None, page: PageRequest) -> PageTable:
    """Return the table of digesting progress."""
    zone = page.parameters.zone

    def written(moment: datetime | None) -> str:
        return _("none") if moment is None else minute(local(checked(moment, "moment"), zone))

    entries = {
        _("History begins"): written(first_souvenir),
        _("Digested up to"): written(progress.digested_until),
        _("Undigested souvenirs"): number(progress.souvenirs_waiting),
        _("Oldest undigested souvenir"): written(progress.oldest_waiting),
        _("Souvenirs pruned up to"): written(progress.pruned_until),
    }
    return PageTable(
        caption=_("Digesting progress"),
        columns=[Column(_("What"), is_number=False), Column(_("State"), is_number=False)],
        rows=[[header(name), TableCell(text, kind="word")] for name, text in entries.items()],
        downloads=_downloads(page, "state"),
    )


def levels_table(levels: Sequence[Level], page: PageRequest) -> PageTable:
    """Return the table of the size of digests."""
    return PageTable(
        caption=_("Size of the digests"),
        columns=[
            Column(_("Level"), is_number=False),
            Column(_("Rows")),
            Column(_("Stale")),
            Column(_("Members")),
            Column(_("Size")),
        ],
        rows=[
            [
                header(_described(level)),
                *numbers([level.rows, level.stale, level.members]),
                TableCell(stretched(level.size)),
            ]
            for level in levels
        ],
        downloads=_downloads(page, "digests"),
    )


def _downloads(page: PageRequest, table: str) -> list[Download]:
    return downloads(page, HEALTH, table=table)


def _described(level: Level) -> str:
    names = {DAY_LEVEL: _("Day"), LOCAL_LEVEL: _("Local day"), MONTH_LEVEL: _("Month")}
    name = names.get(level.level) or _("Bucket of %s minutes") % number(level.level / 60)
    return name if level.kind is None else f"{name} ({level.kind})"


def checks_table(messages: Sequence[CheckMessage], page: PageRequest) -> PageTable:
    """Return the table of failed system checks."""
    return PageTable(
        caption=_("System checks that failed"),
        columns=[
            Column(_("Check"), is_number=False),
            Column(_("Problem"), is_number=False),
            Column(_("Hint"), is_number=False),
        ],
        rows=[
            [
                header(str(message.id)),
                TableCell(str(message.msg), kind="word long"),
                TableCell(str(message.hint or ""), kind="word long"),
            ]
            for message in messages
        ],
        downloads=_downloads(page, "checks"),
        nothing=_("No system check failed."),
    )


def findings_table(findings: Sequence[Finding]) -> PageTable:
    """Return the table of what the doctor finds; the errors of a site are for its operators."""
    states = {State.OK: _("fine"), State.WARNING: _("warning"), State.ERROR: _("error")}
    return PageTable(
        caption=_("Diagnosis"),
        columns=[
            Column(_("What"), is_number=False),
            Column(_("State"), is_number=False),
            Column(_("Finding"), is_number=False),
        ],
        rows=[
            [
                header(finding.title),
                TableCell(states[finding.state], kind="word"),
                TableCell(_with_remedy(finding), kind="word long"),
            ]
            for finding in findings
        ],
        kind="findings",
    )


def _with_remedy(finding: Finding) -> str:
    message = finding.message
    if finding.quotes_error:
        message = _("manage.py souvenirs_doctor says more.")
    return f"{message} {finding.remedy}".rstrip()
