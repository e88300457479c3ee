"""The rate limit: one souvenir per user and window.

A process remembers the users it has recorded in the current window. For all others it asks Django's
cache, where ``add`` lets only one process claim the window for the user. A process that finds a
claim some seconds old checks once that it led to a souvenir, because the claiming process may have
died or failed to release it. The window is part of the key, so no key is ever reused. If the cache
fails, the user is admitted: an extra souvenir changes no count, a missing one does.
"""

from __future__ import annotations

import logging
import math
import re
import time
import uuid
from collections.abc import Callable, Collection, Hashable, Sequence
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Any, NamedTuple

from django.core.signals import setting_changed

from ..conf import PREFIX, conf
from ..resilience import ThrottledLogger, cache_breaker, has_timeout, time_limited_cache

logger = ThrottledLogger(__name__)

#: Primary keys that every cache accepts as part of a key.
SAFE_KEY = re.compile(r"[\w.@+-]{1,64}", re.ASCII)

#: Age in seconds from which a claim is checked: by then it was written or released.
CLAIM_SECONDS = 10

#: The value of a claim is the Unix time at which it was made, or this if its souvenir was found.
CONFIRMED = 0

#: Stands for an answer of the cache if it failed, or is not asked because it failed before.
UNAVAILABLE: Any = object()

#: The first and the last Unix time that a datetime can express.
FIRST = datetime(1, 1, 1, tzinfo=UTC).timestamp()
LAST = datetime(9999, 12, 31, tzinfo=UTC).timestamp()


class Window(NamedTuple):
    """A window of ``seconds``, by its number since the Unix epoch."""

    seconds: float
    number: int


def window_at(epoch: float, seconds: float) -> Window:
    """Return the window of that length that contains a Unix time."""
    return Window(seconds, math.floor(epoch / seconds))


def window_of(when: datetime, seconds: float) -> Window:
    """Return the window of that length that contains an aware datetime."""
    return window_at(when.timestamp(), seconds)


def bounds_of(window: Window) -> tuple[datetime, datetime]:
    """Return the start (inclusive) and end (exclusive) of a window, within the years 1 to 9999."""
    edges = (window.number * window.seconds, (window.number + 1) * window.seconds)
    start, end = (datetime.fromtimestamp(min(max(edge, FIRST), LAST), UTC) for edge in edges)
    return start, end


def window_now(seconds: float) -> Window:
    """Return the current window of that length."""
    return window_at(time.time(), seconds)


#: Under it the cache has the Unix time at which a user was erased, for :data:`ERASED_SECONDS`.
ERASED = Window(math.inf, 0)

#: How long a visit from before an erasure is known as such by other processes, in seconds.
ERASED_SECONDS = 7 * 24 * 3600


