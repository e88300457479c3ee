"""``digest_souvenirs`` publishes what is to be published, once all is digested."""

from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connections
from django.utils import timezone

from souvenirs.digests.pruning import Pruner
from souvenirs.models import Digest, Figure, FigureLock
from souvenirs.stores import Sighting, get_store, orm
from tests.conftest import at, pk_of
from tests.digesting import digest, run
from tests.test_replica import reads_from_replica

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "elsewhere"])

WEEK = {"intervals": ["week"]}


@pytest.fixture
def days_ago(leave):
    """Leave souvenirs of users a number of days ago."""

    def leave_then(*pairs):
        now = timezone.now()
        leave(*((number, now - timedelta(days=days)) for number, days in pairs))

    return leave_then


def test_it_says_how_many_figures_it_has_published(settings, days_ago):
    settings.SOUVENIRS_PUBLISH = WEEK
    days_ago((1, 20), (2, 1))
    lines = run("digest_souvenirs").splitlines()
    assert len(lines) == 2
    assert lines[1] == f"Published {Figure.objects.count()} figures."
    assert Figure.objects.filter(is_final=True, interval="week").exists()


def test_default_is_days_weeks_and_months(settings, days_ago):
    del settings.SOUVENIRS_PUBLISH
    days_ago((1, 20))
    run("digest_souvenirs")
    assert set(Figure.objects.values_list("interval", flat=True)) == {"day", "week", "month"}


def test_nothing_is_published_before_all_is_digested(settings, days_ago):
    settings.SOUVENIRS_PUBLISH = WEEK
    days_ago((1, 20), (1, 60), (1, 90))
    assert "Stopped" in run("digest_souvenirs", "--max-seconds=0.000001")
    assert not Figure.objects.exists()


def test_publishing_stops_in_time(settings, days_ago):
    settings.SOUVENIRS_PUBLISH = WEEK
    days_ago((1, 20))
    digest()
    printed = run("digest_souvenirs", "--max-seconds=0.000001")
    assert "Stopped after --max-seconds" in printed
    assert Figure.objects.exists()
    assert not Figure.objects.filter(is_final=True).exists()
    run("digest_souvenirs")
    assert Figure.objects.filter(is_final=True).exists()


def test_wrong_setting_is_refused_before_anything_is_done(settings, days_ago):
    settings.SOUVENIRS_PUBLISH = {"intervals": ["hour"]}
    days_ago((1, 20))
    with pytest.raises(CommandError, match="has the interval 'hour'"):
        run("digest_souvenirs")
    assert not Digest.objects.exists()


def test_what_could_not_be_published_is_named(settings, days_ago):
    settings.SOUVENIRS_SEGMENTS = {"broken": "tests.nothing"}
    settings.SOUVENIRS_PUBLISH = {**WEEK, "segments": ["broken"]}
    days_ago((1, 20))
    with pytest.raises(CommandError) as refused:
        run("digest_souvenirs")
    assert str(refused.value) == (
        "Some figures could not be published: SOUVENIRS_SEGMENTS['broken']: Segment 'broken' is "
        "'tests.nothing', which cannot be imported."
    )
    assert Figure.objects.exists()


def test_souvenirs_are_read_where_they_are_written(settings, monkeypatch, days_ago):
    monkeypatch.setattr("souvenirs.publishing.publisher.date_joined_field", lambda: None)
    settings.SOUVENIRS_PUBLISH = WEEK
    days_ago((1, 20), (2, 20), (3, 1))
    with reads_from_replica(settings):
        call_command("digest_souvenirs")
    assert Figure.objects.filter(metric="active", value=2, is_final=True).exists()


def test_time_zone_of_the_process_counts_where_datetimes_are_naive(settings, leave):
    settings.USE_TZ = False
    settings.TIME_ZONE = "America/New_York"
    settings.SOUVENIRS_PUBLISH = {"intervals": ["year"]}
    leave((1, at(2025, 1, 1, 12).replace(tzinfo=None)))
    run("digest_souvenirs")
    figure = Figure.objects.get(metric="active", first_day="2025-01-01")
    assert (figure.value, figure.is_final, figure.time_zone) == (1, True, "America/New_York")


def test_import_outside_a_transaction_marks_within_its_own(settings, days_ago):
    settings.SOUVENIRS_PUBLISH = WEEK
    days_ago((1, 20))
    run("digest_souvenirs")
    FigureLock.objects.all().delete()
    get_store().add_many([Sighting(pk_of(2), timezone.now() - timedelta(days=15))])
    assert not Figure.objects.filter(is_final=True, metric="new", value=0).exists()
    assert FigureLock.objects.count() == 1


def test_import_of_recent_souvenirs_marks_nothing(settings, days_ago):
    settings.SOUVENIRS_PUBLISH = WEEK
    days_ago((1, 20))
    run("digest_souvenirs")
    before = FigureLock.objects.get().marks
    get_store().add_many([Sighting(pk_of(2), timezone.now())])
    assert FigureLock.objects.get().marks == before


def test_request_goes_on_without_a_table_of_figures(settings, days_ago, monkeypatch, caplog):
    def missing(alias, spans):
        raise DatabaseError("no such table")

    monkeypatch.setattr(orm, "mark_figures", missing)
    when = timezone.now() - timedelta(days=3)
    get_store().add(Sighting(pk_of(1), when))
    assert get_store().has(Sighting(pk_of(1), when))
    assert "Could not mark published figures" in caplog.text


def test_late_souvenir_marks_where_the_site_commits_by_itself(settings, days_ago):
    settings.SOUVENIRS_PUBLISH = WEEK
    days_ago((1, 20))
    run("digest_souvenirs")
    connection = connections["default"]
    connection.set_autocommit(False)
    try:
        get_store().add(Sighting(pk_of(2), timezone.now() - timedelta(days=15)))
        connection.commit()
    finally:
        connection.set_autocommit(True)
    assert not Figure.objects.filter(is_final=True, metric="new", value=0).exists()


def test_pruning_between_two_runs_publishes_nothing_new(settings, days_ago):
    settings.SOUVENIRS_PUBLISH = WEEK
    days_ago((1, 20), (2, 1))
    run("digest_souvenirs")
    list(Pruner(timezone.now()).run())
    assert run("digest_souvenirs").splitlines()[-1] == "Published 5 figures."
