"""What this process counts: the outcomes of visits, and whether a breaker is open.

With ``PROMETHEUS_MULTIPROC_DIR``, prometheus-client keeps these in files, so that a scrape adds up
all processes.
"""

from __future__ import annotations

from prometheus_client import Counter, Gauge

from ..recording import FAILURES, OUTCOMES, tally
from ..resilience import ThrottledLogger, open_breakers, watch_breakers
from .registries import checked_directory

logger = ThrottledLogger(__name__)

checked_directory()

RECORDED = Counter(
    "souvenirs_recorded",
    "Visits of signed-in users by what became of them.",
    ["outcome", "reason"],
)

#: ``livemax``: 1 if the breaker of any living process is open. A sum would depend on the number of
#: processes, and ``max`` would keep the 1 of a process that has ended.
BREAKERS = Gauge(
    "souvenirs_breaker_open",
    "Whether some process leaves a cache or database alone because it failed.",
    ["kind"],
    multiprocess_mode="livemax",
)

#: Each from the start, with 0: Prometheus sees no increase in the first sample of a series.
SERIES = {
    (outcome, reason): RECORDED.labels(outcome, reason)
    for outcome in OUTCOMES
    for reason in (FAILURES if outcome == "failed" else ("",))
}

_add_limited = SERIES["rate_limited", ""].inc


def count_visits() -> None:
    """Count what becomes of visits from now on, and watch the breakers."""
    tally.count, tally.rate_limited = _count, _count_limited
    watch_breakers(show_breakers)
    show_breakers()


# A directory that is full or gone must cost no souvenir.


def _count(outcome: str, reason: str, number: int) -> None:
    try:
        SERIES[outcome, reason].inc(number)
    except Exception:
        logger.exception("Could not count a visit.")


def _count_limited() -> None:
    try:
        _add_limited()
    except Exception:
        logger.exception("Could not count a visit.")


def show_breakers() -> None:
    """Set the gauge to the breakers of this process."""
    try:
        for kind, is_open in open_breakers().items():
            BREAKERS.labels(kind).set(is_open)
    except Exception:
        logger.exception("Could not show the state of the breakers.")
