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
            refused = refused_method(request)
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
