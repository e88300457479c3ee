"""The views have a row for each period, of everyone and of each segment."""

from datetime import date, timedelta

import pytest
from django.db import connection

from souvenirs.digests.digester import Digester
from souvenirs.models import Figure
from souvenirs.publishing import Publication, Publisher
from tests.conftest import at, pk_of
from tests.digesting import digest
from tests.publishing.published import GROWTH

pytestmark = pytest.mark.django_db

NOW = at(2017, 11, 20, 15)
HOUR = timedelta(hours=1)

VIEWS = {
    "souvenirs_daily": "day",
    "souvenirs_weekly": "week",
    "souvenirs_monthly": "month",
    "souvenirs_quarterly": "quarter",
    "souvenirs_yearly": "year",
}


@pytest.fixture(autouse=True)
def _published(settings, set_now, leave):
    set_now(NOW)
    settings.SOUVENIRS_SEGMENTS = {"one": lambda: [pk_of(1)]}
    leave((1, at(2016, 9, 1)), (1, at(2017, 10, 5)), (2, at(2017, 11, 2)), (1, NOW - HOUR))
    digest()
    list(Publisher(Publication(tuple(VIEWS.values()), ("UTC",), ("one",))).run())


def rows_of(view, where="segment = ''"):
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT * FROM {view} WHERE {where} ORDER BY first_day")
        names = [column[0] for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def day_of(value):
    return value if isinstance(value, date) else date.fromisoformat(value)


@pytest.mark.parametrize(("view", "interval"), VIEWS.items())
def test_view_has_the_figures_of_its_interval(view, interval):
    rows = rows_of(view)
    for row in rows:
        figures = Figure.objects.filter(
            interval=interval, segment="", first_day=day_of(row["first_day"])
        )
        assert figures.exists()
        for figure in figures:
            assert row[figure.metric] == figure.value, figure
            assert day_of(row["last_day"]) == figure.last_day
            assert row["time_zone"] == "UTC"
    days = Figure.objects.filter(interval=interval, segment="", metric="active")
    assert len(rows) == days.count()


def test_row_is_final_if_its_activity_is():
    rows = rows_of("souvenirs_monthly")
    assert [bool(row["is_final"]) for row in rows] == [True] * (len(rows) - 1) + [False]
    Figure.objects.filter(interval="month", metric="new", first_day=date(2017, 10, 1)).update(
        is_final=False
    )
    assert [bool(row["is_final"]) for row in rows_of("souvenirs_monthly")][-2:] == [False, False]


def test_nothing_is_final_without_activity():
    Figure.objects.filter(interval="month", metric__in=GROWTH).delete()
    rows = rows_of("souvenirs_monthly")
    assert all(row["active"] is None and not row["is_final"] for row in rows)


def test_segment_has_rows_of_its_own():
    rows = rows_of("souvenirs_monthly", "segment = 'one'")
    assert [row["active"] for row in rows][-2:] == [1, 1]
    assert not any(row["is_final"] for row in rows)
    assert Digester().waiting() == 0


def test_counts_are_whole_numbers():
    [row] = rows_of("souvenirs_yearly", "segment = '' AND first_day = '2017-01-01'")
    assert repr(row["active"]) == "2"
