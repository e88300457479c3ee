"""A site moves to another time zone: one run later, every figure is that of the new days."""

import pytest

from souvenirs.calendar.grid import LOCAL_LEVEL
from souvenirs.digests import Pruner
from souvenirs.insights import retention
from souvenirs.models import Digest, Figure
from souvenirs.reports import calendar_daily_usage, calendar_monthly_usage
from tests.conftest import at
from tests.digesting import run
from tests.oracle import NOW, UNITS, ZONES, Oracle, sightings
from tests.publishing.published import GROWTH, TRAILING, values

pytestmark = pytest.mark.django_db(transaction=True)

INTERVALS = ["day", "week", "month"]

#: Of these, midnight falls inside a bucket of an hour in Kolkata.
MOVES = [("UTC", zone) for zone in ZONES if zone not in ("UTC", "Asia/Kolkata")] + [
    ("America/New_York", "UTC"),
    ("America/New_York", "Asia/Kolkata"),
]
START = at(2017, 8, 15)


@pytest.fixture
def rows(settings, leave, set_now):
    """The sightings of a site that publishes, and has done so in another time zone."""
    settings.SOUVENIRS_PUBLISH = {}
    set_now(NOW)
    rows = sightings()
    leave(*rows)
    return rows


def move(settings, old, new):
    settings.TIME_ZONE = old
    run("digest_souvenirs")
    assert set(Figure.objects.values_list("time_zone", flat=True)) == {old}
    settings.TIME_ZONE = new


def oracle_of(rows, interval, zone):
    return Oracle(rows, min(when for _, when in rows), interval=interval, zone=zone)


def expected(rows, interval, zone):
    """The published values of each metric, by the first day."""
    oracle = oracle_of(rows, interval, zone)
    firsts = [UNITS[interval](days[0]) for days in oracle.periods]
    growth = list(oracle.growth())
    found = {
        metric: {
            first: None if metric == "churned" and not oracle.is_over(days) else len(users[metric])
            for first, days, users in zip(firsts, oracle.periods, growth, strict=True)
        }
        for metric in GROWTH
    }
    if interval == "day":
        for metric, length in TRAILING.items():
            found[metric] = dict(zip(firsts, oracle.series(length), strict=True))
    return found


@pytest.mark.parametrize(("old", "new"), MOVES)
def test_one_run_publishes_the_figures_of_the_new_zone(settings, rows, old, new):
    move(settings, old, new)
    run("digest_souvenirs")
    assert set(Figure.objects.values_list("time_zone", flat=True)) == {new}
    for interval in INTERVALS:
        for metric, figures in expected(rows, interval, new).items():
            assert values(metric, interval) == figures, (interval, metric)


@pytest.mark.parametrize("is_run", [False, True])
def test_reports_and_cohorts_are_those_of_the_new_zone_at_once(settings, rows, is_run):
    move(settings, "UTC", "America/New_York")
    if is_run:
        run("digest_souvenirs")
    daily = oracle_of(rows, "day", "America/New_York")
    start, end = daily.periods[0][0], NOW
    found = calendar_daily_usage(at(start.year, start.month, start.day, 12), end)
    assert [row.counts[2] for row in found] == [len(users) for users in daily.actives()]
    monthly = oracle_of(rows, "month", "America/New_York")
    found = calendar_monthly_usage(START, end)
    assert [row.counts[2] for row in found] == [len(users) for users in monthly.actives()]
    weekly = Oracle(rows, START, interval="week", zone="America/New_York")
    cohorts = retention(START, end, interval="week").cohorts
    assert [cohort.size for cohort in cohorts] == [len(each) for each in weekly.first_seen()]
    cells = list(weekly.cells(weekly.first_seen()))
    assert [[*cohort.cells] for cohort in cohorts] == [
        [None if users is None else len(users) for users in row] for row in cells
    ]


def test_one_run_replaces_the_digests_of_local_days(settings, rows):
    move(settings, "America/Havana", "America/New_York")
    run("digest_souvenirs")
    assert "found 0 differences" in run("digest_souvenirs", "--verify")
    before = set(local_days())
    run("digest_souvenirs")
    assert set(local_days()) == before
    assert before


def local_days():
    return Digest.objects.filter(level__gt=LOCAL_LEVEL).values_list("level", "start")


def test_pruned_site_moves_where_midnight_is_between_buckets(settings, rows):
    move(settings, "UTC", "America/New_York")
    list(Pruner(NOW).run())
    run("digest_souvenirs")
    oracle = oracle_of(rows, "day", "America/New_York")
    published = values("active", "day")
    assert list(published.values()) == [len(users) for users in oracle.actives()]


def test_moving_back_restores_every_figure(settings, rows):
    move(settings, "UTC", "America/New_York")
    before = {interval: values("active", interval) for interval in INTERVALS}
    run("digest_souvenirs")
    assert {interval: values("active", interval) for interval in INTERVALS} != before
    settings.TIME_ZONE = "UTC"
    run("digest_souvenirs")
    assert {interval: values("active", interval) for interval in INTERVALS} == before
