"""Leave a souvenir of a user: ``souvenez()``, French for "remember"."""

from __future__ import annotations

import logging
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache, partial
from time import monotonic
from typing import Any, Literal, NamedTuple
from uuid import UUID

from asgiref.sync import sync_to_async
from django.apps import apps
from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from ..calendar import checked, utc
from ..conf import conf, is_window
from ..models import Souvenir
from ..resilience import database_breaker
from ..scope import has_scopes, scope, scoped
from ..sets import primary_key
from ..signals import user_seen
from ..stores import Sighting, Store, UserRange, get_store
from .backlog import Late, backlog_of, keep
from .catchup import catch_up, count_failure, is_passing
from .connections import closing_opened
from .ratelimit import Window, bounds_of, rate_limiter, window_now, window_of
from .requestuser import unwrap
from .tally import tally

logger = logging.getLogger(__name__)

Outcome = Literal["added", "rate-limited", "duplicated", "remembered", "skipped"]

#: Types of primary keys whose values equal none of another type, as True and 1.0 equal 1.
KEY_TYPES = frozenset({int, str, UUID})

#: How far in the future a ``when`` may be, for clocks that differ.
CLOCK_TOLERANCE = timedelta(minutes=1)


def souvenez(
    user: Any,
    when: datetime | None = None,
    ratelimit: bool | float = True,
    check_duplicate: bool = False,
) -> Outcome:
    """Leave a souvenir of ``user``, at most one per user and window.

    ``user`` is a saved user or its primary key. ``when`` is an aware datetime (if ``USE_TZ`` is
    False, a naive one in the default time zone), by default now, at most a minute in the future; a
    moment in the past counts in its own window. ``ratelimit`` is True for windows of
    ``SOUVENIRS_RATELIMIT_SECONDS``, a number of seconds, or False or 0 for no limit.
    ``check_duplicate`` first looks for a souvenir of the same user and instant.

    Returns ``"added"``; ``"rate-limited"``; ``"duplicated"``; ``"remembered"`` if it will be left
    once a transaction that the site manages without autocommit is over; or ``"skipped"`` if
    ``SOUVENIRS_ENABLED`` is False or the transaction around the call is already broken. A souvenir
    added inside a transaction is as durable as that transaction.

    Raises ValueError or TypeError for a user or datetime that cannot be recorded,
    ``ImproperlyConfigured`` for a setting with a wrong value, and ``django.db.Error`` if the
    database fails. The process then remembers the souvenir and leaves it when the database works
    again, unless the next call for the user does so first.
    """
    if when is None and ratelimit is True and _is_limited(user):
        if tally.rate_limited is not None:
            tally.rate_limited()
        return "rate-limited"
    attempt = _Attempt.of(user, when, ratelimit, check_duplicate)
    return attempt.settled() or attempt.record()


def _is_limited(user: Any) -> bool:
    """Whether the user, or its primary key, is known to have a souvenir in the current window.

    This is all that most calls do, so it is written for speed. It is False for whatever has to be
    checked first.
    """
    kind: Any = type(user)
    if kind is SimpleLazyObject:  # request.user
        user = unwrap(user)
        kind = type(user)
    name = _key_name(kind, conf.user_model)
    if name is not None:
        user = user.__dict__.get(name)
    elif kind not in KEY_TYPES:
        return False
    return conf.ENABLED and rate_limiter.memory.knows_now(conf.RATELIMIT_SECONDS, scoped(user))


@lru_cache(maxsize=16)
def _key_name(kind: Any, user_model: str) -> str | None:
    """Return the attribute that has the primary key, if these are instances of the user model."""
    return kind._meta.pk.attname if issubclass(kind, apps.get_model(user_model)) else None


def souvenez_visit(request: HttpRequest, user: Any) -> Outcome:
    """Leave a souvenir of the user of a request; see :func:`souvenez`."""
    attempt = _Attempt.of(user, None, True, False)._replace(request=request)
    return attempt.settled() or attempt.leave()


def keep_visit(user: Any) -> None:
    """Leave a souvenir of the user of a request later."""
    attempt = _Attempt.of(user, None, True, False)
    attempt.keep(get_store(), datetime.now(UTC), has_failed=False)


def keep_unidentified(
    visit: Hashable,
    window: Window | None,
    find: Callable[[], Hashable],
    *,
    most: int,
    has_failed: bool,
    seconds: float,
) -> None:
    """Leave a souvenir of the user whom ``find`` returns later, one per ``visit`` and window.

    It is forgotten after so many seconds, in which ``find`` has not been called.
    """
    when = datetime.now(UTC)
    late = Late((visit, window or when), when, window, find=find)
    database = get_store().database
    keep(late, scope(), database, most=most, has_failed=has_failed, seconds=seconds)


