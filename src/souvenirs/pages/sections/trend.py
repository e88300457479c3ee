"""The chart of a key figure, period by period, and its table."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.utils.translation import gettext as _

from ...api import GROWTH, SERIES, Endpoint
from ...calendar import checked
from ...counting import BY_SETTING, GROUP, InvalidSegment
from ...web import fields, shared, timestamp
from ..charts import Chart, Expected, Line, Mark
from ..formats import number, percent
from ..links import PageRequest
from ..tables import Column, Download, PageTable, TableCell, header
from ..trend import EARLIER, MOST_COLUMNS, MOST_LINES, Earlier, Trend, Trends
from .common import downloads, period_notes, range_links

#: The endpoint that has the data of a figure, and its parameters; its stickiness is another one.
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
    trends: Trends,
    before: Earlier | None,
    marks: Sequence[Mark],
    expected: Expected | None,
    page: PageRequest,
) -> Chart:
    """Return the chart of everyone, with an earlier time or the largest segments beside it."""
    trend = trends.everyone
    known = _largest(trends, MOST_LINES)
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
        expected=expected,
        more=_links(trend, page),
    )


def _name_of_all(trends: Trends, page: PageRequest) -> str:
    if not trends.segments:
        return figure_names()[trends.everyone.figure]
    return page.parameters.segment or _("All users")


def _name_of_earlier(page: PageRequest) -> str:
    compared = {"previous": _("Previous period"), "year": _("Same period last year")}
    return compared[page.parameters.compare]


def _known(trends: Trends) -> dict[str, Trend]:
    return {name: t for name, t in trends.segments.items() if isinstance(t, Trend)}


def _largest(trends: Trends, most: int) -> dict[str, Trend]:
    """Return the segments with the largest values at the end, in their own order.

    Of the values of a listed field, those with the most active users in the range come first.
    """
    known = _known(trends)
    if trends.others is not None:
        return dict(list(known.items())[:most])
    if not trends.everyone.periods:
        return {}
    largest = set(sorted(known, key=lambda name: -(known[name].points[-1].value or 0))[:most])
    return {name: trend for name, trend in known.items() if name in largest}


def trend_notes(trends: Trends, before: Any, page: PageRequest) -> list[str]:
    """Return the notes on segments and on an earlier time that have no line."""
    notes = [
        _("The segment %(name)s cannot be evaluated: see Health.") % {"name": error.name}
        for error in trends.segments.values()
        if isinstance(error, InvalidSegment)
    ]
    known = len(_known(trends))
    every = known + (trends.others or 0)
    words = {"most": number(MOST_LINES), "all": number(every)}
    if trends.others:
        said = _("The %(most)s with the most active users in the range are drawn, of %(all)s.")
        notes.append(said % {**words, "most": number(min(known, MOST_LINES))})
    elif known > MOST_COLUMNS:
        notes.append(_("The %(most)s largest of %(all)s are drawn.") % words)
    elif known > MOST_LINES:
        notes.append(
            _("The %(most)s largest of %(all)s are drawn. The table has them all.") % words
        )
    if before is None and page.parameters.compare in EARLIER and trends.everyone.periods:
        notes.append(_("The earlier time is not drawn, because it would start before the year 1."))
    return notes


def _links(trend: Trend, page: PageRequest) -> dict[str, Any]:
    """Return where a period leads to: URLs, and the parameters that the script adds to them."""
    data = range_links(trend.periods, page)
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
    known = _largest(trends, MOST_COLUMNS)
    segments = {name: _segment(name, page) for name in known}
    columns = [Column(_name_of_all(trends, page))]
    columns += [_column(name, segment, page) for name, segment in segments.items()]
    if before:
        columns.append(Column(_name_of_earlier(page)))

    def cells(place: int) -> list[TableCell]:
        period, point = trend.periods[place], trend.points[place]
        people = _people(trend, place, page)
        found = [_cell(trend, point.value, people)]
        found += [
            _cell(each, each.points[place].value, _only(people, segments[name]))
            for name, each in known.items()
        ]
        if before:
            cell = _cell(trend, before.values[place])
            found.append(TableCell(cell.text, note=before.labels[place]))
        return [header(period.label, period.incomplete), *found]

    return PageTable(
        caption=title(trend.figure, trend.interval),
        columns=[Column(_("Period"), is_number=False), *columns],
        rows=[cells(place) for place in reversed(range(len(trend.periods)))],
        downloads=trend_downloads(trends, page),
        notes=_table_notes(trends),
    )


def url_of_groups(trends: Trends, page: PageRequest) -> str:
    """Return the URL of the list of all values of the listed field; empty without one."""
    if trends.others is None:
        return ""
    return page.mount.url("groups", {**page.shared, "of": page.parameters.compare})


def _column(name: str, segment: str, page: PageRequest) -> Column:
    """Return the column of a segment, with a link to its own numbers."""
    url = page.here(segment=segment, compare=None, only=None) if segment else ""
    return Column(name, url=url)


def _segment(name: str, page: PageRequest) -> str:
    """Return the parameter with only the users of a line; empty if there can be none."""
    compare = page.parameters.compare
    if page.parameters.segment is not None:
        return ""
    segment = {"segment": name, "groups": f"{GROUP}{name}"}.get(compare, f"{compare}:{name}")
    return segment if len(segment) <= fields.MAX_LENGTH else ""


def _only(people: str, segment: str) -> str:
    """Return the URL of the users of a segment behind a point; empty if there is none."""
    # Encoding all of it for each cell would take most of the time of the page.
    return f"{people}&{urlencode({'segment': segment})}" if people and segment else ""


def _table_notes(trends: Trends) -> list[str]:
    trend, known = trends.everyone, len(_known(trends))
    notes = period_notes([each.incomplete for each in trend.periods], trend.values)
    if trends.others:
        said = _("The %(most)s with the most active users in the range are shown, of %(all)s.")
        notes.append(said % {"most": number(known), "all": number(known + trends.others)})
    elif known > MOST_COLUMNS:
        notes.append(
            _("The %(most)s largest of %(all)s are shown. The files have them all.")
            % {"most": number(MOST_COLUMNS), "all": number(known)}
        )
    return notes


def trend_file(
    trends: Trends, before: Earlier | None, page: PageRequest
) -> tuple[Sequence[str], list[dict[str, Any]]]:
    """Return the columns and rows of a file with the data of the chart, in the form of the API."""
    columns = ["label", "start", "end", "complete", "incomplete", "value"]
    if trends.segments:
        columns = ["segment", *columns]
    if before:
        columns += ["earlier_label", "earlier_value"]
    named = [(None, trends.everyone), *_known(trends).items()]
    rows = [
        {
            "segment": name,
            **period.row(),
            "start": timestamp(point.start, page.parameters.zone),
            "end": timestamp(period.end, page.parameters.zone),
            "value": point.value,
            "earlier_label": before.labels[place] if before else None,
            "earlier_value": before.values[place] if before else None,
        }
        for name, trend in named
        for place, (period, point) in enumerate(zip(trend.periods, trend.points, strict=True))
    ]
    return columns, [{column: row[column] for column in columns} for row in rows]


def trend_downloads(trends: Trends, page: PageRequest) -> list[Download]:
    """Return links to the data in the API, or to files of the page where the API has not all."""
    trend, is_large = trends.everyone, len(trends.segments) > MOST_COLUMNS
    if trend.figure not in SOURCES or page.parameters.compare in EARLIER or is_large:
        return [
            Download(name, page.here(open=None, only=None, format=name.lower()))
            for name in ("CSV", "JSON")
        ]
    endpoint, query = SOURCES[trend.figure]
    compare = page.parameters.compare
    by = {"segment": BY_SETTING, "groups": shared.BY_GROUP}.get(compare, compare)
    top = None if trends.others is None else MOST_COLUMNS
    return downloads(page, endpoint, interval=trend.interval, by=by, top=top, **query)


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
