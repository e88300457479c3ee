"""Every published figure is what brute force and the insights say."""

from datetime import date, timedelta
from itertools import islice, pairwise

import pytest
from django.db.models import F

from souvenirs.control import erase_user
from souvenirs.digests.pruning import Pruner
from souvenirs.models import Digest, Figure
from souvenirs.publishing import Publication, Publisher
from tests.conftest import at, pk_of
from tests.digesting import digest
from tests.oracle import NOW, UNITS, ZONES, Oracle, sightings
from tests.publishing.published import GROWTH, TRAILING, final, publish, values

pytestmark = [pytest.mark.django_db, pytest.mark.through_the_store]

DAY, HOUR = timedelta(days=1), timedelta(hours=1)


@pytest.fixture(autouse=True)
def _now(set_now):
    set_now(NOW)


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("interval", UNITS)
def test_equals_brute_force(leave, zone, interval):
    rows = [row for row in sightings() if row[1] < NOW]
    leave(*rows)
    digest()
    publish(interval, zone=zone)
    oracle = Oracle(rows, min(when for _, when in rows), interval=interval, zone=zone)
    firsts = [UNITS[interval](days[0]) for days in oracle.periods]
    expected = list(oracle.growth())
    for metric in GROWTH:
        counts = [len(each[metric]) for each in expected]
        if metric == "churned":
            counts[-1] = None  # they may still come
        assert values(metric, interval) == dict(zip(firsts, counts, strict=True))
    if interval == "day":
        for metric, days in TRAILING.items():
            assert list(values(metric).values()) == list(oracle.series(days))
        shares = {day: active / values("active_30d")[day] for day, active in values().items()}
        assert values("stickiness") == shares


@pytest.mark.parametrize("interval", UNITS)
def test_days_of_a_period_are_whole_and_in_the_time_zone(leave, interval):
    leave((1, at(2017, 9, 4, 1)), (1, NOW))
    digest()
    publish(interval, zone="America/New_York")
    rows = Figure.objects.filter(metric="active").order_by("first_day")
    assert rows[0].first_day == UNITS[interval](date(2017, 9, 3))
    for row, following in pairwise(rows):
        assert row.last_day + DAY == following.first_day
    last = rows.last()
    assert last.first_day <= date(2017, 11, 20) <= last.last_day
    assert UNITS[interval](last.last_day + DAY) == last.last_day + DAY


def test_time_goes_on(leave, set_now):
    leave((1, at(2017, 11, 1)), (2, NOW))
    digest()
    publish("day", "month")
    set_now(NOW + 40 * DAY)
    publish("day", "month")
    assert list(values()) == [date(2017, 11, 1) + n * DAY for n in range(60)]
    assert list(values(interval="month")) == [date(2017, 11, 1), date(2017, 12, 1)]
    assert final(interval="month") == {date(2017, 11, 1)}


def test_earlier_history_adds_periods(leave):
    leave((1, at(2017, 11, 5)))
    digest()
    publish("day", "week")
    leave((2, at(2017, 10, 30)))
    digest()
    publish("day", "week")
    assert min(values()) == date(2017, 10, 30)
    assert len(values()) == 22
    assert values("new")[date(2017, 11, 5)] == 1
    assert list(values(interval="week")) == [date(2017, 10, 30) + 7 * n * DAY for n in range(4)]


def test_without_its_first_souvenirs_periods_are_gone(leave):
    leave((1, at(2017, 10, 30)), (2, at(2017, 11, 5)))
    digest()
    publish()
    erase_user(pk_of(1))
    publish()
    assert min(values()) == date(2017, 11, 5)
    erase_user(pk_of(2))
    assert publish() == 0
    assert not Figure.objects.exists()


def test_empty_site_publishes_nothing(db):
    assert publish("day", "year") == 0
    assert not Figure.objects.exists()


