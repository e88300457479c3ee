"""Write the souvenirs of the backlog.

A request that has left a souvenir, or that finds the database answering again, writes some of them,
in the time that its own souvenir left over. So no request waits longer for them.
"""

from __future__ import annotations

import atexit
import logging
from collections.abc import Callable, Hashable
from datetime import timedelta
from time import monotonic

from django.db import DataError, Error, IntegrityError
from django.db.models.signals import post_save, pre_save

from ..conf import conf
from ..models import Souvenir
from ..resilience import ThrottledLogger, database_breaker
from ..scope import Entered, entered, scoped
from ..signals import user_seen
from ..stores import Sighting, UserRange, get_store
from .backlog import SLICE, Backlog, Late, backlog, backlogs
from .ratelimit import Window, bounds_of, rate_limiter
from .sessions import SessionUnavailable
from .tally import tally

logger = ThrottledLogger(__name__)

#: Seconds that a process may take to catch up before it ends.
LAST_SECONDS = 2

#: The length of the range that contains a single moment.
MOMENT = timedelta(microseconds=1)


def is_passing(error: BaseException) -> bool:
    """Whether an error says something about the cache or database, and nothing about the values."""
    return isinstance(error, Error | SessionUnavailable) and not isinstance(
        error, DataError | IntegrityError
    )


def count_failure(error: BaseException) -> None:
    """Tell whoever counts that this error kept a visit from being recorded."""
    tally.failed("database" if is_passing(error) else "error")


def may_catch_up() -> bool:
    """Whether :func:`catch_up` has something to do, and a chance."""
    rest = backlog()
    if not rest:
        return False
    rest.expire()
    return rest.breaker.is_due() and database_breaker().is_due()


def catch_up(began: float) -> None:
    """Write some souvenirs, in a request that began to record at that time of monotonic().

    All that the request records takes no longer than ``SOUVENIRS_TIMEOUT``; with a souvenir that
    failed alone before, no longer than twice the time. Errors are logged.
    """
    rest = backlog()
    if rest:
        _Turn(rest, began, conf.TIMEOUT).run()


def catch_up_at_exit() -> None:
    """Write souvenirs of all tenants before the process ends, in about two seconds."""
    try:
        end = monotonic() + LAST_SECONDS
        rests = {tenant: rest for tenant, rest in backlogs().items() if not rest.is_of_tests}
        for left, (tenant, rest) in zip(range(len(rests), 0, -1), rests.items(), strict=True):
            rest.context.run(_write_last, tenant, rest, end, left)
        if lost := sum(map(len, rests.values())):
            tally.failed("exit", lost)
            logger.log(
                logging.ERROR, "Souvenirs are lost: the process ends and has not written %s.", lost
            )
    except Exception:
        logger.exception("Could not leave souvenirs of earlier.")


def _write_last(tenant: Hashable, rest: Backlog, end: float, left: int) -> None:
    """Write a tenant's part, of so many that are left, in its part of the time."""
    began = monotonic()
    try:
        with entered(tenant) as how:
            if how is Entered.NOT or rest.database != get_store().database:
                return
            unidentified = rest.take_unidentified() if how is Entered.SOUVENIRS else []
            rest.breaker.close()
            seconds = max((end - began) / left, min(end - began, conf.TIMEOUT))
            _Turn(rest, began, seconds, is_last=True).run()
            rest.add(unidentified)
    except Exception:
        logger.exception("Could not leave souvenirs of earlier.")


atexit.register(catch_up_at_exit)


