"""The user of a request, without loading anything that the page did not load."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.http import HttpRequest
from django.utils.functional import LazyObject, empty


def has_no_user(request: HttpRequest) -> bool:
    """Whether the request has neither a loaded user nor a record of one.

    If so, :func:`loaded_user` returns None. This check is the whole cost for most pages of a site,
    so it is written for speed.
    """
    attributes = request.__dict__
    if "_cached_user" in attributes or "_acached_user" in attributes:
        return False
    user = attributes.get("user")
    if isinstance(user, LazyObject):
        return raw_attribute(user, "_wrapped") is empty
    return user is None


def loaded_user(request: HttpRequest) -> Any:
    """Return the signed-in user that the request already has, or None.

    A lazy user is not loaded: that would cost the page two queries and, by ``Vary: Cookie``, keep
    it out of shared caches.
    """
    attributes = request.__dict__
    if "user" in attributes:
        user = unwrap(attributes["user"])
        if _is_signed_in(user):
            return user
    # AuthenticationMiddleware's cached user remains after signing out in this request.
    for name in ("_cached_user", "_acached_user"):
        if name in attributes and _is_signed_in(attributes[name]):
            return attributes[name]
    return None


def unwrap(user: Any) -> Any:
    """Return a user without the lazy wrapper that slows down each access; None if not loaded."""
    if not isinstance(user, LazyObject):
        return user
    wrapped = raw_attribute(user, "_wrapped")
    return None if wrapped is empty else wrapped


#: Reads an attribute past the ``__getattribute__`` of a lazy object, which is written in Python.
raw_attribute = object.__getattribute__


def _is_signed_in(user: Any) -> bool:
    return getattr(user, "is_authenticated", False) and user.pk is not None


@contextmanager
def keep_accessed(request: HttpRequest) -> Iterator[None]:
    """Let a function of the site read the session without making the page vary by cookie."""
    session = getattr(request, "session", None)
    if session is None:
        yield
        return
    accessed = session.accessed
    try:
        yield
    finally:
        session.accessed = accessed or session.modified
