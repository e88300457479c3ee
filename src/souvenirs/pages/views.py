"""The views of the pages.

A view takes the :class:`~souvenirs.pages.Mount` of its page. For invalid parameters it returns the
form with an error message beside the field, and status 400.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import wraps
from typing import Any, TypeAlias

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _

from ..calendar import checked, earlier, local, outward
from ..checks import migrated
from ..counting import field_labels
from ..digests import status
from ..doctor import diagnose
from ..insights import retention as retention_of
from ..reports import (
    customer_monthly_usage,
    customer_quarterly_usage,
    customer_yearly_usage,
    daily_usage,
)
from ..stores import PrunedSpan, get_store
from ..web import (
    FAULTS,
    VIEW_PEOPLE,
    VIEW_USAGE,
    InvalidParameter,
    InvalidVisibility,
    Parameters,
    Reader,
    Refused,
    View,
    check_periods,
    check_report,
    csv_response,
    failed_checks,
    grouplists,
    may,
    name_of,
    shared,
    timestamp,
)
from . import figures, sections
from .access import for_pages, refusal
from .errors import error_context
from .formats import day, isolated, minute, number
from .forms import (
    MAX_COHORTS,
    MAX_PERIODS,
    PARTS,
    BillingForm,
    GroupsForm,
    HealthForm,
    OverviewForm,
    PageForm,
    PeopleForm,
    RetentionForm,
    message,
    zone_options,
)
from .links import OUTSIDE, PAGES, Mount, PageRequest
from .userlists import MAX_ROWS, PER_PAGE, UserPage, list_users, orders

#: The parameters of each page, by name.
FORMS: dict[str, type[PageForm]] = {}

#: Pages about the whole site, which are refused to limited readers.
OF_SITE = ("health",)

Context: TypeAlias = dict[str, Any]

#: A function that returns the context of a page, or a response instead of the page.
Fill: TypeAlias = Callable[[PageRequest], Context | HttpResponse]


def page_view(
    name: str, form_class: type[PageForm], template: str, permission: str = VIEW_USAGE
) -> Callable[[Fill], View]:
    """Turn a function that returns the context of a template into the view of a page."""

    FORMS[name] = form_class

    def decorate(fill: Fill) -> View:
        @for_pages(permission)
        @wraps(fill)
        def view(request: HttpRequest, mount: Mount = OUTSIDE) -> HttpResponse:
            reader = Reader(request.user)
            try:
                if name in OF_SITE:
                    reader.check_unlimited()
                return answer(request, mount, reader)
            except Refused as error:
                return refusal(request, _(str(error)), mount)
            except InvalidVisibility as error:
                return refusal(request, str(error), mount, status=503)

        def answer(request: HttpRequest, mount: Mount, reader: Reader) -> HttpResponse:
            form = form_class(request.GET, reader)
            page: PageRequest | None = None
            wrong: InvalidParameter | None = None
            context: Context = {}
            status = 200
            try:
                page = PageRequest(name, mount, form.parse(), form.given, request.user)
                with migrated():
                    filled = fill(page)
                if isinstance(filled, HttpResponse):
                    return filled
                context = {**_shown(page.parameters), **filled}
            except InvalidParameter as error:
                wrong, status = error, 400
                form.report(error)
            except PrunedSpan as error:
                status, context = 400, {**error_context(error)}
            except FAULTS as fault:
                status, context = 503, {**error_context(fault)}
            parameters = page.parameters if page else None
            controls, dates = form.controls(parameters)
            if wrong and not any(error for _field, error in [*controls, *dates]):
                context["problem"] = message(wrong)
            context |= {
                **mount.context(request),
                "title": _("Usage: %s") % PAGES[name],
                "pages": _navigation(page, name, mount, reader),
                "controls": controls,
                "has_segments": bool(form.segments),
                "dates": dates,
                "dates_wrong": any(error for _field, error in dates),
                "zone_wrong": any(error for field, error in controls if field.name == "zone"),
                "carried": form.carried(),
                "described": form.described(parameters),
                "presets": form.presets(name, mount, parameters),
                "has_preset": bool(parameters and parameters.preset),
                "zone_options": zone_options(),
            }
            name_of_template = context.pop("template", template)
            path = f"souvenirs/dashboard/{name_of_template}.html"
            return render(request, path, context, status=status)

        return view

    return decorate


def _navigation(
    page: PageRequest | None, current: str, mount: Mount, reader: Reader
) -> list[Context]:
    """Links to all pages, with the range, time zone and segment of this one."""
    shared = page.shared if page else {}
    return [
        {
            "name": label,
            "url": mount.url(name, _known(shared, FORMS[name])),
            "is_current": name == current,
        }
        for name, label in PAGES.items()
        if may(reader.user, VIEW_PEOPLE if name == "people" else VIEW_USAGE)
        and (name not in OF_SITE or not reader.is_limited)
        and (name != "groups" or name == current or field_labels())
    ]


def _known(query: Context, form: type[PageForm]) -> Context:
    return {name: value for name, value in query.items() if name in form.parameters()}


def _shown(parameters: Parameters) -> Context:
    """The time zone, and the range and segment if there are any."""
    said: Context = {"zone": str(parameters.zone), "segment": isolated(parameters.segment or "")}
    if parameters.start and parameters.end:
        words = {"start": _written(parameters.start), "end": _written(parameters.end)}
        said["range"] = _("From %(start)s, before %(end)s") % words
    return said


def _written(moment: datetime) -> str:
    is_midnight = moment.time().replace(fold=0) == datetime.min.time()
    return day(moment) if is_midnight else minute(moment)


@page_view("overview", OverviewForm, "overview")
def overview(page: PageRequest) -> Context | HttpResponse:
    """Active users and what is behind them; how to set the app up while nobody has been seen."""
    parameters = page.parameters
    check_periods(parameters.periods, MAX_PERIODS, "interval")
    store = get_store()
    first = store.first()
    if first is None and page.reader.is_limited:
        return {"template": "tables", "lines": [_("Nobody has been seen yet.")]}
    if first is None:
        steps = sections.start.steps(has_souvenirs=False, has_digests=store.has_digests())
        return {"template": "start", "steps": steps, "sources": sections.start.sources()}
    start, _end = _range(parameters)
    # Without an end the range is up to now, which is later than when the form was parsed.
    has_end = parameters.preset is not None or "to" in page.query
    end = parameters.end if has_end else None
    if parameters.format != "html":
        return _overview_file(_numbers(start, end, first, page, "trend"), page)
    opened = parameters.only or parameters.open
    context = {
        "only": parameters.only,
        "sees_people": page.sees_people,
        "parts": {
            name: {
                "url": page.here(open=name, only=None),
                "only": page.here(open=None, only=name),
            }
            for name in PARTS
        },
        **sections.overview.part_apart(opened, end, first, page),
    }
    if parameters.only in sections.overview.APART:
        return context
    found = _numbers(start, end, first, page, parameters.only)
    upto = "" if found.is_now else _written(found.moment)
    return {**context, **sections.overview.overview_parts(found, page, opened, upto)}


def _numbers(
    start: datetime, end: datetime | None, first: datetime, page: PageRequest, only: str | None
) -> figures.Overview:
    parameters = page.parameters
    return figures.overview(
        figures.Question(
            start,
            end,
            parameters.interval,
            parameters.zone,
            first,
            parameters.users,
            page.reader.visible,
            parameters.figure,
            parameters.compare,
            parameters.chosen_groups,
            parameters.others,
            only,
        )
    )


def _overview_file(found: figures.Overview, page: PageRequest) -> HttpResponse:
    """The data of the chart, as the API has them, with an earlier time."""
    columns, rows = sections.overview.overview_file(found, page)
    if page.parameters.format == "csv":
        return csv_response("overview", columns, rows)
    return JsonResponse({"rows": rows})


@page_view("retention", RetentionForm, "tables")
def retention(page: PageRequest) -> Context:
    """Cohorts and their retention."""
    parameters = page.parameters
    check_periods(parameters.periods, MAX_COHORTS, "interval")
    start, end = _range(parameters)
    found = retention_of(
        outward(start),
        outward(end),
        interval=parameters.interval,
        cohort=parameters.cohort,
        mode=parameters.mode,
        reference=parameters.reference,
        tz=parameters.zone,
        users=parameters.users,
    )
    return {"tables": [sections.retention.retention_table(found, page)]}


@page_view("people", PeopleForm, "tables", VIEW_PEOPLE)
def people(page: PageRequest) -> Context | HttpResponse:
    """The users behind a number."""
    parameters = page.parameters
    if parameters.list not in shared.OF_DAYS:
        most = MAX_COHORTS if parameters.list == "cohort" else MAX_PERIODS
        check_periods(parameters.periods, most, "interval")
    if parameters.format != "html":
        return _people_file(parameters)
    first = (parameters.page - 1) * PER_PAGE
    found = list_users(parameters, first, first + PER_PAGE)
    is_last = parameters.page >= MAX_ROWS // PER_PAGE
    return {
        "range": "" if parameters.list in shared.OF_DAYS else _shown(parameters)["range"],
        "tables": [sections.users.people_table(found, page)],
        "turns": _turns(page, has_next=found.has_next and not is_last),
    }


@page_view("groups", GroupsForm, "tables")
def groups(page: PageRequest) -> Context:
    """The values of a listed field, such as organizations, and their seats."""
    if page.parameters.of is None:
        return {"lines": [_("Fields listed in SOUVENIRS_GROUP_BY are shown here.")]}
    first = (page.parameters.page - 1) * PER_PAGE
    found = grouplists.list_groups(page.parameters, first, first + PER_PAGE)
    return {
        "tables": [sections.groups.groups_table(found, page)],
        "turns": _turns(page, has_next=first + PER_PAGE < found.total),
    }


def _turns(page: PageRequest, *, has_next: bool) -> Context:
    """Links to the pages before and after."""
    here = page.parameters.page
    return {
        "previous": page.here(page=here - 1) if here > 1 else "",
        "here": _("Page %s") % number(here),
        "next": page.here(page=here + 1) if has_next else "",
    }


def _people_file(parameters: Parameters) -> HttpResponse:
    """The list in the format of the API, with as many rows as all of its pages."""
    found = list_users(parameters, 0, MAX_ROWS)
    joined = orders().get("joined")
    rows = [
        {
            "id": str(user.pk),
            "username": name_of(user),
            **({"registered": timestamp(getattr(user, joined), parameters.zone)} if joined else {}),
            "last_seen": timestamp(found.last_seen[user.pk], parameters.zone),
            **_days_of(found, user),
        }
        for user in found.users
    ]
    if parameters.format == "csv":
        registered = ["registered"] if joined else []
        days = ["active_days"] if found.active_days is not None else []
        columns = ["id", "username", *registered, "last_seen", *days, "incomplete"]
        # The rows are all that a file has to tell it in.
        told = ({**row, "incomplete": found.incomplete} for row in rows)
        return csv_response("people", columns, told)
    return JsonResponse({"total": found.total, "incomplete": found.incomplete, "rows": rows})


def _days_of(found: UserPage, user: Any) -> dict[str, int]:
    return {} if found.active_days is None else {"active_days": found.active_days.get(user.pk, 0)}


REPORTS = {
    "day": daily_usage,
    "month": customer_monthly_usage,
    "quarter": customer_quarterly_usage,
    "year": customer_yearly_usage,
}


@page_view("billing", BillingForm, "tables")
def billing(page: PageRequest) -> Context:
    """The usage report of a subscription."""
    parameters = page.parameters
    start = parameters.subscription_start
    if start is None:
        return {"lines": [_("Enter the start of a subscription.")]}
    report = REPORTS[parameters.interval]
    check_report(parameters)
    usages = list(
        report(outward(start), tz=parameters.zone, recent=parameters.recent, users=parameters.users)
    )
    since = usages[0]["period"]["start"] if usages else outward(start)
    caption = _("Users in each period of the subscription that started on %s") % day(start)
    shown = {"from": page.written(since)}
    if not usages:
        # The range of a future subscription is empty: it cannot end before it starts.
        shown["to"] = shown["from"]
    return {
        "tables": [sections.usage.usage_table(usages, page, caption, parameters.interval, shown)],
    }


@page_view("health", HealthForm, "tables")
def health(page: PageRequest) -> Context:
    """Digesting progress and failed system checks."""
    progress, first = status(), get_store().first()
    steps = sections.start.steps(has_souvenirs=first is not None, has_digests=progress.has_digests)
    return {
        "steps": [] if all(step.is_done for step in steps) else steps,
        "tables": [
            sections.health.status_table(progress, first, page),
            sections.health.levels_table(progress.levels, page),
            sections.health.checks_table(failed_checks(progress), page),
            sections.health.findings_table(diagnose(is_brief=True)),
        ],
    }


def _range(parameters: Parameters) -> tuple[datetime, datetime]:
    """The range of the parameters, cut off at now."""
    now = local(checked(timezone.now(), "now"), parameters.zone)
    end = earlier(parameters.end or now, now)
    return earlier(parameters.start or end, end), end


#: The route and the view of each page, by name.
ROUTES = {
    "overview": ("", overview),
    "retention": ("retention/", retention),
    "people": ("people/", people),
    "groups": ("groups/", groups),
    "billing": ("billing/", billing),
    "health": ("health/", health),
}
