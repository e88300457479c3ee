"""The tiles, charts and tables of the overview."""

from __future__ import annotations

from django.utils.dates import WEEKDAYS, WEEKDAYS_ABBR
from django.utils.translation import gettext as _

from ...api import BUSY, GROWTH, STICKINESS
from ...calendar import checked, local
from ...conf import conf
from ...insights import Growth, GrowthOfPeriod, GrowthPart, Stickiness
from ...web import busyhours
from ..charts import Bars, Chart, Line, Paths, bars, paths
from ..figures import Tile
from ..formats import day, incomplete_word, number, percent, signed
from ..links import PageRequest
from ..tables import Column, PageTable, TableCell, header, numbers, pending, shade
from .common import downloads, period_notes


def tile_shape(tile: Tile, page: PageRequest, is_now: bool) -> dict[str, str | Paths]:
    """Return a tile as text and paths; its direction is ``up``, ``down``, ``same`` or ""."""
    first = local(checked(tile.start, "start"), page.parameters.zone)
    names = {
        "day": _("Today") if is_now else day(first),
        "week": _("7 days"),
        "weeks": _("28 days"),
        "stickiness": _("Stickiness"),
        "new": _("New this month") if is_now else _("New in the month"),
    }
    abouts = {
        "day": _("compared with the previous day, up to the same hour"),
        "week": _("compared with the previous 7 days"),
        "weeks": _("compared with the previous 28 days"),
        "stickiness": _(
            "average daily users / users in 28 whole days, compared with the 28 days before"
        ),
        "new": _("compared with the previous month, up to the same day"),
    }
    is_share = tile.name == "stickiness"
    url = ""
    if tile.name == "new":
        url = page.people(
            **{"from": page.written(tile.start), "to": page.written(tile.end)},
            interval="month",
            list="new",
            of=f"{first:%Y-%m}",
        )
    elif not is_share:
        url = page.people_in(tile.start, tile.end)
    known = [value for value in tile.line if value is not None]
    unfinished = int(tile.last is not None)
    return {
        "name": names[tile.name],
        "note": incomplete_word(tile.incomplete),
        "about": abouts[tile.name],
        "value": percent(tile.value, 1) if is_share else number(tile.value),
        "url": url,
        "change": _change(tile, is_share),
        "direction": "" if tile.change is None else _direction(tile.change),
        "paths": paths(tile.line, max(known, default=0), unfinished, 30),
    }


def _change(tile: Tile, is_share: bool) -> str:
    if tile.change is None or tile.before is None:
        return _("no earlier data")
    if is_share:
        points = number(abs(tile.change) * 100, 1)
        return _("%(points)s points") % {"points": signed(tile.change, points)}
    change = signed(tile.change, number(abs(tile.change)))
    if not tile.before:
        return change
    share = tile.change / tile.before
    return f"{change} ({signed(share, percent(abs(share)))})"


def _direction(change: float) -> str:
    return "up" if change > 0 else "down" if change < 0 else "same"


def actives_chart(chart: Stickiness) -> Chart:
    """Return the chart of daily, weekly and monthly actives."""
    return Chart(
        id="souvenirs-actives",
        title=_actives_title(chart.interval),
        labels=[each.period.label for each in chart.periods],
        lines=[
            Line(_("1 day"), [each.dau for each in chart.periods]),
            Line(_("7 days"), [each.wau for each in chart.periods]),
            Line(_("30 days"), [each.mau for each in chart.periods]),
        ],
        incomplete=[each.period.incomplete for each in chart.periods],
    )


def _actives_title(interval: str) -> str:
    """Return the title, which says when the points are not of every day."""
    titles = {
        "day": _("Daily, weekly and monthly actives"),
        "week": _("Daily, weekly and monthly actives at the end of each week"),
        "month": _("Daily, weekly and monthly actives at the end of each month"),
    }
    return titles[interval]


def actives_table(chart: Stickiness, page: PageRequest) -> PageTable:
    """Return the data of that chart, latest period first."""
    return PageTable(
        caption=_("Users active in the last 1, 7 and 30 days up to the end of each period"),
        columns=[
            Column(_("Period"), is_number=False),
            Column(_("1 day")),
            Column(_("7 days")),
            Column(_("30 days")),
            Column(_("1 of 30")),
        ],
        rows=[
            [
                header(each.period.label, each.period.incomplete),
                *numbers([each.dau, each.wau, each.mau]),
                TableCell(percent(each.dau_mau, 1)),
            ]
            for each in reversed(chart.periods)
        ],
        downloads=downloads(page, STICKINESS, interval=chart.interval),
        notes=period_notes(
            [each.period.incomplete for each in chart.periods], [each.dau for each in chart.periods]
        ),
    )


def growth_bars(growth: Growth) -> Bars:
    """Return growth accounting as bars: new and resurrected users above zero, churned below.

    In an incomplete period, nobody has churned yet.
    """
    names = _parts()
    shown: list[GrowthPart] = ["new", "resurrected", "churned"]
    return bars(
        title=_("New, resurrected and churned users"),
        labels=[each.period.label for each in growth.periods],
        parts=[(part, names[part]) for part in shown],
        values=[
            [each.new, each.resurrected, each.churned if each.period.complete else None]
            for each in growth.periods
        ],
        incomplete=[each.period.incomplete for each in growth.periods],
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


def busy_table(busy: busyhours.BusyHours, page: PageRequest) -> PageTable:
    """Return the heat map of the hours of the week."""
    unknown: tuple[float | None, ...] = (None,) * 24
    means = {weekday: (busy.means or {}).get(weekday, unknown) for weekday in busy.days}
    top = max((value or 0 for row in means.values() for value in row), default=0)
    digits = 0 if top >= 10 else 1
    return PageTable(
        caption=_("Users active in each hour of the week, on average from %(start)s to %(end)s")
        % {"start": day(busy.start), "end": day(busy.last_day)},
        columns=[
            Column(_("Hour"), is_number=False),
            *(Column(f"{hour:02d}") for hour in range(24)),
        ],
        rows=[
            [
                TableCell(
                    str(WEEKDAYS_ABBR[weekday - 1]),
                    spoken=str(WEEKDAYS[weekday - 1]),
                    is_header=True,
                ),
                *(
                    TableCell(number(value, digits), kind=shade(value, top))
                    for value in means[weekday]
                ),
            ]
            for weekday in busy.days
        ],
        downloads=downloads(page, BUSY),
        notes=period_notes([], (value for row in means.values() for value in row)),
        kind="heat",
    )


def now_note() -> str:
    """Return the note on users that "active now" misses."""
    minutes = round(conf.RATELIMIT_SECONDS / 60)
    if minutes <= 15:
        return ""
    return _(
        "At most one souvenir per user is recorded in %(minutes)s minutes: "
        "users recorded earlier are missing here."
    ) % {"minutes": number(minutes)}
