"""Authentication and permissions of the API."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any, TypeAlias

from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import PermissionDenied, TooManyFieldsSent
from django.http import HttpRequest, HttpResponse, QueryDict
from django.views.decorators.csrf import csrf_exempt

from ..conf import conf
from ..decorators import souvenirs_exempt
from ..web import (
    InvalidVisibility,
    Reader,
    Refused,
    error_response,
    may,
    private,
    refused_method,
)
from .validators import may_be_stored, validated

ApiView: TypeAlias = Callable[..., HttpResponse]


def user_of_api(request: HttpRequest) -> Any:
    """Return the authenticated user of a request, or None.

    The function in ``SOUVENIRS_API_AUTH`` is asked first, then the session. The parameters of that
    function are removed from the request, also if it raises an exception.
    """
    try:
        user = conf.API_AUTH(request) if conf.API_AUTH else None
    finally:
        _remove_credentials(request)
    if user is None:
        user = getattr(request, "user", None)
    return user if getattr(user, "is_authenticated", False) else None


def _remove_credentials(request: HttpRequest) -> None:
    """Remove the parameters in ``SOUVENIRS_API_AUTH_PARAMETERS`` from the query string.

    The endpoint, error reports and whatever else reads the request afterwards do not see them.
    """
    names = [name for name in conf.API_AUTH_PARAMETERS if name in request.GET]
    if not names:
        return
    query = request.GET.copy()
    for name in names:
        query.pop(name, None)
    request.META["QUERY_STRING"] = query.urlencode()
    request.GET = QueryDict(request.META["QUERY_STRING"], encoding=query.encoding)
    # Some servers repeat the URL here, and log it from here.
    for name in {"RAW_URI", "REQUEST_URI"} & request.META.keys():
        request.META[name] = request.get_full_path()


def for_api(*permissions: str) -> Callable[[ApiView], ApiView]:
    """Decorate a read-only view of the API, for users with any of these permissions.

    The view takes the request and its :class:`~souvenirs.web.Reader`, and may raise Refused.
    Errors are JSON: 401 without a user, 403 without a permission, 405 for methods other than
    GET, HEAD and OPTIONS, 503 if ``SOUVENIRS_VISIBLE_TO`` is broken. Numbers have an ETag; errors
    and users must not be stored by anyone.
    Requests are not recorded as activity.
    """

    def decorate(view: ApiView) -> ApiView:
        # Otherwise a missing CSRF token would be reported before the method, and
        # LoginRequiredMiddleware would send tokens to the login page.
        @csrf_exempt
        @login_not_required
        @souvenirs_exempt
        @wraps(view)
        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            try:
                found = _admitted(request, permissions)
                if isinstance(found, Reader):
                    response = view(request, found, *args, **kwargs)
                else:
                    response = found
            except TooManyFieldsSent:
                response = error_response(400, "query", "Too many query parameters.")
            except Refused as error:
                response = error_response(403, "permission", str(error))
            except InvalidVisibility as error:
                response = error_response(503, "permission", str(error))
            private(response)
            if response.status_code == 200 and may_be_stored(permissions):
                response = validated(request, response)
            if request.method == "HEAD" and response.status_code != 304:
                response["Content-Length"] = len(response.content)
                response.content = b""
            return response

        return guarded

    return decorate


def _admitted(request: HttpRequest, permissions: Sequence[str]) -> Reader | HttpResponse:
    """Return who reads, or the response that refuses the request."""
    try:
        user = user_of_api(request)
        is_allowed = any(may(user, permission) for permission in permissions)
    except PermissionDenied:
        return error_response(403, "permission", "Permission denied.")
    if user is None:
        response = error_response(401, "authorization", "Sign in or send a token.")
        # With these schemes, browsers do not ask for a password.
        response["WWW-Authenticate"] = "Bearer" if conf.API_AUTH else "Session"
        return response
    if not is_allowed:
        needed = " or ".join(permissions)
        return error_response(403, "permission", f"The permission {needed} is required.")
    return refused_method(request) or Reader(user)
