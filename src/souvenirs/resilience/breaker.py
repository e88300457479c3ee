"""Circuit breakers: a slow or failing cache or database is not used for a while."""

from __future__ import annotations

from collections.abc import Hashable
from time import monotonic

from ..conf import conf
from ..scope import scope


class CircuitBreaker:
    """A circuit breaker of one process.

    While it is open, one caller in ``SOUVENIRS_BREAKER_SECONDS`` may try again. There is no lock,
    because a lock that another thread holds while the process forks is never released.
    """

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self._is_open = False
        #: The time of the next try, in a list so that only one thread at a time can take it.
        self._due: list[float] = []

    def allows(self) -> bool:
        """Whether the caller may try now."""
        if not self._is_open:
            return True
        try:
            due = self._due.pop()
        except IndexError:
            return False
        now = monotonic()
        self._due.append(due if now < due else now + conf.BREAKER_SECONDS)
        return now >= due

    def trip(self) -> None:
        """Open, after a failure."""
        self._due = [monotonic() + conf.BREAKER_SECONDS]
        self._is_open = True

    def close(self) -> None:
        """Close, after a success."""
        self._is_open = False


_cache_breakers: dict[str, CircuitBreaker] = {}

_database_breakers: dict[Hashable, CircuitBreaker] = {}


def database_breaker() -> CircuitBreaker:
    """Return the breaker of all databases that a souvenir of the current tenant needs."""
    tenant = scope()
    return _database_breakers.get(tenant) or _database_breakers.setdefault(tenant, CircuitBreaker())


def cache_breaker(alias: str) -> CircuitBreaker:
    """Return the breaker of one of ``CACHES``."""
    return _cache_breakers.get(alias) or _cache_breakers.setdefault(alias, CircuitBreaker())


def reset() -> None:
    """Close every breaker."""
    _database_breakers.clear()
    _cache_breakers.clear()
