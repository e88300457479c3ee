"""For the test suites of projects that use the app.

Souvenirs are limited by user and window, and what a process remembers outlives a test's rolled-back
transaction. So start each test afresh, here with pytest::

    @pytest.fixture(autouse=True)
    def fresh_souvenirs():
        souvenirs.testing.reset()

or, where no test is about souvenirs, switch recording off: ``SOUVENIRS_ENABLED = False`` in the
settings of the tests, or :func:`disabled` for a class, a function or a block.
"""

from __future__ import annotations

from django.test import override_settings

from .recording import gate
from .resilience import breaker, logs


def reset() -> None:
    """Forget every souvenir that the limit remembers, and every failure; the rows stay."""
    gate.reset()
    breaker.reset()
    logs.reset()


def disabled() -> override_settings:
    """Return a decorator and context manager under which nothing is recorded.

    ``souvenez()`` then returns ``"skipped"``.
    """
    return override_settings(SOUVENIRS_ENABLED=False)
