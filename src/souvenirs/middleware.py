"""Leave a souvenir of every signed-in user who makes a request."""

from __future__ import annotations

import asyncio
import copy
import logging
from collections.abc import Awaitable, Callable
from functools import partial
from types import SimpleNamespace
from typing import Any

from asgiref.sync import iscoroutinefunction, markcoroutinefunction, sync_to_async
from django.conf import settings
from django.contrib.auth import SESSION_KEY, get_user
from django.contrib.auth.base_user import AbstractBaseUser
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.functional import LazyObject, empty

from .conf import conf
from .ratelimit import Window, gate, window_now
from .recording import primary_key, souvenez

logger = logging.getLogger(__name__)


class SouvenirsMiddleware:
    """Works after the view, in autocommit, and never raises.

    A request counts whatever its response, a failed one too: the user was there. The user is the
    one that the view, or whatever authenticated it, left on the request; the one who signed out in
    it; or, where nobody asked who is there, the one in the session.
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
        response = self.get_response(request)
        work = work_left(request)
        if work is not None:
            work()
        return response

    async def __acall__(self, request: HttpRequest) -> Any:
        try:
            return await self.get_response(request)  # type: ignore[misc]
        finally:
            # Also where the client went away and the request is being cancelled.
            work = work_left(request)
            if work is not None:
                await asyncio.shield(sync_to_async(work)())


def work_left(request: HttpRequest) -> Callable[[], None] | None:
    """Return what may block, a cache and a database, or None: most requests need neither."""
    try:
        if not conf.ENABLED:
            return None
        window = window_now(conf.RATELIMIT_SECONDS) if conf.RATELIMIT_SECONDS else None
        user = user_on(request)
        if user is not None:
            if window is not None and gate.remembers(user.pk, window):
                return None
            return partial(_record, user)
        cookie = request.COOKIES.get(settings.SESSION_COOKIE_NAME)
        if not cookie or not hasattr(request, "session"):
            return None
        if window is not None and gate.sessions.knows(window, hash(cookie)):
            return None
        return partial(_record_session, request, cookie, window)
    except Exception:
        logger.exception("Could not tell whether to leave a souvenir.")
        return None


def user_on(request: HttpRequest) -> Any:
    """Return the signed-in user that the request already carries, or None.

    Asks nobody: a lazy user that nobody looked at stays unknown, since loading it would cost the
    page its queries and, through ``Vary: Cookie``, its place in every cache.
    """
    carried = vars(request)
    user = carried.get("user")
    if isinstance(user, LazyObject):
        # Each look at a user through its wrapper would cost more than the limit itself.
        user = None if user._wrapped is empty else user._wrapped
    # Whoever signed out in this request is found where AuthenticationMiddleware had put them.
    candidates: list[Any] = [user, carried.get("_cached_user"), carried.get("_acached_user")]
    for candidate in candidates:
        if getattr(candidate, "is_authenticated", False) and candidate.pk is not None:
            return candidate
    return None


def _record(user: Any) -> None:
    try:
        souvenez(user)
    except Exception:
        logger.exception("Could not leave a souvenir of user %s.", getattr(user, "pk", None))


def _record_session(request: HttpRequest, cookie: str, window: Window | None) -> None:
    try:
        user = _user_of(request.session, window)
        if user is not None:
            souvenez(user)
        if window is None:
            return
        if user is None or gate.remembers(user.pk, window):
            gate.sessions.remember(window, hash(cookie))
    except Exception:
        logger.exception("Could not leave a souvenir of a session's user.")


class _SessionData(dict[str, Any]):
    """The data of a session, for Django's get_user(), which may want to change the session."""

    def flush(self) -> None:
        """Leave a session that is not valid any more to the host."""

    def cycle_key(self) -> None:
        """Leave a session signed with an older key to the host."""


def _user_of(session: Any, window: Window | None) -> AbstractBaseUser | None:
    """The user of a session who is still to be recorded, verified as Django does, or None.

    The request's session neither learns that it was read nor is changed, and no session is written.
    """
    own = copy.copy(session)
    # Some engines replace a session that they find to have expired.
    own.create = own.delete = own.save = _nothing
    data = _SessionData(own.items())
    key = data.get(SESSION_KEY)
    if key is None:
        return None
    if window is not None and gate.remembers(primary_key(key), window):
        return None
    user = get_user(SimpleNamespace(session=data))  # type: ignore[arg-type]
    return user if isinstance(user, AbstractBaseUser) else None


def _nothing(*args: Any, **kwargs: Any) -> None:
    pass
