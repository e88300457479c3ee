"""Who may see what.

Two permissions, which superusers have like all others: ``view_usage`` for numbers, and
``view_people`` for who is behind them. Only an active user has them, whatever the authentication
backend says.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase

VIEW_USAGE = "souvenirs.view_usage"
VIEW_PEOPLE = "souvenirs.view_people"

View: TypeAlias = Callable[..., HttpResponseBase]

#: The methods that are answered: those that change nothing.
METHODS = ("GET", "HEAD", "OPTIONS")


def may(user: Any, permission: str) -> bool:
    """Whether a user has one of the permissions, and is active.

    Nobody has where the user model knows no permissions.
    """
    has_perm = getattr(user, "has_perm", None)
    return bool(getattr(user, "is_active", False) and has_perm and has_perm(permission))


def private(response: HttpResponseBase) -> HttpResponseBase:
    """Return a response that nobody keeps, and that is nothing but what it says it is."""
    response["Cache-Control"] = "private, no-store"
    response["X-Content-Type-Options"] = "nosniff"
    return response


def error_response(status: int, field: str, message: str) -> HttpResponse:
    """Return an error as JSON: what it is about, and a sentence."""
    return JsonResponse({"error": {"field": field, "message": message}}, status=status)


def refused_method(request: HttpRequest) -> HttpResponse | None:
    """What to answer in place of a view that is only to be read; None where it is."""
    if request.method in ("GET", "HEAD"):
        return None
    if request.method == "OPTIONS":
        response = HttpResponse(status=204)
    else:
        response = error_response(405, "method", f"Only {', '.join(METHODS)} are answered.")
    response["Allow"] = ", ".join(METHODS)
    return response
