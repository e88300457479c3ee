"""The site's caches, through clients of our own with a short timeout.

Django has no timeout for a cache. Its client libraries have one, each under a different name, and
by default wait for many seconds or forever. So each cache is opened a second time, with
``SOUVENIRS_TIMEOUT`` among its options. A backend without such an option is used as it is.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from django.conf import settings
from django.core.cache import BaseCache, CacheHandler, caches
from django.core.cache.backends.redis import RedisCache
from django.core.signals import request_finished, setting_changed
from django.utils.module_loading import import_string

from ..conf import conf

Options = dict[str, Any]


#: The clients that all threads use, by alias. Under ASGI each request has a thread of its own,
#: whose connection to Redis would stay open until Python happens to collect it.
_shared: dict[str, RedisCache] = {}


def time_limited_cache(alias: str) -> BaseCache:
    """Return a client of one of ``CACHES``, this thread's own unless the backend has a pool.

    It raises if the cache does not answer in time.
    Raises InvalidCacheBackendError for an alias that is not in ``CACHES``.
    """
    return _shared.get(alias) or _caches[alias]


def has_timeout(backend: type) -> bool:
    """Whether a cache of this class is opened with a timeout."""
    return _timeout_options(backend) is not None


class _TimeLimitedCaches(CacheHandler):
    """Django's ``caches``, with ``SOUVENIRS_TIMEOUT`` in the options of each."""

    @property
    def settings(self) -> dict[str, Options]:
        return caches.settings

    def create_connection(self, alias: str) -> BaseCache:
        params = dict(self.settings[alias])
        location = params.pop("LOCATION", "")
        backend = import_string(params.pop("BACKEND"))
        timeout_options = _timeout_options(backend)
        if timeout_options is not None:
            options = params.get("OPTIONS") or {}
            params["OPTIONS"] = {**options, **timeout_options(conf.TIMEOUT, options)}
        cache: BaseCache = backend(location, params)
        if isinstance(cache, RedisCache):
            return _shared.setdefault(alias, cache)
        return cache


_caches = _TimeLimitedCaches()


@cache
def _timeout_options(backend: Any) -> Callable[[float, Options], Options] | None:
    for base in backend.__mro__:
        options = TIMEOUT_OPTIONS.get(f"{base.__module__}.{base.__qualname__}")
        if options is not None:
            return options
    return None


def _redis(seconds: float, options: Options) -> Options:
    return {
        "socket_timeout": seconds,
        "socket_connect_timeout": seconds,
        "retry": _no_retry(),
    }


def _django_redis(seconds: float, options: Options) -> Options:
    return {
        "SOCKET_TIMEOUT": seconds,
        "SOCKET_CONNECT_TIMEOUT": seconds,
        "CONNECTION_POOL_KWARGS": {
            **options.get("CONNECTION_POOL_KWARGS", {}),
            "socket_timeout": seconds,
            "socket_connect_timeout": seconds,
            "retry": _no_retry(),
        },
        # An ignored exception would look like a user who has already been recorded.
        "IGNORE_EXCEPTIONS": False,
        "CONNECTION_FACTORY": f"{__name__}.connection_factory",
        SITE_FACTORY: options.get("CONNECTION_FACTORY")
        or getattr(settings, "DJANGO_REDIS_CONNECTION_FACTORY", DEFAULT_FACTORY),
    }


#: The option under which :func:`connection_factory` finds the path of the site's own factory.
SITE_FACTORY = "SOUVENIRS_SITE_CONNECTION_FACTORY"

#: The default of django-redis.
DEFAULT_FACTORY = "django_redis.pool.ConnectionFactory"

_django_redis_pools: dict[str, Any] = {}


def connection_factory(options: Options) -> Any:
    """Return the site's connection factory for django-redis, with connection pools of our own.

    The factories of django-redis share a pool among all clients of a URL, regardless of options.
    """
    return _with_own_pools(import_string(options[SITE_FACTORY]))(options)


@cache
def _with_own_pools(factory: Any) -> Any:
    class ConnectionFactory(factory):  # type: ignore[misc]
        def get_or_create_connection_pool(self, params: Options) -> Any:
            pool = _django_redis_pools.get(params["url"])
            return pool or _django_redis_pools.setdefault(
                params["url"], self.get_connection_pool(params)
            )

    return ConnectionFactory


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


def _no_retry() -> Any:
    from redis.backoff import NoBackoff
    from redis.retry import Retry

    return Retry(NoBackoff(), 0)


TIMEOUT_OPTIONS = {
    "django.core.cache.backends.redis.RedisCache": _redis,
    "django.core.cache.backends.memcached.PyMemcacheCache": _pymemcache,
    "django.core.cache.backends.memcached.PyLibMCCache": _pylibmc,
    "django_redis.cache.RedisCache": _django_redis,
}


def close_caches(**kwargs: Any) -> None:
    """Close the clients that a request opened, as Django does with its own."""
    _caches.close_all()


def forget_caches(*, setting: str, **kwargs: Any) -> None:
    """Open new clients when a setting that they depend on changes."""
    global _caches
    if setting in ("CACHES", "DJANGO_REDIS_CONNECTION_FACTORY", "SOUVENIRS_TIMEOUT"):
        _caches.close_all()
        _caches = _TimeLimitedCaches()
        _shared.clear()
        _django_redis_pools.clear()


request_finished.connect(close_caches, dispatch_uid="souvenirs.resilience.caches.close_caches")
setting_changed.connect(forget_caches, dispatch_uid="souvenirs.resilience.caches.forget_caches")
