"""Lists of organizations, their seats, and when they were last seen."""

import csv
import io
from datetime import datetime, timedelta
from urllib.parse import urlencode

import pytest
from django.contrib.auth import get_user_model
from django.db import connection
from django.test.utils import CaptureQueriesContext

from souvenirs.counting import is_active_field
from souvenirs.digests.pruning import Pruner
from souvenirs.insights import inactive_groups, last_seen_groups, seats, slipping_groups
from souvenirs.web import VIEW_USAGE
from tests.conftest import at, pk_of
from tests.digesting import digest
from tests.oracle import DAY, NOW, sightings
from tests.organizations import MEMBERS, found_organizations, name_of
from tests.users.models import Membership, Organization
from tests.web.test_access import Person

pytestmark = [pytest.mark.django_db, pytest.mark.through_the_store]

FIELD = "membership__organization__name"
RANGE = {"from": "2016-03-01", "to": "2016-04-01", "tz": "UTC"}


@pytest.fixture
def api(client, settings, set_now):
    set_now(NOW)
    settings.SOUVENIRS_GROUP_BY = [FIELD, "membership__organization__plan"]
    settings.SOUVENIRS_API_AUTH = lambda request: Person(VIEW_USAGE)
    found_organizations()

    def ask(**query):
        given = {**RANGE, **query}
        given = {name: value for name, value in given.items() if value is not None}
        return client.get(f"/souvenirs/api/groups?{urlencode(given)}")

    return ask


def answer(response):
    assert response.status_code == 200, response.text
    return response.json()


def rows(response):
    return answer(response)["rows"]


def groups(response):
    return [row["group"] for row in rows(response)]


def refused(response):
    assert response.status_code == 400, response.text
    return response.json()["error"]["message"]


def names(*numbers):
    return [name_of(number) for number in numbers]


@pytest.mark.parametrize("is_digested", [False, True])
def test_numbers_are_those_of_the_insights(api, leave, is_digested):
    leave(*sightings())
    if is_digested:
        digest()
    found = {each.group: each for each in seats(FIELD, at(2016, 3, 1), at(2016, 4, 1)).groups}
    last_seen = last_seen_groups(FIELD)
    asked = rows(api())
    assert {row["group"] for row in asked} == set(found)
    for row in asked:
        each = found[row["group"]]
        assert (row["provisioned"], row["active"]) == (each.provisioned, each.active)
        assert (row["days"], row["share"]) == (each.days, each.share)
        assert row["days_per_seat"] == each.days_per_seat
        assert datetime.fromisoformat(row["last_seen"]) == last_seen[row["group"]]


def test_most_active_first_and_others_by_name(api, leave):
    leave((5, at(2016, 3, 2)), (7, at(2016, 3, 2)), (3, at(2016, 3, 2)))
    assert groups(api()) == names(2, 4, 1, 3, 5, 6)


def test_field_is_the_first_one_by_default(api):
    found = answer(api())
    assert found["question"]["of"] == FIELD
    assert groups(api(of="membership__organization__plan")) == ["free", "pro"]


def test_range_is_half_open(api, leave):
    leave((4, at(2016, 3, 1)), (10, at(2016, 4, 1)), (12, at(2016, 2, 29, 23, 59)))
    found = {row["group"]: row["active"] for row in rows(api())}
    assert found == {name_of(number): int(number == 3) for number in range(1, 7)}
    assert answer(api())["active"] == 1


def test_list_of_active_ones(api, leave):
    leave((4, at(2016, 3, 1)), (10, at(2016, 4, 1)))
    assert groups(api(list="active")) == names(3)
    assert answer(api(list="active"))["total"] == 1


@pytest.mark.parametrize("days", [10, 200, 300])
def test_list_of_inactive_ones(api, leave, days):
    leave(*sightings(), (12, NOW - timedelta(days=250)))
    expected = inactive_groups(FIELD, timedelta(days=days))
    assert sorted(groups(api(list="inactive", days=days))) == sorted(expected)


def test_list_of_slipping_ones(api, leave):
    regular = [(4, NOW - (15 + 7 * week) * DAY) for week in range(4)]
    leave(*regular, (10, NOW - DAY))
    expected = list(slipping_groups(FIELD, tz="UTC"))
    assert expected == names(3)
    assert groups(api(list="slipping")) == expected


def test_list_of_those_never_seen(api, leave):
    leave((2, at(2010, 1, 1)), (10, NOW + 400 * DAY))
    assert groups(api(list="never")) == names(3, 4, 6)
    assert [row["last_seen"] for row in rows(api(list="never"))] == [None] * 3


def test_lists_keep_the_numbers_of_the_range(api, leave):
    leave((4, at(2016, 3, 5)), (4, at(2016, 3, 6)))
    [row] = rows(api(list="inactive", days=1))
    assert (row["group"], row["active"], row["days"]) == (name_of(3), 1, 2)


ORDERS = {
    "name": "group",
    "seats": "provisioned",
    "active": "active",
    "share": "share",
    "days": "days_per_seat",
    "seen": "last_seen",
}


