"""Leave alone what makes requests wait."""

from __future__ import annotations

from time import monotonic

from ..conf import conf


class Breaker:
    """Opens where something failed; for ``SOUVENIRS_BREAKER_SECONDS`` nobody asks that again.

    Then one caller may, and the others wait for what it finds. Belongs to one process. There is no
    lock: a lock that another thread holds while the process forks is held for ever.
    """

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self._is_open = False
        #: The moment of the next try, in a list: only one thread at a time can take it out.
        self._due: list[float] = []

    def allows(self) -> bool:
        """Whether to ask now."""
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
        """It failed: leave it alone for a while."""
        self._due = [monotonic() + conf.BREAKER_SECONDS]
        self._is_open = True

    def close(self) -> None:
        """It answered: everybody may ask."""
        self._is_open = False


_cache_breakers: dict[str, Breaker] = {}

#: Of whatever databases a souvenir needs.
database_breaker = Breaker()


def cache_breaker(alias: str) -> Breaker:
    """Return the breaker of one of ``CACHES``, always the same one."""
    return _cache_breakers.get(alias) or _cache_breakers.setdefault(alias, Breaker())


def reset() -> None:
    """Close every breaker."""
    database_breaker.reset()
    _cache_breakers.clear()
