"""Record the users of requests."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Hashable
from contextlib import nullcontext
from functools import partial
from time import monotonic
from typing import Any

from asgiref.sync import iscoroutinefunction, markcoroutinefunction, sync_to_async
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from .conf import conf
from .recording import (
    Window,
    catch_up,
    closing_opened,
    count_failure,
    has_no_user,
    ignores_request,
    ignores_user,
    ignores_visit,
    is_impersonated,
    is_impersonated_session,
    is_passing,
    keep_accessed,
    keep_unidentified,
    keep_visit,
    loaded_user,
    may_catch_up,
    rate_limiter,
    session_data,
    souvenez_visit,
    tally,
    unwrap,
    user_key_in,
    verified_user,
    window_now,
)
from .resilience import ThrottledLogger, database_breaker
from .scope import has_scopes, scoped
from .sets import primary_key
from .stores import get_store

logger = ThrottledLogger(__name__)

#: Stands for a user who is known to have a souvenir in the window.
RECORDED: Any = object()

#: Largest number of souvenirs to be left later while some of them hold a request for
#: ``SOUVENIRS_BYPASS``, which takes much more memory than a session; and for how many seconds, as
#: a request contains whatever was sent.
HELD_REQUESTS, HELD_SECONDS = 1_000, 3_600

Response = HttpResponseBase | None


class SouvenirsMiddleware:
    """Leave a souvenir of the user of each request, after the view; never raises.

    A request counts whatever its response, unless a setting excludes it. Its user is the first of:
    the one returned by ``SOUVENIRS_USER_FUNCTION``; the one set on the request by the view or its
    authentication; the one who signed out in this request; and, if no user was loaded, the one in
    the session.
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
        try:
            response: Any = self.get_response(request)
        except asyncio.CancelledError:
            # Of an async view inside a middleware that is not: the client has disconnected.
            _work_now(request, None)
            raise
        _work_now(request, response)
        return response

    async def __acall__(self, request: HttpRequest) -> Any:
        response = None
        try:
            response = await self.get_response(request)  # type: ignore[misc]
        finally:
            # Also if the client has disconnected and the request is being cancelled.
            work = pending_work_off_loop(request, response)
            if work is not None:
                await asyncio.shield(sync_to_async(work)())
        return response


def pending_work_off_loop(request: HttpRequest, response: Response) -> Callable[[], None] | None:
    """Like :func:`pending_work`, on the thread of an event loop."""
    try:
        if has_scopes() and not _is_anonymous(request):
            # The tenant is known only on the thread of the request's database connection.
            return partial(_work_now, request, response)
    except Exception as error:
        count_failure(error)
        logger.exception("Could not determine whether to leave a souvenir.")
        return None
    return pending_work(request, response)


def _is_anonymous(request: HttpRequest) -> bool:
    return (
        has_no_user(request)
        and not request.COOKIES.get(conf.session_cookie)
        and conf.USER_FUNCTION is None
    )


def _work_now(request: HttpRequest, response: Response) -> None:
    work = pending_work(request, response)
    if work is not None:
        work()


def pending_work(request: HttpRequest, response: Response) -> Callable[[], None] | None:
    """Return the work that may block on a cache or a database; None for most requests."""
    try:
        function = conf.USER_FUNCTION
        if function is not None:
            user = _custom_or_loaded_user(request, function) if conf.ENABLED else None
        else:
            user = None if has_no_user(request) else loaded_user(request)
        if user is not None:
            return _work_for_user(request, response, user) if conf.ENABLED else None
        cookie = request.COOKIES.get(conf.session_cookie)
        if cookie and conf.ENABLED and hasattr(request, "session"):
            return _work_for_session(request, response, scoped(hash(cookie)))
    except Exception as error:
        count_failure(error)
        logger.exception("Could not determine whether to leave a souvenir.")
    return None


def _custom_or_loaded_user(request: HttpRequest, function: Callable[[HttpRequest], Any]) -> Any:
    """Return the user from the site's function, or else the one on the request."""
    with keep_accessed(request):
        user = unwrap(function(request))
    if user is None or not getattr(user, "is_authenticated", True):
        return loaded_user(request)
    return user


def _work_for_user(
    request: HttpRequest, response: Response, user: Any
) -> Callable[[], None] | None:
    seconds = conf.RATELIMIT_SECONDS
    if seconds and rate_limiter.memory.knows_now(seconds, scoped(getattr(user, "pk", user))):
        return _late_work(request, response, user, None)
    key = primary_key(user)  # the key in a token is a string
    if seconds and rate_limiter.memory.knows_now(seconds, scoped(key)):
        return _late_work(request, response, user, None)
    if ignores_user(user) or ignores_request(request, response):
        return None
    record, keep = partial(_record_visit, request, user), partial(_keep_visit, request, user)
    return partial(_attempt, request, record, keep, f"user {key}")


