"""Statements in the API."""

import csv
import io

import pytest
from django.contrib.auth import get_user_model

from souvenirs.statements import issue_statement
from souvenirs.web import VIEW_PEOPLE, VIEW_USAGE
from tests.conftest import at
from tests.organizations import ONE, found_organizations, name_of
from tests.web.test_access import Person

pytestmark = [pytest.mark.django_db, pytest.mark.through_the_store]

JANUARY = at(2016, 1, 1), at(2016, 2, 1)
FEBRUARY = JANUARY[1], at(2016, 3, 1)


@pytest.fixture
def api(client, settings):
    settings.SOUVENIRS_API_AUTH = lambda request: Person(VIEW_USAGE)
    return lambda **query: client.get("/souvenirs/api/statements", query)


@pytest.fixture
def organizations(leave, set_now):
    set_now(at(2016, 6, 1))
    leave((1, JANUARY[0]), (2, JANUARY[0]))
    return found_organizations({1: (1,), 2: (2,)})


@pytest.fixture
def statements(organizations):
    customer = organizations[1]
    return [
        issue_statement(customer, JANUARY, of=ONE, plan="pro", quota=5, issuer="example.com"),
        issue_statement(customer, FEBRUARY, of=ONE),
        issue_statement(None, JANUARY),
    ]


def test_rows_are_latest_first(api, statements, organizations):
    answer = api().json()
    assert (answer["total"], answer["content"]) == (3, None)
    assert [row["id"] for row in answer["rows"]] == [each.pk for each in reversed(statements)]
    assert answer["rows"][2] == {
        "id": statements[0].pk,
        "customer": name_of(1),
        "of": ONE,
        "key": str(organizations[1].pk),
        "number": 1,
        "start": "2016-01-01T00:00:00+00:00",
        "end": "2016-02-01T00:00:00+00:00",
        "time_zone": "UTC",
        "active_users": 1,
        "plan": "pro",
        "quota": 5,
        "issuer": "example.com",
        "issued": "2016-06-01T00:00:00+00:00",
        "previous": None,
        "hash": statements[0].hash,
    }
    assert answer["rows"][1]["previous"] == statements[0].hash
    assert answer["rows"][0]["customer"] is None


def test_one_has_its_content(api, statements):
    answer = api(statement=statements[1].pk).json()
    assert [row["id"] for row in answer["rows"]] == [statements[1].pk]
    assert (answer["total"], answer["content"]) == (1, statements[1].content)


def test_no_user_is_named(api, settings, statements):
    settings.SOUVENIRS_API_AUTH = lambda request: Person(VIEW_USAGE, VIEW_PEOPLE)
    answer = api(statement=statements[0].pk).json()
    assert answer.keys() == {"question", "total", "content", "rows"}
    assert answer["content"] == statements[0].content


def test_one_that_is_not_there(api, statements):
    answer = api(statement=987654).json()
    assert (answer["total"], answer["content"], answer["rows"]) == (0, None, [])


@pytest.mark.parametrize(("page", "ids"), [(1, [2, 1]), (2, [0]), (3, [])])
def test_pages(api, statements, page, ids):
    answer = api(page=page, per_page=2).json()
    assert [row["id"] for row in answer["rows"]] == [statements[n].pk for n in ids]
    assert answer["total"] == 3


def test_csv_is_in_the_time_zone(api, statements):
    response = api(format="csv", tz="Asia/Tokyo")
    [first, *_] = csv.DictReader(io.StringIO(response.content.decode()))
    assert (first["start"], first["active_users"]) == ("2016-01-01T09:00:00+09:00", "2")


@pytest.mark.parametrize("statement", ["0", "x", "9223372036854775808"])
def test_what_is_no_id(api, statement):
    assert api(statement=statement).json()["error"]["field"] == "statement"


def test_limited_reader_is_refused(api, settings, statements):
    settings.SOUVENIRS_VISIBLE_TO = everybody
    response = api(statement=statements[0].pk)
    assert response.status_code == 403
    assert statements[0].hash not in response.content.decode()


def everybody(user):
    return get_user_model()._default_manager.all()
