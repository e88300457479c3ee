"""The chart of a key figure, period by period, and its table."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.utils.translation import gettext as _

from ...api import GROWTH, SERIES, Endpoint
from ...calendar import checked
from ...counting import InvalidSegment
from ..charts import Chart, Line, Mark
from ..formats import number, percent
from ..links import PageRequest
from ..tables import Column, Download, PageTable, TableCell, header
from ..trend import MOST_LINES, Point, Trend, Trends
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
    trends: Trends, before: Trend | None, marks: Sequence[Mark], page: PageRequest
) -> Chart:
    """Return the chart of everyone, with an earlier time or the largest segments beside it."""
    trend = trends.everyone
    known = _largest(trends)
    everyone = _("All users") if known else figure_names()[trend.figure]
    compared = {"previous": _("Previous period"), "year": _("Same period last year")}
    labels = [period.label for period in trend.periods]
    return Chart(
        id="souvenirs-trend",
        title=title(trend.figure, trend.interval),
        labels=labels,
        lines=[
            Line(everyone, trend.values),
            *(Line(name, each.values) for name, each in known.items()),
        ],
        incomplete=[period.incomplete for period in trend.periods],
        is_share=trend.figure == "stickiness",
        before=_line_before(before, compared[page.parameters.compare], len(labels))
        if before
        else None,
        labels_before=[period.label for period in before.periods] if before else (),
        marks=marks,
        more=_links(trend, page),
    )


def _line_before(before: Trend, name: str, length: int) -> Line:
    """Return the line of an earlier time with as many values as the chart has."""
    return Line(name, [*before.values, *[None] * length][:length])


def _largest(trends: Trends) -> dict[str, Trend]:
    """Return the segments with the most users at the end, in their own order."""
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
    """Return where a period leads to: the parts of URLs that the script puts together."""
    edges = [page.written(checked(period.start, "start")) for period in trend.periods]
    if trend.periods:
        edges.append(page.written(checked(trend.periods[-1].end, "end")))
    data: dict[str, Any] = {"edges": edges, "zoom": page.here(preset=None, **EDGES)}
    if trend.figure in ("7d", "28d"):
        data["starts"] = [page.written(checked(point.start, "start")) for point in trend.points]
    if trend.figure == "new":
        own = {"list": "new", "interval": trend.interval, "of": "LABEL"}
        data["people"] = page.people(**page.range, **own)
        data["names"] = [period.label for period in trend.periods]
    elif trend.figure != "stickiness":
        data["people"] = page.people(**EDGES)
    return data


#: Placeholders in a URL.
EDGES = {"from": "FROM", "to": "TO"}


def trend_table(trends: Trends, before: Trend | None, page: PageRequest) -> PageTable:
    """Return the data of the chart, latest period first."""
    trend = trends.everyone
    known = {name: t for name, t in trends.segments.items() if isinstance(t, Trend)}
    names = [_("All users") if known else figure_names()[trend.figure], *known]
    if before:
        compared = {"previous": _("Previous period"), "year": _("Same period last year")}
        names.append(compared[page.parameters.compare])

    def cells(place: int) -> list[TableCell]:
        period, point = trend.periods[place], trend.points[place]
        found = [_cell(trend, point, _people(trend, place, page))]
        found += [_cell(trend, each.points[place]) for each in known.values()]
        if before:
            has = place < len(before.points)
            cell = _cell(trend, before.points[place]) if has else TableCell(number(None))
            label = before.periods[place].label if has else ""
            found.append(TableCell(cell.text, note=label))
        return [header(period.label, period.incomplete), *found]

    return PageTable(
        caption=title(trend.figure, trend.interval),
        columns=[Column(_("Period"), is_number=False), *map(Column, names)],
        rows=[cells(place) for place in reversed(range(len(trend.periods)))],
        downloads=trend_downloads(trend, page),
        notes=period_notes([each.incomplete for each in trend.periods], trend.values),
    )


def trend_downloads(trend: Trend, page: PageRequest) -> list[Download]:
    """Return links to the figures of everyone in the API."""
    if trend.figure not in SOURCES:
        return []
    endpoint, query = SOURCES[trend.figure]
    return downloads(page, endpoint, interval=trend.interval, **query)


def _cell(trend: Trend, point: Point, url: str = "") -> TableCell:
    if trend.figure == "stickiness":
        return TableCell(percent(point.value, 1))
    return TableCell(number(point.value), url=url if point.value else "")


def _people(trend: Trend, place: int, page: PageRequest) -> str:
    """Return the URL of the users behind a point."""
    period, point = trend.periods[place], trend.points[place]
    if trend.figure == "stickiness":
        return ""
    if trend.figure == "new":
        return page.people(**page.range, list="new", interval=trend.interval, of=period.label)
    start: datetime = checked(point.start, "start")
    return page.people_in(start, checked(period.end, "end"))
