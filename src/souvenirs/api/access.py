"""Authentication and permissions of the API."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.views.decorators.csrf import csrf_exempt

from ..conf import conf
from ..decorators import souvenirs_exempt
from ..web import View, error_response, may, private, refused_method


def user_of_api(request: HttpRequest) -> Any:
    """Return the user who asks the API; None for nobody.

    That is whom the function in ``SOUVENIRS_API_AUTH`` finds, else the user of the session.
    """
    user = conf.API_AUTH(request) if conf.API_AUTH else None
    if user is None:
        user = getattr(request, "user", None)
    return user if getattr(user, "is_authenticated", False) else None


def for_api(permission: str) -> Callable[[View], View]:
    """Make a view one of the API: for those who have the permission, and only to be read.

    It answers 401 to nobody, 403 to those who have not, and 405 to other methods, as JSON. What it
    answers is not kept in any cache, and the request is no activity.
    """

    def decorate(view: View) -> View:
        # A token of the form would be asked for before the view could say 405.
        @csrf_exempt
        @souvenirs_exempt
        @wraps(view)
        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            try:
                refused = _refused_by_api(request, permission)
            except PermissionDenied:
                refused = error_response(403, "permission", "Permission denied.")
            response = view(request, *args, **kwargs) if refused is None else refused
            if request.method == "HEAD" and isinstance(response, HttpResponse):
                response["Content-Length"] = len(response.content)
                response.content = b""
            return private(response)

        return guarded

    return decorate


def _refused_by_api(request: HttpRequest, permission: str) -> HttpResponse | None:
    user = user_of_api(request)
    if user is None:
        response = error_response(401, "authorization", "Sign in or send a token.")
        # A scheme that no browser asks a password for.
        response["WWW-Authenticate"] = "Bearer" if conf.API_AUTH else "Session"
        return response
    if not may(user, permission):
        return error_response(403, "permission", f"The permission {permission} is required.")
    return refused_method(request)
