"""Reports on groups and segments, against brute force."""

import random
from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.core.exceptions import ImproperlyConfigured
from django.db.models import Q

from souvenirs import reports
from souvenirs.digests.pruning import Pruner
from souvenirs.models import Souvenir
from souvenirs.reports import (
    calendar_daily_usage,
    calendar_monthly_usage,
    calendar_quarterly_usage,
    calendar_weekly_usage,
    calendar_yearly_usage,
    customer_monthly_usage,
    customer_quarterly_usage,
    customer_yearly_usage,
    daily_usage,
    usage_for_periods,
)
from souvenirs.sql.parameters import Rank
from tests.conftest import INSTANT, at, fewer_where_brief, pk_of
from tests.digesting import digest

pytestmark = pytest.mark.django_db

START, END, NOW = at(2016, 1, 1), at(2016, 7, 1), at(2016, 8, 1)
FIELDS = {field.name for field in get_user_model()._meta.get_fields()}
KNOWS_DATES = bool({"date_joined", "signed_up"} & FIELDS)
HAS_DJANGOS_USER = get_user_model()._meta.label == "auth.User"

CALENDAR = [
    calendar_daily_usage,
    calendar_weekly_usage,
    calendar_monthly_usage,
    calendar_quarterly_usage,
    calendar_yearly_usage,
]
SUBSCRIPTION = [
    daily_usage,
    customer_monthly_usage,
    customer_quarterly_usage,
    customer_yearly_usage,
]
every_report = pytest.mark.parametrize(
    "report",
    fewer_where_brief(
        [*CALENDAR, *SUBSCRIPTION], kept=[calendar_monthly_usage, customer_monthly_usage]
    ),
)


@pytest.fixture(autouse=True)
def _site(settings, monkeypatch):
    monkeypatch.setattr("souvenirs.reports.timezone.now", lambda: NOW)
    if "signed_up" in FIELDS:
        settings.SOUVENIRS_DATE_JOINED_FIELD = "signed_up"
        settings.SOUVENIRS_IS_ACTIVE_FIELD = "enabled"


class World:
    """Twenty users who registered and came at random, and the expected usage of any of them."""

    def __init__(self, make_user, leave):
        chance = random.Random(5)
        self.joined, self.activated = {}, set()
        for number in range(1, 21):
            moment = START + timedelta(days=chance.randint(-30, 180))
            self.joined[number] = moment
            if chance.random() < 0.7:
                self.activated.add(number)
            make_user(number, joined=moment, active=number in self.activated)
        # Number 21 has been deleted.
        self.seen = [
            (chance.randint(1, 21), START + chance.random() * timedelta(days=200))
            for _ in range(150)
        ]
        leave(*self.seen)

    def usage(self, start, end, numbers):
        among = set(self.joined).union([21]) if numbers is None else set(numbers)
        registered = [n for n, moment in self.joined.items() if n in among and moment < end]
        activated = registered
        if {"is_active", "enabled"} & FIELDS:
            activated = [number for number in registered if number in self.activated]
        active = {number for number, when in self.seen if start <= when < end and number in among}
        is_known = min(when for _, when in self.seen) < end
        return {
            "registered_users": len(registered) if KNOWS_DATES else None,
            "activated_users": len(activated) if KNOWS_DATES else None,
            "active_users": len(active) if is_known else None,
        }


@pytest.fixture
def world(make_user, leave):
    return World(make_user, leave)


def keys(numbers):
    return [pk_of(number) for number in numbers]


ODD, LOW, GONE = range(1, 21, 2), range(1, 6), [20, 21]


@every_report
@pytest.mark.parametrize("numbers", [ODD, LOW, GONE, []])
def test_report_of_some_users_is_brute_force(world, report, numbers):
    rows = list(report(START, end=END, tz="Asia/Kolkata", users=keys(numbers)))
    assert [row["usage"] for row in rows] == [
        world.usage(*row["period"].values(), numbers) for row in rows
    ]
    everybody = list(report(START, end=END, tz="Asia/Kolkata"))
    assert [{**row, "usage": None} for row in rows] == [{**row, "usage": None} for row in everybody]


