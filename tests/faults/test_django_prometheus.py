"""The view of django-prometheus shows our metrics, as the guide says."""

import sys

import pytest

from tests.faults import site as site_module
from tests.faults.load import visit
from tests.faults.metrics import SOUVENIRS_METRICS_TOKEN
from tests.faults.scraping import ADDED, LIMITED, scrape, visit_until_both_count, with_directory
from tests.faults.workers import with_settings
from tests.processes import Web, module

pytestmark = [
    pytest.mark.faults,
    pytest.mark.thorough,
    pytest.mark.skipif(sys.version_info >= (3, 12), reason="not with the latest Django"),
]

UNDIGESTED = "souvenirs_undigested_souvenirs"

#: Of django-prometheus, and of prometheus-client itself.
THEIRS = "django_http_requests_before_middlewares_total"
OF_THE_PROCESS = "process_resident_memory_bytes"


@pytest.fixture
def environment(site):
    module("django_prometheus")
    around = "django_prometheus.middleware.Prometheus{}Middleware"
    return with_settings(
        site.environment(),
        ROOT_URLCONF="tests.faults.besideurls",
        INSTALLED_APPS=[*site_module.INSTALLED_APPS, "django_prometheus"],
        MIDDLEWARE=[around.format("Before"), *site_module.MIDDLEWARE, around.format("After")],
        SOUVENIRS_METRICS_TOKEN=SOUVENIRS_METRICS_TOKEN,
    )


def test_one_process_shows_everything_in_either_view(site, environment):
    with Web(environment, kind="gthread", threads=2) as web:
        for person in site.people * 2:
            visit(web, "/plain/", person)
        for found in (scrape(web, "/metrics"), scrape(web, "/ours")):
            assert found[ADDED] == found[LIMITED] == found[UNDIGESTED] == len(site.people)
            assert found["souvenirs_scrape_success"] == 1
            assert found[THEIRS] >= 2 * len(site.people)
            assert found[OF_THE_PROCESS] > 0


def test_of_several_processes_only_our_view_shows_the_database(site, environment, tmp_path):
    with Web(with_directory(environment, tmp_path), workers=2) as web:
        visits = visit_until_both_count(web, site.people, tmp_path)
        theirs, ours = scrape(web, "/metrics"), scrape(web, "/ours")
    for found in (theirs, ours):
        assert found[ADDED] == len(site.people)
        assert found[ADDED] + found[LIMITED] == len(visits)
        assert found[THEIRS] >= len(visits)
    assert UNDIGESTED not in theirs
    assert ours[UNDIGESTED] == len(site.people)
