"""The endpoints of the API.

An endpoint is the only declaration of its parameters, its permission and the columns of its rows:
its view, its URL and its part of the OpenAPI document are generated from it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse

from ..checks import migrated
from ..stores import PrunedSpan
from ..web import (
    FAULTS,
    VIEW_PEOPLE,
    VIEW_USAGE,
    InvalidParameter,
    Parameters,
    QueryForm,
    Reader,
    View,
    csv_response,
    error_response,
    part_of,
    sentence_of,
)
from . import forms, payloads
from .access import for_api
from .payloads import CsvTable, Payload

#: JSON schemas of columns.
TEXT = {"type": "string"}
MOMENT = {"type": "string", "format": "date-time"}
NUMBER = {"type": "integer"}
COUNT = {"type": ["integer", "null"], "description": "null if unknown."}
SHARE = {"type": ["number", "null"], "description": "null if unknown, or if the denominator is 0."}
MAYBE_TEXT = {"type": ["string", "null"]}
MAYBE_MOMENT = {"type": ["string", "null"], "format": "date-time"}
RUNNING = {
    "type": ["string", "null"],
    "enum": ["running", None],
    "description": "running if the range of the list is not over yet.",
}
CHECK = {
    "type": "object",
    "properties": {"id": TEXT, "message": TEXT, "hint": MAYBE_TEXT},
    "required": ["id", "message", "hint"],
    "additionalProperties": False,
}
PERIOD = {
    "label": TEXT,
    "start": MOMENT,
    "end": MOMENT,
    "complete": {
        "type": "boolean",
        "description": "Whether the period is over, and all of it is in the range.",
    },
    "incomplete": {
        "type": ["string", "null"],
        "enum": ["running", "cut", None],
        "description": "Why it is not complete: running if it is not over yet, cut if the range "
        "ends before it.",
    },
}


@dataclass(frozen=True)
class Endpoint:
    """A URL of the API. ``columns`` and ``more`` are JSON schemas of the rows and of the rest."""

    name: str
    form: type[QueryForm]
    payload: Callable[[Parameters], Payload]
    summary: str
    columns: Mapping[str, Any]
    more: Mapping[str, Any] = field(default_factory=dict)
    permission: str = VIEW_USAGE
    #: Whether it is about the whole site, and so refused to limited readers.
    is_of_site: bool = False

    def view(self) -> View:
        """Return the view of the endpoint."""

        @for_api(self.permission)
        def answer(request: HttpRequest, reader: Reader) -> HttpResponse:
            try:
                if self.is_of_site:
                    reader.check_unlimited()
                parameters = self.form.read(request.GET, reader)
                with migrated():
                    return self._response(parameters, self.payload(parameters))
            except InvalidParameter as error:
                return error_response(400, error.field, error.english)
            except PrunedSpan as error:
                return error_response(400, "from", str(error))
            except FAULTS as fault:
                return error_response(503, part_of(fault), sentence_of(fault))

        return answer

    def _response(self, parameters: Parameters, payload: Payload) -> HttpResponse:
        if parameters.format != "json":
            table = payload.csv or CsvTable(tuple(self.columns), payload.rows)
            segment = () if parameters.by is None else ("segment",)
            return csv_response(
                self.name,
                [*segment, *table.columns],
                table.rows,
                for_excel=parameters.format == "excel",
            )
        others = {} if parameters.others is None else {"others": parameters.others}
        return JsonResponse(
            {"question": parameters.echo(), **others, **payload.more, "rows": payload.rows}
        )


USAGE = Endpoint(
    "usage",
    forms.UsageForm,
    payloads.usage_payload,
    "Registered, activated and active users by period.",
    {**PERIOD, "registered": COUNT, "activated": COUNT, "active": COUNT},
)
SERIES = Endpoint(
    "series",
    forms.SeriesForm,
    payloads.series_payload,
    "Active users by period.",
    {**PERIOD, "value": COUNT},
)
RETENTION = Endpoint(
    "retention",
    forms.RetentionForm,
    payloads.retention_payload,
    "Cohorts of users, and how many of each were active in each period since.",
    {
        **PERIOD,
        "size": COUNT,
        "users": {"type": "array", "items": COUNT},
        "shares": {"type": "array", "items": SHARE},
        "cells_incomplete": {
            "type": "array",
            "items": {"type": ["string", "null"], "enum": ["running", "cut", None]},
            "description": "Why the period of each cell is not complete.",
        },
    },
    more={"mean": {"type": "array", "items": SHARE}},
)
GROWTH = Endpoint(
    "growth",
    forms.GrowthForm,
    payloads.growth_payload,
    "Growth accounting: new, retained, resurrected and churned users by period.",
    {
        **PERIOD,
        **dict.fromkeys(("active", "new", "retained", "resurrected", "churned", "net"), COUNT),
        "quick_ratio": SHARE,
    },
)
STICKINESS = Endpoint(
    "stickiness",
    forms.StickinessForm,
    payloads.stickiness_payload,
    "Daily, weekly and monthly active users at the end of each period, and their ratios.",
    {
        **PERIOD,
        "active": COUNT,
        "mean_dau": SHARE,
        "mean_ratio": SHARE,
        **dict.fromkeys(("dau", "wau", "mau"), COUNT),
        **dict.fromkeys(("dau_wau", "dau_mau", "wau_mau"), SHARE),
    },
)
BUSY = Endpoint(
    "busy",
    forms.BusyForm,
    payloads.busy_payload,
    "Average number of active users by hour of the week, over the last four whole weeks of the "
    "range. Weekday 1 is Monday.",
    {"weekday": NUMBER, "hour": NUMBER, "active": SHARE},
)
PEOPLE = Endpoint(
    "people",
    forms.PeopleForm,
    payloads.people_payload,
    "Lists of users: active, recently seen, inactive or never seen.",
    {"id": TEXT, "username": MAYBE_TEXT, "last_seen": MAYBE_MOMENT},
    more={
        "total": NUMBER,
        "incomplete": RUNNING,
    },
    permission=VIEW_PEOPLE,
)
GROUPS = Endpoint(
    "groups",
    forms.GroupsForm,
    payloads.groups_payload,
    "Groups of users, such as organizations: their provisioned and active seats, and when one of "
    "their users was last seen.",
    {
        "group": TEXT,
        **dict.fromkeys(("provisioned", "active"), NUMBER),
        "share": SHARE,
        "days": COUNT,
        "days_per_seat": SHARE,
        "last_seen": MAYBE_MOMENT,
    },
    more={
        "total": {**NUMBER, "description": "The number of groups on all pages."},
        "active": {**NUMBER, "description": "How many of them have a user active in the range."},
        "incomplete": RUNNING,
    },
)
STATEMENTS = Endpoint(
    "statements",
    forms.StatementsForm,
    payloads.statements_payload,
    "Statements that have been issued, the latest first, or one of them with its content.",
    {
        "id": NUMBER,
        **dict.fromkeys(("customer", "of", "key"), MAYBE_TEXT),
        "number": NUMBER,
        **dict.fromkeys(("start", "end"), MOMENT),
        "time_zone": TEXT,
        "active_users": NUMBER,
        "plan": MAYBE_TEXT,
        "quota": {"type": ["integer", "null"]},
        "issuer": MAYBE_TEXT,
        "issued": MOMENT,
        "previous": MAYBE_TEXT,
        "hash": TEXT,
    },
    more={
        "total": {**NUMBER, "description": "The number of statements on all pages."},
        "content": {
            "type": ["object", "null"],
            "description": "What the file of the statement has in line 1; null without one.",
        },
    },
    is_of_site=True,
)
HEALTH = Endpoint(
    "health",
    forms.HealthForm,
    payloads.health_payload,
    "The start of history, the progress of digesting, and failed system checks.",
    {
        "digests": TEXT,
        **dict.fromkeys(("rows", "stale", "members", "bytes"), NUMBER),
    },
    more={
        **dict.fromkeys(
            ("counted_since", "oldest_waiting", "digested_until", "pruned_until"), MAYBE_MOMENT
        ),
        "souvenirs_waiting": NUMBER,
        "checks": {"type": "array", "items": CHECK},
    },
    is_of_site=True,
)

ENDPOINTS = (USAGE, SERIES, RETENTION, GROWTH, STICKINESS, BUSY, PEOPLE, GROUPS, STATEMENTS, HEALTH)