class WindowMemory:
    """The keys that a process remembers in one window, at most ``SOUVENIRS_GATE_SIZE`` of them."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        # The window and its keys change in one assignment: no thread sees one without the other.
        # No window has a length of 0.
        self._held: tuple[Window, set[Hashable]] = (Window(0, 0), set())

    def knows(self, window: Window, key: Hashable) -> bool:
        held, keys = self._held
        return key in keys and held == window

    def knows_now(self, seconds: float, key: Hashable) -> bool:
        """Whether the key is remembered in the current window of that length."""
        # Not window_now(): creating the tuple costs more than the rest.
        (held, number), keys = self._held
        return key in keys and held == seconds and number <= time.time() / seconds < number + 1

    def remember(self, window: Window, key: Hashable) -> None:
        """Remember a key while its window is the current one."""
        held, keys = self._held
        if held != window:
            if window != window_now(window.seconds):
                return
            keys = set()
            self._held = (window, keys)
        if len(keys) >= conf.GATE_SIZE:
            # The cache still has them; tracking an order of eviction would cost more.
            keys.clear()
        keys.add(key)

    def drop(self, key: Hashable) -> None:
        self._held[1].discard(key)


class RateLimiter:
    """One souvenir per user and window, for all processes that share the cache.

    Users are given as :func:`souvenirs.scope.scoped` returns their keys.
    """

    def __init__(self) -> None:
        self.memory = WindowMemory()
        #: Hashes of the sessions which need not be loaded: nothing is left to record.
        self.sessions = WindowMemory()
        #: Those of them without a user who counts, if somebody counts outcomes.
        self.uncounted_sessions = WindowMemory()
        self.generation = ""

    def remembers(self, user: Hashable, window: Window) -> bool:
        """Whether this process knows that the user has a souvenir in the window."""
        return self.memory.knows(window, user)

    def admits(self, user: Hashable, window: Window, is_recorded: Callable[[], bool]) -> bool:
        """Whether the user may leave a souvenir; if so, the window is claimed until released.

        ``is_recorded`` returns whether the souvenir exists. It is called for an old claim.
        """
        if self.remembers(user, window):
            return False
        return self.claim(user, window) or not self.is_claimed(user, window, is_recorded)

    def claim(self, user: Hashable, window: Window) -> bool:
        """Claim the window for the user; False if it has been claimed before."""
        now = math.floor(time.time())
        added = self._ask("add", user, window, now, math.ceil(window.seconds))
        # Some backends ignore errors and return None.
        return added is UNAVAILABLE or added is None or bool(added)

    def is_claimed(self, user: Hashable, window: Window, is_recorded: Callable[[], bool]) -> bool:
        """Whether a souvenir of the user in the window exists or is being written."""
        claim = self._ask("get", user, window)
        if claim != CONFIRMED:
            if _is_fresh(claim):
                return True
            if not (isinstance(claim, int) and is_recorded()):
                return False
            self._ask("set", user, window, CONFIRMED, math.ceil(window.seconds))
        self.remember(user, window)
        return True

    def is_pending(self, user: Hashable, window: Window) -> bool:
        """Whether the process that claimed the window may be writing the souvenir just now."""
        return _is_fresh(self._ask("get", user, window))

    def remember(self, user: Hashable, window: Window) -> None:
        """Remember that the user has a souvenir in the window."""
        self.memory.remember(window, user)

    def release(self, user: Hashable, window: Window) -> None:
        """Release the claim of a souvenir that was not written."""
        self.memory.drop(user)
        self._ask("delete", user, window)

    def release_all(self, claims: Sequence[tuple[Hashable, Window]]) -> None:
        """Release claims, as :meth:`release` does, in one question to the cache."""
        for user, _ in claims:
            self.memory.drop(user)
        if claims:
            self._call("delete_many", [self._key(user, window) for user, window in claims])

    def mark_erased(self, user: Hashable) -> None:
        """Tell other processes, which may remember earlier visits, that the user was erased."""
        self._ask("set", user, ERASED, time.time(), ERASED_SECONDS)

    def erasures(self, users: Collection[Hashable]) -> dict[Hashable, float]:
        """Return when these users were erased, as Unix times, as far as the cache knows."""
        names = {self._key(user, ERASED): user for user in users}
        found = self._call("get_many", list(names)) if names else {}
        return {names[name]: at for name, at in found.items()} if isinstance(found, dict) else {}

    def forget(self) -> None:
        """Clear the memory of this process; the claims in the cache stay."""
        self.memory.forget()
        self.sessions.forget()
        self.uncounted_sessions.forget()

    def reset(self) -> None:
        """Admit all users again, in this process and in those it forks."""
        self.forget()
        self.generation = f"{uuid.uuid4().hex}."

    def _key(self, user: Hashable, window: Window) -> str:
        name = str(user)
        if not SAFE_KEY.fullmatch(name):
            name = blake2b(name.encode(errors="surrogatepass"), digest_size=16).hexdigest() + "#"
        return f"{conf.CACHE_PREFIX}{self.generation}{name}.{window.seconds:g}.{window.number}"

    def _ask(self, verb: str, user: Hashable, window: Window, *arguments: Any) -> Any:
        return self._call(verb, self._key(user, window), *arguments)

    def _call(self, verb: str, *arguments: Any) -> Any:
        """Return the answer of the cache; UNAVAILABLE if it fails or its breaker is open."""
        alias = conf.CACHE_NAME
        breaker = cache_breaker(alias)
        if not breaker.allows():
            return UNAVAILABLE
        try:
            cache = time_limited_cache(alias)
            began = time.monotonic()
            answer = getattr(cache, verb)(*arguments)
            waited = time.monotonic() - began
        except Exception:
            logger.exception(
                "The cache %r failed. The rate limit does without it for %g seconds.",
                alias,
                breaker.trip(),
                level=logging.WARNING,
            )
            return UNAVAILABLE
        if waited >= conf.TIMEOUT and not has_timeout(type(cache)):
            breaker.trip()
        else:
            breaker.close()
        return answer


def _is_fresh(claim: Any) -> bool:
    return isinstance(claim, int) and abs(time.time() - claim) <= CLAIM_SECONDS


rate_limiter = RateLimiter()


def forget_memory(*, setting: str, **kwargs: Any) -> None:
    """Clear the memory when a setting changes."""
    if setting == "CACHES" or setting.startswith(PREFIX):
        rate_limiter.forget()


setting_changed.connect(forget_memory, dispatch_uid="souvenirs.recording.ratelimit.forget_memory")
