"""Souvenirs that a slow or failing cache or database kept from being written.

The process remembers them, with the moments at which the users were seen, until
:mod:`.catchup` has written them.
"""

from __future__ import annotations

import logging
import math
import os
from collections import deque
from collections.abc import Callable, Hashable, Iterable
from contextvars import Context, copy_context
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from threading import Lock
from time import monotonic

from django.core import mail

from ..resilience import CircuitBreaker, ThrottledLogger
from ..scope import scope
from .ratelimit import Window
from .tally import tally

logger = ThrottledLogger(__name__)

#: Largest number of souvenirs in a statement.
SLICE = 100


@dataclass(eq=False)
class Late:
    """A souvenir that is written late.

    ``find`` returns the user's primary key if it is not known yet, or None if the visit does not
    count.
    """

    id: Hashable
    when: datetime
    window: Window | None
    user: Hashable = None
    find: Callable[[], Hashable] | None = None
    #: How many may be in its statement: fewer after each failure, to isolate the one at fault, and
    #: 0 after it has failed alone.
    company: int = SLICE


class Backlog:
    """The souvenirs of a tenant that this process has to write, oldest first."""

    def __init__(self, database: str) -> None:
        #: The name of the database, which changes at the end of a test run.
        self.database = database
        self.breaker = CircuitBreaker()
        #: Whether a souvenir has failed since the last one that was written in time.
        self.is_failing = False
        #: Variables of the tenant: those of the last call that could not write.
        self.context = Context()
        #: Whether it is from the tests of a project, and not to be written after them.
        self.is_of_tests = False
        self._lock = Lock()
        #: Those that may not be remembered for ever, with the time of monotonic() until they are.
        self._held: deque[tuple[float, Late]] = deque()
        self._waiting: dict[Hashable, Late] = {}
        #: Those that failed alone, which are tried after all others.
        self._stubborn: dict[Hashable, Late] = {}

    def __len__(self) -> int:
        return len(self._waiting) + len(self._stubborn)

    def __contains__(self, id: Hashable) -> bool:
        return id in self._waiting or id in self._stubborn

    def add(self, lates: Iterable[Late]) -> None:
        with self._lock:
            self._waiting.update((late.id, late) for late in lates)

    def hold(self, late: Late, seconds: float) -> None:
        """Remember a souvenir for so long."""
        with self._lock:
            if seconds < math.inf:
                self._held.append((monotonic() + seconds, late))
            self._waiting[late.id] = late

    def expire(self) -> None:
        """Forget the souvenirs whose time is over and whose user is not known yet."""
        lost = 0
        with self._lock:
            while self._held and self._held[0][0] <= monotonic():
                _, late = self._held.popleft()
                if late.find is not None:
                    # Another thread may be looking for the user, and put it back.
                    late.find = _nobody
                    self._waiting.pop(late.id, None)
                    self._stubborn.pop(late.id, None)
                    lost += 1
        if lost:
            tally.failed("held", lost)
            logger.log(
                logging.ERROR, "Souvenirs are lost: the requests of %s visits were held long.", lost
            )

    def drop(self, id: Hashable) -> None:
        """Forget a souvenir that a later call has written."""
        with self._lock:
            self._waiting.pop(id, None)
            self._stubborn.pop(id, None)

    def drop_user(self, user: Hashable) -> None:
        """Forget the souvenirs of a user, except those whose user is not known yet."""
        with self._lock:
            for group in (self._waiting, self._stubborn):
                for late in [late for late in group.values() if late.user == user]:
                    del group[late.id]

    def take_unidentified(self) -> list[Late]:
        """Take out the souvenirs whose user is not known yet."""
        with self._lock:
            groups = (self._waiting, self._stubborn)
            lates = [late for group in groups for late in group.values() if late.find is not None]
            for late in lates:
                self._waiting.pop(late.id, None)
                self._stubborn.pop(late.id, None)
        return lates

    def recover(self) -> None:
        """Let the rest be tried again: the database works."""
        if self.is_failing:
            self.is_failing = False
            self.breaker.close()

    def take(self, most: int) -> list[Late]:
        """Take out the oldest, at most as many as may be in one statement."""
        batch: list[Late] = []
        size = most
        with self._lock:
            group = self._waiting or self._stubborn
            for late in list(islice(group.values(), most)):
                size = min(size, late.company)
                if batch and len(batch) >= size:
                    break
                batch.append(group.pop(late.id))
        return batch

    def put_back(self, batch: list[Late]) -> None:
        """Put back those whose statement failed."""
        with self._lock:
            for late in batch:
                late.company = len(batch) // 4 or int(len(batch) > 1)
                group = self._waiting if late.company else self._stubborn
                group[late.id] = late


def _nobody() -> None:
    """The user of a visit that is forgotten."""


_backlogs: dict[Hashable, Backlog] = {}


def backlog() -> Backlog | None:
    """Return what is to be written for the current tenant; None if nothing ever was."""
    return backlog_of(scope()) if _backlogs else None


def backlog_of(tenant: Hashable) -> Backlog | None:
    """Return what is to be written for a tenant, as :func:`souvenirs.scope.scope` returns it."""
    return _backlogs.get(tenant)


def backlogs() -> dict[Hashable, Backlog]:
    """Return what is to be written, by tenant."""
    return {tenant: rest for tenant, rest in list(_backlogs.items()) if rest}


def keep(
    late: Late,
    tenant: Hashable,
    database: str,
    *,
    most: int,
    has_failed: bool,
    seconds: float = math.inf,
) -> None:
    """Remember a souvenir for a tenant, if there are not ``most`` of all tenants.

    ``has_failed`` says that its own INSERT did. A souvenir whose user is not known is forgotten
    after ``seconds``.
    """
    rest = _backlogs.setdefault(tenant, Backlog(database))
    rest.is_failing |= has_failed
    rest.context = copy_context()
    # Django has an outbox while a test runner is at work.
    rest.is_of_tests |= hasattr(mail, "outbox")
    rest.expire()
    if late.id in rest:
        if tally.rate_limited is not None and late.find is None and not has_failed:
            tally.rate_limited()
        return
    if sum(map(len, list(_backlogs.values()))) >= most:
        tally.failed("full")
        logger.log(
            logging.ERROR,
            "Souvenirs are lost: the process remembers %s already that it could not write.",
            most,
        )
        return
    if has_failed:
        late.company = 1
    rest.hold(late, seconds)
    tally.remembered()


def forget() -> None:
    """Forget everything."""
    _backlogs.clear()


# What a process could not write before it forked, it writes itself. And a thread that the fork does
# not copy may hold a lock.
os.register_at_fork(after_in_child=forget)
