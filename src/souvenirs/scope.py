"""What keeps tenants apart in whatever a process or a cache remembers.

The users of two tenants may have the same primary keys. The scope is part of each key under which
something is remembered: by default it is the database and, with a package like django-tenants, its
schema. A site without routers and schemas has a single scope, which costs nothing to distinguish.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from enum import Enum
from functools import cache
from typing import Any

from django.apps import apps
from django.core.signals import setting_changed
from django.db import DEFAULT_DB_ALIAS, connections, router

from .conf import conf


def scope() -> Hashable:
    """Return what distinguishes the current tenant from others; None if there is a single scope.

    With several, it has to be called on the thread whose database connection is the tenant's: never
    on the thread of an event loop.
    """
    function = _scope_function()
    return None if function is None else function()


def scoped(key: Hashable) -> Hashable:
    """Return a key that is not that of another tenant; with a single scope, the key itself."""
    function = _scope_function()
    return key if function is None else (function(), key)


def has_scopes() -> bool:
    """Whether one process serves several scopes."""
    return _scope_function() is not None


class Entered(Enum):
    """How far :func:`entered` makes a tenant the current one."""

    NOT = 0
    #: For souvenirs: only the router of the site knows in which database its users are.
    SOUVENIRS = 1
    WHOLLY = 2


@contextmanager
def entered(tenant: Hashable) -> Iterator[Entered]:
    """Make a tenant the current one, where the app can, in a process that serves nobody any more.

    What a scope contains is known of databases and schemas only: not of ``SOUVENIRS_SCOPE``.
    """
    if scope() == tenant:
        yield Entered.WHOLLY
        return
    if conf.SCOPE is not None:
        yield Entered.NOT
        return
    alias, schema = tenant if isinstance(tenant, tuple) else (tenant, None)
    if schema is not None:
        connection: Any = connections[alias]
        connection.set_schema(schema)
    if scope() == tenant:
        yield Entered.WHOLLY
        return
    pinned = _PinnedRouter(alias)
    router.routers.insert(0, pinned)
    try:
        yield Entered.SOUVENIRS
    finally:
        router.routers.remove(pinned)


class _PinnedRouter:
    """Names one database for souvenirs."""

    def __init__(self, alias: str) -> None:
        self.alias = alias

    def db_for_write(self, model: Any, **hints: Any) -> str | None:
        return self.alias if model._meta.app_label == "souvenirs" else None

    db_for_read = db_for_write


@cache
def _scope_function() -> Callable[[], Hashable] | None:
    if conf.SCOPE is not None:
        return conf.SCOPE
    if any(hasattr(each, "db_for_write") for each in router.routers):
        return _routed
    return _schema if _has_schemas(DEFAULT_DB_ALIAS) else None


def _schema() -> Hashable:
    connection: Any = connections[DEFAULT_DB_ALIAS]
    return connection.alias, connection.schema_name


def _routed() -> Hashable:
    alias = router.db_for_write(_souvenir())
    if not _has_schemas(alias):
        return alias
    connection: Any = connections[alias]
    return alias, connection.schema_name


@cache
def _has_schemas(alias: str) -> bool:
    return hasattr(connections[alias], "schema_name")


@cache
def _souvenir() -> Any:
    return apps.get_model("souvenirs", "Souvenir")


def forget_scopes(**kwargs: Any) -> None:
    """Determine again, after a change of settings, what distinguishes tenants."""
    _scope_function.cache_clear()
    _has_schemas.cache_clear()


setting_changed.connect(forget_scopes, dispatch_uid="souvenirs.scope.forget_scopes")
