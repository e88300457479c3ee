"""May this user leave a souvenir in this window?

The process answers from memory for users it knows to have left one in the window of now. For all
others it asks Django's cache, whose ``add`` lets one process claim the window for the user. Whoever
comes later and finds a claim that is some seconds old makes sure, once, that it led to a souvenir:
its process may have died, or not been able to give it back. The window is part of the key, so that
no key is ever used twice. A cache that fails or cannot tell counts as a yes, because a second
souvenir changes no count and a missing one does.
"""

from __future__ import annotations

import logging
import math
import re
import time
import uuid
from collections.abc import Callable, Hashable
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Any, NamedTuple

from django.core.signals import setting_changed

from ..conf import PREFIX, conf
from ..resilience import RareLog, bounded_cache, cache_breaker, has_timeout

logger = RareLog(__name__)

#: Primary keys that every cache takes as part of a key.
PLAIN = re.compile(r"[\w.@+-]{1,64}", re.ASCII)


#: Seconds after which a claim has led to a souvenir, or been given back, or been forgotten.
CLAIM_SECONDS = 10

#: In the cache: the moment of a claim, in seconds since 1970, or that its souvenir was seen.
CONFIRMED = 0

#: What a cache answers that fails, or is left alone because it failed.
UNKNOWN: Any = object()


#: The first and the last second that a datetime can express, in seconds since 1970.
FIRST = datetime(1, 1, 1, tzinfo=UTC).timestamp()
LAST = datetime(9999, 12, 31, tzinfo=UTC).timestamp()


class Window(NamedTuple):
    """The ``number``-th stretch of ``seconds`` since 1970-01-01T00:00Z."""

    seconds: float
    number: int


def window_at(epoch: float, seconds: float) -> Window:
    """Return the window of that length that holds a moment, given in seconds since 1970."""
    return Window(seconds, math.floor(epoch / seconds))


def window_of(when: datetime, seconds: float) -> Window:
    """Return the window of that length that holds an aware moment."""
    return window_at(when.timestamp(), seconds)


def bounds_of(window: Window) -> tuple[datetime, datetime]:
    """Return the moments at which a window starts and the next one does, as far as years go."""
    edges = (window.number * window.seconds, (window.number + 1) * window.seconds)
    start, end = (datetime.fromtimestamp(min(max(edge, FIRST), LAST), UTC) for edge in edges)
    return start, end


def window_now(seconds: float) -> Window:
    """Return the window of that length that holds this instant."""
    return window_at(time.time(), seconds)


#: The window of a memory that holds nothing yet.
NO_WINDOW = Window(0, 0)


