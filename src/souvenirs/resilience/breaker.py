"""Circuit breakers: a slow or failing cache or database is not used for a while."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from time import monotonic

from ..conf import conf
from ..scope import scope

#: The first pause of a breaker, in seconds.
FIRST_PAUSE = 1


class CircuitBreaker:
    """A circuit breaker of one process.

    It opens for a second. Then one caller may try again, and each failure of that caller doubles
    the pause, up to ``SOUVENIRS_BREAKER_SECONDS``. There is no lock, because a lock that another
    thread holds while the process forks is never released.
    """

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        #: In seconds; 0 while it is closed.
        self._pause = 0.0
        #: Whether a caller has been allowed to try since it was tripped.
        self._is_tried = False
        #: The time of the next try, in a list from which only one thread can remove it. The list is
        #: never empty: a thread that is interrupted, or that a fork leaves out, takes no try away.
        self._due = [0.0]

    def allows(self) -> bool:
        """Whether the caller may try now."""
        if not self._pause:
            return True
        dues = self._due
        due, now = dues[0], monotonic()
        if now < due:
            return False
        following = now + self._pause
        dues.append(following)
        try:
            dues.remove(due)
        except ValueError:  # another thread was faster
            dues.remove(following)
            return False
        self._is_tried = True
        return True

    def is_due(self) -> bool:
        """Whether :meth:`allows` would return True."""
        return not self._pause or monotonic() >= self._due[0]

    def trip(self) -> float:
        """Open after a failure; return the pause in seconds."""
        if not self._pause:
            self._open(FIRST_PAUSE)
        elif self._is_tried:
            self._open(2 * self._pause)
        # Else it is the failure of a caller that had begun before the breaker opened.
        return self._pause

    def _open(self, seconds: float) -> None:
        self._is_tried = False
        self._due = [monotonic() + min(seconds, conf.BREAKER_SECONDS)]
        self._pause = min(seconds, conf.BREAKER_SECONDS)
        _changed()

    def close(self) -> None:
        """Close, after a success."""
        if self._pause:
            self._pause = 0.0
            _changed()

    @property
    def is_open(self) -> bool:
        """Whether it has not been closed since it opened, also while somebody tries."""
        return bool(self._pause)


_cache_breakers: dict[str, CircuitBreaker] = {}

_database_breakers: dict[Hashable, CircuitBreaker] = {}


def database_breaker() -> CircuitBreaker:
    """Return the breaker of all databases that a souvenir of the current tenant needs."""
    tenant = scope()
    return _database_breakers.get(tenant) or _database_breakers.setdefault(tenant, CircuitBreaker())


def cache_breaker(alias: str) -> CircuitBreaker:
    """Return the breaker of one of ``CACHES``."""
    return _cache_breakers.get(alias) or _cache_breakers.setdefault(alias, CircuitBreaker())


def open_breakers() -> dict[str, bool]:
    """Return whether any breaker of a cache, and any of a database, is open in this process."""
    kinds = {"cache": list(_cache_breakers.values()), "database": list(_database_breakers.values())}
    return {kind: any(each.is_open for each in breakers) for kind, breakers in kinds.items()}


_watcher: Callable[[], object] | None = None


def watch_breakers(watcher: Callable[[], object] | None) -> None:
    """Have a function called whenever a breaker has opened or closed; it must not raise."""
    global _watcher
    _watcher = watcher


def _changed() -> None:
    if _watcher is not None:
        _watcher()


def reset() -> None:
    """Close every breaker."""
    _database_breakers.clear()
    _cache_breakers.clear()
    _changed()
