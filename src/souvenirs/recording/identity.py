"""Who is on a request: found without touching what the page did not touch."""

from __future__ import annotations

import copy
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

from django.conf import settings
from django.contrib.auth import SESSION_KEY, get_user, get_user_model
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.signals import user_logged_out
from django.core.cache import BaseCache
from django.db import connections, router
from django.dispatch import receiver
from django.http import HttpRequest
from django.utils.functional import LazyObject, empty

from ..resilience import bounded, bounded_cache, cache_breaker

#: Set on a request that signed somebody out who was impersonated: the session has forgotten it.
IMPERSONATION_ENDED = "_souvenirs_impersonation_ended"


def carries_nobody(request: HttpRequest) -> bool:
    """Whether nobody asked who is there and nobody said so: what :func:`user_on` finds out too.

    This is all that most pages of a site have to pay for, and it is written for that.
    """
    carried = request.__dict__
    if "_cached_user" in carried or "_acached_user" in carried:
        return False
    user = carried.get("user")
    if isinstance(user, LazyObject):
        return unwrapped(user, "_wrapped") is empty
    return user is None


def user_on(request: HttpRequest) -> Any:
    """Return the signed-in user that the request already carries, or None.

    Asks nobody: a lazy user that nobody looked at stays unknown, since loading it would cost the
    page its queries and, through ``Vary: Cookie``, its place in every cache.
    """
    carried = request.__dict__
    if "user" in carried:
        user = loaded(carried["user"])
        if _is_signed_in(user):
            return user
    # Whoever signed out in this request is found where AuthenticationMiddleware had put them.
    for name in ("_cached_user", "_acached_user"):
        if name in carried and _is_signed_in(carried[name]):
            return carried[name]
    return None


def loaded(user: Any) -> Any:
    """Return a user without its wrapper, each look through which costs; None where not loaded."""
    if not isinstance(user, LazyObject):
        return user
    wrapped = unwrapped(user, "_wrapped")
    return None if wrapped is empty else wrapped


#: Past the ``__getattribute__`` of a lazy object, which is written in Python.
unwrapped = object.__getattribute__


def _is_signed_in(user: Any) -> bool:
    return getattr(user, "is_authenticated", False) and user.pk is not None


def is_impersonated(request: HttpRequest, user: Any) -> bool:
    """Whether somebody else acts for the user: by django-hijack, -impersonate or -loginas."""
    if getattr(user, "is_impersonate", False) or getattr(user, "is_hijacked", False):
        return True
    carried = request.__dict__
    if carried.get("impersonator") is not None or IMPERSONATION_ENDED in carried:
        return True
    session = getattr(request, "session", None)
    # Where the session was not loaded, the user does not come from it.
    return is_impersonating(getattr(session, "_session_cache", {}))


@receiver(user_logged_out, dispatch_uid="souvenirs.recording.identity.remember_impersonation")
def remember_impersonation(request: Any, user: Any, **kwargs: Any) -> None:
    """Called before the session is emptied."""
    if request is not None and is_impersonated(request, user):
        setattr(request, IMPERSONATION_ENDED, True)


def is_impersonating(data: dict[str, Any]) -> bool:
    """Whether the data of a session say that its user is impersonated."""
    flag = getattr(settings, "LOGINAS_FROM_USER_SESSION_FLAG", "loginas_from_user")
    return bool(data.get("hijack_history") or data.get(flag))


@contextmanager
def untouched(request: HttpRequest) -> Iterator[None]:
    """Let functions of the site look at the session without the page varying for it."""
    session = getattr(request, "session", None)
    if session is None:
        yield
        return
    accessed = session.accessed
    try:
        yield
    finally:
        session.accessed = accessed or session.modified


class SessionUnknown(Exception):
    """The session's cache failed, so that its user is not known."""


class _SessionData(dict[str, Any]):
    """The data of a session, for Django's get_user(), which may want to change the session."""

    def flush(self) -> None:
        """Leave a session that is not valid any more to the host."""

    def cycle_key(self) -> None:
        """Leave a session signed with an older key to the host."""


def session_data(session: Any) -> dict[str, Any]:
    """Return what a session holds.

    The request's session neither learns that it was read nor is changed, and no session is written.
    Raises SessionUnknown where it is kept in a cache that fails, and what its database raises.
    """
    own = copy.copy(session)
    # Some engines replace a session that they find to have expired.
    own.create = own.delete = own.save = _nothing
    cache = _SessionCache()
    if isinstance(getattr(own, "_cache", None), BaseCache):
        own._cache = cache
    with bounded(*_databases(getattr(own, "model", None))):
        data = _SessionData(own.items())
    if cache.failed and not data:
        raise SessionUnknown("The cache of the sessions failed.")
    return data


class _SessionCache:
    """The cache of the sessions, read within the time limit and not written to."""

    failed = False

    def get(self, key: str, *args: Any) -> Any:
        # The engines take a cache that fails for a session that is empty.
        self.failed = True
        alias = settings.SESSION_CACHE_ALIAS
        circuit = cache_breaker(alias)
        if not circuit.allows():
            return None
        try:
            value = bounded_cache(alias).get(key, *args)
        except Exception:
            circuit.trip()
            raise
        circuit.close()
        self.failed = False
        return value

    def set(self, *args: Any) -> None:
        """Leave filling the cache to the host."""


def key_in(data: dict[str, Any]) -> Hashable | None:
    """Return what a session holds as the primary key of its user; None where nobody signed in."""
    key: Hashable | None = data.get(SESSION_KEY)
    return key


def user_in(data: dict[str, Any]) -> AbstractBaseUser | None:
    """Return the user of a session's data, verified as Django does; None where that fails."""
    with bounded(*_databases(get_user_model())):
        user = get_user(SimpleNamespace(session=data))  # type: ignore[arg-type]
    return user if isinstance(user, AbstractBaseUser) else None


def _databases(model: Any) -> list[Any]:
    return [] if model is None else [connections[router.db_for_read(model)]]


def _nothing(*args: Any, **kwargs: Any) -> None:
    pass
