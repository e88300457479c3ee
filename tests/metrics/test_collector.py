"""Gauges of what is in the database, as it was published."""

import subprocess
import sys
import time
from datetime import date, timedelta

import prometheus_client
import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import OperationalError, connection
from django.test.utils import CaptureQueriesContext

import souvenirs.metrics
from souvenirs.metrics.collector import SouvenirsCollector
from souvenirs.models import Figure
from souvenirs.publishing import Publisher, publication
from tests.conftest import at, pk_of
from tests.digesting import digest
from tests.metrics.scraped import samples_in, samples_of
from tests.publishing.published import publish, values

pytestmark = [pytest.mark.django_db, pytest.mark.above_the_store]

NOW = at(2017, 11, 20, 15)
DAY = timedelta(days=1)


@pytest.fixture(autouse=True)
def _site(settings, set_now):
    settings.SOUVENIRS_TIMEOUT = 5
    settings.SOUVENIRS_SEGMENTS = {"one": lambda: [pk_of(1)]}
    settings.SOUVENIRS_PUBLISH = {"segments": ["one"]}
    set_now(NOW)


@pytest.fixture
def _published(leave, make_user):
    for number in (1, 2, 3, 4):
        make_user(number, joined=at(2017, 1, number))
    leave((1, NOW - timedelta(hours=1)), (2, NOW - timedelta(hours=2)))
    leave((3, NOW - 5 * DAY), (4, NOW - 20 * DAY))
    digest()
    publish(*publication().intervals, segments=publication().segments)


def scrape():
    return samples_of(SouvenirsCollector().collect())


def active(samples):
    return {key: value for key, value in samples.items() if key.startswith("souvenirs_active")}


def fails(execute, *arguments):
    raise OperationalError("The server is down.")


@pytest.mark.usefixtures("_published")
def test_active_users_are_the_published_ones():
    assert active(scrape()) == {
        'souvenirs_active_users{segment="",window="1d"}': 2,
        'souvenirs_active_users{segment="",window="7d"}': 3,
        'souvenirs_active_users{segment="",window="28d"}': 4,
        'souvenirs_active_users{segment="one",window="1d"}': 1,
        'souvenirs_active_users{segment="one",window="7d"}': 1,
        'souvenirs_active_users{segment="one",window="28d"}': 1,
    }


@pytest.mark.usefixtures("_published")
def test_figures_are_not_computed_again(leave):
    leave((5, NOW - timedelta(hours=1)))
    Figure.objects.filter(metric="active_7d", segment="").update(value=77)
    found = scrape()
    assert found['souvenirs_active_users{segment="",window="1d"}'] == 2
    assert found['souvenirs_active_users{segment="",window="7d"}'] == 77


@pytest.mark.usefixtures("_published")
def test_registered_users_are_the_published_ones():
    values = dict(
        Figure.objects.filter(
            metric="registered", interval="day", first_day=NOW.date()
        ).values_list("segment", "value")
    )
    found = {
        key: value for key, value in scrape().items() if key.startswith("souvenirs_registered")
    }
    assert found == {
        f'souvenirs_registered_users{{segment="{segment}"}}': value
        for segment, value in values.items()
        if value is not None
    }


@pytest.mark.usefixtures("_published")
def test_tells_when_the_oldest_of_the_figures_was_computed():
    earlier = NOW - timedelta(hours=3)
    Figure.objects.filter(metric="active_28d", segment="one").update(computed=earlier)
    found = scrape()
    name = "souvenirs_figures_computed_timestamp_seconds"
    assert found[f'{name}{{figure="active_users",segment="one"}}'] == earlier.timestamp()
    assert found[f'{name}{{figure="active_users",segment=""}}'] == NOW.timestamp()


@pytest.mark.usefixtures("_published")
def test_figure_that_is_unknown_is_absent():
    Figure.objects.filter(metric="active_28d").update(value=None)
    assert {key[-6:-2] for key in active(scrape())} == {'="1d', '="7d'}


@pytest.mark.usefixtures("_published")
@pytest.mark.parametrize(("days", "is_there"), [(0, True), (1, True), (7, True), (8, False)])
def test_figures_of_a_day_long_ago_are_absent(set_now, days, is_there):
    set_now(NOW + days * DAY)
    assert bool(active(scrape())) == is_there


