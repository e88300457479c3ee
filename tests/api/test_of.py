"""Organizations counted in place of users: ``of``, a field in ``SOUVENIRS_GROUP_BY``."""

from urllib.parse import urlencode

import pytest

from souvenirs.counting import date_joined_field
from souvenirs.insights import active_series, growth, retention, stickiness
from souvenirs.web import VIEW_USAGE
from tests.conftest import at, pk_of
from tests.organizations import MANY, found_organizations
from tests.web.test_access import Person

pytestmark = [pytest.mark.django_db, pytest.mark.through_the_store]

START, END = at(2016, 1, 1), at(2016, 4, 1)
RANGE = {"from": "2016-01-01", "to": "2016-04-01", "interval": "month", "tz": "UTC"}

INSIGHTS = {
    "series": active_series,
    "growth": growth,
    "stickiness": stickiness,
    "retention": retention,
}


@pytest.fixture
def api(client, settings, leave):
    settings.SOUVENIRS_GROUP_BY = [MANY]
    settings.SOUVENIRS_API_AUTH = lambda request: Person(VIEW_USAGE)
    found_organizations()
    seen = {1: (1, 2), 2: (1,), 3: (1, 3), 4: (2,), 6: (3,), 9: (3,)}
    leave(*((user, at(2016, month, 3)) for user, months in seen.items() for month in months))

    def ask(name, **query):
        return client.get(f"/souvenirs/api/{name}?{urlencode({**RANGE, **query})}")

    return ask


def rows(response):
    assert response.status_code == 200, response.text
    return response.json()["rows"]


def refused(response):
    assert response.status_code == 400, response.text
    return response.json()["error"]["message"]


def test_organizations_active_in_each_month(api):
    assert [row["value"] for row in rows(api("series", of=MANY))] == [2, 2, 3]


@pytest.mark.parametrize("name", INSIGHTS)
def test_numbers_are_those_of_the_insight(api, name):
    found = INSIGHTS[name](START, END, interval="month", tz="UTC", of=MANY)
    if name == "retention":
        cells = [cell for row in rows(api(name, of=MANY)) for cell in row["users"]]
        assert cells == [row["users"] for row in found.rows()]
        return
    numbers = [key for key, value in found.rows()[0].items() if isinstance(value, int | float)]
    assert [[row[key] for key in numbers] for row in rows(api(name, of=MANY))] == [
        [row[key] for key in numbers] for row in found.rows()
    ]
    users = INSIGHTS[name](START, END, interval="month", tz="UTC")
    assert found.rows() != users.rows()


def test_organizations_of_each_segment(api, settings):
    settings.SOUVENIRS_SEGMENTS = {"some": [pk_of(1), pk_of(9)]}
    found = {}
    for row in rows(api("series", of=MANY, by="segment")):
        found.setdefault(row["segment"], []).append(row["value"])
    assert found == {None: [2, 2, 3], "some": [1, 1, 3]}


def test_question_names_the_field(api):
    assert api("series", of=MANY).json()["question"]["of"] == MANY
    assert "of" not in api("series").json()["question"]


def test_other_fields_are_refused_by_name(api):
    assert refused(api("series", of="password")) == f"of must be one of {MANY}, not 'password'."


def test_nothing_is_listed_by_default(api, settings):
    settings.SOUVENIRS_GROUP_BY = []
    assert refused(api("growth", of=MANY)) == (
        f"of must be a field in SOUVENIRS_GROUP_BY, not '{MANY}'."
    )


def test_reports_count_users(api):
    assert refused(api("usage", of=MANY)).startswith("Unknown parameter 'of'")


@pytest.mark.skipif(date_joined_field() is None, reason="users have no date of registration")
def test_organizations_do_not_register(api):
    assert refused(api("retention", of=MANY, cohort="joined")) == (
        "cohort joined is about users, and cannot be combined with of."
    )


def test_nobody_was_seen_before_the_first_souvenir(api):
    found = rows(api("series", of=MANY, **{"from": "2015-12-01"}))
    assert [row["value"] for row in found] == [None, 2, 2, 3]
