"""Rows for the values of a field in ``SOUVENIRS_GROUP_BY``."""

import csv
import io
from urllib.parse import urlencode

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from souvenirs.web import VIEW_USAGE
from tests.conftest import at, pk_of
from tests.organizations import MEMBERS, found_organizations, name_of
from tests.users.models import Membership, Organization
from tests.web.test_access import Person

pytestmark = pytest.mark.django_db

FIELD = "membership__organization__name"
RANGE = {"from": "2016-01-01", "to": "2016-03-01", "interval": "month", "tz": "UTC"}

#: The days in January on which a user was active; those of February are 31 days later.
DAYS = {1: 3, 2: 3, 3: 4, 4: 5, 7: 6, 8: 7, 6: 8}


@pytest.fixture
def api(client, settings, make_user, leave):
    settings.SOUVENIRS_GROUP_BY = [FIELD]
    settings.SOUVENIRS_API_AUTH = lambda request: Person(VIEW_USAGE)
    found_organizations()
    leave(*((number, at(2016, 1, day)) for number, day in DAYS.items()))
    leave(*((number, at(2016, 2, 3)) for number in (4, 10)))

    def ask(name, **query):
        return client.get(f"/souvenirs/api/{name}?{urlencode({**RANGE, **query})}")

    return ask


def ranked(seen=frozenset({*DAYS, 10})):
    """The organizations by their number of active users, and by name."""
    active = {}
    for user, groups in MEMBERS.items():
        for group in groups:
            active[group] = active.get(group, 0) + (user in seen)
    return [name_of(group) for group in sorted(active, key=lambda n: (-active[n], name_of(n)))]


def segments(response):
    assert response.status_code == 200, response.text
    return list(dict.fromkeys(row["segment"] for row in response.json()["rows"]))


def refused(response):
    assert response.status_code == 400, response.text
    return response.json()["error"]["message"]


@pytest.mark.parametrize("name", ["usage", "series", "growth", "stickiness", "retention"])
def test_values_with_the_most_active_users_first(api, name):
    response = api(name, by=FIELD)
    assert segments(response) == [None, *ranked()]
    assert response.json()["others"] == 0
    assert response.json()["question"]["top"] == 100


@pytest.mark.parametrize("top", [1, 3, 6, 7])
def test_others_are_counted_and_not_added_up(api, top):
    response = api("series", by=FIELD, top=top)
    assert segments(response) == [None, *ranked()[:top]]
    assert response.json()["others"] == max(6 - top, 0)


def test_users_of_each_value(api):
    found = {}
    for row in api("series", by=FIELD).json()["rows"]:
        found.setdefault(row["segment"], []).append(row["value"])
    expected = {
        name_of(group): [
            sum(group in MEMBERS[user] for user in DAYS),
            sum(group in MEMBERS[user] for user in (4, 10)),
        ]
        for group in range(1, 7)
    }
    assert found == {None: [7, 2], **expected}


def test_rank_is_that_of_the_range(api):
    response = api("series", by=FIELD, **{"from": "2016-02-01"})
    assert segments(response) == [None, *ranked({4, 10})]


def test_rank_is_that_of_the_segment(api):
    response = api("series", by=FIELD, segment=f"{FIELD}:Organization 3")
    assert segments(response)[:2] == [None, "Organization 3"]
    assert [row["value"] for row in response.json()["rows"][:4]] == [1, 1, 1, 1]


def test_exclusive_is_among_all_values(api):
    """A user of two organizations is in the first of them, also if it has no rows."""
    rows = api("series", by=FIELD, exclusive="true").json()["rows"]
    found = {}
    for row in rows:
        found.setdefault(row["segment"], []).append(row["value"])
    first = {user: min(groups, default=None) for user, groups in MEMBERS.items()}
    assert found == {
        None: [7, 2],
        **{
            name_of(group): [sum(first[user] == group for user in seen) for seen in (DAYS, (4, 10))]
            for group in range(1, 7)
        },
    }
    few = api("series", by=FIELD, exclusive="true", top=2).json()["rows"]
    assert few == [row for row in rows if row["segment"] in {each["segment"] for each in few}]


def test_csv_has_the_same_rows(api):
    text = api("series", by=FIELD, top=2, format="csv").text
    found = [row["segment"] for row in csv.DictReader(io.StringIO(text, newline=""))]
    assert list(dict.fromkeys(found)) == ["", *ranked()[:2]]


def test_other_fields_are_refused_by_name(api):
    assert refused(api("series", by="password")) == (
        f"by must be one of segment, groups__name, {FIELD}, not 'password'."
    )


def test_nothing_is_listed_by_default(api, settings):
    settings.SOUVENIRS_GROUP_BY = []
    assert "must be one of segment, groups__name, not" in refused(api("series", by=FIELD))
    assert "must be named in SOUVENIRS_SEGMENTS" in refused(
        api("series", segment=f"{FIELD}:Organization 1")
    )


@pytest.mark.parametrize("query", [{"top": "3"}, {"top": "3", "by": "segment"}])
def test_top_needs_a_listed_field(api, settings, query):
    settings.SOUVENIRS_SEGMENTS = {"all": [pk_of(1)]}
    assert refused(api("series", **query)) == ("top needs by with a field in SOUVENIRS_GROUP_BY.")


@pytest.mark.parametrize("top", ["0", "10001", "many"])
def test_top_is_a_number(api, top):
    assert "top must be a whole number from 1 to 10,000" in refused(
        api("series", by=FIELD, top=top)
    )


def test_no_others_without_a_listed_field(api, settings):
    settings.SOUVENIRS_SEGMENTS = {"all": [pk_of(1)]}
    assert "others" not in api("series", by="segment").json()


def test_nobody_has_a_value(api):
    Membership.objects.all().delete()
    assert refused(api("series", by=FIELD)) == "No user is in a group."


def test_many_values_are_read_at_once_and_do_not_reach_the_limit_of_rows(api):
    def queries():
        with CaptureQueriesContext(connection) as found:
            response = api("series", by=FIELD, interval="day")
        assert response.status_code == 200
        return len(found), response.json()["others"]

    few, _ = queries()
    made = [Organization(name=f"more {number}") for number in range(1_000)]
    Organization.objects.bulk_create(made)
    Membership.objects.bulk_create(
        Membership(user_id=pk_of(1), organization_id=each.name) for each in made
    )
    assert queries() == (few, 906)


def test_too_many_rows_are_refused(api):
    Organization.objects.bulk_create(Organization(name=f"more {n}") for n in range(600))
    Membership.objects.bulk_create(
        Membership(user_id=pk_of(1), organization_id=f"more {n}") for n in range(600)
    )
    message = refused(api("series", by=FIELD, interval="day", top=600))
    assert message.startswith("The answer for 600 groups has 36,060 rows, more than 30,000")


def test_segment_is_a_value(api):
    response = api("series", segment=f"{FIELD}:Organization 4")
    assert [row["value"] for row in response.json()["rows"]] == [2, 0]
