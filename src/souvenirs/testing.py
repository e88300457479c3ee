"""Helpers for the test suites of projects that use the app.

The process remembers the rate limit, so it outlives the transaction that a test rolls back. Reset
it before each test, for example with pytest::

    @pytest.fixture(autouse=True)
    def fresh_souvenirs():
        souvenirs.testing.reset()

If no test is about souvenirs, switch recording off instead: set ``SOUVENIRS_ENABLED`` to False in
the settings of the tests, or use :func:`disabled` for a class, a function or a block.
"""

from __future__ import annotations

from django.test import override_settings

from .recording import backlog, rate_limiter
from .resilience import breaker, logs


def reset() -> None:
    """Reset all that the process remembers; souvenirs stay in the database."""
    rate_limiter.reset()
    backlog.forget()
    breaker.reset()
    logs.reset()


def disabled() -> override_settings:
    """Return a decorator and context manager that switches recording off.

    ``souvenez()`` returns ``"skipped"`` under it.
    """
    return override_settings(SOUVENIRS_ENABLED=False)
