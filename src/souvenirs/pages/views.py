"""The pages: what is page, answered, and laid out.

A page is a view that takes a :class:`~souvenirs.pages.Mount` and reads its parameters
from the URL. What cannot be page is answered with the same form, a sentence at the field, and
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
from ..reports import (
    customer_monthly_usage,
    customer_quarterly_usage,
    customer_yearly_usage,
    daily_usage,
)
from ..sets import CorruptDigest
from ..stores import PrunedSpan, get_store
from ..web import (
    COHORT,
    DAYS_OF_LIST,
    MODE,
    OF_SUBSCRIPTION,
    RANGE,
    REFERENCE,
    SEGMENT,
    SUBSCRIPTION_START,
    TZ,
    VIEW_PEOPLE,
    VIEW_USAGE,
    Choice,
    Form,
    InvalidParameter,
    Parameters,
    View,
    Whole,
    Words,
    check_report,
    csv_response,
    failed_checks,
    may,
    name_of,
    timestamp,
)
from . import figures
from .access import for_pages
from .errors import error_context
from .formats import day, minute, number
from .forms import asked_in, controls, sentence
from .links import PAGES, Mount, PageRequest
from .sections.health import checks_table, levels_table, status_table
from .sections.overview import (
    actives_chart,
    actives_table,
    busy_table,
    growth_bars,
    growth_table,
    now_note,
    tile_shape,
)
from .sections.retention import retention_table
from .sections.usage import usage_chart, usage_table
from .sections.users import people_table
from .userlists import LISTS, MOST, OF_DAYS, OF_GROWTH, PER_PAGE, list_users, orders

#: As many periods as make bars, and rows of a table, that somebody looks at.
MOST_PERIODS = 400

#: As many cohorts as make a triangle that somebody looks at.
MOST_COHORTS = 60

OUTSIDE = Mount()

Context: TypeAlias = dict[str, Any]

#: What makes the context of a page, or what is sent instead of it.
Fill: TypeAlias = Callable[[PageRequest], Context | HttpResponse]


def page_view(
    name: str, form: Form, template: str, permission: str = VIEW_USAGE
) -> Callable[[Fill], View]:
    """Make a page of a function that takes what is page and returns what its template needs."""

    def decorate(fill: Fill) -> View:
        @for_pages(permission)
        @wraps(fill)
        def view(request: HttpRequest, mount: Mount = OUTSIDE) -> HttpResponse:
            query = asked_in(request.GET, form)
            given = {key: str(query[key]) for key in query}
            parameters: Parameters | None = None
            wrong: InvalidParameter | None = None
            context: Context = {}
            status = 200
            try:
                parameters = form.read(query)
                filled = fill(PageRequest(mount, parameters, given, request.user))
                if isinstance(filled, HttpResponse):
                    return filled
                context = {**_said(parameters), **filled}
            except InvalidParameter as error:
                wrong, status = error, 400
            except PrunedSpan as error:
                status, context = 400, {**error_context(error)}
            except CorruptDigest as error:
                status, context = 500, {**error_context(error)}
            form_shown = controls(name, form, mount, query, parameters, wrong)
            if wrong and not any(field.error for field in form_shown.fields):
                context["problem"] = sentence(wrong)
            context |= {
                **mount.context(request),
                "title": _("Usage: %s") % PAGES[name],
                "pages": _navigation(name, request, mount, parameters, given),
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
    mount: Mount,
    parameters: Parameters | None,
    query: dict[str, str],
) -> list[Link]:
    """The pages, each with the zone and the segment of this one, and its range."""
    shared = PageRequest(mount, parameters, query, request.user).shared if parameters else {}
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
            mount.url(name, {key: value for key, value in shared.items() if key in own[name]}),
            name == current,
        )
        for name, label in PAGES.items()
        if may(request.user, VIEW_PEOPLE if name == "people" else VIEW_USAGE)
    ]


def _said(parameters: Parameters) -> Context:
    """What is always shown: the zone, and the range and the segment where there are any."""
    said: Context = {"zone": str(parameters.zone), "segment": parameters.segment}
    if parameters.start and parameters.end:
        words = {"start": _written(parameters.start), "end": _written(parameters.end)}
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


@page_view("overview", OVERVIEW, "overview")
def overview(page: PageRequest) -> Context:
    """How many were here, and whether it is getting better."""
    parameters = page.parameters
    _check_size(parameters, MOST_PERIODS)
    check_report(parameters)
    start, _end = _range(parameters)
    # Without an end the range is up to now, and so it has moved on since it was read.
    has_end = parameters.preset is not None or "to" in page.query
    found = figures.overview(
        start,
        parameters.end if has_end else None,
        parameters.interval,
        parameters.zone,
        restricted(None, parameters.segment),
    )
    actives, usage = actives_chart(found.chart), usage_chart(found.months)
    bars = growth_bars(found.growth)
    caption = _("Users registered and activated before the end of each month, and active in it")
    return {
        "moment_title": _("Now") if found.is_now else _("Up to %s") % _written(found.moment),
        "tiles": [tile_shape(tile, page, found.is_now) for tile in found.tiles],
        "active_now": number(found.active_now),
        "active_now_url": page.people_in(found.active_since, found.active_since + figures.NOW),
        "now_note": now_note(),
        "actives": {
            "chart": actives,
            "top": number(actives.top),
            "table": actives_table(found.chart, page),
        },
        "usage": {
            "chart": usage,
            "top": number(usage.top),
            "table": usage_table(found.months, page, caption, "month"),
        },
        "growth": {
            "bars": bars,
            "top": number(bars.top),
            "table": growth_table(found.growth, page),
        },
        "busy": busy_table(found.busy, page),
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


@page_view("retention", RETENTION, "tables")
def retention(page: PageRequest) -> Context:
    """Who comes back."""
    parameters = page.parameters
    _check_size(parameters, MOST_COHORTS)
    start, end = _range(parameters)
    found = retention_of(
        outward(start),
        outward(end),
        interval=parameters.interval,
        cohort=parameters.cohort,
        mode=parameters.mode,
        reference=parameters.reference,
        tz=parameters.zone,
        users=restricted(None, parameters.segment),
    )
    return {"tables": [retention_table(found, page)]}


PEOPLE = Form(
    "people",
    (
        *RANGE,
        Choice("list", "", "active", (*LISTS, "cohort", *OF_GROWTH)),
        DAYS_OF_LIST,
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


@page_view("people", PEOPLE, "tables", VIEW_PEOPLE)
def people(page: PageRequest) -> Context | HttpResponse:
    """Who is behind a number."""
    parameters = page.parameters
    if parameters.list not in OF_DAYS:
        _check_size(parameters, MOST_COHORTS if parameters.list == "cohort" else MOST_PERIODS)
    if parameters.format != "html":
        return _people_file(parameters)
    first = (parameters.page - 1) * PER_PAGE
    found = list_users(parameters, first, first + PER_PAGE)
    own = {name: value for name, value in page.query.items() if name != "page"}

    def turn(number: int) -> str:
        return page.mount.url("people", {**own, "page": number})

    is_last = parameters.page >= MOST // PER_PAGE
    return {
        "range": "" if parameters.list in OF_DAYS else _said(parameters)["range"],
        "tables": [people_table(found, page, own)],
        "turns": {
            "previous": turn(parameters.page - 1) if parameters.page > 1 else "",
            "here": _("Page %s") % number(parameters.page),
            "next": turn(parameters.page + 1) if found.has_next and not is_last else "",
        },
    }


def _people_file(parameters: Parameters) -> HttpResponse:
    """The list as the API writes it, as far as somebody could page through it."""
    found = list_users(parameters, 0, MOST)
    joined = orders().get("joined")
    rows = [
        {
            "id": str(user.pk),
            "username": name_of(user),
            **({"registered": timestamp(getattr(user, joined), parameters.zone)} if joined else {}),
            "last_seen": timestamp(found.last_seen[user.pk], parameters.zone),
        }
        for user in found.users
    ]
    if parameters.format == "csv":
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


@page_view("billing", BILLING, "tables")
def billing(page: PageRequest) -> Context:
    """The report of a subscription, as show_usage prints it."""
    parameters = page.parameters
    start = parameters.subscription_start
    if start is None:
        return {"lines": [_("Give the day when a subscription started.")]}
    report = REPORTS[parameters.interval]
    check_report(parameters)
    members = restricted(None, parameters.segment)
    usages = list(
        report(outward(start), tz=parameters.zone, recent=parameters.recent, users=members)
    )
    since = usages[0]["period"]["start"] if usages else outward(start)
    caption = _("Users in each period of the subscription that started on %s") % day(start)
    shown = {"from": page.written(since)}
    if not usages:
        # That of a subscription to come is empty, and has no end before it begins.
        shown["to"] = shown["from"]
    return {
        "tables": [usage_table(usages, page, caption, parameters.interval, shown)],
    }


HEALTH = Form("health", (TZ,))


@page_view("health", HEALTH, "tables")
def health(page: PageRequest) -> Context:
    """How far digesting has come, and what is wrong."""
    progress = status()
    return {
        "tables": [
            status_table(progress, get_store().first(), page),
            levels_table(progress.levels, page),
            checks_table(failed_checks(), page),
        ]
    }


def _check_size(parameters: Parameters, most: int) -> None:
    if parameters.periods > most:
        raise InvalidParameter(
            "interval",
            gettext_noop(
                "The range has %(periods)s periods, more than the %(most)s that this page shows: "
                "choose a shorter range or a longer interval."
            ),
            periods=parameters.periods,
            most=most,
        )


def _range(parameters: Parameters) -> tuple[datetime, datetime]:
    """The range of a parameters, up to now."""
    now = local(checked(timezone.now(), "now"), parameters.zone)
    end = earlier(parameters.end or now, now)
    return earlier(parameters.start or end, end), end


#: The route and the view of each page, by name.
ROUTES = {
    "overview": ("", overview),
    "retention": ("retention/", retention),
    "people": ("people/", people),
    "billing": ("billing/", billing),
    "health": ("health/", health),
}
