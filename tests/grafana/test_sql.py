"""Each panel of the dashboards in SQL shows the published figures."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test import override_settings

from souvenirs.counting import date_joined_field
from souvenirs.models import Figure, Souvenir
from souvenirs.publishing import Publication, Publisher
from tests.conftest import at, pk_of, rows_of_a_module
from tests.digesting import digest
from tests.grafana.dashboards import dashboard, queries, query_sent

pytestmark = pytest.mark.django_db

NOW = at(2017, 11, 20, 15)
DAY = timedelta(days=1)

#: From the first day on that is shown, to now.
SINCE = at(2017, 10, 1)

QUERIES = queries("postgresql", "rawSql")

#: Interval, segment and metrics of the panels that draw a line; one has a minus sign.
LINES = {
    "Active users by day": ("day", ["active", "active_7d", "active_28d"]),
    "Growth by week": ("week", ["new", "retained", "resurrected", "churned"]),
    "Active users by month": ("month", ["active"]),
    "Accounts": ("day", ["registered", "activated"]),
}
NUMBERS = {
    "Active today, so far": "active",
    "Active in 7 days": "active_7d",
    "Active in 28 days": "active_28d",
    "Registered": "registered",
}


@pytest.fixture(scope="module", autouse=True)
def _published(django_db_setup, django_db_blocker):
    sightings = [
        *((number, at(2017, month, 3 * number)) for month in (9, 10, 11) for number in (1, 2)),
        *((1, NOW - timedelta(hours=1)), (3, NOW - 5 * DAY), (4, NOW - 20 * DAY)),
    ]
    publication = Publication(("day", "week", "month"), ("UTC", "Asia/Tokyo"), ("one",))
    with (
        rows_of_a_module(django_db_blocker),
        pytest.MonkeyPatch.context() as patch,
        override_settings(SOUVENIRS_SEGMENTS={"one": lambda: [pk_of(1)]}),
    ):
        patch.setattr("django.utils.timezone.now", lambda: NOW)
        Souvenir.objects.bulk_create(
            Souvenir(user_id=pk_of(number), when=when) for number, when in sightings
        )
        digest()
        list(Publisher(publication).run())
        yield


def answer(query):
    sql = query_sent(query, connection.vendor, SINCE, NOW)
    with connection.cursor() as cursor:
        if connection.vendor == "mysql":
            cursor.execute("SET time_zone = '+00:00'")
        cursor.execute(sql)
        return list(cursor.fetchall())


def query_of(panel):
    [text] = [query.text for query in QUERIES if query.panel == panel]
    return text


def figures(interval, segment=""):
    """The published values by metric and day."""
    found = Figure.objects.filter(
        interval=interval, segment=segment, time_zone="UTC", first_day__gte=SINCE.date()
    )
    return {
        (metric, day): value
        for metric, day, value in found.values_list("metric", "first_day", "value")
    }


def day_of(seconds):
    return datetime.fromtimestamp(int(seconds), UTC).date()


@pytest.mark.parametrize("query", QUERIES, ids=str)
def test_every_panel_has_an_answer(query):
    is_empty = query.panel == "Registered" and date_joined_field() is None
    assert bool(answer(query.text)) != is_empty


@pytest.mark.parametrize(("panel", "metric"), NUMBERS.items())
def test_number_is_that_of_the_latest_day(panel, metric):
    value = figures("day").get((metric, NOW.date()))
    assert answer(query_of(panel)) == ([] if value is None else [(value,)])


def test_number_of_accounts_is_there_before_todays_is():
    Figure.objects.filter(metric="registered", first_day=NOW.date()).delete()
    yesterday = figures("day").get(("registered", (NOW - DAY).date()))
    assert answer(query_of("Registered")) == ([] if yesterday is None else [(yesterday,)])


@pytest.mark.parametrize(("panel", "interval", "metrics"), [(k, *v) for k, v in LINES.items()])
def test_lines_are_the_published_figures(panel, interval, metrics):
    published = figures(interval)
    rows = answer(query_of(panel))
    days = sorted({day for metric, day in published if metric == "active"})
    assert [day_of(row[0]) for row in rows] == days
    for row in rows:
        expected = [published.get((metric, day_of(row[0]))) for metric in metrics]
        if metrics[-1] == "churned" and expected[-1] is not None:
            expected[-1] = -expected[-1]
        assert list(row[1:]) == expected


def test_stickiness_is_that_of_days_that_are_final():
    published = figures("day")
    rows = answer(query_of("Stickiness, DAU / MAU"))
    assert len(rows) == 50  # 1 October to 19 November
    for seconds, value in rows:
        assert value == pytest.approx(published["stickiness", day_of(seconds)])


def test_segments_have_a_line_each():
    published = figures("day", "one")
    rows = answer(query_of("Active in 28 days, by segment"))
    assert {row[1] for row in rows} == {"one"}
    assert {day_of(row[0]): row[2] for row in rows} == {
        day: value for (metric, day), value in published.items() if metric == "active_28d"
    }


def test_zones_are_those_that_are_published():
    [zones] = [
        each["query"]
        for each in dashboard("postgresql")["templating"]["list"]
        if each["name"] == "time_zone"
    ]
    assert [zone for (zone,) in answer(zones)] == ["Asia/Tokyo", "UTC"]


def test_dashboards_differ_only_in_the_data_source():
    text = str(dashboard("postgresql"))
    assert text.replace("grafana-postgresql-datasource", "mysql") == str(dashboard("mariadb"))