@pytest.mark.usefixtures("_published")
@pytest.mark.parametrize(
    ("now", "is_there"),
    [(at(2017, 11, 20, 23, 59), True), (at(2017, 11, 21), False), (at(2017, 11, 27), False)],
)
def test_users_of_one_day_are_those_of_today(set_now, now, is_there):
    set_now(now)
    found = active(scrape())
    assert ('souvenirs_active_users{segment="",window="1d"}' in found) == is_there
    assert found['souvenirs_active_users{segment="",window="7d"}'] == 3


@pytest.mark.usefixtures("_published")
def test_days_that_are_laid_out_and_not_computed_hide_no_figure(set_now):
    set_now(at(2017, 11, 21, 0, 5))
    before = scrape()
    next(Publisher(publication()).run())
    assert values()[date(2017, 11, 21)] is None
    assert active(scrape()) == active(before)
    assert active(before)['souvenirs_active_users{segment="",window="28d"}'] == 4


@pytest.mark.usefixtures("_published")
def test_figures_of_tomorrow_are_not_shown(set_now):
    set_now(NOW - DAY)
    assert {key: value for key, value in active(scrape()).items() if 'segment=""' in key} == {
        'souvenirs_active_users{segment="",window="1d"}': 0,
        'souvenirs_active_users{segment="",window="7d"}': 1,
        'souvenirs_active_users{segment="",window="28d"}': 2,
    }


@pytest.mark.usefixtures("_published")
@pytest.mark.parametrize("published", [None, {"intervals": ["month"]}, {"time_zones": []}])
def test_what_is_not_published_is_absent(settings, published):
    settings.SOUVENIRS_PUBLISH = published
    found = scrape()
    assert set(found) == {
        "souvenirs_last_souvenir_timestamp_seconds",
        "souvenirs_digest_lag_seconds",
        "souvenirs_undigested_souvenirs",
        "souvenirs_scrape_success",
    }


def test_figures_are_of_the_first_published_zone_if_the_sites_is_not(settings, set_now, leave):
    set_now(NOW - timedelta(minutes=1))
    settings.SOUVENIRS_PUBLISH = {"time_zones": ["Asia/Tokyo", "UTC"]}
    leave((1, at(2017, 11, 20, 14)), (2, at(2017, 11, 19, 14)))  # at 23:00 in Tokyo
    digest()
    publish("day", zone="Asia/Tokyo")
    assert not active(scrape())  # those of the site's zone have not been published yet
    settings.SOUVENIRS_PUBLISH = {"time_zones": ["Asia/Tokyo"]}
    assert active(scrape())['souvenirs_active_users{segment="",window="1d"}'] == 1


def test_nothing_is_known_of_an_empty_site():
    assert scrape() == {
        "souvenirs_digest_lag_seconds": 0,
        "souvenirs_undigested_souvenirs": 0,
        "souvenirs_scrape_success": 1,
    }


def test_undigested_souvenirs_and_the_age_of_the_oldest(leave):
    leave((1, NOW - DAY), (2, NOW - 2 * DAY), (3, NOW))
    before = time.time()
    found = scrape()
    after = time.time()
    assert found["souvenirs_undigested_souvenirs"] == 3
    oldest = (NOW - 2 * DAY).timestamp()
    assert before - oldest <= found["souvenirs_digest_lag_seconds"] <= after - oldest
    assert found["souvenirs_last_souvenir_timestamp_seconds"] == NOW.timestamp()


@pytest.mark.usefixtures("_published")
def test_nothing_lags_behind_once_all_is_digested():
    found = scrape()
    assert found["souvenirs_undigested_souvenirs"] == found["souvenirs_digest_lag_seconds"] == 0


@pytest.mark.usefixtures("_published")
def test_scrape_only_reads_figures_and_ends_of_the_index(leave):
    leave((1, NOW))
    with CaptureQueriesContext(
        connection,
    ) as captured:
        scrape()
    statements = [query["sql"] for query in captured if "souvenirs_" in query["sql"]]
    assert len(statements) == 4
    assert all("SELECT" in sql for sql in statements)
    assert not any("souvenirs_digest" in sql for sql in statements)


@pytest.mark.usefixtures("_published")
def test_database_that_fails_leaves_the_samples_out():
    own = SouvenirsCollector()
    with connection.execute_wrapper(fails):
        assert samples_of(own.collect()) == {"souvenirs_scrape_success": 0}


