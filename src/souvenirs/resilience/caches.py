"""The site's caches, through clients of our own that do not wait long.

Django has no time limit for a cache; the client libraries have, each under its own name, and by
default wait for many seconds or for ever. So a cache is opened a second time, with the limit among
its options. Backends without such an option are used as they are.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from asgiref.local import Local
from django.core.cache import BaseCache, caches
from django.core.cache import CacheHandler as DjangoCacheHandler
from django.core.signals import request_finished, setting_changed
from django.utils.module_loading import import_string

from ..conf import conf

Options = dict[str, Any]


class CacheHandler(DjangoCacheHandler):
    """Django's ``caches``, with ``SOUVENIRS_TIMEOUT`` in the options of each."""

    @property
    def settings(self) -> dict[str, Options]:
        return caches.settings

    def create_connection(self, alias: str) -> BaseCache:
        params = dict(self.settings[alias])
        location = params.pop("LOCATION", "")
        backend = import_string(params.pop("BACKEND"))
        adapt = _adapter(backend)
        if adapt is not None:
            options = params.get("OPTIONS") or {}
            params["OPTIONS"] = {**options, **adapt(conf.TIMEOUT, options)}
        made: BaseCache = backend(location, params)
        factory = getattr(getattr(made, "client", None), "connection_factory", None)
        if factory is not None:
            # django-redis shares its connections, whatever their options, between all clients.
            factory._pools = django_redis_pools
        return made


def is_bounded(backend: type) -> bool:
    """Whether we can keep a cache of this class from waiting too long."""
    return _adapter(backend) is not None


@cache
def _adapter(backend: Any) -> Callable[[float, Options], Options] | None:
    for kind in backend.__mro__:
        adapt = ADAPTERS.get(f"{kind.__module__}.{kind.__qualname__}")
        if adapt is not None:
            return adapt
    return None


def _redis(seconds: float, options: Options) -> Options:
    return {
        "socket_timeout": seconds,
        "socket_connect_timeout": seconds,
        "retry": _never_again(),
    }


def _django_redis(seconds: float, options: Options) -> Options:
    return {
        "SOCKET_TIMEOUT": seconds,
        "SOCKET_CONNECT_TIMEOUT": seconds,
        "CONNECTION_POOL_KWARGS": {
            **options.get("CONNECTION_POOL_KWARGS", {}),
            "socket_timeout": seconds,
            "socket_connect_timeout": seconds,
            "retry": _never_again(),
        },
        # An exception that is ignored looks like a user who has been seen.
        "IGNORE_EXCEPTIONS": False,
    }


def _pymemcache(seconds: float, options: Options) -> Options:
    return {"timeout": seconds, "connect_timeout": seconds}


def _pylibmc(seconds: float, options: Options) -> Options:
    micro = int(seconds * 1e6)
    limits = {
        "connect_timeout": int(seconds * 1e3),
        "send_timeout": micro,
        "receive_timeout": micro,
    }
    return {"behaviors": {**options.get("behaviors", {}), **limits}}


def _never_again() -> Any:
    from redis.backoff import NoBackoff
    from redis.retry import Retry

    return Retry(NoBackoff(), 0)


ADAPTERS = {
    "django.core.cache.backends.redis.RedisCache": _redis,
    "django.core.cache.backends.memcached.PyMemcacheCache": _pymemcache,
    "django.core.cache.backends.memcached.PyLibMCCache": _pylibmc,
    "django_redis.cache.RedisCache": _django_redis,
}

django_redis_pools: dict[str, Any] = {}
impatient_caches = CacheHandler()


def close_caches(**kwargs: Any) -> None:
    """Give back what a request opened, as Django does for its own."""
    impatient_caches.close_all()


def forget_caches(*, setting: str, **kwargs: Any) -> None:
    """Open the caches anew under changed settings."""
    if setting in ("CACHES", "SOUVENIRS_TIMEOUT"):
        impatient_caches.close_all()
        vars(impatient_caches).update(_connections=Local())
        django_redis_pools.clear()


request_finished.connect(close_caches, dispatch_uid="souvenirs.resilience.caches.close_caches")
setting_changed.connect(forget_caches, dispatch_uid="souvenirs.resilience.caches.forget_caches")
