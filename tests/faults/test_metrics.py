"""Metrics of a site with several processes, scraped over HTTP."""

import os
import signal
import subprocess
import sys

import pytest

from tests.faults.load import visit
from tests.faults.scraping import (
    ADDED,
    BREAKER,
    LIMITED,
    REMEMBERED,
    scrape,
    visit_until_both_count,
    with_directory,
)
from tests.processes import ROOT, Web, wait_until

pytestmark = [pytest.mark.faults, pytest.mark.thorough]


def environment_of(site, tmp_path, **settings):
    environment = {**site.environment(**settings), "DJANGO_SETTINGS_MODULE": "tests.faults.metrics"}
    return with_directory(environment, tmp_path)


def digest(environment):
    environment = {**os.environ, **environment}
    del environment["PROMETHEUS_MULTIPROC_DIR"]
    subprocess.run(
        [sys.executable, "-m", "django", "digest_souvenirs"],
        cwd=ROOT,
        env=environment,
        check=True,
        stdout=subprocess.DEVNULL,
    )


@pytest.mark.parametrize("preload", [False, True], ids=["", "preload"])
def test_sums_are_those_of_all_workers(site, tmp_path, preload):
    environment = environment_of(site, tmp_path)
    with Web(environment, workers=2, preload=preload) as web:
        visits = visit_until_both_count(web, site.people, tmp_path)
        visits += [visit(web, "/asks/", person) for person in site.people]
        digest(environment)
        scrapes = [scrape(web) for _ in range(4)]
    assert {each.status for each in visits} == {200}
    for found in scrapes:
        assert found[ADDED] == len(site.souvenirs()) == len(site.people)
        assert found[ADDED] + found[LIMITED] == len(visits)
        assert found['souvenirs_active_users{segment="",window="1d"}'] == len(site.people)
        assert found['souvenirs_active_users{segment="",window="28d"}'] == len(site.people)
        assert found['souvenirs_registered_users{segment=""}'] == len(site.people)
        assert found["souvenirs_undigested_souvenirs"] == 0
        assert found["souvenirs_scrape_success"] == 1
        assert found[BREAKER] == 0


def test_counts_of_a_worker_that_ended_stay(site, tmp_path):
    with Web(environment_of(site, tmp_path), workers=2) as web:
        visit_until_both_count(web, site.people, tmp_path)
        before = scrape(web)
        ended = web.kill(signal.SIGTERM)
        assert wait_until(lambda: ended not in web.workers and len(web.workers) == 2)
        after = scrape(web)
    assert after[ADDED] == before[ADDED] == len(site.people)
    assert after[LIMITED] == before[LIMITED]


def test_database_that_hangs_neither_hangs_nor_breaks_the_scrape(site, postgresql, tmp_path):
    environment = environment_of(site, tmp_path, TIMEOUT=1, BREAKER_SECONDS=1)
    with Web(environment | {"SITE_KEEPS_CONNECTIONS": "1"}, workers=2) as web:
        first, *others = site.people
        visit(web, "/plain/", first)
        assert scrape(web)[BREAKER] == 0
        postgresql.suspend()
        try:
            visits = [visit(web, "/plain/", person) for person in others[:4]]
            hanging = scrape(web)
        finally:
            postgresql.resume()
        assert {each.status for each in visits} == {200}
        assert hanging["souvenirs_scrape_success"] == 0
        assert "souvenirs_undigested_souvenirs" not in hanging
        assert hanging[BREAKER] == 1
        assert hanging[REMEMBERED] > 0
        # Both workers write what they remember, and close their breakers.
        assert wait_until(lambda: visit(web, "/plain/", first) and scrape(web)[BREAKER] == 0, 30)
        recovered = wait_until(lambda: scrape(web)["souvenirs_scrape_success"], 30)
    assert recovered == 1


def test_open_breaker_of_a_worker_that_ended_is_not_shown(site, postgresql, tmp_path):
    environment = environment_of(site, tmp_path, TIMEOUT=1, BREAKER_SECONDS=600)
    with Web(environment, workers=1) as web:
        scrape(web)
        postgresql.suspend()
        try:
            visit(web, "/plain/", site.people[0])
            assert scrape(web)[BREAKER] == 1
        finally:
            postgresql.resume()
        ended = web.kill(signal.SIGTERM)
        assert wait_until(lambda: ended not in web.workers and web.workers)
        assert scrape(web)[BREAKER] == 0


def test_one_process_without_the_directory(site):
    environment = site.environment() | {"DJANGO_SETTINGS_MODULE": "tests.faults.metrics"}
    with Web(environment, kind="gthread", threads=4) as web:
        scrape(web)  # imports the metrics
        for person in site.people:
            visit(web, "/plain/", person)
            visit(web, "/plain/", person)
        found = scrape(web)
    assert (found[ADDED], found[LIMITED]) == (len(site.people), len(site.people))
    assert found["process_resident_memory_bytes"] > 0
