"""The API in the words of OpenAPI 3.1, made of the declarations that it is itself made of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.http import HttpRequest, JsonResponse

from ..web import VIEW_USAGE, Parameter
from .access import for_api
from .endpoints import ENDPOINTS, MAYBE_TEXT, Endpoint

ERRORS = {
    "400": "Invalid parameters.",
    "401": "Nobody is signed in, and there is no token.",
    "403": "The user lacks the permission.",
    "405": "The API is only to be read.",
    "503": "What is asked for is in a digest that is corrupt.",
}


@for_api(VIEW_USAGE)
def openapi(request: HttpRequest) -> JsonResponse:
    """Payload with the document, for where the API is."""
    return JsonResponse(document(request.path.removesuffix("/openapi.json")))


def document(url: str = "/souvenirs/api") -> dict[str, Any]:
    """Return the document of the API at a URL."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Souvenirs",
            "version": "2",
            "description": "How active the users of the site are. Ranges are half-open.",
        },
        "servers": [{"url": url}],
        "security": [{"token": []}, {"session": []}],
        "paths": {f"/{each.name}": {"get": _operation(each)} for each in ENDPOINTS},
        "components": {
            "schemas": {"Error": _error()},
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "Where SOUVENIRS_API_AUTH reads it.",
                },
                "session": {"type": "apiKey", "in": "cookie", "name": "sessionid"},
            },
        },
    }


def _operation(endpoint: Endpoint) -> dict[str, Any]:
    return {
        "operationId": endpoint.name,
        "summary": endpoint.summary,
        "description": f"Needs the permission {endpoint.permission}.",
        "parameters": [_parameter(each) for each in endpoint.form.parameters],
        "responses": {
            "200": {
                "description": "The answer.",
                "content": {
                    "application/json": {"schema": _answer(endpoint)},
                    "text/csv": {"schema": {"type": "string"}},
                },
            },
            **{
                status: {
                    "description": text,
                    "content": {
                        "application/json": {"schema": {"$ref": "#/components/schemas/Error"}}
                    },
                }
                for status, text in ERRORS.items()
            },
        },
    }


def _parameter(parameter: Parameter[Any]) -> dict[str, Any]:
    schema = parameter.schema()
    if parameter.default is not None:
        schema["default"] = parameter.default
    return {
        "name": parameter.name,
        "in": "query",
        "description": parameter.help,
        "schema": schema,
    }


def _answer(endpoint: Endpoint) -> dict[str, Any]:
    segments = any(parameter.name == "by" for parameter in endpoint.form.parameters)
    segment = {"segment": MAYBE_TEXT} if segments else {}
    row = {**_object(endpoint.columns), "properties": {**segment, **endpoint.columns}}
    return _object(
        {
            "question": {"type": "object", "description": "What was asked, with its defaults."},
            **endpoint.more,
            "rows": {"type": "array", "items": row},
        }
    )


def _error() -> dict[str, Any]:
    error = _object(
        {
            "field": {"type": "string", "description": "The parameter, or what else it is about."},
            "message": {"type": "string", "description": "One sentence."},
        }
    )
    return _object({"error": error})


def _object(properties: Mapping[str, Any]) -> dict[str, Any]:
    """The schema of an object that has all these properties, and no other."""
    return {
        "type": "object",
        "properties": dict(properties),
        "required": list(properties),
        "additionalProperties": False,
    }