@pytest.mark.parametrize("is_digested", [False, True])
def test_report_of_some_users_from_digests(world, is_digested):
    before = list(calendar_monthly_usage(START, END, users=keys(LOW)))
    if is_digested:
        digest()
        list(Pruner(at(2016, 5, 1)).run())
        assert Souvenir.objects.count() < len(world.seen)
    assert list(calendar_monthly_usage(START, END, users=keys(LOW))) == before


@every_report
@pytest.mark.parametrize("exclusive", [False, True])
def test_rows_of_each_segment_follow_those_of_everyone(world, report, exclusive):
    by = {"odd": keys(ODD), "low": keys(LOW), "gone": keys(GONE), "none": []}
    found = list(report(START, end=END, by=by, exclusive=exclusive))
    numbers = {None: None, "odd": ODD, "low": LOW, "gone": GONE, "none": []}
    if exclusive:
        numbers["low"] = [2, 4]
    assert [row["segment"] for row in found] == [
        name for name in numbers for _ in report(START, end=END)
    ]
    for row in found:
        assert row["usage"] == world.usage(*row["period"].values(), numbers[row["segment"]])
        assert next(iter(row)) == "segment"
    assert [without_segment(row) for row in found if row["segment"] is None] == list(
        report(START, end=END)
    )
    assert [without_segment(row) for row in found if row["segment"] == "odd"] == list(
        report(START, end=END, users=keys(ODD))
    )


def without_segment(row):
    return {name: value for name, value in row.items() if name != "segment"}


def test_segments_of_some_users(world):
    found = list(
        calendar_monthly_usage(START, END, users=keys(LOW), by={"odd": keys(ODD)}, recent=2)
    )
    for row in found:
        numbers = LOW if row["segment"] is None else [1, 3, 5]
        assert row["usage"] == world.usage(*row["period"].values(), numbers)
    assert [row["segment"] for row in found] == [None, None, "odd", "odd"]


def test_segments_of_the_setting(world, settings):
    settings.SOUVENIRS_SEGMENTS = {"low": Q(pk__in=keys(LOW))}
    found = list(calendar_quarterly_usage(START, END, by="segment"))
    assert [row["segment"] for row in found] == [None, None, "low", "low"]
    assert [without_segment(row) for row in found[2:]] == list(
        calendar_quarterly_usage(
            START, END, users=get_user_model().objects.filter(pk__in=keys(LOW))
        )
    )


@pytest.mark.skipif(not HAS_DJANGOS_USER, reason="the user model has no groups")
def test_groups_of_the_site(world):
    acme, globex = (Group.objects.create(name=name) for name in ("Acme", "Globex"))
    acme.user_set.set(keys(ODD))
    globex.user_set.set(keys(LOW))
    for row in calendar_monthly_usage(START, END, by="groups__name"):
        numbers = {None: None, "Acme": ODD, "Globex": LOW}[row["segment"]]
        assert row["usage"] == world.usage(*row["period"].values(), numbers)


@pytest.mark.skipif(not HAS_DJANGOS_USER, reason="the user model has no groups")
def test_field_without_values(world):
    found = list(calendar_yearly_usage(START, END, by="groups__name"))
    assert [row["segment"] for row in found] == [None]


@pytest.mark.parametrize("offset", [-INSTANT, timedelta(), INSTANT])
def test_user_of_a_group_registers_before_the_end(make_user, offset):
    """A user registered exactly at the end is not in the period."""
    make_user(1, joined=at(2016, 2, 1) + offset)
    for keywords in ({"users": keys([1])}, {"by": {"one": keys([1])}}):
        rows = list(calendar_monthly_usage(at(2016, 1, 1), at(2016, 2, 1), **keywords))
        counts = {row["usage"]["registered_users"] for row in rows}
        assert counts == ({int(offset < timedelta())} if KNOWS_DATES else {None})


def test_more_periods_than_one_query_takes(world, monkeypatch):
    monkeypatch.setattr(Rank, "LIMIT", 4)
    for row in calendar_weekly_usage(START, END, users=keys(ODD)):
        assert row["usage"] == world.usage(*row["period"].values(), ODD)
    for row in calendar_weekly_usage(START, END, by={"odd": keys(ODD)}):
        numbers = None if row["segment"] is None else ODD
        assert row["usage"] == world.usage(*row["period"].values(), numbers)


