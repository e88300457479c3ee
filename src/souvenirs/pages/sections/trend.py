"""The chart of a key figure, period by period, and its table."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.utils.translation import gettext as _

from ...api import GROWTH, SERIES, Endpoint
from ...calendar import checked
from ...counting import BY_SETTING, InvalidSegment
from ...web import shared
from ..charts import Chart, Line, Mark
from ..formats import number, percent
from ..links import PageRequest
from ..tables import Column, Download, PageTable, TableCell, header
from ..trend import MOST_LINES, Earlier, Trend, Trends
from .common import downloads, period_notes

#: The endpoint that has the data of a figure, and its parameters; stickiness has none.
SOURCES: dict[str, tuple[Endpoint, dict[str, Any]]] = {
    "active": (SERIES, {}),
    "7d": (SERIES, {"window": 7}),
    "28d": (SERIES, {"window": 28}),
    "new": (GROWTH, {}),
}


def figure_names() -> dict[str, str]:
    return {
        "active": _("Active users"),
        "7d": _("Active in 7 days"),
        "28d": _("Active in 28 days"),
        "new": _("New users"),
        "stickiness": _("Stickiness"),
    }


def title(figure: str, interval: str) -> str:
    """Return the title of the chart, which says what a point is."""
    if figure in ("active", "new"):
        of = {
            "day": _("%(figure)s by day"),
            "week": _("%(figure)s by week"),
            "month": _("%(figure)s by month"),
            "quarter": _("%(figure)s by quarter"),
            "year": _("%(figure)s by year"),
        }
    else:
        of = {
            "day": _("%(figure)s up to each day"),
            "week": _("%(figure)s up to the end of each week"),
            "month": _("%(figure)s up to the end of each month"),
            "quarter": _("%(figure)s up to the end of each quarter"),
            "year": _("%(figure)s up to the end of each year"),
        }
    return of[interval] % {"figure": figure_names()[figure]}


def trend_chart(
    trends: Trends, before: Earlier | None, marks: Sequence[Mark], page: PageRequest
) -> Chart:
    """Return the chart of everyone, with an earlier time or the largest segments beside it."""
    trend = trends.everyone
    known = _largest(trends)
    labels = [period.label for period in trend.periods]
    return Chart(
        id="souvenirs-trend",
        title=title(trend.figure, trend.interval),
        labels=labels,
        lines=[
            Line(_name_of_all(trends, page), trend.values),
            *(Line(name, each.values) for name, each in known.items()),
        ],
        incomplete=[period.incomplete for period in trend.periods],
        is_share=trend.figure == "stickiness",
        before=Line(_name_of_earlier(page), before.values) if before else None,
        labels_before=before.labels if before else (),
        marks=marks,
        more=_links(trend, page),
    )


def _name_of_all(trends: Trends, page: PageRequest) -> str:
    if not trends.segments:
        return figure_names()[trends.everyone.figure]
    return page.parameters.segment or _("All users")


def _name_of_earlier(page: PageRequest) -> str:
    compared = {"previous": _("Previous period"), "year": _("Same period last year")}
    return compared[page.parameters.compare]


def _largest(trends: Trends) -> dict[str, Trend]:
    """Return the segments with the largest values at the end, in their own order."""
    known = {name: t for name, t in trends.segments.items() if isinstance(t, Trend)}
    if not trends.everyone.periods:
        return {}
    largest = sorted(known, key=lambda name: -(known[name].points[-1].value or 0))[:MOST_LINES]
    return {name: trend for name, trend in known.items() if name in largest}


def trend_notes(trends: Trends) -> list[str]:
    """Return the notes on segments that have no line."""
    notes = [
        _("The segment %(name)s cannot be evaluated: see Health.") % {"name": error.name}
        for error in trends.segments.values()
        if isinstance(error, InvalidSegment)
    ]
    known = sum(isinstance(trend, Trend) for trend in trends.segments.values())
    if known > MOST_LINES:
        notes.append(
            _("The %(most)s largest of %(all)s are drawn. The table has them all.")
            % {"most": number(MOST_LINES), "all": number(known)}
        )
    return notes


def _links(trend: Trend, page: PageRequest) -> dict[str, Any]:
    """Return where a period leads to: URLs, and the parameters that the script adds to them."""
    edges = [page.written(checked(period.start, "start")) for period in trend.periods]
    if trend.periods:
        edges.append(page.written(checked(trend.periods[-1].end, "end")))
    own = dict.fromkeys(("preset", "from", "to"))
    data: dict[str, Any] = {"edges": edges, "zoom": page.here(**own)}
    if trend.figure in ("7d", "28d"):
        data["starts"] = [page.written(checked(point.start, "start")) for point in trend.points]
    if trend.figure == "new":
        data["people"] = page.people(**page.range, list="new", interval=trend.interval)
        data["names"] = [period.label for period in trend.periods]
    elif trend.figure != "stickiness":
        data["people"] = page.people()
    return data


def trend_table(trends: Trends, before: Earlier | None, page: PageRequest) -> PageTable:
    """Return the data of the chart, latest period first."""
    trend = trends.everyone
    known = {name: t for name, t in trends.segments.items() if isinstance(t, Trend)}
    names = [_name_of_all(trends, page), *known]
    if before:
        names.append(_name_of_earlier(page))

    def cells(place: int) -> list[TableCell]:
        period, point = trend.periods[place], trend.points[place]
        found = [_cell(trend, point.value, _people(trend, place, page))]
        found += [_cell(trend, each.points[place].value) for each in known.values()]
        if before:
            cell = _cell(trend, before.values[place])
            found.append(TableCell(cell.text, note=before.labels[place]))
        return [header(period.label, period.incomplete), *found]

    return PageTable(
        caption=title(trend.figure, trend.interval),
        columns=[Column(_("Period"), is_number=False), *map(Column, names)],
        rows=[cells(place) for place in reversed(range(len(trend.periods)))],
        downloads=trend_downloads(trend, page),
        notes=period_notes([each.incomplete for each in trend.periods], trend.values),
    )


def trend_downloads(trend: Trend, page: PageRequest) -> list[Download]:
    """Return links to the figures in the API; it has none of an earlier time."""
    if trend.figure not in SOURCES:
        return []
    endpoint, query = SOURCES[trend.figure]
    by = {"segment": BY_SETTING, "groups": shared.BY_GROUP}.get(page.parameters.compare)
    return downloads(page, endpoint, interval=trend.interval, by=by, **query)


def _cell(trend: Trend, value: float | None, url: str = "") -> TableCell:
    if trend.figure == "stickiness":
        return TableCell(percent(value, 1))
    return TableCell(number(value), url=url if value else "")


def _people(trend: Trend, place: int, page: PageRequest) -> str:
    """Return the URL of the users behind a point."""
    period, point = trend.periods[place], trend.points[place]
    if trend.figure == "stickiness":
        return ""
    if trend.figure == "new":
        return page.people(**page.range, list="new", interval=trend.interval, of=period.label)
    start: datetime = checked(point.start, "start")
    return page.people_in(start, checked(period.end, "end"))
