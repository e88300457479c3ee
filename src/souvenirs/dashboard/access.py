"""Who may see what.

Two permissions, which superusers have like all others: ``view_usage`` for numbers, and
``view_people`` for who is behind them. Only an active user has them, whatever the authentication
backend says.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeAlias
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.shortcuts import resolve_url
from django.urls import NoReverseMatch, Resolver404, get_script_prefix, resolve, reverse
from django.views.decorators.csrf import csrf_exempt

from ..conf import conf
from ..decorators import souvenirs_exempt

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
                refused = error_response(403, "permission", "This is not for you.")
            response = view(request, *args, **kwargs) if refused is None else refused
            if request.method == "HEAD" and isinstance(response, HttpResponse):
                response["Content-Length"] = len(response.content)
                response.content = b""
            return private(response)

        return guarded

    return decorate


def for_pages(permission: str) -> Callable[[View], View]:
    """Make a view a page: for those who have the permission, and only to be read.

    Nobody is asked to sign in, and those who have not are refused with PermissionDenied, which the
    site answers. The page is not kept in any cache, and the request is no activity.
    """

    def decorate(view: View) -> View:
        @souvenirs_exempt
        @wraps(view)
        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            user = getattr(request, "user", None)
            if not getattr(user, "is_authenticated", False):
                return private(redirect_to_login(request.get_full_path(), login_url()))
            if not may(user, permission):
                raise PermissionDenied
            refused = _refused_method(request)
            return private(view(request, *args, **kwargs) if refused is None else refused)

        return guarded

    return decorate


def login_url() -> str:
    """Return where to sign in: ``LOGIN_URL`` where that leads somewhere, else that of the admin."""
    url = resolve_url(settings.LOGIN_URL)
    target = urlsplit(url)
    if target.netloc:
        return url
    try:
        resolve("/" + target.path.removeprefix(get_script_prefix()).lstrip("/"))
    except Resolver404:
        try:
            return reverse("admin:login")
        except NoReverseMatch:
            pass
    return url


def error_response(status: int, field: str, message: str) -> HttpResponse:
    """Return an error of the API: what it is about, and a sentence."""
    return JsonResponse({"error": {"field": field, "message": message}}, status=status)


def private(response: HttpResponseBase) -> HttpResponseBase:
    """Return a response that nobody keeps, and that is nothing but what it says it is."""
    response["Cache-Control"] = "private, no-store"
    response["X-Content-Type-Options"] = "nosniff"
    return response


def _refused_by_api(request: HttpRequest, permission: str) -> HttpResponse | None:
    user = user_of_api(request)
    if user is None:
        response = error_response(401, "authorization", "Sign in, or send a token.")
        # A scheme that no browser asks a password for.
        response["WWW-Authenticate"] = "Bearer" if conf.API_AUTH else "Session"
        return response
    if not may(user, permission):
        return error_response(403, "permission", f"This needs the permission {permission}.")
    return _refused_method(request)


def _refused_method(request: HttpRequest) -> HttpResponse | None:
    """What to answer in place of a view that is only to be read; None where it is."""
    if request.method in ("GET", "HEAD"):
        return None
    if request.method == "OPTIONS":
        response = HttpResponse(status=204)
    else:
        response = error_response(405, "method", f"Only {', '.join(METHODS)} are answered.")
    response["Allow"] = ", ".join(METHODS)
    return response
