"""What became of visits, told to whoever counts them."""

from __future__ import annotations

from collections.abc import Callable

#: Why a visit was not recorded at once: what it needed failed, and it is remembered; there was an
#: error in the site's code or in its values; or it is lost, because too many were remembered, or
#: its request was held for too long, or the process ended.
FAILURES = ("database", "error", "full", "held", "exit")

#: A souvenir is committed, the user has one in the window, it is to be written later, or FAILURES.
OUTCOMES = ("added", "rate_limited", "remembered", "failed")


class Tally:
    """Passes on the outcomes of visits; nobody counts them by default.

    Nearly all visits are rate-limited, in microseconds, so those have a function of their
    own: callers look for themselves whether there is one.
    """

    def __init__(self) -> None:
        #: Called with an outcome, a reason if it is ``"failed"``, and a number of visits.
        self.count: Callable[[str, str, int], object] | None = None
        #: Called for a visit that is rate-limited.
        self.rate_limited: Callable[[], object] | None = None

    def added(self, number: int = 1) -> None:
        self._count("added", "", number)

    def remembered(self) -> None:
        self._count("remembered", "", 1)

    def failed(self, reason: str, number: int = 1) -> None:
        self._count("failed", reason, number)

    def _count(self, outcome: str, reason: str, number: int) -> None:
        if self.count is not None:
            self.count(outcome, reason, number)


tally = Tally()
