"""The sentence and the key figures of the overview."""

from __future__ import annotations

from datetime import datetime
from typing import Any, cast

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from ...calendar import checked, local
from ...conf import conf
from ..errors import error_context
from ..figures import NOW, Fault, Overview
from ..formats import day, incomplete_word, number, percent, signed
from ..keyfigures import KeyFigure
from ..links import PageRequest


def sentence(active_now: int | None, figures: tuple[KeyFigure, ...], end: str) -> str:
    """Return what the key figures say, in words; ``end`` is the end of a range in the past."""
    today, weeks = figures[0], figures[2]
    if weeks.value is None:
        return _("Nobody has been seen yet.")
    users = int(weeks.value)
    words = {"users": number(users), "end": end}
    if end:
        said = ngettext(
            "%(users)s person was active in the 28 days up to %(end)s",
            "%(users)s people were active in the 28 days up to %(end)s",
            users,
        )
    else:
        said = ngettext(
            "%(users)s person was active in the last 28 days",
            "%(users)s people were active in the last 28 days",
            users,
        )
    sentences = [said % words + _compared(weeks) + "."]
    if not end and today.value is not None and active_now is not None:
        sentences.append(
            _("%(today)s so far today, %(now)s right now.")
            % {"today": number(today.value), "now": number(active_now)}
        )
    return " ".join(sentences)


def _compared(weeks: KeyFigure) -> str:
    if weeks.change is None:
        return ""
    if not weeks.change:
        return _(", as many as in the 28 days before")
    said = (
        _(", %(users)s more than in the 28 days before")
        if weeks.change > 0
        else _(", %(users)s fewer than in the 28 days before")
    )
    return said % {"users": number(abs(weeks.change))}


def key_figures(found: Overview, figures: tuple[KeyFigure, ...], page: PageRequest) -> list[Any]:
    """Return the key figures as text; a direction is ``up``, ``down``, ``same`` or ""."""
    now = found.active_now
    known = isinstance(now, int)
    return [
        {
            "name": _("Now"),
            "value": number(now) if isinstance(now, int) else number(None),
            "about": _("Users seen in the last 15 minutes.") + _missing_now(),
            "url": page.people_in(found.active_since, found.active_since + NOW) if known else "",
        },
        *(_shape(figure, page, found.is_now) for figure in figures[:-1]),
        _shape(found.new, page, found.is_now)
        if isinstance(found.new, KeyFigure)
        else {
            "name": _("New this month"),
            "value": number(None),
            "about": error_context(cast(Fault, found.new))["problem"],
        },
        _shape(figures[-1], page, found.is_now),
    ]


def _shape(figure: KeyFigure, page: PageRequest, is_now: bool) -> dict[str, Any]:
    first = local(checked(figure.start, "start"), page.parameters.zone)
    names = {
        "active": _("Today") if is_now else day(first),
        "7d": _("7 days"),
        "28d": _("28 days"),
        "new": _("New this month") if is_now else _("New in the month"),
        "stickiness": _("Stickiness"),
    }
    abouts = {
        "active": _("Users active on that day, compared with the day before up to the same hour."),
        "7d": _("Users active in the last 7 days, compared with the 7 days before."),
        "28d": _("Users active in the last 28 days, compared with the 28 days before."),
        "new": _(
            "Users first seen in that month, compared with the month before up to the same day."
        ),
        "stickiness": _(
            "Average daily users in 28 whole days, as a share of the users of these days, compared "
            "with the 28 days before."
        ),
    }
    is_share = figure.name == "stickiness"
    return {
        "name": names[figure.name],
        "note": incomplete_word(figure.incomplete),
        "about": abouts[figure.name],
        "value": percent(figure.value, 1) if is_share else number(figure.value),
        "url": _people_of(figure, page, first),
        "choose": page.here(figure=figure.name),
        "is_chosen": page.parameters.figure == figure.name,
        "change": change(figure, is_share),
        "direction": direction(figure),
    }


def _people_of(figure: KeyFigure, page: PageRequest, first: datetime) -> str:
    if figure.name == "stickiness":
        return ""
    if figure.name != "new":
        return page.people_in(figure.start, figure.end)
    return page.people(
        **{"from": page.written(figure.start), "to": page.written(figure.end)},
        interval="month",
        list="new",
        of=f"{first:%Y-%m}",
    )


def change(figure: KeyFigure, is_share: bool) -> str:
    """Return the change from the previous period, as text."""
    if figure.change is None or figure.before is None:
        return _("no earlier data")
    if is_share:
        points = number(abs(figure.change) * 100, 1)
        return _("%(points)s points") % {"points": signed(figure.change, points)}
    users = signed(figure.change, number(abs(figure.change)))
    if not figure.before:
        return users
    share = figure.change / figure.before
    return f"{users} ({signed(share, percent(abs(share)))})"


def direction(figure: KeyFigure) -> str:
    """Return the direction of the change: ``up``, ``down``, ``same``, or "" if it is unknown."""
    if figure.change is None:
        return ""
    return "up" if figure.change > 0 else "down" if figure.change < 0 else "same"


def _missing_now() -> str:
    """Return a note on users that "active now" misses."""
    minutes = round(conf.RATELIMIT_SECONDS / 60)
    if minutes <= 15:
        return ""
    return " " + _(
        "At most one souvenir per user is recorded in %(minutes)s minutes: "
        "users recorded earlier are missing here."
    ) % {"minutes": number(minutes)}
