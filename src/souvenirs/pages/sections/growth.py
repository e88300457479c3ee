"""Growth accounting on the overview."""

from __future__ import annotations

from collections.abc import Sequence

from django.utils.translation import gettext as _

from ...api import GROWTH
from ...insights import Growth, GrowthOfPeriod, GrowthPart
from ..charts import Bars, Mark, bars
from ..formats import number
from ..links import PageRequest
from ..tables import Column, PageTable, TableCell, header, pending
from .common import downloads, period_notes, range_links


def growth_bars(growth: Growth, marks: Sequence[Mark], page: PageRequest) -> Bars:
    """Return growth accounting as bars: active users above zero, by where they came from.

    Churned users are below zero; in an incomplete period, nobody has churned yet.
    """
    names = _parts()
    shown: list[GrowthPart] = ["retained", "resurrected", "new", "churned"]
    return bars(
        id="souvenirs-growth",
        title=_("Growth"),
        labels=[each.period.label for each in growth.periods],
        parts=[(part, names[part]) for part in shown],
        values=[
            [
                each.retained,
                each.resurrected,
                each.new,
                each.churned if each.period.complete else None,
            ]
            for each in growth.periods
        ],
        incomplete=[each.period.incomplete for each in growth.periods],
        marks=marks,
        total=names["active"],
        more={
            **range_links([each.period for each in growth.periods], page),
            "people": page.people(),
        },
    )


def _parts() -> dict[str, str]:
    return {
        "active": _("Active"),
        "new": _("New"),
        "retained": _("Retained"),
        "resurrected": _("Resurrected"),
        "churned": _("Churned"),
    }


def growth_table(growth: Growth, page: PageRequest) -> PageTable:
    """Return growth accounting, latest period first."""

    def cell(period: GrowthOfPeriod, part: str) -> TableCell:
        if part == "churned" and period.period.incomplete:
            return pending(period.period.incomplete)
        value = getattr(period, part)
        url = ""
        if value:
            url = page.people(
                **page.range, interval=growth.interval, list=part, of=period.period.label
            )
        if part == "active" and value:
            url = page.people_in(period.period.start, period.period.end)
        return TableCell(number(value), url=url)

    return PageTable(
        caption=_("New users were never seen before; resurrected ones not in the period before"),
        columns=[
            Column(_("Period"), is_number=False),
            *map(Column, _parts().values()),
            Column(_("Net")),
            Column(_("Quick ratio")),
        ],
        rows=[
            [
                header(each.period.label, each.period.incomplete),
                *(cell(each, part) for part in _parts()),
                *_change_cells(each),
            ]
            for each in reversed(growth.periods)
        ],
        downloads=downloads(page, GROWTH, interval=growth.interval),
        notes=_growth_notes(growth),
    )


def _growth_notes(growth: Growth) -> list[str]:
    incomplete = [each.period.incomplete for each in growth.periods]
    notes = period_notes(incomplete, [each.active for each in growth.periods])
    if any(incomplete):
        notes.append(_("Churned users are shown of complete periods only."))
    return notes


def _change_cells(period: GrowthOfPeriod) -> list[TableCell]:
    """Return net growth and the quick ratio, which compare with all of the previous period."""
    if period.period.incomplete:
        return [pending(period.period.incomplete)] * 2
    return [TableCell(number(period.net)), TableCell(number(period.quick_ratio, 2))]
