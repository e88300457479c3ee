"""The queries of the guide run on every engine, and give what the demo gave."""

import re
from pathlib import Path

import pytest
from django.db import connection

from souvenirs.publishing import Publication, Publisher
from tests.conftest import at, pk_of
from tests.digesting import digest

pytestmark = pytest.mark.django_db

GUIDE = (Path(__file__).parents[2] / "docs/how-to/publish.md").read_text()
QUERIES = re.findall(r"```sql\n(.*?)```", GUIDE, re.DOTALL)


@pytest.fixture(autouse=True)
def _published(settings, set_now, leave):
    set_now(at(2026, 11, 20, 15))
    settings.SOUVENIRS_SEGMENTS = {"one": lambda: [pk_of(1)]}
    leave(*((number, at(2026, month, 3 * number)) for month in (8, 9, 10) for number in (1, 2)))
    leave((3, at(2026, 10, 5)))
    digest()
    list(Publisher(Publication(("day", "month"), ("UTC",), ("one",))).run())


def answer(query):
    with connection.cursor() as cursor:
        cursor.execute(query)
        return cursor.fetchall()


def test_there_are_five_queries():
    assert len(QUERIES) == 5


@pytest.mark.parametrize("query", QUERIES)
def test_query_has_an_answer(query):
    assert answer(query)


def test_answers_are_those_of_the_souvenirs():
    monthly, daily, growth, average, segments = map(answer, QUERIES)
    assert [row[1] for row in monthly] == [0, 3, 2, 2]
    assert daily[0][1:4] == (0, 0, 0)
    assert [list(map(int, row[1:5])) for row in growth] == [
        [1, 2, 0, 0],
        [0, 2, 0, 0],
        [2, 0, 0, 0],
    ]
    assert round(float(average[0][0]), 2) == 2.33
    assert [(row[1], row[2], row[3]) for row in segments][:2] == [(0, "one", 0), (3, "one", 1)]
