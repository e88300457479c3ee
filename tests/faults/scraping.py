"""The metrics of a site with several processes, as Prometheus gets them."""

import http.client
import re
from contextlib import closing
from urllib.parse import urlsplit

from tests.faults.load import visit
from tests.faults.metrics import SOUVENIRS_METRICS_TOKEN
from tests.metrics.scraped import samples_in

ADDED = 'souvenirs_recorded_total{outcome="added",reason=""}'
LIMITED = 'souvenirs_recorded_total{outcome="rate_limited",reason=""}'
REMEMBERED = 'souvenirs_recorded_total{outcome="remembered",reason=""}'
FAILED = 'souvenirs_recorded_total{outcome="failed",reason="database"}'
BREAKER = 'souvenirs_breaker_open{kind="database"}'


def with_directory(environment, tmp_path):
    """The environment of a site whose processes add up what they count."""
    return environment | {
        "PROMETHEUS_MULTIPROC_DIR": str(tmp_path),
        "GUNICORN_CMD_ARGS": "--config python:tests.faults.gunicorn",
    }


def text_of(web, path="/metrics"):
    """The metrics, as Prometheus gets them."""
    with closing(http.client.HTTPConnection(urlsplit(web.url).netloc, timeout=40)) as link:
        token = {"Authorization": f"Bearer {SOUVENIRS_METRICS_TOKEN}", "Connection": "close"}
        link.request("GET", path, headers=token)
        response = link.getresponse()
        assert response.status == 200
        return response.read().decode()


def scrape(web, path="/metrics"):
    return samples_in(text_of(web, path))


def counting(tmp_path):
    """The processes that have a file of counters."""
    return {int(re.findall(r"\d+", path.name)[0]) for path in tmp_path.glob("counter_*.db")}


def visit_until_both_count(web, people, tmp_path, path="/plain/"):
    """Visits by everyone, and then by the first until each worker has had one."""
    visits = [visit(web, path, person) for person in people]
    while not set(web.workers) <= counting(tmp_path):
        visits.append(visit(web, path, people[0]))
    return visits
