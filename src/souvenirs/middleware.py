"""Record the users of requests."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from asgiref.sync import iscoroutinefunction, markcoroutinefunction, sync_to_async
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from .conf import conf
from .recording import (
    Window,
    carries_nobody,
    gate,
    ignores_request,
    ignores_user,
    ignores_visit,
    is_impersonating,
    key_in,
    loaded,
    session_data,
    souvenez_on,
    untouched,
    user_in,
    user_on,
    window_now,
)
from .resilience import RareLog, database_breaker
from .sets import primary_key

logger = RareLog(__name__)

Response = HttpResponseBase | None


class SouvenirsMiddleware:
    """Works after the view, in autocommit, and never raises.

    A request counts whatever its response, a failed one too, unless a setting says otherwise: the
    user was there. The user is the one that ``SOUVENIRS_USER_FUNCTION`` knows; the one that the
    view, or whatever authenticated it, left on the request; the one who signed out in it; or, where
    nobody asked who is there, the one in the session.
    """

    sync_capable = True
    async_capable = True

    def __init__(
        self, get_response: Callable[[HttpRequest], HttpResponseBase | Awaitable[HttpResponseBase]]
    ) -> None:
        self.get_response = get_response
        self.is_async = iscoroutinefunction(get_response)
        if self.is_async:
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> Any:
        if self.is_async:
            return self.__acall__(request)
        response: Any = self.get_response(request)
        work = work_left(request, response)
        if work is not None:
            work()
        return response

    async def __acall__(self, request: HttpRequest) -> Any:
        response = None
        try:
            response = await self.get_response(request)  # type: ignore[misc]
        finally:
            # Also where the client went away and the request is being cancelled.
            work = work_left(request, response)
            if work is not None:
                await asyncio.shield(sync_to_async(work)())
        return response


def work_left(request: HttpRequest, response: Response) -> Callable[[], None] | None:
    """Return what may block, a cache and a database, or None: most requests need neither."""
    try:
        function = conf.USER_FUNCTION
        if function is not None:
            user = _found_or_on(request, function) if conf.ENABLED else None
        else:
            user = None if carries_nobody(request) else user_on(request)
        if user is not None:
            return _work_for_user(request, response, user) if conf.ENABLED else None
        cookie = request.COOKIES.get(conf.session_cookie)
        if cookie and conf.ENABLED and hasattr(request, "session"):
            return _work_for_session(request, response, hash(cookie))
    except Exception:
        logger.exception("Could not tell whether to leave a souvenir.")
    return None


def _found_or_on(request: HttpRequest, function: Callable[[HttpRequest], Any]) -> Any:
    """The user that the site's own function finds, or else the one on the request."""
    with untouched(request):
        user = loaded(function(request))
    if user is None or not getattr(user, "is_authenticated", True):
        return user_on(request)
    return user


def _work_for_user(
    request: HttpRequest, response: Response, user: Any
) -> Callable[[], None] | None:
    seconds = conf.RATELIMIT_SECONDS
    if seconds and gate.memory.knows_now(seconds, getattr(user, "pk", user)):
        return None
    key = primary_key(user)  # of a token it is text
    if seconds and gate.memory.knows_now(seconds, key):
        return None
    if ignores_user(user) or ignores_request(request, response):
        return None
    return partial(_attempt, partial(_visit, request, user), f"user {key}")


def _work_for_session(
    request: HttpRequest, response: Response, session: int
) -> Callable[[], None] | None:
    seconds = conf.RATELIMIT_SECONDS
    if seconds and gate.sessions.knows_now(seconds, session):
        return None
    if ignores_request(request, response):
        return None
    window = window_now(seconds) if seconds else None
    return partial(_attempt, partial(_visit_of_session, request, session, window), "a session")


def _visit(request: HttpRequest, user: Any) -> None:
    if not ignores_visit(request, user):
        souvenez_on(request, user)


def _visit_of_session(request: HttpRequest, session: int, window: Window | None) -> None:
    user = _user_to_record(request.session, window)
    if user is not None:
        _visit(request, user)
    if window is not None and (user is None or gate.remembers(user.pk, window)):
        gate.sessions.remember(window, session)


def _user_to_record(session: Any, window: Window | None) -> Any:
    """The user of a session; None where whatever it requests would leave no souvenir."""
    data = session_data(session)
    key = key_in(data)
    if key is None or (window is not None and gate.remembers(primary_key(key), window)):
        return None
    if is_impersonating(data) and not conf.COUNT_IMPERSONATED:
        return None
    user = user_in(data)
    return None if user is None or ignores_user(user) else user


def _attempt(leave: Callable[[], None], whose: str) -> None:
    """Leave a souvenir, unless the database made another request wait a moment ago."""
    if not database_breaker.allows():
        return
    try:
        leave()
    except Exception:
        logger.exception("Could not leave a souvenir of %s.", whose)
    else:
        database_breaker.close()
