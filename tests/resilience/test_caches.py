"""Every cache is asked through a client that does not wait, beside the site's own."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.core.cache import caches
from django_redis.pool import ConnectionFactory

from souvenirs.resilience.caches import _pylibmc, time_limited_cache
from tests import servers
from tests.conftest import CACHES, FOREVER, require_server, server_to_ourselves
from tests.processes import BlackHole

DJANGO_REDIS = {"BACKEND": "django_redis.cache.RedisCache", "LOCATION": servers.REDIS}


def of(kind, address):
    """The settings of a cache of that kind at an address."""
    if kind == "memcached":
        return {**CACHES["memcached"], "LOCATION": address}
    backend = DJANGO_REDIS if kind == "django-redis" else CACHES["redis"]
    return {**backend, "LOCATION": f"redis://{address}/0"}


@pytest.mark.parametrize("accepts", [True, False], ids=["accepts", "refuses to accept"])
@pytest.mark.parametrize("kind", ["redis", "django-redis", "memcached"])
def test_cache_that_never_answers_is_given_up(settings, kind, accepts):
    with BlackHole(accepts) as hole:
        settings.CACHES = {"default": of(kind, hole.address)}
        began = time.monotonic()
        with pytest.raises(Exception, match=r"(?i)time|connect"):
            time_limited_cache("default").add("key", 1, 60)
        assert time.monotonic() - began < FOREVER
        time_limited_cache("default").close()


def test_ignored_exceptions_of_django_redis_are_not_ignored(settings):
    with BlackHole() as hole:
        options = {"OPTIONS": {"IGNORE_EXCEPTIONS": True}}
        settings.CACHES = {"default": of("django-redis", hole.address) | options}
        with pytest.raises(Exception, match=r"(?i)time"):
            time_limited_cache("default").add("key", 1, 60)


@pytest.mark.parametrize("kind", ["locmem", "redis", "django-redis", "memcached"])
def test_it_is_the_sites_cache(settings, kind):
    settings.CACHES = {"default": DJANGO_REDIS if kind == "django-redis" else CACHES[kind]}
    with server_to_ourselves("memcached" if kind == "memcached" else "redis"):
        caches["default"].set("souvenirs-test", 7, 60)
        assert time_limited_cache("default").get("souvenirs-test") == 7
        assert time_limited_cache("default").delete("souvenirs-test")
        assert caches["default"].get("souvenirs-test") is None


def test_the_sites_own_client_waits_as_before(settings):
    require_server("redis")
    settings.CACHES = {"default": DJANGO_REDIS}
    time_limited_cache("default").get("key")
    caches["default"].get("key")
    pool = caches["default"].client.get_client().connection_pool
    assert pool.connection_kwargs.get("socket_timeout") is None


class OwnFactory(ConnectionFactory):
    """A connection factory of a site."""


@pytest.mark.parametrize("in_options", [True, False])
def test_connection_factory_of_the_site_is_kept(settings, in_options):
    path = f"{__name__}.OwnFactory"
    options = {"CONNECTION_FACTORY": path} if in_options else {}
    settings.DJANGO_REDIS_CONNECTION_FACTORY = "no.such.factory" if in_options else path
    settings.CACHES = {"default": {**DJANGO_REDIS, "OPTIONS": options}}
    assert isinstance(time_limited_cache("default").client.connection_factory, OwnFactory)


def test_changed_connection_factory_is_followed(settings):
    settings.CACHES = {"default": DJANGO_REDIS}
    before = time_limited_cache("default")
    settings.DJANGO_REDIS_CONNECTION_FACTORY = f"{__name__}.OwnFactory"
    assert time_limited_cache("default") is not before


def test_connection_pool_is_shared_between_threads(settings):
    """And not with the site, whose pool waits as long as the site says."""
    settings.CACHES = {"default": DJANGO_REDIS}
    with ThreadPoolExecutor(1) as thread:
        pools = [pool_of(time_limited_cache("default")), thread.submit(pool_in_thread).result()]
    assert pools[0] is pools[1]
    assert pools[0] is not pool_of(caches["default"])
    assert pools[0].connection_kwargs["socket_timeout"] == 0.1


@pytest.mark.parametrize(("kind", "is_shared"), [("redis", True), ("memcached", False)])
def test_client_with_a_pool_is_shared_between_threads(settings, kind, is_shared):
    settings.CACHES = {"default": CACHES[kind]}
    with ThreadPoolExecutor(1) as thread:
        other = thread.submit(time_limited_cache, "default").result()
    assert (time_limited_cache("default") is other) is is_shared
    settings.SOUVENIRS_TIMEOUT = 0.2
    assert time_limited_cache("default") is not other


def pool_in_thread():
    return pool_of(time_limited_cache("default"))


def pool_of(cache):
    return cache.client.get_client().connection_pool


def test_options_of_the_site_are_kept(settings):
    settings.CACHES = {
        "default": {
            **CACHES["redis"],
            "KEY_PREFIX": "mine",
            "OPTIONS": {"db": 3, "socket_timeout": 20},
        }
    }
    cache = time_limited_cache("default")
    assert cache.key_prefix == "mine"
    options = cache._cache._pool_options
    assert (options["db"], options["socket_timeout"]) == (3, 0.1)


def test_limits_of_pylibmc_are_in_its_units():
    """Its library is C, and asks for milliseconds here and microseconds there."""
    options = {"behaviors": {"ketama": True}}
    assert _pylibmc(0.1, options) == {
        "behaviors": {
            "ketama": True,
            "connect_timeout": 100,
            "send_timeout": 100_000,
            "receive_timeout": 100_000,
        }
    }


def test_limit_is_the_settings(settings):
    settings.SOUVENIRS_TIMEOUT = 0.25
    settings.CACHES = {"default": CACHES["redis"]}
    assert time_limited_cache("default")._cache._pool_options["socket_timeout"] == 0.25


def test_changed_limit_is_followed(settings):
    settings.CACHES = {"default": CACHES["redis"]}
    before = time_limited_cache("default")
    settings.SOUVENIRS_TIMEOUT = 0.25
    assert time_limited_cache("default") is not before


def test_cache_is_closed_with_the_request(settings, client):
    """As Django does with its own, for clients that hold on to a connection."""
    require_server("memcached")
    settings.CACHES = {"default": CACHES["memcached"]}
    cache = time_limited_cache("default")
    cache.get("key")
    [memcached] = cache._cache.clients.values()
    assert memcached.sock is not None
    client.get("/plain/")
    assert memcached.sock is None