@pytest.mark.parametrize("order", ORDERS)
def test_orders(api, leave, order):
    leave(
        *((user, at(2016, 3, day)) for user, day in {2: 2, 4: 3, 7: 4, 8: 5}.items()),
        (7, at(2016, 3, 20)),
        (10, at(2015, 3, 1)),
    )
    found = {row["group"]: row[ORDERS[order]] for row in rows(api())}

    def known(group):
        return found[group] is not None, found[group] or 0

    every = names(*range(1, 7))
    assert len(set(found.values())) > 2
    assert groups(api(order=order)) == sorted(every, key=known)
    assert groups(api(order=f"-{order}")) == sorted(every, key=known, reverse=True)


def test_names_are_sorted_without_regard_to_case(api):
    for number, name in enumerate(["beta", "Alpha", "Gamma"], 1):
        Organization.objects.filter(name=name_of(number)).update(plan=name)
    Organization.objects.filter(plan__in=["free", "pro"]).update(plan="")
    found = groups(api(order="name", of="membership__organization__plan"))
    assert found == ["Alpha", "beta", "Gamma"]


@pytest.mark.parametrize(
    ("words", "found"), [("ORGANIZATION", 6), ("n 4", 1), ("", 6), (" 4", 1), ("nothing", 0)]
)
def test_search(api, words, found):
    asked = answer(api(q=words))
    assert len(asked["rows"]) == asked["total"] == found


def test_pages(api):
    assert groups(api(order="name", per_page=4)) == names(1, 2, 3, 4)
    assert groups(api(order="name", per_page=4, page=2)) == names(5, 6)
    assert groups(api(order="name", per_page=4, page=3)) == []
    assert answer(api(per_page=4, page=3))["total"] == 6


def test_only_groups_of_the_segment(api, leave):
    leave((2, at(2016, 3, 2)), (1, at(2016, 3, 3)))
    found = rows(api(segment=f"{FIELD}:Organization 2"))
    # User 9 is in three organizations.
    assert {row["group"]: (row["provisioned"], row["active"]) for row in found} == {
        name_of(1): (2, 1),
        name_of(2): (4, 1),
        name_of(4): (1, 0),
        name_of(5): (1, 0),
    }


def test_seats_are_active_accounts(api):
    active = is_active_field()
    if active is None:
        pytest.skip("the user model does not say which accounts are active")
    get_user_model()._default_manager.filter(pk=pk_of(12)).update(**{active.name: False})
    [row] = rows(api(q="organization 6"))
    assert (row["provisioned"], row["active"], row["share"]) == (0, 0, None)


def test_days_of_long_ranges_are_not_counted(api, leave):
    leave((4, at(2016, 3, 2)))
    end = at(2016, 4, 1)

    def days(length):
        start = (end - timedelta(days=length)).date()
        return {row["group"]: row["days"] for row in rows(api(**{"from": start}))}[name_of(3)]

    assert (days(400), days(401)) == (1, None)


def test_days_of_a_pruned_span_are_unknown(api, leave):
    """Midnight in India is in the middle of an hour of UTC, whose souvenirs are gone."""
    leave((4, at(2016, 3, 2, 18, 15)), (4, at(2016, 3, 2, 18, 45)))
    digest()
    list(Pruner(at(2016, 3, 20)).run())
    query = {"tz": "Asia/Kolkata", "from": "2016-02-28T00:00:00Z", "to": "2016-04-01T00:00:00Z"}
    [row] = rows(api(**query, list="active"))
    assert (row["active"], row["days"]) == (1, None)
    assert "have been deleted" in refused(api(**{**query, "from": "2016-03-03"}))


def test_period_under_way(api):
    assert answer(api())["incomplete"] is None
    assert answer(api(**{"from": None, "to": None}))["incomplete"] == "running"


def test_nobody_has_been_seen(api):
    assert [(row["active"], row["last_seen"]) for row in rows(api())] == [(0, None)] * 6


def test_nobody_is_in_a_group(api):
    Membership.objects.all().delete()
    assert rows(api()) == []


def test_files(api, leave):
    leave((4, at(2016, 3, 2, 9)))
    [row] = list(csv.DictReader(io.StringIO(api(list="active", format="csv").text, newline="")))
    assert row == {
        "group": name_of(3),
        "provisioned": "1",
        "active": "1",
        "share": "1.0",
        "days": "1",
        "days_per_seat": "1.0",
        "last_seen": "2016-03-02T09:00:00+00:00",
        "incomplete": "",
    }
    assert "2016-03-02 09:00:00" in api(list="active", format="excel").text


def test_fields_that_are_not_listed_are_refused(api, settings):
    assert refused(api(of="password")).startswith(f"of must be one of {FIELD}, ")
    settings.SOUVENIRS_GROUP_BY = []
    assert refused(api()) == "SOUVENIRS_GROUP_BY is empty."


@pytest.mark.parametrize("name", ["all", "active", "slipping", "never"])
def test_days_are_those_of_inactive_ones(api, name):
    assert refused(api(list=name, days=7)) == f"days does not apply to the list {name}."


@pytest.mark.parametrize("query", [{}, {"list": "inactive"}, {"order": "seen"}])
def test_number_of_queries_does_not_grow_with_the_groups(api, leave, query):
    leave(*sightings())
    digest()

    def queries():
        with CaptureQueriesContext(connection) as found:
            answer(api(**query))
        return len(found)

    few = queries()
    made = [Organization(name=f"more {number}") for number in range(500)]
    Organization.objects.bulk_create(made)
    Membership.objects.bulk_create(
        Membership(user_id=pk_of(user), organization_id=each.name)
        for each in made
        for user in MEMBERS
    )
    assert queries() == few <= 16