@pytest.mark.usefixtures("_published")
def test_database_that_failed_is_left_alone_for_a_second(stopwatch):
    own = SouvenirsCollector()
    with connection.execute_wrapper(fails):
        list(own.collect())
    assert samples_of(own.collect()) == {"souvenirs_scrape_success": 0}
    stopwatch.advance(1)
    assert samples_of(own.collect())["souvenirs_scrape_success"] == 1
    assert samples_of(own.collect())["souvenirs_scrape_success"] == 1


def test_wrong_setting_does_not_break_the_scrape(settings, caplog):
    own = SouvenirsCollector()
    settings.SOUVENIRS_PUBLISH = {"intervals": ["hour"]}
    assert samples_of(own.collect()) == {"souvenirs_scrape_success": 0}
    assert "Could not read the metrics" in caplog.text
    settings.SOUVENIRS_PUBLISH = None
    assert samples_of(own.collect())["souvenirs_scrape_success"] == 1


# Registration


def test_default_registry_has_everything_once():
    found = samples_in(prometheus_client.generate_latest().decode())
    assert found["souvenirs_scrape_success"] == 1
    assert 'souvenirs_recorded_total{outcome="added",reason=""}' in found
    assert 'souvenirs_breaker_open{kind="database"}' in found


def test_another_collector_of_these_names_is_refused():
    with pytest.raises(ValueError, match="Duplicated"):
        prometheus_client.REGISTRY.register(SouvenirsCollector())


def test_registration_asks_no_database():
    with connection.execute_wrapper(fails):
        own = prometheus_client.CollectorRegistry()
        own.register(SouvenirsCollector())


def test_single_process_shows_the_default_registry(monkeypatch):
    monkeypatch.delenv("PROMETHEUS_MULTIPROC_DIR", raising=False)
    assert souvenirs.metrics.registry() is prometheus_client.REGISTRY


def test_several_processes_show_the_collector_once(monkeypatch, tmp_path):
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    found = samples_of(souvenirs.metrics.registry().collect())
    assert found["souvenirs_scrape_success"] == 1


def test_directory_that_is_gone_is_named(monkeypatch, tmp_path):
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path / "gone"))
    with pytest.raises(ImproperlyConfigured) as caught:
        souvenirs.metrics.registry()
    assert str(caught.value) == (
        f"PROMETHEUS_MULTIPROC_DIR should be a directory, not '{tmp_path}/gone': "
        "create it before the server starts."
    )


@pytest.mark.parametrize("door", ["souvenirs.metrics", "souvenirs.metrics.urls"])
def test_directory_that_is_missing_is_named_at_import(monkeypatch, tmp_path, door):
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path / "gone"))
    done = run(f"import {door}")
    assert done.returncode == 1
    assert done.stderr.strip().splitlines()[-1] == (
        "django.core.exceptions.ImproperlyConfigured: PROMETHEUS_MULTIPROC_DIR should be a "
        f"directory, not '{tmp_path}/gone': create it before the server starts."
    )
    assert "During handling" not in done.stderr
    (tmp_path / "gone").mkdir()
    assert run(f"import {door}").returncode == 0


def run(code):
    setup = "import django; from django.conf import settings; "
    setup += "settings.configure(INSTALLED_APPS=['django.contrib.auth', "
    setup += "'django.contrib.contenttypes', 'souvenirs']); django.setup(); import sys\n"
    return subprocess.run(
        [sys.executable, "-c", setup + code], capture_output=True, text=True, timeout=60
    )


@pytest.mark.parametrize("door", ["souvenirs.metrics", "souvenirs.metrics.urls"])
def test_without_the_extra_one_sentence_tells(door):
    done = run(f"sys.modules['prometheus_client'] = None\nimport {door}")
    assert done.returncode == 1
    assert done.stderr.strip().splitlines()[-1] == (
        "ModuleNotFoundError: souvenirs.metrics needs prometheus-client: "
        "run pip install 'django-souvenirs[prometheus]'."
    )
    assert "During handling" not in done.stderr


def test_nothing_else_imports_the_extra():
    code = (
        "import souvenirs.middleware, souvenirs.dashboard.urls, souvenirs.asgi, souvenirs.alerts\n"
    )
    code += "print([name for name in sys.modules if name.startswith('prometheus')])"
    done = run(code)
    assert (done.returncode, done.stdout) == (0, "[]\n")
