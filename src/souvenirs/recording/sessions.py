"""The user of a session, read without changing the session or waiting long."""

from __future__ import annotations

import copy
from collections.abc import Hashable
from types import SimpleNamespace
from typing import Any

from django.conf import settings
from django.contrib.auth import SESSION_KEY, get_user, get_user_model
from django.contrib.auth.base_user import AbstractBaseUser
from django.core.cache import BaseCache
from django.db import connections, router

from ..resilience import cache_breaker, time_limited, time_limited_cache


class SessionUnavailable(Exception):
    """The cache of the sessions failed, so the user is unknown."""


class _SessionData(dict[str, Any]):
    """The data of a session, for Django's get_user(), which may try to change the session."""

    def flush(self) -> None:
        """Do nothing: the site handles invalid sessions."""

    def cycle_key(self) -> None:
        """Do nothing: the site handles sessions signed with an older key."""


def session_data(session: Any) -> dict[str, Any]:
    """Return the data of a session.

    The request's session is neither marked as accessed nor changed, and no session is written.
    Raises SessionUnavailable if its cache fails, and ``django.db.Error`` if its database does.
    """
    own = copy.copy(session)
    # Some engines replace an expired session.
    own.create = own.delete = own.save = _do_nothing
    cache = _SessionCache()
    if isinstance(getattr(own, "_cache", None), BaseCache):
        own._cache = cache
    with time_limited(*_connections(getattr(own, "model", None))):
        data = _SessionData(own.items())
    if cache.failed and not data:
        raise SessionUnavailable("The cache of the sessions failed.")
    return data


class _SessionCache:
    """The cache of the sessions, read within the time limit and never written."""

    failed = False

    def get(self, key: str, *args: Any) -> Any:
        # The session engines treat a failing cache like an empty session.
        self.failed = True
        alias = settings.SESSION_CACHE_ALIAS
        breaker = cache_breaker(alias)
        if not breaker.allows():
            return None
        try:
            value = time_limited_cache(alias).get(key, *args)
        except Exception:
            breaker.trip()
            raise
        breaker.close()
        self.failed = False
        return value

    def set(self, *args: Any) -> None:
        """Do nothing: the site fills the cache."""


def user_key_in(data: dict[str, Any]) -> Hashable | None:
    """Return the primary key of the user in a session's data, as stored there, or None."""
    key: Hashable | None = data.get(SESSION_KEY)
    return key


def verified_user(data: dict[str, Any]) -> AbstractBaseUser | None:
    """Return the user in a session's data; None unless Django verifies the session."""
    with time_limited(*_connections(get_user_model())):
        user = get_user(SimpleNamespace(session=data))  # type: ignore[arg-type]
    return user if isinstance(user, AbstractBaseUser) else None


def _connections(model: Any) -> list[Any]:
    return [] if model is None else [connections[router.db_for_read(model)]]


def _do_nothing(*args: Any, **kwargs: Any) -> None:
    pass
