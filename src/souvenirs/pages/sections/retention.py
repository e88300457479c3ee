"""The triangle of cohorts."""

from __future__ import annotations

from django.utils.translation import gettext as _

from ...api import RETENTION
from ...calendar import checked, utc
from ...insights import Retention
from ..charts import Chart, Line
from ..formats import number, percent
from ..links import PageRequest
from ..tables import Column, PageTable, TableCell, header, pending, shade
from .common import downloads, period_notes


def retention_table(retention: Retention, page: PageRequest) -> PageTable:
    """Return the triangle of cohorts, with the mean of each column on top."""
    mean = retention.mean()
    rows: list[list[TableCell]] = [
        [
            header(_("Mean")),
            TableCell(""),
            *(TableCell(percent(share), kind=f"share {_shade_of(share)}") for share in mean),
        ]
    ]
    for position, cohort in enumerate(retention.cohorts):
        label = cohort.period.label
        own = {**page.range, "interval": retention.interval, "cohort": retention.cohort}
        own |= {"mode": retention.mode, "list": "cohort", "of": label}
        row = [
            header(label, cohort.period.incomplete),
            TableCell(number(cohort.size), url=page.people(**own) if cohort.size else ""),
        ]
        for offset, users in enumerate(cohort.cells):
            incomplete = retention.period(position, offset).incomplete
            if incomplete:
                row.append(pending(incomplete))
                continue
            share = retention.share(position, offset)
            row.append(
                TableCell(
                    percent(share),
                    note="" if users is None else number(users),
                    url=page.people(**own, offset=offset) if users else "",
                    kind=f"share {_shade_of(share)}",
                )
            )
        row += [TableCell("", kind="beyond")] * (len(mean) - len(cohort.cells))
        rows.append(row)
    return PageTable(
        caption=_("Users of each cohort who were active N periods later"),
        columns=[
            Column(_("Cohort"), is_number=False),
            Column(_("Users")),
            *(Column(str(offset)) for offset in range(len(mean))),
        ],
        rows=rows,
        downloads=downloads(page, RETENTION, interval=retention.interval),
        notes=_notes(retention),
        kind="triangle",
    )


def retention_curve(retention: Retention) -> Chart:
    """Return the mean retention of all cohorts, from the period after their first on."""
    mean = retention.mean()[1:]
    while mean and mean[-1] is None:
        mean = mean[:-1]
    names = {
        "day": _("Retention, by days since the first"),
        "week": _("Retention, by weeks since the first"),
        "month": _("Retention, by months since the first"),
    }
    return Chart(
        id="souvenirs-retention",
        title=names[retention.interval],
        labels=[number(offset) for offset in range(1, len(mean) + 1)],
        lines=[Line(_("Mean of all cohorts"), mean)],
        incomplete=[None] * len(mean),
        is_share=True,
    )


def url_of_cohorts(retention: Retention, page: PageRequest) -> str:
    """Return the URL of the cohorts of the curve, each with its cells."""
    query = {**page.shared, "interval": retention.interval}
    start, end = page.parameters.start, page.parameters.end
    if start and end and retention.cohorts:
        first = checked(retention.cohorts[0].period.start, "start")
        if utc(first) > utc(start):
            # Of a long range, the last ones.
            query |= {"preset": None, "from": page.written(first), "to": page.written(end)}
    return page.mount.url("retention", query)


def _notes(retention: Retention) -> list[str]:
    incomplete = {cohort.period.incomplete for cohort in retention.cohorts}
    cells = (
        users
        for position, cohort in enumerate(retention.cohorts)
        for offset, users in enumerate(cohort.cells)
        if retention.period(position, offset).complete
    )
    notes = period_notes(incomplete, cells)
    notes.append(
        _("The mean is weighted by cohort size and excludes periods that are marked “…”.")
        if incomplete - {None}
        else _("The mean is weighted by cohort size.")
    )
    return notes


def _shade_of(share: float | None) -> str:
    return shade(share, 1)
