"""Authentication and permissions of the pages."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render, resolve_url
from django.urls import NoReverseMatch, Resolver404, get_script_prefix, resolve, reverse
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from ..decorators import souvenirs_exempt
from ..web import VIEW_USAGE, View, may, private, refused_method
from .language import ENGLISH, in_page_language
from .links import OUTSIDE, Mount


def for_pages(permission: str) -> Callable[[View], View]:
    """Decorate the view of a read-only page, for users with a permission.

    Anonymous users are redirected to the sign-in page; those without the permission are told which
    one they lack. Pages are not cached, and requests are not recorded as activity. A page is in
    English if there is no translation into the language of the request.
    """

    def decorate(view: View) -> View:
        @souvenirs_exempt
        @wraps(view)
        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            user = getattr(request, "user", None)
            if not getattr(user, "is_authenticated", False):
                return private(redirect_to_login(request.get_full_path(), login_url()))
            with in_page_language():
                response = answer(request, *args, **kwargs)
                # Before LocaleMiddleware names the language of the request.
                response.headers.setdefault("Content-Language", get_language() or ENGLISH)
            return private(response)

        def answer(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            if not may(request.user, permission):
                return denied(request, permission, *args, **kwargs)
            refused = refused_method(request)
            return view(request, *args, **kwargs) if refused is None else refused

        return guarded

    return decorate


def denied(request: HttpRequest, permission: str, mount: Mount = OUTSIDE) -> HttpResponse:
    """Return a page that says which permission is missing, and where to ask for it."""
    sentence = _(
        "To see this page, you need the permission %(permission)s: ask an administrator of this "
        "site to grant it to you."
    )
    return refusal(request, sentence % {"permission": permission}, mount)


def refusal(request: HttpRequest, sentence: str, mount: Mount, status: int = 403) -> HttpResponse:
    """Return a page that says why another one cannot be shown."""
    context = {
        **mount.context(request),
        "title": _("Permission denied"),
        "sentence": sentence,
        "overview_url": mount.url("overview") if may(request.user, VIEW_USAGE) else "",
    }
    return render(request, "souvenirs/dashboard/denied.html", context, status=status)


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
