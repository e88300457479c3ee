"""Authentication and permissions of the pages."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import resolve_url
from django.urls import NoReverseMatch, Resolver404, get_script_prefix, resolve, reverse

from ..decorators import souvenirs_exempt
from ..web import View, may, private, refused_method


def for_pages(permission: str) -> Callable[[View], View]:
    """Decorate the view of a read-only page, for users with a permission.

    Anonymous users are redirected to the sign-in page; without the permission the view raises
    PermissionDenied. Pages are not cached, and requests are not recorded as activity.
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
            refused = refused_method(request)
            return private(view(request, *args, **kwargs) if refused is None else refused)

        return guarded

    return decorate


def login_url() -> str:
    """Return the URL of the sign-in page: ``LOGIN_URL`` if it resolves, else that of the admin."""
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
