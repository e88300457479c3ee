"""Transactions of the app's own: short, tried again after a conflict."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from django.db import OperationalError, connections, transaction

T = TypeVar("T")

#: How many times a transaction that conflicts with another one is tried.
TRIES = 8


class Contended(Exception):
    """A row was changed in spite of its lock."""


def retried(work: Callable[[], T]) -> T:
    """Return what ``work``, a transaction of its own, returns; try it again if it fails.

    Deadlocks, serialization failures and lock timeouts are temporary. The last failure is raised.
    """
    for attempt in range(1, TRIES):
        try:
            return work()
        except (OperationalError, Contended):
            time.sleep(random.uniform(0, 0.01 * 2**attempt))  # noqa: S311
    return work()


@contextmanager
def locking(alias: str) -> Iterator[None]:
    """Begin a transaction in which whatever is read under a lock is the latest.

    Raises RuntimeError inside another transaction, because a lock would last until that one ends.
    """
    connection = connections[alias]
    # Only a TestCase of the site can have begun a transaction already.
    is_within = connection.in_atomic_block
    with transaction.atomic(using=alias, durable=True):
        if connection.vendor == "postgresql" and not is_within:
            # Under REPEATABLE READ, what is read under a lock would be as old as the start of the
            # wait for it, unless the locked row itself has been changed meanwhile.
            with connection.cursor() as cursor:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL READ COMMITTED")
        yield
