"""Figures that depend on the table of users: accounts and segments."""

from datetime import date, timedelta
from itertools import islice

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group

from souvenirs.digests.pruning import Pruner
from souvenirs.insights import active_series
from souvenirs.models import Digest, Figure, Souvenir
from souvenirs.publishing import Publication, Publisher
from tests.conftest import at, pk_of
from tests.digesting import digest

pytestmark = [pytest.mark.django_db, pytest.mark.through_the_store]

NOW = at(2017, 11, 20, 15)
DAY, HOUR = timedelta(days=1), timedelta(hours=1)

has_accounts = pytest.mark.skipif(
    get_user_model()._meta.label != "auth.User", reason="the user model has no dates"
)


def odd():
    return [pk_of(1), pk_of(3)]


@pytest.fixture(autouse=True)
def _site(settings, set_now, make_user, leave):
    settings.SOUVENIRS_SEGMENTS = {"odd": odd, "broken": "tests.nothing"}
    set_now(NOW)
    for number in (1, 2, 3):
        make_user(number, joined=at(2017, 10, 10 * number), active=number != 3)
    leave(*((number, at(2017, 10, 5 * number)) for number in (1, 2, 3)), (1, at(2017, 11, 1)))
    digest()


def publish(*segments, intervals=("month",), zone="UTC"):
    publisher = Publisher(Publication(intervals, (zone,), segments))
    return sum(step.figures for step in publisher.run()), publisher.failed


def values(metric, segment="", interval="month"):
    found = Figure.objects.filter(metric=metric, segment=segment, interval=interval)
    return list(found.order_by("first_day").values_list("value", flat=True))


@has_accounts
def test_accounts_are_those_at_the_end_of_each_period():
    publish(intervals=("week",))
    assert values("registered", interval="week") == [0, 1, 2, 2, 3, 3, 3, 3]
    assert values("activated", interval="week") == [0, 1, 2, 2, 2, 2, 2, 2]


def test_without_dates_there_are_no_accounts(settings, monkeypatch):
    monkeypatch.setattr("souvenirs.publishing.publisher.date_joined_field", lambda: None)
    publish("odd")
    assert not Figure.objects.filter(metric__in=["registered", "activated"]).exists()
    assert values("active", "odd") == [2, 1]


def test_segment_is_that_of_an_insight():
    assert publish("odd", intervals=("day", "month"))[1] == []
    assert values("active", "odd") == [2, 1]
    assert values("new", "odd") == [2, 0]
    assert values("churned", "odd") == [0, None]
    found = active_series(window=28, users=odd(), tz="UTC")
    assert values("active_28d", "odd", "day") == list(found.values)


@has_accounts
def test_segment_has_its_accounts():
    publish("odd")
    assert values("registered", "odd") == [2, 2]
    assert values("activated", "odd") == [1, 1]


@has_accounts
def test_group_of_users_is_a_segment():
    group = Group.objects.create(name="Editors")
    group.user_set.add(pk_of(2))
    publish("group:Editors")
    assert values("active", "group:Editors") == [1, 0]


def test_no_figure_of_users_is_final():
    publish("odd")
    assert not Figure.objects.filter(segment="odd", is_final=True).exists()
    assert not Figure.objects.filter(metric="registered", is_final=True).exists()
    assert Figure.objects.filter(segment="", is_final=True).exists()


@pytest.mark.parametrize(("after", "is_recomputed"), [(59, False), (60, True)])
def test_figures_of_users_are_computed_once_an_hour(settings, set_now, after, is_recomputed):
    publish("odd")
    settings.SOUVENIRS_SEGMENTS = {"odd": lambda: [pk_of(2)]}
    set_now(NOW + timedelta(minutes=after))
    publish("odd")
    assert values("active", "odd") == ([1, 0] if is_recomputed else [2, 1])


def test_figures_of_users_of_a_clock_that_was_ahead_are_computed_again(settings, set_now):
    set_now(NOW + 40 * DAY)
    publish("odd")
    assert len(values("active", "odd")) == 3
    settings.SOUVENIRS_SEGMENTS = {"odd": lambda: [pk_of(2)]}
    set_now(NOW)
    publish("odd")
    assert values("active", "odd") == [1, 0]


def test_only_what_changed_is_written(set_now):
    publish("odd")
    written = dict(Figure.objects.values_list("pk", "computed"))
    set_now(NOW + HOUR)
    publish("odd")
    again = dict(Figure.objects.values_list("pk", "computed"))
    changed = Figure.objects.filter(pk__in=[pk for pk in again if again[pk] != written[pk]])
    assert set(changed.values_list("first_day", flat=True)) == {date(2017, 11, 1)}


def test_broken_segment_is_named_and_the_rest_is_published():
    _, failed = publish("broken", "odd", "group:nobody")
    assert failed == [
        "SOUVENIRS_SEGMENTS['broken']: Segment 'broken' is 'tests.nothing', which cannot be "
        "imported.",
        "SOUVENIRS_PUBLISH has the segment 'group:nobody', but no group of users has that name: "
        "rename or remove it.",
    ]
    assert values("active", "odd") == [2, 1]
    assert values("active") == [3, 1]


def no_segments():
    return {}


def test_segment_that_a_function_does_not_name_is_told(settings):
    settings.SOUVENIRS_SEGMENTS = no_segments
    _, failed = publish("pro")
    assert failed == [
        "SOUVENIRS_PUBLISH has the segment 'pro', but no segment has that name: rename or remove "
        "it."
    ]


def test_days_that_pruning_left_unknown_have_no_value(leave):
    leave((1, at(2017, 10, 12, 18, 5)))
    digest()
    list(Pruner(NOW).run())
    publish("odd", intervals=("day",), zone="Asia/Kolkata")  # its midnight is within a bucket
    unknown = Figure.objects.filter(segment="odd", metric="active", value=None)
    days = unknown.order_by("first_day").values_list("first_day", flat=True)
    assert list(days) == [date(2017, 10, 12), date(2017, 10, 13)]


@pytest.mark.parametrize("has_dates", [True, False])
def test_corrupt_digest_is_named(monkeypatch, has_dates):
    if not has_dates:
        monkeypatch.setattr("souvenirs.publishing.publisher.date_joined_field", lambda: None)
    list(Pruner(NOW).run())
    Digest.objects.filter(level__lte=3600).update(body=b"damaged")
    Digest.objects.filter(level__gt=3600).update(is_stale=True, checksum=0)
    _, failed = publish("odd")
    assert len(failed) == 1
    assert values("active", "odd") == []


def test_weeks_that_start_on_another_day_replace_the_others(settings):
    publish("odd", intervals=("week",))
    settings.SOUVENIRS_WEEK_START = 7
    publish("odd", intervals=("week",))
    days = Figure.objects.filter(segment="odd").values_list("first_day", flat=True)
    assert {day.isoweekday() for day in days} == {7}


def test_empty_site_has_no_figures_of_users():
    publish("odd")
    Souvenir.objects.all().delete()
    Digest.objects.all().delete()
    assert publish("odd") == (0, [])
    assert not Figure.objects.exists()


def test_run_that_is_stopped_is_continued_though_it_is_recent(monkeypatch):
    monkeypatch.setattr("souvenirs.publishing.calendars.PERIODS", 10)
    wanted = Publication(("day",), ("UTC",), ("odd",))
    publish(intervals=("day",))
    for _ in range(6):
        list(islice(Publisher(wanted).run(), 3))
    publish("odd", intervals=("day",))
    assert len(values("active", "odd", "day")) == len(values("active", interval="day")) == 47
