"""May this user leave a souvenir in this window?

The process answers from memory for users it knows to have left one in the window of now. For all
others it asks Django's cache, whose ``add`` lets one process win. The window is part of the key, so
that no key is ever used twice; a cache that fails or cannot tell counts as a yes, because a second
souvenir changes no count and a missing one does.
"""

from __future__ import annotations

import logging
import math
import re
import time
import uuid
from collections.abc import Hashable
from datetime import datetime
from hashlib import blake2b
from typing import Any, NamedTuple

from django.core.cache import BaseCache, caches
from django.core.signals import setting_changed

from .conf import PREFIX, conf

logger = logging.getLogger(__name__)

#: Primary keys that every cache takes as part of a key.
PLAIN = re.compile(r"[\w.@+-]{1,64}", re.ASCII)


#: Seconds after which a souvenir that was claimed is taken to have been written.
SETTLED = 60


class Window(NamedTuple):
    """The ``number``-th stretch of ``seconds`` since 1970-01-01T00:00Z."""

    seconds: float
    number: int


def is_window(seconds: float) -> bool:
    """Whether a window can be so long: from a microsecond to a thousand years."""
    return 1e-6 <= seconds <= 1000 * 365 * 86400


def window_at(epoch: float, seconds: float) -> Window:
    """Return the window of that length that holds a moment, given in seconds since 1970."""
    return Window(seconds, math.floor(epoch / seconds))


def window_of(when: datetime, seconds: float) -> Window:
    """Return the window of that length that holds an aware moment."""
    return window_at(when.timestamp(), seconds)


def window_now(seconds: float) -> Window:
    """Return the window of that length that holds this instant."""
    return window_at(time.time(), seconds)


class WindowMemory:
    """What a process knows to have happened in one window, at most ``SOUVENIRS_GATE_SIZE`` keys."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        # The window and its keys change in one assignment: no thread sees one without the other.
        self._held: tuple[Window | None, set[Hashable]] = (None, set())

    def knows(self, window: Window, key: Hashable) -> bool:
        held, keys = self._held
        return key in keys and held == window

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

    def admits(self, user: Hashable, window: Window) -> bool:
        """Whether the user may leave a souvenir; if so, nobody else may until :meth:`give_back`."""
        if self.remembers(user, window):
            return False
        key, now = self._key(user, window), math.floor(time.time())
        try:
            cache = self._cache()
            added = cache.add(key, now, timeout=math.ceil(window.seconds))
            if added is None or added:
                return True
            claimed = cache.get(key)
        except Exception:
            logger.warning("The cache failed; leaving the souvenir without it.", exc_info=True)
            return True
        # Whoever claimed it a moment ago may still fail to write, and give it back.
        if isinstance(claimed, int) and claimed + SETTLED <= now:
            self.remember(user, window)
        return False

    def is_claimed(self, user: Hashable, window: Window) -> bool:
        """Whether somebody has left a souvenir of the user in the window, or is about to."""
        try:
            return self._cache().get(self._key(user, window)) is not None
        except Exception:
            logger.warning("The cache failed; leaving the souvenir without it.", exc_info=True)
            return False

    def remember(self, user: Hashable, window: Window) -> None:
        """Answer from memory that the user has left a souvenir in the window."""
        self.memory.remember(window, user)

    def give_back(self, user: Hashable, window: Window) -> None:
        """Admit the user again: the souvenir was not written."""
        self.memory.drop(user)
        try:
            self._cache().delete(self._key(user, window))
        except Exception:
            logger.warning("The cache failed; a souvenir is limited too early.", exc_info=True)

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

    def _cache(self) -> BaseCache:
        cache = caches[conf.CACHE_NAME]
        if "clear" not in vars(cache):
            self._follow(cache)
        return cache

    def _follow(self, cache: BaseCache) -> None:
        """Forget what the cache is made to forget, so that ``cache.clear()`` admits everyone."""
        clear = cache.clear

        def clear_both(*args: Any, **kwargs: Any) -> Any:
            self.forget()
            return clear(*args, **kwargs)

        cache.clear = clear_both  # type: ignore[method-assign]


gate = Gate()


def forget_memory(*, setting: str, **kwargs: Any) -> None:
    """Forget what was known under settings that have changed."""
    if setting == "CACHES" or setting.startswith(PREFIX):
        gate.forget()


setting_changed.connect(forget_memory, dispatch_uid="souvenirs.ratelimit.forget_memory")
