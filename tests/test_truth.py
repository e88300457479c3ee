"""Every figure of real activity, against an independent program, to the last user."""

import csv
import gzip
import json
from collections import deque
from datetime import date, datetime, timedelta
from itertools import product
from zoneinfo import ZoneInfo

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import User
from django.test import RequestFactory

from souvenirs.api import ENDPOINTS
from souvenirs.calendar import INTERVALS
from souvenirs.control import active_users, count_active_users
from souvenirs.digests.digester import Digester
from souvenirs.insights import active_series, day_n_retention, growth, retention, stickiness
from souvenirs.models import Digest, Figure, Souvenir
from souvenirs.publishing import Publication, Publisher
from souvenirs.reports import (
    calendar_daily_usage,
    calendar_monthly_usage,
    calendar_quarterly_usage,
    calendar_weekly_usage,
    calendar_yearly_usage,
)
from souvenirs.utils import next_month
from tests.activity import DATASETS, file_of, truth_of
from tests.conftest import INSTANT, ON_A_SERVER, pk_of

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.truth,
    pytest.mark.skipif(
        get_user_model()._meta.label != "auth.User",
        reason="figures do not depend on the user model",
    ),
]

#: How much is digested changes what is read, and not what an engine makes of it: a server reads
#: souvenirs and digests.
DIGESTED = ["half digested"] if ON_A_SERVER else ["not digested", "half digested", "digested"]
#: Of 21 years, which take far longer to digest than all the others together.
LONG = "gitgit_commits"
STATES = [each for each in product(DATASETS, DIGESTED) if each != (LONG, "digested")]
ZONES = ["UTC", "America/New_York", "Asia/Kolkata"]


def marks_of(name, digested):
    is_short = digested == "half digested" and name != LONG
    marks = [] if is_short and not ON_A_SERVER else [pytest.mark.thorough]
    return marks if name != LONG else [*marks, pytest.mark.through_the_store]


