"""What is on the pages: every figure with its name, its table and where it leads."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.core.checks import CheckMessage
from django.utils.dates import WEEKDAYS, WEEKDAYS_ABBR
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from ..accounts import date_joined_field
from ..conf import conf
from ..digests.status import Level, Status
from ..insights import Growth, Retention, Stickiness
from ..insights.growth import Part
from ..insights.layout import Origin
from ..instants import checked, local
from .figures import BusyHours, Tile
from .people import People, orders
from .places import Asked
from .questions import BUSY, GROWTH, HEALTH, RETENTION, STICKINESS, USAGE, Form, Question
from .shapes import (
    Bars,
    Cell,
    Chart,
    Column,
    Download,
    Line,
    Table,
    bars,
    day,
    header,
    minute,
    number,
    numbers,
    path,
    percent,
    shade,
    signed,
    stretched,
)

PARTS: tuple[Part, ...] = ("new", "retained", "resurrected", "churned")


@dataclass(frozen=True)
class TileShape:
    """A tile, written out."""

    name: str
    about: str
    value: str
    url: str
    change: str
    #: ``up``, ``down``, ``same`` or nothing.
    direction: str
    line: str


def tile_shape(tile: Tile, asked: Asked, is_now: bool) -> TileShape:
    """Write a tile out, for now or for a day in the past."""
    first = local(checked(tile.start, "start"), asked.question.zone)
    names = {
        "day": _("Today") if is_now else day(first),
        "week": _("7 days"),
        "weeks": _("28 days"),
        "stickiness": _("Stickiness"),
        "new": _("New this month") if is_now else _("New in the month"),
    }
    abouts = {
        "day": _("against the day before, by the same hour"),
        "week": _("against the 7 days before"),
        "weeks": _("against the 28 days before"),
        "stickiness": _("a day's users of those of 28 whole days, against the 28 before"),
        "new": _("against the month before, by the same day"),
    }
    is_share = tile.name == "stickiness"
    url = ""
    if tile.name == "new":
        url = asked.people(
            **{"from": asked.written(tile.start), "to": asked.written(tile.end)},
            interval="month",
            list="new",
            of=f"{first:%Y-%m}",
        )
    elif not is_share:
        url = asked.people_in(tile.start, tile.end)
    known = [value for value in tile.line if value is not None]
    return TileShape(
        name=names[tile.name],
        about=abouts[tile.name],
        value=percent(tile.value, 1) if is_share else number(tile.value),
        url=url,
        change=_change(tile, is_share),
        direction="" if tile.change is None else _direction(tile.change),
        line=path(tile.line, max(known, default=0), 30),
    )


def _change(tile: Tile, is_share: bool) -> str:
    if tile.change is None or tile.before is None:
        return _("nothing known before")
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
        title=_("Daily, weekly and monthly actives"),
        labels=[each.period.label for each in chart.periods],
        lines=[
            Line(_("1 day"), [each.dau for each in chart.periods]),
            Line(_("7 days"), [each.wau for each in chart.periods]),
            Line(_("30 days"), [each.mau for each in chart.periods]),
        ],
    )


def actives_table(chart: Stickiness, asked: Asked) -> Table:
    """Return the numbers of that chart, the last first."""
    return Table(
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
                header(each.period.label, each.period.complete),
                *numbers([each.dau, each.wau, each.mau]),
                Cell(percent(each.dau_mau, 1)),
            ]
            for each in reversed(chart.periods)
        ],
        downloads=_downloads(asked, STICKINESS, interval=chart.interval),
        notes=_notes(chart.periods, [each.dau for each in chart.periods]),
    )


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
    asked: Asked,
    caption: str,
    interval: str,
    since: Mapping[str, str] | None = None,
) -> Table:
    """Return a report, the last period first."""
    zone = asked.question.zone

    def people(usage: dict[str, Any]) -> str:
        # The report is about everybody, whatever the segment.
        return asked.over(segment=None).people_in(usage["period"]["start"], usage["period"]["end"])

    rows = []
    for usage in reversed(usages):
        start, end = (
            local(checked(usage["period"][name], name), zone) for name in ("start", "end")
        )
        registered, activated, active = (usage["usage"][key] for key in _kinds())
        rows.append(
            [
                header(_label_of(usage), usage.get("complete", True)),
                Cell(start.date().isoformat(), kind="date"),
                Cell(end.date().isoformat(), kind="date"),
                *numbers([registered, activated]),
                Cell(number(active), url=people(usage) if active else ""),
            ]
        )
    notes = _usage_notes(usages)
    if asked.question.segment:
        notes.append(_("This report is about everybody, whatever the segment."))
    return Table(
        caption=caption,
        columns=[
            Column(_("Period"), is_number=False),
            Column(_("From"), is_number=False),
            Column(_("Before"), is_number=False),
            *map(Column, _kinds().values()),
        ],
        rows=rows,
        downloads=_downloads(asked, USAGE, **(since or {}), interval=interval),
        notes=notes,
    )


def _label_of(usage: dict[str, Any]) -> str:
    return str(next(iter(usage["labels"].values())))


def _usage_notes(usages: Sequence[dict[str, Any]]) -> list[str]:
    notes = []
    if any(not usage.get("complete", True) for usage in usages):
        notes.append(_("“So far” marks a period that is not over yet."))
    if any(usage["usage"]["active_users"] is None for usage in usages):
        notes.append(_("– is unknown: nothing is known before the first souvenir."))  # noqa: RUF001
    if date_joined_field() is None:
        notes.append(_("The users of this site do not say when they registered."))
    return notes


def growth_bars(growth: Growth) -> Bars:
    """Return growth as bars: who came above zero, who went below."""
    names = _parts()
    shown: list[Part] = ["new", "resurrected", "churned"]
    return bars(
        title=_("Where active users come from, and how many have gone"),
        labels=[each.period.label for each in growth.periods],
        parts=[(part, names[part]) for part in shown],
        values=[[getattr(each, part) for part in shown] for each in growth.periods],
    )


def _parts() -> dict[str, str]:
    return {
        "active": _("Active"),
        "new": _("New"),
        "retained": _("Retained"),
        "resurrected": _("Resurrected"),
        "churned": _("Churned"),
    }


def growth_table(growth: Growth, asked: Asked) -> Table:
    """Return growth accounting, the last period first."""

    def cell(period: Any, part: str) -> Cell:
        value = getattr(period, part)
        url = ""
        if value:
            url = asked.people(
                **asked.range, interval=growth.interval, list=part, of=period.period.label
            )
        if part == "active" and value:
            url = asked.people_in(period.period.start, period.period.end)
        return Cell(number(value), url=url)

    return Table(
        caption=_("New users were never seen before; resurrected ones not in the period before"),
        columns=[
            Column(_("Period"), is_number=False),
            *map(Column, _parts().values()),
            Column(_("Net")),
            Column(_("Quick ratio")),
        ],
        rows=[
            [
                header(each.period.label, each.period.complete),
                *(cell(each, part) for part in _parts()),
                Cell(number(each.net)),
                Cell(number(each.quick_ratio, 2)),
            ]
            for each in reversed(growth.periods)
        ],
        downloads=_downloads(asked, GROWTH, interval=growth.interval),
        notes=_notes(growth.periods, [each.active for each in growth.periods]),
    )


def busy_table(busy: BusyHours, asked: Asked) -> Table:
    """Return the hours of the week, shaded."""
    unknown: tuple[float | None, ...] = (None,) * 24
    means = {weekday: (busy.means or {}).get(weekday, unknown) for weekday in busy.days}
    top = max((value or 0 for row in means.values() for value in row), default=0)
    digits = 0 if top >= 10 else 1
    return Table(
        caption=_("Users active in each hour of the week, on average from %(start)s to %(end)s")
        % {"start": day(busy.start), "end": day(busy.last_day)},
        columns=[
            Column(_("Hour"), is_number=False),
            *(Column(f"{hour:02d}") for hour in range(24)),
        ],
        rows=[
            [
                Cell(
                    str(WEEKDAYS_ABBR[weekday - 1]),
                    spoken=str(WEEKDAYS[weekday - 1]),
                    is_header=True,
                ),
                *(Cell(number(value, digits), kind=shade(value, top)) for value in means[weekday]),
            ]
            for weekday in busy.days
        ],
        downloads=_downloads(asked, BUSY),
        kind="heat",
    )


def retention_table(retention: Retention, asked: Asked) -> Table:
    """Return the triangle of cohorts, with the mean of each column on top."""
    mean = retention.mean()
    rows: list[list[Cell]] = [
        [
            header(_("Mean")),
            Cell(""),
            *(Cell(percent(share), kind=f"share {_shade_of(share)}") for share in mean),
        ]
    ]
    for cohort in retention.cohorts:
        label = cohort.period.label
        own = {**asked.range, "interval": retention.interval, "cohort": retention.cohort}
        own |= {"mode": retention.mode, "list": "cohort", "of": label}
        row = [
            header(label, cohort.period.complete),
            Cell(number(cohort.size), url=asked.people(**own) if cohort.size else ""),
        ]
        for offset, users in enumerate(cohort.cells):
            share = retention.share(label, offset)
            row.append(
                Cell("…", kind="unfinished", spoken=_("not over yet, or unknown"))
                if users is None
                else Cell(
                    percent(share),
                    note=number(users),
                    url=asked.people(**own, offset=offset) if users else "",
                    kind=f"share {_shade_of(share)}",
                )
            )
        row += [Cell("", kind="beyond")] * (len(mean) - len(cohort.cells))
        rows.append(row)
    return Table(
        caption=_("Users of each cohort who were active so many periods later"),
        columns=[
            Column(_("Cohort"), is_number=False),
            Column(_("Users")),
            *(Column(str(offset)) for offset in range(len(mean))),
        ],
        rows=rows,
        downloads=_downloads(asked, RETENTION, interval=retention.interval),
        notes=[
            _("“…” marks a period that is not over yet, or before the first souvenir."),
            _("The mean weights each cohort with its size, and leaves out what is not over yet."),
        ],
        kind="triangle",
    )


def _shade_of(share: float | None) -> str:
    return shade(share, 1)


def people_table(people: People, asked: Asked, own: Mapping[str, str]) -> Table:
    """Return a page of a list; ``own`` are the parameters that its links carry on."""
    question, place = asked.question, asked.place
    has_joined = "joined" in orders()

    def column(name: str, label: str) -> Column:
        is_current = question.order.removeprefix("-") == name
        is_reverse = question.order.startswith("-")
        order = ("descending" if is_reverse else "ascending") if is_current else ""
        following = f"-{name}" if is_current and not is_reverse else name
        url = place.url("people", {**own, "order": following})
        return Column(label, is_number=False, url=url, order=order)

    def moment(value: datetime | None) -> Cell:
        if value is None:
            return Cell(_("never"), kind="word")
        return Cell(minute(local(checked(value, "moment"), question.zone)), kind="word")

    rows = [
        [
            Cell(user.get_username(), is_header=True, url=asked.user_url(user)),
            *([moment(getattr(user, orders()["joined"]))] if has_joined else []),
            moment(people.last_seen[user.pk]),
        ]
        for user in people.users
    ]
    notes = []
    if people.total is not None:
        notes.append(
            ngettext(
                "%(users)s user. Who has been deleted since is counted, but not listed.",
                "%(users)s users. Who has been deleted since is counted, but not listed.",
                people.total,
            )
            % {"users": number(people.total)}
        )
    return Table(
        caption=_caption(question),
        columns=[
            column("name", _("User")),
            *([column("joined", _("Registered"))] if has_joined else []),
            Column(_("Last seen"), is_number=False),
        ],
        rows=rows,
        notes=notes,
        downloads=[
            Download(name, place.url("people", {**own, "format": name.lower()}))
            for name in ("CSV", "JSON")
        ],
        nothing=_("Nobody."),
    )


def _caption(question: Question) -> str:
    days = ngettext("in the last day", "in the last %(days)s days", question.days) % {
        "days": number(question.days)
    }
    captions = {
        "active": _("Users active in the range"),
        "recent": _("Users seen %(days)s"),
        "inactive": _("Users who were seen, but not %(days)s"),
        "never": _("Users who were never seen"),
        "new": _("Users first seen in %(period)s"),
        "retained": _("Users active in %(period)s and in the period before"),
        "resurrected": _("Users active in %(period)s, not in the period before, but earlier"),
        "churned": _("Users active in the period before %(period)s, but not in it"),
        "cohort": _("Users of the cohort %(period)s"),
    }
    caption = captions[question.list]
    if question.list == "cohort" and question.offset is not None:
        caption = ngettext(
            "Users of the cohort %(period)s who were active %(offset)s period later",
            "Users of the cohort %(period)s who were active %(offset)s periods later",
            question.offset,
        )
    return caption % {"days": days, "period": question.of, "offset": question.offset}


def status_table(progress: Status, origin: Origin, asked: Asked) -> Table:
    """Return how far digesting has come."""
    zone = asked.question.zone

    def written(moment: datetime | None) -> str:
        return _("none") if moment is None else minute(local(checked(moment, "moment"), zone))

    entries = {
        _("History begins"): written(origin.first),
        _("Digested up to"): written(progress.digested_until),
        _("Souvenirs not digested yet"): number(progress.souvenirs_waiting),
        _("The oldest of them"): written(progress.oldest_waiting),
        _("Souvenirs deleted up to"): written(progress.pruned_until),
    }
    return Table(
        caption=_("How far digesting has come"),
        columns=[Column(_("What"), is_number=False), Column(_("State"), is_number=False)],
        rows=[[header(name), Cell(text, kind="word")] for name, text in entries.items()],
        downloads=_downloads(asked, HEALTH),
    )


def levels_table(levels: Sequence[Level], asked: Asked) -> Table:
    """Return what digests take up."""
    names = {"day": _("Day"), "month": _("Month")}
    return Table(
        caption=_("What digests take up"),
        columns=[
            Column(_("Digests of a"), is_number=False),
            Column(_("Rows")),
            Column(_("Stale")),
            Column(_("Users in them")),
            Column(_("Size")),
        ],
        rows=[
            [
                header(names.get(level.name) or _bucket(level)),
                *numbers([level.rows, level.stale, level.sightings]),
                Cell(stretched(level.size)),
            ]
            for level in levels
        ],
        downloads=_downloads(asked, HEALTH),
    )


def _bucket(level: Level) -> str:
    seconds = int("".join(filter(str.isdigit, level.name)))
    return _("Bucket of %s minutes") % number(seconds / 60)


def checks_table(messages: Sequence[CheckMessage]) -> Table:
    """Return which system checks have failed."""
    return Table(
        caption=_("System checks that failed"),
        columns=[
            Column(_("Check"), is_number=False),
            Column(_("What is wrong"), is_number=False),
            Column(_("What to do"), is_number=False),
        ],
        rows=[
            [
                header(str(message.id)),
                Cell(str(message.msg), kind="word long"),
                Cell(str(message.hint or ""), kind="word long"),
            ]
            for message in messages
        ],
        nothing=_("None has failed."),
    )


def _notes(periods: Iterable[Any], values: Iterable[int | None]) -> list[str]:
    notes = []
    if any(not each.period.complete for each in periods):
        notes.append(_("“So far” marks a period that is not over yet."))
    if any(value is None for value in values):
        notes.append(_("– is unknown: nothing is known before the first souvenir."))  # noqa: RUF001
    return notes


def _downloads(asked: Asked, form: Form, **query: Any) -> list[Download]:
    return [
        Download("CSV", asked.api(form, **query, format="csv")),
        Download("JSON", asked.api(form, **query, format="json")),
    ]


def now_note() -> str:
    """Say whom "active now" leaves out."""
    minutes = round(conf.RATELIMIT_SECONDS / 60)
    if minutes <= 15:
        return ""
    return _(
        "One souvenir is left in %(minutes)s minutes: who left theirs earlier is missing here."
    ) % {"minutes": number(minutes)}