class _Turn:
    """What one request, or a process that ends, writes of a backlog."""

    def __init__(
        self, rest: Backlog, began: float, seconds: float, *, is_last: bool = False
    ) -> None:
        self.rest = rest
        #: Whether nothing can wait for the claims of other processes.
        self.is_last = is_last
        self.began = began
        self.seconds = seconds
        self.store = get_store()
        #: Those whose user another process is recording, and those for which there is no time.
        self.left: list[Late] = []
        self.has_written = False

    def run(self) -> None:
        if not conf.ENABLED or self.is_half_over() or self.store.can_be_undone():
            return
        if self.store.in_manual_transaction():
            return
        self.rest.expire()
        if not self.rest.breaker.allows():
            return
        # The receivers of signals take time from the request, so it is looked at after each.
        signals = (pre_save, post_save, user_seen)
        most = 1 if any(signal.has_listeners(Souvenir) for signal in signals) else SLICE
        try:
            while not self.is_half_over() and (batch := self.rest.take(most)):
                if not self.writes(batch):
                    break
        finally:
            self.rest.add(self.left)
            if self.left and not self.has_written:
                self.rest.breaker.trip()

    def is_half_over(self) -> bool:
        """Whether only the time for a statement is left."""
        return monotonic() >= self.began + self.seconds / 2

    def writes(self, batch: list[Late]) -> bool:
        """Write these, or put them back; return whether there was no error."""
        claimed: list[tuple[Hashable, Window]] = []
        try:
            self.write(batch, claimed)
        except BaseException as error:
            rate_limiter.release_all(claimed)
            is_lost = isinstance(error, Exception) and not is_passing(error) and len(batch) == 1
            if is_lost:
                tally.failed("error")
            else:
                self.rest.put_back(batch)
            self.rest.breaker.trip()
            if not isinstance(error, Exception):
                raise
            logger.exception(
                "Could not leave %s souvenirs of earlier.",
                len(batch),
                level=logging.ERROR if is_lost else logging.WARNING,
            )
            return False
        return True

    def write(self, batch: list[Late], claimed: list[tuple[Hashable, Window]]) -> None:
        ready: dict[UserRange, Late] = {}
        with self.store.own_transaction():
            for late in batch:
                if self.is_half_over() or not self.admits(late, claimed):
                    self.left.append(late)
                elif late.user is not None:
                    ready.setdefault(range_of(late), late)
            self.leave_out_erased(ready)
            if not ready:
                return
            end = self.began + self.seconds * (1 if batch[0].company else 2)
            present = self.store.add_missing(
                [(Sighting(late.user, late.when), limits) for limits, late in ready.items()],
                max(end - monotonic(), self.seconds / 2),
            )
        self.has_written = True
        self.rest.breaker.close()
        database_breaker().close()
        tally.added(len(ready) - len(present))
        for position, late in enumerate(ready.values()):
            if late.window is not None:
                rate_limiter.remember(scoped(late.user), late.window)
            if position not in present:
                user_seen.send_robust(Souvenir, user_pk=late.user, when=late.when, request=None)

    def leave_out_erased(self, ready: dict[UserRange, Late]) -> None:
        """Leave out users whom another process has erased since they were seen."""
        erasures = rate_limiter.erasures({scoped(late.user) for late in ready.values()})
        for limits, late in list(ready.items()):
            erased = erasures.get(scoped(late.user))
            if erased is not None and late.when.timestamp() <= erased:
                del ready[limits]

    def admits(self, late: Late, claimed: list[tuple[Hashable, Window]]) -> bool:
        """Find the user and claim the window; False if that has to wait.

        It does if another process is recording the user, or if finding the user took too long.
        The user stays None if there is nothing to write.
        """
        if late.find is not None:
            late.user = found(late.find)
            late.find = None
            if late.user is not None and self.is_half_over():
                return False
        if late.user is None or late.window is None or self.is_last:
            return True
        key = scoped(late.user)
        if rate_limiter.claim(key, late.window):
            claimed.append((key, late.window))
            return True
        return not rate_limiter.is_pending(key, late.window)


def found(find: Callable[[], Hashable]) -> Hashable:
    try:
        return find()
    except Exception as error:
        if is_passing(error):
            raise
        tally.failed("error")
        logger.exception("Could not find the user of a visit of earlier.")
        return None


def range_of(late: Late) -> UserRange:
    """Return the range in which the user has one souvenir."""
    if late.window is None:
        return UserRange(late.user, late.when, late.when + MOMENT)
    return UserRange(late.user, *bounds_of(late.window))