@pytest.fixture(
    scope="module",
    params=[
        pytest.param((name, digested), id=f"{name}-{digested}", marks=marks_of(name, digested))
        for name, digested in STATES
    ],
)
def truth(request, django_db_setup, django_db_blocker):
    """A data set in the database, all its events, for all the tests of this module."""
    name, digested = request.param
    with gzip.open(file_of(f"{name}.csv.gz"), "rt", newline="") as lines:
        souvenirs = [
            Souvenir(user_id=pk_of(int(row["user_id"])), when=datetime.fromisoformat(row["when"]))
            for row in csv.DictReader(lines)
        ]
    with django_db_blocker.unblock():
        Souvenir.objects.bulk_create(souvenirs, batch_size=5_000)
        if digested != "not digested":
            middle = sorted(souvenir.when for souvenir in souvenirs)[len(souvenirs) // 2]
            deque(Digester(until=middle if digested == "half digested" else None).run(), maxlen=0)
        yield truth_of(name)
        Souvenir.objects.all().delete()
        Digest.objects.all().delete()


def test_totals(truth):
    assert Souvenir.objects.count() == truth["total_events"]
    assert count_active_users() == len(active_users()) == truth["distinct_users"]


def test_first_and_last_event(truth):
    first, last = (datetime.fromisoformat(truth[name]) for name in ("first", "last"))
    assert count_active_users(start=last + INSTANT) == 0
    assert count_active_users(end=first) == 0
    assert count_active_users(first, last + INSTANT) == truth["distinct_users"]


def test_trailing_windows_at_the_instants(truth):
    for moment in truth["rolling"]:
        end = datetime.fromisoformat(moment["instant"])
        for name, days in (("dau", 1), ("wau", 7), ("mau", 30)):
            start = end - timedelta(days=days)
            assert count_active_users(start, end) == moment["closed_open"][name]
            assert len(active_users(start, end)) == moment["closed_open"][name]
            shifted = count_active_users(start + INSTANT, end + INSTANT)
            assert shifted == moment["open_closed"][name]


@pytest.mark.parametrize("zone", ZONES)
def test_days(truth, zone):
    expected = {day: users for day, _, users in truth["zones"][zone]["per_day"]["series"]}
    assert measured(calendar_daily_usage, "calendar_date", truth, zone) == expected


@pytest.mark.parametrize("zone", ZONES)
def test_weeks(truth, zone):
    expected = {
        f"{day.isocalendar().year}-W{day.isocalendar().week:02d}": week["users"]
        for week in truth["zones"][zone]["per_iso_week"]
        for day in [date.fromisoformat(week["monday"])]
    }
    assert measured(calendar_weekly_usage, "calendar_year_week", truth, zone) == expected


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize(
    ("report", "label", "key", "name"),
    [
        (calendar_monthly_usage, "calendar_year_month", "per_month", "month"),
        (calendar_quarterly_usage, "calendar_year_quarter", "per_quarter", "quarter"),
        (calendar_yearly_usage, "calendar_year", "per_year", "year"),
    ],
)
def test_months_quarters_and_years(truth, zone, report, label, key, name):
    expected = {period[name]: period["users"] for period in truth["zones"][zone][key]}
    found = measured(report, label, truth, zone)
    assert {str(period): users for period, users in found.items()} == expected


@pytest.mark.parametrize("zone", ZONES)
def test_local_days_that_end_with_a_date(truth, zone):
    days = measured(calendar_daily_usage, "calendar_date", truth, zone, ends=True)
    for trailing in truth["zones"][zone]["calendar_trailing"]:
        for name, length in (("dau", 1), ("wau", 7), ("mau", 30)):
            last = date.fromisoformat(trailing["date"])
            first = last - timedelta(days=length - 1)
            start = days.get(first.isoformat(), (None, None))[0]
            end = days[last.isoformat()][1]
            assert count_active_users(start, end) == trailing[name]


@pytest.mark.parametrize("zone", ZONES)
def test_trailing_series(truth, zone):
    dates = truth["zones"][zone]["calendar_trailing"]
    for name, trailing in product(("dau", "wau", "mau"), dates):
        midnight = datetime.fromisoformat(trailing["date"]).replace(tzinfo=ZoneInfo(zone))
        found = active_series(midnight, midnight + timedelta(days=1), window=name, tz=zone)
        assert (found.periods[-1].label, found.values[-1]) == (trailing["date"], trailing[name])


@pytest.mark.parametrize("zone", ZONES)
def test_series_without_a_window_are_the_periods_themselves(truth, zone):
    expected = [users for _, _, users in truth["zones"][zone]["per_day"]["series"]]
    assert list(active_series(*span(truth), tz=zone).values) == expected
    expected = [month["users"] for month in truth["zones"][zone]["per_month"]]
    assert list(active_series(*span(truth), interval="month", tz=zone).values) == expected


@pytest.mark.parametrize("zone", ZONES)
def test_mean_ratio_of_months(truth, zone):
    months = truth["zones"][zone]["per_month"]
    found = stickiness(*whole_months(truth, zone), tz=zone)
    assert [each.active for each in found.periods] == [month["users"] for month in months]
    means = [month["avg_dau"] for month in months]
    assert [each.mean_dau for each in found.periods] == pytest.approx(means, abs=1e-6)


@pytest.mark.parametrize("zone", ZONES)
def test_growth(truth, zone):
    names = ("active", "new", "retained", "resurrected", "churned")
    found = growth(*span(truth), tz=zone)
    assert [
        {"month": row["label"], **{name: row[name] for name in names}} for row in found.rows()
    ] == truth["zones"][zone]["growth"]


@pytest.mark.thorough
@pytest.mark.parametrize("zone", ZONES)
def test_published_figures(truth, zone, set_now):
    last = datetime.fromisoformat(truth["last"])
    set_now(last.replace(year=last.year + 1, month=2, day=2))
    # Days take as long as all the rest together, and those of 21 years twenty times as long.
    is_whole = truth["name"] != LONG and zone != ZONES[-1]
    intervals = [name for name in INTERVALS if is_whole or name != "day"]
    publisher = Publisher(Publication(tuple(intervals), (zone,), ()))
    deque(publisher.run(), maxlen=0)
    assert publisher.failed == []
    of_zone = truth["zones"][zone]
    periods = {
        "day": {day: users for day, _, users in of_zone["per_day"]["series"]},
        "week": {week["monday"]: week["users"] for week in of_zone["per_iso_week"]},
        "month": {f"{each['month']}-01": each["users"] for each in of_zone["per_month"]},
        "quarter": {_first_of(each["quarter"]): each["users"] for each in of_zone["per_quarter"]},
        "year": {f"{each['year']}-01-01": each["users"] for each in of_zone["per_year"]},
    }
    for interval in intervals:
        assert periods[interval].items() <= published("active", interval).items(), interval
    for metric in ("new", "retained", "resurrected", "churned"):
        expected = {f"{each['month']}-01": each[metric] for each in of_zone["growth"]}
        assert expected.items() <= published(metric, "month").items(), metric
    for metric, name in (("active_7d", "wau"), ("active_30d", "mau")) if is_whole else ():
        expected = {each["date"]: each[name] for each in of_zone["calendar_trailing"]}
        assert expected.items() <= published(metric, "day").items(), metric


def published(metric, interval):
    """The published values of a metric, by the first day of each period."""
    found = Figure.objects.filter(metric=metric, interval=interval)
    return {day.isoformat(): value for day, value in found.values_list("first_day", "value")}


def _first_of(quarter):
    """The first day of a quarter like 2015-Q2."""
    year, _, number = quarter.partition("-Q")
    return f"{year}-{3 * int(number) - 2:02d}-01"


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize(("interval", "key"), [("month", "cohorts"), ("week", "week_cohorts")])
def test_cohorts(truth, zone, interval, key):
    if key not in truth["zones"][zone]:
        pytest.skip(f"no {key} in the truth")
    found = retention(*span(truth), interval=interval, tz=zone)
    assert {
        cohort.period.label if interval == "month" else str(local_date(cohort, zone)): list(
            cohort.cells
        )
        for cohort in found.cohorts
    } == truth["zones"][zone][key]


@pytest.mark.parametrize("zone", ZONES)
def test_day_n_retention(truth, zone):
    expected = truth["zones"][zone]["day_n"]
    found = day_n_retention(*span(truth), days=[int(n) for n in expected], tz=zone)
    assert {
        str(each.days): {
            "eligible": each.eligible,
            "returned": each.returned,
            "unbounded": each.returned_or_later,
        }
        for each in found.days
    } == expected


@pytest.mark.above_the_store
@pytest.mark.parametrize("zone", ZONES)
def test_api(truth, zone):
    """The parameters of the API for the months of the data set."""
    request = RequestFactory().get(
        "/",
        {"from": truth["first"], "to": whole_months(truth, zone)[1].isoformat()}
        | {"interval": "month", "tz": zone},
    )
    request.user = User(is_superuser=True, is_active=True)
    [endpoint] = [each for each in ENDPOINTS if each.name == "growth"]
    found = json.loads(endpoint.view()(request).content)["rows"]
    names = ("active", "new", "retained", "resurrected", "churned")
    assert [
        {"month": row["label"], **{name: row[name] for name in names}} for row in found
    ] == truth["zones"][zone]["growth"]


def span(truth):
    """From the first event to right after the last one."""
    first, last = (datetime.fromisoformat(truth[name]) for name in ("first", "last"))
    return first, last + INSTANT


def whole_months(truth, zone):
    """From the first event to the end of the month of the last one."""
    first, last = span(truth)
    return first, next_month(
        last.astimezone(ZoneInfo(zone)).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    )


def local_date(cohort, zone):
    return cohort.period.start.astimezone(ZoneInfo(zone)).date()


def measured(report, label, truth, zone, ends=False):
    """A report over the whole data set: users, or both ends of the period, by label."""
    start, last = (datetime.fromisoformat(truth[name]) for name in ("first", "last"))
    rows = report(start, last + INSTANT, tz=zone)
    if ends:
        return {row["labels"][label]: tuple(row["period"].values()) for row in rows}
    return {row["labels"][label]: row["usage"]["active_users"] for row in rows}
