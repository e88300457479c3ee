"""The permissions to see usage and people.

``view_usage`` is the permission to see numbers, ``view_people`` the permission to see the users
behind them. Inactive users have neither, whatever the authentication backend returns.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias, TypeVar

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase

VIEW_USAGE = "souvenirs.view_usage"
VIEW_PEOPLE = "souvenirs.view_people"

Response = TypeVar("Response", bound=HttpResponseBase)

View: TypeAlias = Callable[..., HttpResponseBase]

#: The allowed methods, none of which changes anything.
METHODS = ("GET", "HEAD", "OPTIONS")


def may(user: Any, permission: str) -> bool:
    """Return whether a user is active and has a permission.

    Users of a model without ``has_perm()`` have none.
    """
    has_perm = getattr(user, "has_perm", None)
    return bool(getattr(user, "is_active", False) and has_perm and has_perm(permission))


def private(response: Response) -> Response:
    """Return a response with headers against caching and content sniffing."""
    response["Cache-Control"] = "private, no-store"
    response["X-Content-Type-Options"] = "nosniff"
    return response


def error_response(status: int, field: str, message: str) -> HttpResponse:
    """Return an error as JSON, with its field and a message."""
    return JsonResponse({"error": {"field": field, "message": message}}, status=status)


def refused_method(request: HttpRequest) -> HttpResponse | None:
    """Return the response of a read-only view to methods other than GET and HEAD, else None."""
    if request.method in ("GET", "HEAD"):
        return None
    if request.method == "OPTIONS":
        response = HttpResponse(status=204)
    else:
        response = error_response(405, "method", f"Only {', '.join(METHODS)} are allowed.")
    response["Allow"] = ", ".join(METHODS)
    return response