def test_weeks_that_start_on_another_day_replace_the_others(leave, settings):
    leave((1, at(2017, 11, 1)))
    digest()
    publish("week")
    settings.SOUVENIRS_WEEK_START = 7
    publish("week")
    assert list(values(interval="week")) == [date(2017, 10, 29) + 7 * n * DAY for n in range(4)]
    assert set(values("registered", "week")) <= set(values(interval="week"))


def test_what_is_no_longer_published_is_deleted(leave):
    leave((1, at(2017, 11, 1)))
    digest()
    publish("day", "month")
    publish("month", zone="Europe/Paris")
    kept = Figure.objects.values_list("interval", "time_zone").distinct()
    assert set(kept) == {("month", "Europe/Paris")}
    list(Publisher(Publication((), (), ())).run())
    assert not Figure.objects.exists()


def test_days_that_pruning_left_unknown_have_no_value(leave):
    leave((1, at(2017, 11, 1, 18, 5)), (2, at(2017, 11, 3, 12)))
    digest()
    list(Pruner(NOW).run())
    publish(zone="Asia/Kolkata")  # its midnight, 18:30, is within a bucket
    found = values()
    assert (found[date(2017, 11, 1)], found[date(2017, 11, 2)]) == (None, None)
    assert found[date(2017, 11, 3)] == 1
    assert values("active_7d")[date(2017, 11, 9)] == 1
    assert {date(2017, 11, 1), date(2017, 11, 3)} <= final()
    assert publish(zone="Asia/Kolkata") == 9


def test_corrupt_digest_is_named_and_the_rest_is_published(leave):
    leave((1, at(2017, 11, 1)), (2, at(2017, 11, 5)))
    digest()
    list(Pruner(NOW).run())
    Digest.objects.filter(level__lte=3600).update(body=b"damaged")
    Digest.objects.filter(level__gt=3600).exclude(kind="none").update(is_stale=True, checksum=0)
    publisher = Publisher(Publication(("day", "month"), ("UTC",), ()))
    list(publisher.run())
    assert len(publisher.failed) == 1
    assert "2017-11-01" in publisher.failed[0]
    assert values("active", is_final=True) == {}


@pytest.mark.parametrize("steps", [1, 2, 3])
def test_run_that_is_stopped_leaves_no_gap(leave, monkeypatch, steps):
    monkeypatch.setattr("souvenirs.publishing.calendars.PERIODS", 2)
    leave((1, at(2017, 11, 9)))
    digest()
    wanted = Publication(("day",), ("UTC",), ())
    list(islice(Publisher(wanted).run(), steps))
    leave((2, at(2017, 11, 2)))
    digest()
    list(islice(Publisher(wanted).run(), steps + 6))
    publish()
    assert list(values()) == [date(2017, 11, 2) + n * DAY for n in range(19)]
    assert len(final()) == 18


def test_souvenir_from_year_2_makes_no_endless_history(leave, monkeypatch):
    monkeypatch.setattr("souvenirs.publishing.calendars.MOST", 5)
    leave((1, at(2, 1, 1)), (1, at(2017, 11, 19)))
    digest()
    publish("day", "month")
    assert list(values()) == [date(2017, 11, 16) + n * DAY for n in range(5)]
    assert len(values(interval="month")) == 5
    assert values("resurrected")[date(2017, 11, 19)] == 1
    assert values("new")[date(2017, 11, 19)] == 0


def test_new_version_of_a_time_zone_replaces_figures(leave, monkeypatch):
    leave((1, at(2017, 11, 9)))
    digest()
    publish()
    Figure.objects.update(until=F("until") + 3600)
    monkeypatch.setattr("souvenirs.publishing.publisher.offsets_of", lambda name: 5)
    publish()
    assert not Figure.objects.filter(metric="active", until__gt=0).exclude(until=F("since") + 86400)


def test_change_of_what_is_published_keeps_the_rest(leave):
    leave((1, at(2017, 11, 9)))
    digest()
    publish("day", "month")
    kept = set(Figure.objects.filter(interval="day").values_list("pk", flat=True))
    publish("day")
    assert set(Figure.objects.values_list("pk", flat=True)) == kept
