"""Django's local-memory cache with something wrong with it."""

import time

from django.core.cache.backends.locmem import LocMemCache


class FailingCache(LocMemCache):
    """Every verb raises, as with a server that is down."""

    asked = 0

    def add(self, *args, **kwargs):
        type(self).asked += 1
        raise ConnectionError("the cache is down")

    get = set = delete = add


class BreakableCache(LocMemCache):
    """``get`` raises while the server is down."""

    is_down = False

    def get(self, *args, **kwargs):
        if self.is_down:
            raise ConnectionError("the cache is down")
        return super().get(*args, **kwargs)


class SlowCache(LocMemCache):
    """Answers, and takes its time."""

    asked = 0

    def add(self, *args, **kwargs):
        type(self).asked += 1
        time.sleep(0.05)
        return super().add(*args, **kwargs)


class DeleteFailsCache(LocMemCache):
    def delete(self, *args, **kwargs):
        raise ConnectionError("the cache is down")


class SilentCache(LocMemCache):
    """``add`` answers None: what some backends make of an error that they ignore."""

    def add(self, *args, **kwargs):
        return None


class CountingCache(LocMemCache):
    """Remembers the calls of ``add`` by their keys and timeouts."""

    calls = []

    def add(self, key, value, timeout=None, version=None):
        self.calls.append((key, timeout))
        return super().add(key, value, timeout, version)
