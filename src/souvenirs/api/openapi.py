"""The OpenAPI 3.1 document of the API."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.http import HttpRequest, JsonResponse

from ..conf import conf
from ..web import Reader, fields
from .access import for_api
from .endpoints import ENDPOINTS, MAYBE_TEXT, Endpoint
from .index import ANY_ENDPOINT
from .validators import may_be_stored

#: With answers that a client may store.
NOT_MODIFIED = {"304": {"description": "The answer that If-None-Match names has not changed."}}
PRECONDITION = {"412": "The answer is none of those that If-Match names."}
ETAG = {"ETag": {"description": "Names this answer.", "schema": {"type": "string"}}}

ERRORS = {
    "400": "Invalid parameters.",
    "401": "Not signed in, and no valid token.",
    "403": "Permission denied, or about users whom the reader may not see.",
    "405": "Method not allowed: the API is read-only.",
    "503": "A digest that is needed is corrupt.",
}


@for_api(*ANY_ENDPOINT)
def openapi(request: HttpRequest, reader: Reader) -> JsonResponse:
    """Return the document, with the URL of this API."""
    return JsonResponse(document(request.path.removesuffix("/openapi.json")))


def document(url: str = "/souvenirs/api") -> dict[str, Any]:
    """Return the document of the API at a URL."""
    parameters = {
        f"query.{name}": {"type": "apiKey", "in": "query", "name": name}
        for name in conf.API_AUTH_PARAMETERS
    }
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Souvenirs",
            "version": "2",
            "description": "The activity of the users of the site. Ranges are half-open.",
        },
        "servers": [{"url": url}],
        "security": [{name: []} for name in ("token", "session", *parameters)],
        "paths": {f"/{each.name}": {"get": _operation(each)} for each in ENDPOINTS},
        "components": {
            "schemas": {"Error": _error()},
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "Read by the function in SOUVENIRS_API_AUTH.",
                },
                "session": {"type": "apiKey", "in": "cookie", "name": "sessionid"},
                **parameters,
            },
        },
    }


#: Only where values of a field have been chosen.
OTHERS = {
    "type": "integer",
    "minimum": 0,
    "description": "With by a field in SOUVENIRS_GROUP_BY: how many other values it has.",
}


def _operation(endpoint: Endpoint) -> dict[str, Any]:
    has_etag = may_be_stored((endpoint.permission,))
    errors = {**ERRORS, **PRECONDITION} if has_etag else ERRORS
    return {
        "operationId": endpoint.name,
        "summary": endpoint.summary,
        "description": f"Needs the permission {endpoint.permission}.",
        "parameters": [_parameter(*each) for each in endpoint.form.parameters().items()],
        "responses": {
            "200": {
                "description": "The answer.",
                **({"headers": ETAG} if has_etag else {}),
                "content": {
                    "application/json": {"schema": _answer(endpoint)},
                    "text/csv": {"schema": {"type": "string"}},
                },
            },
            **(NOT_MODIFIED if has_etag else {}),
            **{
                status: {
                    "description": text,
                    "content": {
                        "application/json": {"schema": {"$ref": "#/components/schemas/Error"}}
                    },
                }
                for status, text in sorted(errors.items())
            },
        },
    }


def _parameter(name: str, field: fields.ParameterField) -> dict[str, Any]:
    schema = field.schema()
    if field.initial is not None:
        schema["default"] = field.initial
    return {"name": name, "in": "query", "description": field.help_text, "schema": schema}


def _answer(endpoint: Endpoint) -> dict[str, Any]:
    segments = "by" in endpoint.form.base_fields
    segment = {"segment": MAYBE_TEXT} if segments else {}
    row = {**_object(endpoint.columns), "properties": {**segment, **endpoint.columns}}
    answer = _object(
        {
            "question": {"type": "object", "description": "The parameters, with their defaults."},
            **endpoint.more,
            "rows": {"type": "array", "items": row},
        }
    )
    if segments:
        answer["properties"]["others"] = OTHERS
    return answer


def _error() -> dict[str, Any]:
    error = _object(
        {
            "field": {
                "type": "string",
                "description": "The invalid parameter, or part of the request.",
            },
            "message": {"type": "string", "description": "One sentence."},
        }
    )
    return _object({"error": error})


def _object(properties: Mapping[str, Any]) -> dict[str, Any]:
    """Return the schema of an object with exactly these properties."""
    return {
        "type": "object",
        "properties": dict(properties),
        "required": list(properties),
        "additionalProperties": False,
    }