def test_periods_in_any_order_of_some_users(world):
    periods = [(at(2016, 3, 1), at(2016, 4, 1)), (START, END), (START, at(2016, 2, 1))]
    assert [row["usage"] for row in usage_for_periods(periods, users=keys(ODD))] == [
        world.usage(*period, ODD) for period in periods
    ]


def test_segments_before_the_start_of_a_subscription(world):
    assert list(customer_monthly_usage(NOW + INSTANT, by={"odd": keys(ODD)})) == []


def test_group_is_read_once(world):
    """An iterator can be read only once."""
    rows = list(calendar_monthly_usage(START, END, users=iter(keys(ODD)), by={"low": keys(LOW)}))
    assert rows[-1]["usage"] == world.usage(*rows[-1]["period"].values(), [1, 3, 5])


def test_period_that_is_not_over_is_marked_in_each_segment(world):
    found = list(calendar_monthly_usage(at(2016, 7, 1), at(2016, 8, 2), by={"odd": keys(ODD)}))
    assert [row.complete for row in found] == [True, False, True, False]


@pytest.mark.parametrize("segments", [1, 30])
def test_queries_do_not_grow_with_the_segments(world, segments, django_assert_max_num_queries):
    by = {str(number): keys([number]) for number in range(segments)}
    with django_assert_max_num_queries(7 if isinstance(pk_of(1), int) else 10):
        list(calendar_monthly_usage(START, END, by=by))


def test_queries_of_some_users(world, django_assert_max_num_queries):
    with django_assert_max_num_queries(4 if isinstance(pk_of(1), int) else 6):
        list(calendar_monthly_usage(START, END, users=keys(ODD)))


@pytest.mark.parametrize(
    ("keywords", "error", "message"),
    [
        ({"exclusive": True}, ValueError, "exclusive requires by"),
        ({"by": "no_such_field"}, ValueError, "by must be 'segment'"),
        ({"by": "segment"}, ValueError, "gives no segments"),
        ({"users": 5}, TypeError, "users must be a queryset"),
        ({"users": Souvenir.objects.all()}, ValueError, "users is a queryset of souvenirs.Souve"),
    ],
)
@pytest.mark.parametrize("report", [calendar_monthly_usage, customer_monthly_usage])
def test_invalid_group_is_refused_at_the_call(report, keywords, error, message):
    with pytest.raises(error, match=message):
        report(START, **keywords)


def of_version_1(periods):
    return reports._usage_for_periods(periods)


def with_revenue(periods, **whom):
    for row in reports.base_usage_for_periods(periods, **whom):
        row["usage"]["revenue"] = 100
        yield row


@pytest.mark.parametrize("keywords", [{"users": keys(ODD)}, {"by": {"odd": keys(ODD)}}])
def test_function_of_version_1_reports_on_everybody(world, settings, keywords):
    settings.SOUVENIRS_USAGE_REPORTS_FUNCTION = "tests.test_reports_of_groups.of_version_1"
    assert len(list(calendar_monthly_usage(START, END))) == 6
    with pytest.raises(ImproperlyConfigured, match=r"_FUNCTION has no parameter users"):
        calendar_monthly_usage(START, END, **keywords)


def test_function_of_the_project_is_told_whom_a_report_is_about(world, settings):
    expected = list(calendar_monthly_usage(START, END, by={"odd": keys(ODD), "low": keys(LOW)}))
    settings.SOUVENIRS_USAGE_REPORTS_FUNCTION = "tests.test_reports_of_groups.with_revenue"
    found = list(calendar_monthly_usage(START, END, by={"odd": keys(ODD), "low": keys(LOW)}))
    assert {row["usage"].pop("revenue") for row in found} == {100}
    assert found == expected


def test_zone_of_a_report_of_some_users(leave, make_user):
    make_user(1, joined=at(2015, 1, 1))
    leave((1, at(2016, 1, 31, 23, 30)))
    rows = list(
        calendar_monthly_usage(at(2016, 1, 15), at(2016, 2, 15), "Europe/Paris", users=keys([1]))
    )
    assert [row.counts[-1] for row in rows] == [None, 1]
    assert rows[0]["period"]["start"].tzinfo == ZoneInfo("Europe/Paris")
