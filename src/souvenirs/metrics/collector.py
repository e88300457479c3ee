"""What is in the database, as it is at the time of a scrape."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from django.db import InterfaceError, OperationalError, connections
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from ..publishing import LatestFigure, latest_figures
from ..recording import closing_opened
from ..resilience import CircuitBreaker, ThrottledLogger, time_limited
from ..stores import get_store

logger = ThrottledLogger(__name__)

#: Windows of active users, and the published metric of each.
WINDOWS = {"active": "1d", "active_7d": "7d", "active_28d": "28d"}

REGISTERED = "registered"

#: How long each of the four statements of a scrape may take. Prometheus itself waits ten seconds.
SECONDS = 1

#: How far a souvenir may be in the future, for the clocks of several machines.
AHEAD = timedelta(minutes=5)


class SouvenirsCollector(Collector):
    """Collects published figures, what is undigested, and when the last souvenir was left.

    It computes no figure and writes nothing. A sample is absent if its figure is not published or
    not known, and if the database does not answer, in at most a second for each of four statements.
    ``souvenirs_scrape_success`` is then 0, and the database is left alone for a while.
    """

    def __init__(self) -> None:
        self._breaker = CircuitBreaker()

    def describe(self) -> Iterator[Metric]:
        """Generate the metrics without samples, so that no other collector takes their names."""
        return _Scrape().families()

    def collect(self) -> Iterator[Metric]:
        """Generate the metrics with their samples."""
        scrape = _Scrape()
        scrape.success.add_metric([], self._has_read(scrape))
        return scrape.families()

    def _has_read(self, scrape: _Scrape) -> bool:
        if not self._breaker.allows():
            return False
        try:
            connection = connections[get_store().alias]
            with closing_opened(), time_limited(connection, seconds=SECONDS):
                scrape.read()
        except Exception as error:
            if isinstance(error, OperationalError | InterfaceError):
                self._breaker.trip()
            logger.exception("Could not read the metrics of souvenirs.")
            return False
        self._breaker.close()
        return True


class _Scrape:
    """The metrics of one scrape."""

    def __init__(self) -> None:
        self.active = GaugeMetricFamily(
            "souvenirs_active_users",
            "Users active in the last 1, 7 or 28 days, today included, as last published.",
            labels=["window", "segment"],
        )
        self.registered = GaugeMetricFamily(
            "souvenirs_registered_users",
            "Registered users, as last published.",
            labels=["segment"],
        )
        self.computed = GaugeMetricFamily(
            "souvenirs_figures_computed_timestamp_seconds",
            "When the oldest of the published figures of this metric was computed.",
            labels=["figure", "segment"],
        )
        self.undigested = GaugeMetricFamily(
            "souvenirs_undigested_souvenirs", "Souvenirs to digest; at most 100000 are counted."
        )
        self.lag = GaugeMetricFamily(
            "souvenirs_digest_lag_seconds",
            "The age of the oldest undigested souvenir; 0 without any.",
        )
        self.last = GaugeMetricFamily(
            "souvenirs_last_souvenir_timestamp_seconds", "When the last souvenir was left."
        )
        self.success = GaugeMetricFamily(
            "souvenirs_scrape_success", "Whether the database has answered."
        )

    def families(self) -> Iterator[Metric]:
        yield from vars(self).values()

    def read(self) -> None:
        """Read the samples. Those from before an error stay."""
        self._add_figures(latest_figures([*WINDOWS, REGISTERED]))
        store = get_store()
        measures = store.measures()
        newest = measures.newest(datetime.now(UTC) + AHEAD)
        if newest is not None:
            self.last.add_metric([], newest.timestamp())
        oldest = store.oldest_undigested()
        lag = 0 if oldest is None else max(time.time() - oldest.timestamp(), 0)
        self.lag.add_metric([], lag)
        self.undigested.add_metric([], measures.undigested().rows if oldest else 0)

    def _add_figures(self, figures: list[LatestFigure]) -> None:
        computed: dict[tuple[str, str], float] = {}
        for each in figures:
            if each.metric == REGISTERED:
                name = "registered_users"
                self.registered.add_metric([each.segment], each.value)
            else:
                name = "active_users"
                self.active.add_metric([WINDOWS[each.metric], each.segment], each.value)
            key = (name, each.segment)
            moment = each.computed.timestamp()
            computed[key] = min(moment, computed.get(key, moment))
        for (name, segment), moment in computed.items():
            self.computed.add_metric([name, segment], moment)
