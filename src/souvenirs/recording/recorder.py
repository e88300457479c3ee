"""Leave a souvenir of a user: ``souvenez()``, French for "remember"."""

from __future__ import annotations

import logging
from collections.abc import Hashable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, NamedTuple

from asgiref.sync import sync_to_async
from django.http import HttpRequest

from ..calendar import checked, utc
from ..conf import conf, is_window
from ..models import Souvenir
from ..sets import primary_key
from ..signals import user_seen
from ..stores import Sighting, Store, UserRange, get_store
from .ratelimit import Window, bounds_of, gate, window_now, window_of

logger = logging.getLogger(__name__)

Outcome = Literal["added", "rate-limited", "duplicated", "skipped"]

#: How far ahead of this clock another one may be before its ``when`` is taken for a mistake.
CLOCK_TOLERANCE = timedelta(minutes=1)


def souvenez(
    user: Any,
    when: datetime | None = None,
    ratelimit: bool | float = True,
    check_duplicate: bool = False,
) -> Outcome:
    """Leave a souvenir of ``user``, at most one per user and window.

    ``user`` is a saved user or its primary key. ``when`` is an aware datetime (naive in the default
    time zone where ``USE_TZ`` is False), now by default, at most a minute in the future; a past one
    is limited in its own window. ``ratelimit`` is True for windows of
    ``SOUVENIRS_RATELIMIT_SECONDS``, a number of seconds, or False or 0 for no limit.
    ``check_duplicate`` looks for a souvenir of the same user and moment first.

    Returns ``"added"``; ``"rate-limited"``; ``"duplicated"``; or ``"skipped"`` where
    ``SOUVENIRS_ENABLED`` is False or the transaction around the call is already broken, so that
    nothing was sent. ``"added"`` inside a transaction is as durable as that transaction.

    Raises ValueError or TypeError for a user or moment that cannot be recorded, and
    ``django.db.Error`` where the database fails: the user's next call then tries again.
    """
    attempt = _Attempt.of(user, when, ratelimit, check_duplicate)
    return attempt.settled() or attempt.record()


def souvenez_on(request: HttpRequest, user: Any) -> Outcome:
    """Leave a souvenir of ``user``, seen in ``request``; see :func:`souvenez`."""
    attempt = _Attempt.of(user, None, True, False)._replace(request=request)
    return attempt.settled() or attempt.record()


async def asouvenez(
    user: Any,
    when: datetime | None = None,
    ratelimit: bool | float = True,
    check_duplicate: bool = False,
) -> Outcome:
    """See :func:`souvenez`."""
    attempt = _Attempt.of(user, when, ratelimit, check_duplicate)
    return attempt.settled() or await sync_to_async(attempt.record)()


class _Attempt(NamedTuple):
    """One call of souvenez(), its arguments checked."""

    user: Hashable
    when: datetime | None
    seconds: float
    check_duplicate: bool
    request: HttpRequest | None = None

    @classmethod
    def of(
        cls, user: Any, when: datetime | None, ratelimit: bool | float, check_duplicate: bool
    ) -> _Attempt:
        moment = None if when is None else _past(when)
        return cls(primary_key(user), moment, _window_seconds(ratelimit), check_duplicate)

    def settled(self) -> Outcome | None:
        """The outcome, where this process knows it without asking anyone."""
        if not conf.ENABLED:
            return "skipped"
        if self.seconds:
            when, seconds = self.when, self.seconds
            window = window_now(seconds) if when is None else window_of(when, seconds)
            if gate.remembers(self.user, window):
                return "rate-limited"
        return None

    def record(self) -> Outcome:
        """Ask the cache and write; this may block."""
        store = get_store()
        if not store.can_write():
            return "skipped"
        when = self.when or datetime.now(UTC)
        window = window_of(when, self.seconds) if self.seconds else None
        is_lasting = not store.can_be_undone()
        promise = _Promise(self.user, window, when, self.request, is_claimed=is_lasting)
        if window is None:
            return self._write(store, promise)
        if store.has_promised(promise):
            return "rate-limited"

        def was_left() -> bool:
            return store.has_within(UserRange(self.user, *bounds_of(window)))

        if not is_lasting:
            if gate.is_claimed(self.user, window, was_left):
                return "rate-limited"
            return self._write(store, promise)
        if not gate.admits(self.user, window, was_left):
            return "rate-limited"
        try:
            return self._write(store, promise)
        except BaseException:
            gate.give_back(self.user, window)
            raise

    def _write(self, store: Store, promise: _Promise) -> Outcome:
        sighting = Sighting(promise.user, promise.when)
        if self.check_duplicate and store.has(sighting):
            store.on_commit(promise.limit)
            return "duplicated"
        store.add(sighting)
        logger.debug("Left a souvenir of user %s at %s.", *sighting)
        store.on_commit(promise)
        return "added"


@dataclass(frozen=True)
class _Promise:
    """What follows once a souvenir is there for good. Two are equal where one is enough."""

    user: Hashable
    window: Window | None
    when: datetime = field(compare=False)
    request: HttpRequest | None = field(compare=False)
    is_claimed: bool = field(compare=False)

    def __call__(self) -> None:
        self.limit()
        user_seen.send_robust(
            Souvenir, user_pk=self.user, when=utc(self.when), request=self.request
        )

    def limit(self) -> None:
        if self.window is not None:
            if not self.is_claimed:
                gate.claim(self.user, self.window)
            gate.remember(self.user, self.window)


def _past(when: datetime) -> datetime:
    moment = checked(when, "when")
    now = datetime.now(UTC)
    if moment.astimezone(UTC) > now + CLOCK_TOLERANCE:
        raise ValueError(f"when is in the future: {moment} is later than now, {now}.")
    return moment


def _window_seconds(ratelimit: bool | float) -> float:
    seconds = conf.RATELIMIT_SECONDS if ratelimit is True else ratelimit
    if seconds and not (isinstance(seconds, int | float) and is_window(seconds)):
        raise ValueError(f"ratelimit must be True, False or a number of seconds, not {seconds!r}.")
    return seconds or 0
