"""The pages: what is asked, answered, and laid out.

A page is a view that takes a :class:`~souvenirs.dashboard.places.Place` and reads its question
from the URL. What cannot be asked is answered with the same form, a sentence at the field, and
status 400.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import wraps
from typing import Any, TypeAlias

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from ..calendar import INTERVALS, checked, earlier, local, outward
from ..counting import restricted
from ..digests import status
from ..insights import retention as retention_of
from ..insights.layout import find_origin
from ..reports import (
    customer_monthly_usage,
    customer_quarterly_usage,
    customer_yearly_usage,
    daily_usage,
)
from ..sets import CorruptDigest
from ..stores import PrunedSpan
from . import figures
from .access import VIEW_PEOPLE, VIEW_USAGE, View, for_pages, may
from .answers import failed_checks, maybe_stamp
from .contents.health import checks_table, levels_table, status_table
from .contents.overview import (
    actives_chart,
    actives_table,
    busy_table,
    growth_bars,
    growth_table,
    now_note,
    tile_shape,
)
from .contents.people import people_table
from .contents.retention import retention_table
from .contents.usage import usage_chart, usage_table
from .controls import LISTS, OF_DAYS, asked_in, controls, sentence
from .parameters import (
    COHORT,
    DAYS,
    MODE,
    RANGE,
    REFERENCE,
    SEGMENT,
    SUBSCRIPTION_START,
    TZ,
    BadQuestion,
    Choice,
    Whole,
    Words,
)
from .people import MOST, OF_GROWTH, PER_PAGE, name_of, orders
from .people import people as people_of
from .places import PAGES, Asked, Place
from .problems import problem_of
from .questions import OF_SUBSCRIPTION, Form, Question, check_report
from .shapes import day, minute, number
from .tables import csv_response

#: As many periods as make bars, and rows of a table, that somebody looks at.
MOST_PERIODS = 400

#: As many cohorts as make a triangle that somebody looks at.
MOST_COHORTS = 60

OUTSIDE = Place()

Context: TypeAlias = dict[str, Any]

#: What makes the context of a page, or what is sent instead of it.
Fill: TypeAlias = Callable[[Asked], Context | HttpResponse]


def page(
    name: str, form: Form, template: str, permission: str = VIEW_USAGE
) -> Callable[[Fill], View]:
    """Make a page of a function that takes what is asked and returns what its template needs."""

    def decorate(fill: Fill) -> View:
        @for_pages(permission)
        @wraps(fill)
        def view(request: HttpRequest, place: Place = OUTSIDE) -> HttpResponse:
            query = asked_in(request.GET, form)
            given = {key: str(query[key]) for key in query}
            question: Question | None = None
            wrong: BadQuestion | None = None
            context: Context = {}
            status = 200
            try:
                question = form.read(query)
                filled = fill(Asked(place, question, given, request.user))
                if isinstance(filled, HttpResponse):
                    return filled
                context = {**_said(question), **filled}
            except BadQuestion as error:
                wrong, status = error, 400
            except PrunedSpan as error:
                status, context = 400, {**problem_of(error)}
            except CorruptDigest as error:
                status, context = 500, {**problem_of(error)}
            form_shown = controls(name, form, place, query, question, wrong)
            if wrong and not any(field.error for field in form_shown.fields):
                context["problem"] = sentence(wrong)
            context |= {
                **place.context(request),
                "title": _("Usage: %s") % PAGES[name],
                "pages": _navigation(name, request, place, question, given),
                "controls": form_shown,
            }
            return render(request, f"souvenirs/dashboard/{template}.html", context, status=status)

        return view

    return decorate


@dataclass(frozen=True)
class Link:
    name: str
    url: str
    is_current: bool


def _navigation(
    current: str,
    request: HttpRequest,
    place: Place,
    question: Question | None,
    query: dict[str, str],
) -> list[Link]:
    """The pages, each with the zone and the segment of this one, and its range."""
    shared = Asked(place, question, query, request.user).shared if question else {}
    own = {
        "overview": ("preset", "from", "to", "tz", "segment"),
        "retention": ("preset", "from", "to", "tz", "segment"),
        "people": ("preset", "from", "to", "tz", "segment"),
        "billing": ("tz", "segment"),
        "health": ("tz",),
    }
    return [
        Link(
            str(label),
            place.url(name, {key: value for key, value in shared.items() if key in own[name]}),
            name == current,
        )
        for name, label in PAGES.items()
        if may(request.user, VIEW_PEOPLE if name == "people" else VIEW_USAGE)
    ]


def _said(question: Question) -> Context:
    """What is always shown: the zone, and the range and the segment where there are any."""
    said: Context = {"zone": str(question.zone), "segment": question.segment}
    if question.start and question.end:
        words = {"start": _written(question.start), "end": _written(question.end)}
        said["range"] = _("From %(start)s, before %(end)s") % words
    return said


def _written(moment: datetime) -> str:
    is_midnight = moment.time().replace(fold=0) == datetime.min.time()
    return day(moment) if is_midnight else minute(moment)


OVERVIEW = Form(
    "overview",
    (*RANGE, Choice("interval", "", "month", tuple(INTERVALS)), TZ, SEGMENT),
    preset="12mo",
)


@page("overview", OVERVIEW, "overview")
def overview(asked: Asked) -> Context:
    """How many were here, and whether it is getting better."""
    question = asked.question
    _check_size(question, MOST_PERIODS)
    check_report(question)
    start, _end = _range(question)
    # Without an end the range is up to now, and so it has moved on since it was read.
    has_end = question.preset is not None or "to" in asked.query
    found = figures.overview(
        start,
        question.end if has_end else None,
        question.interval,
        question.zone,
        restricted(None, question.segment),
    )
    actives, usage = actives_chart(found.chart), usage_chart(found.months)
    bars = growth_bars(found.growth)
    caption = _("Users registered and activated before the end of each month, and active in it")
    return {
        "moment_title": _("Now") if found.is_now else _("Up to %s") % _written(found.moment),
        "tiles": [tile_shape(tile, asked, found.is_now) for tile in found.tiles],
        "active_now": number(found.active_now),
        "active_now_url": asked.people_in(found.active_since, found.active_since + figures.NOW),
        "now_note": now_note(),
        "actives": {
            "chart": actives,
            "top": number(actives.top),
            "table": actives_table(found.chart, asked),
        },
        "usage": {
            "chart": usage,
            "top": number(usage.top),
            "table": usage_table(found.months, asked, caption, "month"),
        },
        "growth": {
            "bars": bars,
            "top": number(bars.top),
            "table": growth_table(found.growth, asked),
        },
        "busy": busy_table(found.busy, asked),
    }


RETENTION = Form(
    "retention",
    (
        *RANGE,
        Choice("interval", "", "month", ("day", "week", "month")),
        COHORT,
        MODE,
        REFERENCE,
        TZ,
        SEGMENT,
    ),
    preset="12mo",
)


@page("retention", RETENTION, "tables")
def retention(asked: Asked) -> Context:
    """Who comes back."""
    question = asked.question
    _check_size(question, MOST_COHORTS)
    start, end = _range(question)
    found = retention_of(
        outward(start),
        outward(end),
        interval=question.interval,
        cohort=question.cohort,
        mode=question.mode,
        reference=question.reference,
        tz=question.zone,
        users=restricted(None, question.segment),
    )
    return {"tables": [retention_table(found, asked)]}


PEOPLE = Form(
    "people",
    (
        *RANGE,
        Choice("list", "", "active", (*LISTS, "cohort", *OF_GROWTH)),
        DAYS,
        Words("q", ""),
        Choice("order", "", "name", ("name", "-name", "joined", "-joined", "seen", "-seen")),
        Choice("interval", "", "month", tuple(INTERVALS)),
        COHORT,
        MODE,
        Words("of", ""),
        Whole("offset", "", None, 0, MOST_PERIODS),
        TZ,
        SEGMENT,
        Whole("page", "", 1, 1, MOST // PER_PAGE),
        Choice("format", "", "html", ("html", "csv", "json")),
    ),
    preset="28d",
)


@page("people", PEOPLE, "tables", VIEW_PEOPLE)
def people(asked: Asked) -> Context | HttpResponse:
    """Who is behind a number."""
    question = asked.question
    if question.list not in OF_DAYS:
        _check_size(question, MOST_COHORTS if question.list == "cohort" else MOST_PERIODS)
    if question.format != "html":
        return _people_file(question)
    first = (question.page - 1) * PER_PAGE
    found = people_of(question, first, first + PER_PAGE)
    own = {name: value for name, value in asked.query.items() if name != "page"}

    def turn(number: int) -> str:
        return asked.place.url("people", {**own, "page": number})

    is_last = question.page >= MOST // PER_PAGE
    return {
        "range": "" if question.list in OF_DAYS else _said(question)["range"],
        "tables": [people_table(found, asked, own)],
        "turns": {
            "previous": turn(question.page - 1) if question.page > 1 else "",
            "here": _("Page %s") % number(question.page),
            "next": turn(question.page + 1) if found.has_next and not is_last else "",
        },
    }


def _people_file(question: Question) -> HttpResponse:
    """The list as the API writes it, as far as somebody could page through it."""
    found = people_of(question, 0, MOST)
    joined = orders().get("joined")
    rows = [
        {
            "id": str(user.pk),
            "username": name_of(user),
            **({"registered": maybe_stamp(getattr(user, joined), question.zone)} if joined else {}),
            "last_seen": maybe_stamp(found.last_seen[user.pk], question.zone),
        }
        for user in found.users
    ]
    if question.format == "csv":
        registered = ["registered"] if joined else []
        return csv_response("people", ["id", "username", *registered, "last_seen"], rows)
    return JsonResponse({"total": found.total, "rows": rows})


REPORTS = {
    "day": daily_usage,
    "month": customer_monthly_usage,
    "quarter": customer_quarterly_usage,
    "year": customer_yearly_usage,
}

BILLING = Form(
    "billing",
    (
        SUBSCRIPTION_START,
        Choice("interval", "", "month", OF_SUBSCRIPTION),
        Whole("recent", "", 24, 1, MOST_PERIODS),
        TZ,
        SEGMENT,
    ),
)


@page("billing", BILLING, "tables")
def billing(asked: Asked) -> Context:
    """The report of a subscription, as show_usage prints it."""
    question = asked.question
    start = question.subscription_start
    if start is None:
        return {"lines": [_("Give the day when a subscription started.")]}
    report = REPORTS[question.interval]
    check_report(question)
    members = restricted(None, question.segment)
    usages = list(report(outward(start), tz=question.zone, recent=question.recent, users=members))
    since = usages[0]["period"]["start"] if usages else outward(start)
    caption = _("Users in each period of the subscription that started on %s") % day(start)
    shown = {"from": asked.written(since)}
    if not usages:
        # That of a subscription to come is empty, and has no end before it begins.
        shown["to"] = shown["from"]
    return {
        "tables": [usage_table(usages, asked, caption, question.interval, shown)],
    }


HEALTH = Form("health", (TZ,))


@page("health", HEALTH, "tables")
def health(asked: Asked) -> Context:
    """How far digesting has come, and what is wrong."""
    progress = status()
    return {
        "tables": [
            status_table(progress, find_origin(), asked),
            levels_table(progress.levels, asked),
            checks_table(failed_checks(), asked),
        ]
    }


def _check_size(question: Question, most: int) -> None:
    if question.periods > most:
        raise BadQuestion(
            "interval",
            gettext_noop(
                "The range has %(periods)s periods, more than the %(most)s that this page shows: "
                "choose a shorter range or a longer interval."
            ),
            periods=question.periods,
            most=most,
        )


def _range(question: Question) -> tuple[datetime, datetime]:
    """The range of a question, up to now."""
    now = local(checked(timezone.now(), "now"), question.zone)
    end = earlier(question.end or now, now)
    return earlier(question.start or end, end), end
