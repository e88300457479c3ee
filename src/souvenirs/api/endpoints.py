"""The API: a parameters in the parameters of a URL, an answer as JSON or CSV.

Every endpoint is declared once: what may be asked, who may ask, what the rows of its answer hold.
The views, the URLs and the OpenAPI document are all made of these declarations.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.core.exceptions import SuspiciousOperation
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase

from ..sets import CorruptDigest
from ..stores import PrunedSpan
from ..web import (
    VIEW_PEOPLE,
    VIEW_USAGE,
    Form,
    InvalidParameter,
    Parameters,
    View,
    csv_response,
    error_response,
)
from . import forms
from .access import for_api
from .payloads import (
    CsvTable,
    Payload,
    busy_payload,
    growth_payload,
    health_payload,
    people_payload,
    retention_payload,
    series_payload,
    stickiness_payload,
    usage_payload,
)

#: JSON schemas of what is in a row.
TEXT = {"type": "string"}
MOMENT = {"type": "string", "format": "date-time"}
NUMBER = {"type": "integer"}
COUNT = {"type": ["integer", "null"], "description": "null where it is unknown."}
SHARE = {"type": ["number", "null"], "description": "null where it is unknown, or of nobody."}
MAYBE_TEXT = {"type": ["string", "null"]}
MAYBE_MOMENT = {"type": ["string", "null"], "format": "date-time"}
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
    "complete": {"type": "boolean", "description": "Whether the period is over."},
}


@dataclass(frozen=True)
class Endpoint:
    """What may be asked, by whom, and what is in the rows and the rest of the answer."""

    form: Form
    payload: Callable[[Parameters], Payload]
    summary: str
    columns: Mapping[str, Any]
    more: Mapping[str, Any] = field(default_factory=dict)
    permission: str = VIEW_USAGE

    @property
    def name(self) -> str:
        return self.form.name

    def view(self) -> View:
        """Return the view that answers."""

        @for_api(self.permission)
        def answer(request: HttpRequest) -> HttpResponseBase:
            try:
                parameters = self.form.read(request.GET)
                return self._response(parameters, self.payload(parameters))
            except InvalidParameter as error:
                return error_response(400, error.field, error.message)
            except PrunedSpan as error:
                return error_response(400, "from", str(error))
            except SuspiciousOperation:
                return error_response(400, "query", "There are more parameters than anybody needs.")
            except CorruptDigest as error:
                return error_response(503, "digests", str(error))

        return answer

    def _response(self, parameters: Parameters, payload: Payload) -> HttpResponse:
        if parameters.format == "csv":
            table = payload.csv or CsvTable(tuple(self.columns), payload.rows)
            segment = () if parameters.by is None else ("segment",)
            return csv_response(self.name, [*segment, *table.columns], table.rows)
        return JsonResponse({"question": parameters.echo(), **payload.more, "rows": payload.rows})


ENDPOINTS = (
    Endpoint(
        forms.USAGE,
        usage_payload,
        "Registered, activated and active users, period by period.",
        {**PERIOD, "registered": COUNT, "activated": COUNT, "active": COUNT},
    ),
    Endpoint(
        forms.SERIES,
        series_payload,
        "How many users were active, period by period.",
        {**PERIOD, "value": COUNT},
    ),
    Endpoint(
        forms.RETENTION,
        retention_payload,
        "Cohorts of users, and how many of each were active in each period from theirs on.",
        {
            **PERIOD,
            "size": COUNT,
            "users": {"type": "array", "items": COUNT},
            "shares": {"type": "array", "items": SHARE},
        },
        more={"mean": {"type": "array", "items": SHARE}},
    ),
    Endpoint(
        forms.GROWTH,
        growth_payload,
        "Who of the active users is new, retained or resurrected, and who has churned.",
        {
            **PERIOD,
            **dict.fromkeys(("active", "new", "retained", "resurrected", "churned", "net"), COUNT),
            "quick_ratio": SHARE,
        },
    ),
    Endpoint(
        forms.STICKINESS,
        stickiness_payload,
        "Daily, weekly and monthly actives at the end of each period, and how often users come.",
        {
            **PERIOD,
            "active": COUNT,
            "mean_dau": SHARE,
            "mean_ratio": SHARE,
            **dict.fromkeys(("dau", "wau", "mau"), COUNT),
            **dict.fromkeys(("dau_wau", "dau_mau", "wau_mau"), SHARE),
        },
    ),
    Endpoint(
        forms.BUSY,
        busy_payload,
        "Users active in each hour of the week, on average over the last four whole weeks of the "
        "range; days of the week are numbered from 1, Monday.",
        {"weekday": NUMBER, "hour": NUMBER, "active": SHARE},
    ),
    Endpoint(
        forms.PEOPLE,
        people_payload,
        "Who was active, or was not.",
        {"id": TEXT, "username": MAYBE_TEXT, "last_seen": MAYBE_MOMENT},
        more={"total": NUMBER},
        permission=VIEW_PEOPLE,
    ),
    Endpoint(
        forms.HEALTH,
        health_payload,
        "Since when users are counted, how far digesting has come, and what is set wrong.",
        {
            "digests": TEXT,
            **dict.fromkeys(("rows", "stale", "sightings", "bytes"), NUMBER),
        },
        more={
            **dict.fromkeys(
                ("counted_since", "oldest_waiting", "digested_until", "pruned_until"), MAYBE_MOMENT
            ),
            "souvenirs_waiting": NUMBER,
            "checks": {"type": "array", "items": CHECK},
        },
    ),
)