def _work_for_session(
    request: HttpRequest, response: Response, session: Hashable
) -> Callable[[], None] | None:
    seconds = conf.RATELIMIT_SECONDS
    if seconds and rate_limiter.sessions.knows_now(seconds, session):
        return _late_work(request, response, None, session)
    if ignores_request(request, response):
        return None
    window = window_now(seconds) if seconds else None
    record = partial(_record_session, request, session, window)
    keep = partial(_keep_session, request, session, window, has_failed=False)
    return partial(_attempt, request, record, keep, "a session")


def _late_work(
    request: HttpRequest, response: Response, user: Any, session: Hashable
) -> Callable[[], None] | None:
    """Return the work for others of a request that has none of its own."""
    if tally.rate_limited is not None and _counts(request, response, user, session):
        tally.rate_limited()
    if not may_catch_up():
        return None
    return partial(_attempt, request, _do_nothing, _do_nothing, "earlier requests")


def _counts(request: HttpRequest, response: Response, user: Any, session: Hashable) -> bool:
    """Whether a request of a known user or session counts; ``SOUVENIRS_BYPASS`` is not asked."""
    if ignores_user(user) or ignores_request(request, response):
        return False
    if rate_limiter.uncounted_sessions.knows_now(conf.RATELIMIT_SECONDS, session):
        return False
    return conf.COUNT_IMPERSONATED or not is_impersonated(request, user)


def _record_visit(request: HttpRequest, user: Any) -> None:
    if not ignores_visit(request, user):
        souvenez_visit(request, user)


def _keep_visit(request: HttpRequest, user: Any) -> None:
    if not ignores_visit(request, user):
        keep_visit(user)


def _keep_session(
    request: HttpRequest, session: Hashable, window: Window | None, *, has_failed: bool
) -> None:
    if not conf.COUNT_IMPERSONATED and is_impersonated(request, None):
        return
    if conf.BYPASS is None:
        held, most, seconds = None, conf.GATE_SIZE, math.inf
    else:
        held, most, seconds = request, HELD_REQUESTS, HELD_SECONDS
    find = partial(_find_user, request.session, window, held)
    keep_unidentified(
        ("session", session), window, find, most=most, has_failed=has_failed, seconds=seconds
    )


def _find_user(session: Any, window: Window | None, request: HttpRequest | None) -> Hashable | None:
    """Return the primary key of the user of a session; None if the visit does not count."""
    user = _user_to_record(session, window)
    if user is None or user is RECORDED:
        return None
    if request is not None and ignores_visit(request, user):
        return None
    return primary_key(user)


def _record_session(request: HttpRequest, session: Hashable, window: Window | None) -> None:
    store = get_store()
    if store.in_manual_transaction():
        _keep_session(request, session, window, has_failed=False)
        return
    try:
        with store.own_transaction():
            user = _user_to_record(request.session, window)
    except Exception as error:
        if is_passing(error):
            _keep_session(request, session, window, has_failed=True)
        raise
    if user is RECORDED:
        if tally.rate_limited is not None:
            tally.rate_limited()
    elif user is not None:
        _record_visit(request, user)
        if window is None or not rate_limiter.remembers(scoped(user.pk), window):
            return
    if window is not None:
        rate_limiter.sessions.remember(window, session)
        if user is None and tally.rate_limited is not None:
            rate_limiter.uncounted_sessions.remember(window, session)


def _user_to_record(session: Any, window: Window | None) -> Any:
    """Return the user of a session, or RECORDED; None if none of its requests counts."""
    data = session_data(session)
    key = user_key_in(data)
    if key is None or (is_impersonated_session(data) and not conf.COUNT_IMPERSONATED):
        return None
    if window is not None and rate_limiter.remembers(scoped(primary_key(key)), window):
        return RECORDED
    user = verified_user(data)
    return None if user is None or ignores_user(user) else user


def _attempt(
    request: HttpRequest, record: Callable[[], None], keep: Callable[[], None], whose: str
) -> None:
    """Leave a souvenir; later, if the breaker of the database is open."""
    began = monotonic()
    try:
        if not database_breaker().allows():
            keep()
            return
        with closing_opened() if isinstance(request, ASGIRequest) else nullcontext():
            record()
            catch_up(began)
    except Exception as error:
        count_failure(error)
        logger.exception("Could not leave a souvenir of %s.", whose)


def _do_nothing() -> None:
    pass