class WindowMemory:
    """What a process knows to have happened in one window, at most ``SOUVENIRS_GATE_SIZE`` keys."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        # The window and its keys change in one assignment: no thread sees one without the other.
        self._held: tuple[Window, set[Hashable]] = (NO_WINDOW, set())

    def knows(self, window: Window, key: Hashable) -> bool:
        held, keys = self._held
        return key in keys and held == window

    def knows_now(self, seconds: float, key: Hashable) -> bool:
        """Whether it knows the key in the window of now, without even working that out."""
        # Not window_now(): making the tuple costs more than all the rest.
        (held, number), keys = self._held
        return key in keys and held == seconds and number <= time.time() / seconds < number + 1

    def remember(self, window: Window, key: Hashable) -> None:
        """Remember a key, for as long as its window is the one of now."""
        held, keys = self._held
        if held != window:
            if window != window_now(window.seconds):
                return
            keys = set()
            self._held = (window, keys)
        if len(keys) >= conf.GATE_SIZE:
            # Everyone forgotten is found in the cache again; keeping an order would cost more.
            keys.clear()
        keys.add(key)

    def drop(self, key: Hashable) -> None:
        self._held[1].discard(key)


class Gate:
    """The limit of one souvenir per user and window, over all processes that share the cache."""

    def __init__(self) -> None:
        self.memory = WindowMemory()
        #: Sessions whose user left one, by a hash: the middleware need not even load these.
        self.sessions = WindowMemory()
        self.generation = ""

    def remembers(self, user: Hashable, window: Window) -> bool:
        """Whether this process knows the user to have left a souvenir in the window."""
        return self.memory.knows(window, user)

    def admits(self, user: Hashable, window: Window, was_left: Callable[[], bool]) -> bool:
        """Whether the user may leave a souvenir now.

        If so, the window is claimed, unless :meth:`give_back` says otherwise. ``was_left`` tells
        whether a souvenir is there; it is asked where a claim is so old that it should be.
        """
        if self.remembers(user, window):
            return False
        return self.claim(user, window) or not self.is_claimed(user, window, was_left)

    def claim(self, user: Hashable, window: Window) -> bool:
        """Claim the window for the user; False where somebody has, or had, done so."""
        now = math.floor(time.time())
        added = self._ask("add", user, window, now, math.ceil(window.seconds))
        # None is how some backends answer where they ignore an error.
        return added is UNKNOWN or added is None or bool(added)

    def is_claimed(self, user: Hashable, window: Window, was_left: Callable[[], bool]) -> bool:
        """Whether somebody has left a souvenir of the user in the window, or is about to."""
        claim = self._ask("get", user, window)
        if claim != CONFIRMED:
            if not isinstance(claim, int):
                return False
            if abs(time.time() - claim) <= CLAIM_SECONDS:
                return True
            # Whoever made it has died, or could not give it back: or all is well.
            if not was_left():
                return False
            self._ask("set", user, window, CONFIRMED, math.ceil(window.seconds))
        self.remember(user, window)
        return True

    def remember(self, user: Hashable, window: Window) -> None:
        """Answer from memory that the user has left a souvenir in the window."""
        self.memory.remember(window, user)

    def give_back(self, user: Hashable, window: Window) -> None:
        """Admit the user again: the souvenir was not written."""
        self.memory.drop(user)
        self._ask("delete", user, window)

    def forget(self) -> None:
        """Forget what this process knows; the cache still limits as before."""
        self.memory.forget()
        self.sessions.forget()

    def reset(self) -> None:
        """Admit everyone again, here and in all processes that are forked from now on."""
        self.forget()
        self.generation = f"{uuid.uuid4().hex}."

    def _key(self, user: Hashable, window: Window) -> str:
        name = str(user)
        if not PLAIN.fullmatch(name):
            name = blake2b(name.encode(errors="surrogatepass"), digest_size=16).hexdigest() + "#"
        return f"{conf.CACHE_PREFIX}{self.generation}{name}.{window.seconds:g}.{window.number}"

    def _ask(self, verb: str, user: Hashable, window: Window, *arguments: Any) -> Any:
        """What the cache answers; UNKNOWN where it fails or has failed a moment ago."""
        alias = conf.CACHE_NAME
        circuit = cache_breaker(alias)
        if not circuit.allows():
            return UNKNOWN
        try:
            cache = bounded_cache(alias)
            began = time.monotonic()
            answer = getattr(cache, verb)(self._key(user, window), *arguments)
            waited = time.monotonic() - began
        except Exception:
            circuit.trip()
            logger.exception(
                "The cache %r failed; for %g seconds souvenirs are left without it.",
                alias,
                conf.BREAKER_SECONDS,
                level=logging.WARNING,
            )
            return UNKNOWN
        if waited >= conf.TIMEOUT and not has_timeout(type(cache)):
            circuit.trip()
        else:
            circuit.close()
        return answer


gate = Gate()


def forget_memory(*, setting: str, **kwargs: Any) -> None:
    """Forget what was known under settings that have changed."""
    if setting == "CACHES" or setting.startswith(PREFIX):
        gate.forget()


setting_changed.connect(forget_memory, dispatch_uid="souvenirs.recording.ratelimit.forget_memory")