async def asouvenez(
    user: Any,
    when: datetime | None = None,
    ratelimit: bool | float = True,
    check_duplicate: bool = False,
) -> Outcome:
    """See :func:`souvenez`."""
    if has_scopes():
        # The tenant is known only on the thread of the database connection.
        work = closing_opened()(souvenez)
        return await sync_to_async(work)(user, when, ratelimit, check_duplicate)
    attempt = _Attempt.of(user, when, ratelimit, check_duplicate)
    return attempt.settled() or await sync_to_async(closing_opened()(attempt.record))()


class _Attempt(NamedTuple):
    """A call of souvenez(), with its arguments checked."""

    user: Hashable
    #: The user, apart from those of other tenants: the key for all that is remembered.
    key: Hashable
    #: The tenant of the call. That of the commit may be another one.
    tenant: Hashable
    when: datetime | None
    seconds: float
    check_duplicate: bool
    request: HttpRequest | None = None

    @classmethod
    def of(
        cls, user: Any, when: datetime | None, ratelimit: bool | float, check_duplicate: bool
    ) -> _Attempt:
        moment = None if when is None else _past(when)
        key = primary_key(user)
        return cls(key, scoped(key), scope(), moment, _window_seconds(ratelimit), check_duplicate)

    def settled(self) -> Outcome | None:
        """Return the outcome if it is known without the cache and the database, else None."""
        if not conf.ENABLED:
            return "skipped"
        if self.seconds:
            when, seconds = self.when, self.seconds
            window = window_now(seconds) if when is None else window_of(when, seconds)
            if rate_limiter.remembers(self.key, window):
                return self._limited()
        return None

    def record(self) -> Outcome:
        """Like :meth:`leave`, for a caller who does not count failures."""
        try:
            return self.leave()
        except Exception as error:
            count_failure(error)
            raise

    def leave(self) -> Outcome:
        """Ask the cache and write to the database; this may block."""
        store = get_store()
        if not store.can_write():
            return "skipped"
        began, when = monotonic(), self.when or datetime.now(UTC)
        try:
            if store.in_manual_transaction():
                self.keep(store, when, has_failed=False)
                return "remembered"
            outcome = self._record(store, when)
        except Exception as error:
            if is_passing(error):
                store.on_commit(partial(self.keep, store, when, has_failed=True))
            raise
        if outcome == "added":
            catch_up(began)
        return outcome

    def keep(self, store: Store, when: datetime, *, has_failed: bool) -> None:
        """Leave the souvenir later."""
        window = self.window_at(when)
        late = Late((self.key, window or when), utc(when), window, self.user)
        keep(late, self.tenant, store.database, most=conf.GATE_SIZE, has_failed=has_failed)

    def window_at(self, when: datetime) -> Window | None:
        return window_of(when, self.seconds) if self.seconds else None

    def _limited(self) -> Outcome:
        if tally.rate_limited is not None:
            tally.rate_limited()
        return "rate-limited"

    def _record(self, store: Store, when: datetime) -> Outcome:
        window = self.window_at(when)
        is_lasting = not store.can_be_undone()
        hook = _CommitHook(
            self.key, window, self.user, self.tenant, when, self.request, is_claimed=is_lasting
        )
        if window is None:
            return self._write(store, hook)
        if store.is_waiting(hook):
            return self._limited()

        def is_recorded() -> bool:
            with store.own_transaction():
                return store.has_within(UserRange(self.user, *bounds_of(window)))

        if not is_lasting:
            if rate_limiter.is_claimed(self.key, window, is_recorded):
                return self._limited()
            return self._write(store, hook)
        if not rate_limiter.admits(self.key, window, is_recorded):
            return self._limited()
        try:
            return self._write(store, hook)
        except BaseException:
            rate_limiter.release(self.key, window)
            raise

    def _write(self, store: Store, hook: _CommitHook) -> Outcome:
        sighting = Sighting(hook.user, hook.when)
        with store.own_transaction():
            is_duplicate = self.check_duplicate and store.has(sighting)
            if not is_duplicate:
                store.add(sighting)
        if is_duplicate:
            store.on_commit(hook.limit)
            return "duplicated"
        database_breaker().close()
        logger.debug("Left a souvenir of user %s at %s.", *sighting)
        store.on_commit(hook)
        return "added"


@dataclass(frozen=True)
class _CommitHook:
    """The callback after the commit of a souvenir. Equal hooks need to run only once."""

    key: Hashable
    window: Window | None
    user: Hashable = field(compare=False)
    tenant: Hashable = field(compare=False)
    when: datetime = field(compare=False)
    request: HttpRequest | None = field(compare=False)
    is_claimed: bool = field(compare=False)

    def __call__(self) -> None:
        tally.added()
        self.limit()
        if (rest := backlog_of(self.tenant)) is not None:
            rest.recover()
        user_seen.send_robust(
            Souvenir, user_pk=self.user, when=utc(self.when), request=self.request
        )

    def limit(self) -> None:
        if self.window is not None:
            if not self.is_claimed:
                rate_limiter.claim(self.key, self.window)
            rate_limiter.remember(self.key, self.window)
        if (rest := backlog_of(self.tenant)) is not None:
            rest.drop((self.key, self.window or self.when))


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
