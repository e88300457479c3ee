"""The list of the endpoints, and the answer to any other URL below it."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse, JsonResponse

from ..web import VIEW_PEOPLE, VIEW_USAGE, Reader, error_response
from .access import for_api
from .endpoints import ENDPOINTS

#: Who may use any endpoint may see what there is.
ANY_ENDPOINT = (VIEW_USAGE, VIEW_PEOPLE)


@for_api(*ANY_ENDPOINT)
def index(request: HttpRequest, reader: Reader) -> HttpResponse:
    """Return the endpoints: where each is, what it answers, its permission and its parameters."""
    below = f"{request.path.removesuffix('/')}/"
    endpoints = [
        {
            "name": each.name,
            "url": f"{below}{each.name}",
            "summary": each.summary,
            "permission": each.permission,
            "parameters": list(each.form.parameters()),
        }
        for each in ENDPOINTS
    ]
    return JsonResponse({"endpoints": endpoints, "openapi": f"{below}openapi.json"})


@for_api(*ANY_ENDPOINT)
def not_found(request: HttpRequest, reader: Reader, path: str) -> HttpResponse:
    """Return the error of an unknown URL, without the URL, which may contain anything."""
    names = ", ".join(each.name for each in ENDPOINTS)
    return error_response(404, "path", f"Unknown endpoint: the endpoints are {names}.")
