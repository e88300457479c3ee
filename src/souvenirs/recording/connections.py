"""Connections to databases that would stay open after a request under ASGI."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connections


@contextmanager
def closing_opened() -> Iterator[None]:
    """Close the connections that the block opens on this thread.

    Under ASGI each request has a thread of its own, so with ``CONN_MAX_AGE`` they would stay open
    and nobody could use them.
    """
    before = _open_connections()
    try:
        yield
    finally:
        for connection in _open_connections():
            if connection not in before and not connection.in_atomic_block:
                connection.close()


def _open_connections() -> list[Any]:
    known = connections.all(initialized_only=True)
    return [connection for connection in known if connection.connection is not None]
