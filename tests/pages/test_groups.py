"""The page of organizations, or of the other values of a listed field."""

import pytest
from django.utils import translation

from souvenirs.models import Souvenir
from souvenirs.pages import userlists, views
from souvenirs.web import VIEW_USAGE, grouplists
from tests.conftest import at, pk_of
from tests.organizations import MEMBERS, found_organizations, name_of
from tests.pages.test_pages import Person, get, links, query_of, rows, text
from tests.users.models import Membership, Organization

pytestmark = [pytest.mark.django_db, pytest.mark.above_the_store]

FIELD, PLAN = "membership__organization__name", "membership__organization__plan"
RANGE = {"from": "2025-03-01", "to": "2025-06-01"}


@pytest.fixture(autouse=True)
def _now(stopped):
    pass


@pytest.fixture
def organizations(settings, leave):
    settings.SOUVENIRS_GROUP_BY = [FIELD, PLAN]
    found_organizations()
    days = {1: 3, 2: 4, 3: 4, 7: 5}
    leave(
        *((user, at(2025, 4, day, 9, 30)) for user, day in days.items()),
        (7, at(2025, 4, 20, 9, 30)),
        (10, at(2024, 1, 1, 9, 30)),
    )


def table(response):
    return rows(response, "roups")


def names(response):
    return [row[0] for row in table(response)]


def numbered(*numbers):
    return [name_of(number) for number in numbers]


def test_rows_are_those_of_the_api(organizations):
    assert table(get("groups", **RANGE)) == [
        ["Organization 1", "2", "3", "67%", "1.0", "April 4, 2025, 9:30 a.m."],
        ["Organization 2", "2", "4", "50%", "1.0", "April 4, 2025, 9:30 a.m."],
        ["Organization 4", "1", "3", "33%", "2.0", "April 20, 2025, 9:30 a.m."],
        ["Organization 3", "0", "1", "0%", "–", "never"],
        ["Organization 5", "0", "2", "0%", "–", "Jan. 1, 2024, 9:30 a.m."],
        ["Organization 6", "0", "1", "0%", "–", "never"],
    ]


def test_page_says_how_many_there_are_and_whose_they_are(organizations):
    said = text(get("groups", **RANGE))
    assert "6 groups, 3 of them active in the range." in said
    assert "Users belong to the groups of today. Seats are their active accounts." in said


@pytest.mark.parametrize(
    ("query", "caption", "found"),
    [
        ({}, "All groups, with the users active in the range", (1, 2, 4, 3, 5, 6)),
        ({"list": "active"}, "Groups with users active in the range", (1, 2, 4)),
        (
            {"list": "inactive", "days": "60"},
            "Groups that were seen, but not in the last 60 days",
            (1, 2, 5),
        ),
        ({"list": "slipping"}, "Groups active in each of four weeks", ()),
        ({"list": "never"}, "Groups that were never seen", (3, 6)),
    ],
)
def test_lists(organizations, query, caption, found):
    response = get("groups", **RANGE, **query)
    assert caption in text(response)
    assert names(response) == (numbered(*found) or ["No groups."])


@pytest.mark.parametrize(("query", "is_marked"), [({}, True), (RANGE, False)])
def test_range_that_is_not_over_is_marked(organizations, query, is_marked):
    assert ("active in the range (so far)" in text(get("groups", **query))) is is_marked
    assert "seen (so far)" not in text(get("groups", **query, list="never"))


def test_name_leads_to_the_numbers_of_the_group(organizations):
    response = get("groups", **RANGE, tz="Europe/Paris")
    urls = links(response, "/souvenirs/?")
    found = [query_of(url) for url in urls if "segment" in query_of(url)]
    assert [each["segment"] for each in found] == [f"{FIELD}:{name}" for name in names(response)]
    assert found[0] == {**RANGE, "tz": "Europe/Paris", "segment": f"{FIELD}:Organization 1"}
    assert get("overview", **found[0]).status_code == 200


def test_active_seats_lead_to_their_users(organizations):
    response = get("groups", **RANGE)
    found = [query_of(url) for url in links(response, "/people/?") if "segment" in query_of(url)]
    assert [each["segment"] for each in found] == [f"{FIELD}:{n}" for n in numbered(1, 2, 4)]
    assert "2 users." in text(get("people", **found[0]))


def test_nobody_is_named_without_the_permission(organizations):
    response = get("groups", Person(VIEW_USAGE), **RANGE)
    assert response.status_code == 200
    assert not links(response, "/people/")


def test_name_that_is_too_long_for_a_link(organizations, monkeypatch):
    monkeypatch.setattr("souvenirs.web.fields.MAX_LENGTH", len(f"{FIELD}:Organization"))
    assert not links(get("groups", **RANGE), "segment=")


def test_columns_sort(organizations):
    response = get("groups", **RANGE, q="organization", page=1)
    orders = [query_of(url)["order"] for url in links(response, "order=")]
    assert orders == ["name", "active", "-seats", "-share", "-days", "-seen"]
    [url] = links(response, "order=-seen")
    assert query_of(url) == {**RANGE, "q": "organization", "order": "-seen"}
    assert names(get("groups", **query_of(url)))[:2] == numbered(4, 1)
    assert 'aria-sort="descending"' in get("groups", **query_of(url)).content.decode()


def test_search(organizations):
    response = get("groups", **RANGE, q="N 4")
    assert names(response) == numbered(4)
    assert "Search for “N 4”: All groups" in text(response)


def test_pages(organizations, monkeypatch):
    monkeypatch.setattr(views, "PER_PAGE", 4)
    first = get("groups", **RANGE, list="all")
    [url] = links(first, "page=2")
    second = get("groups", **query_of(url))
    assert names(first) + names(second) == numbered(1, 2, 4, 3, 5, 6)
    assert not links(second, "page=3")
    assert links(second, "page=1")


@pytest.mark.parametrize("per_page", [5, 6])
def test_page_that_is_full_is_followed_by_another_only_if_there_is_more(
    organizations, monkeypatch, per_page
):
    monkeypatch.setattr(views, "PER_PAGE", per_page)
    assert len(links(get("groups", **RANGE), "page=2")) == 6 - per_page


def test_field_is_chosen_by_its_label(organizations, settings):
    response = get("groups", **RANGE, of=PLAN)
    assert names(response) == ["pro", "free"]
    html = response.content.decode()
    assert f'<option value="{FIELD}">Organization name</option>' in html
    assert f'<option value="{PLAN}" selected>Organization plan</option>' in html
    settings.SOUVENIRS_GROUP_BY = [PLAN]
    assert 'name="of"' not in get("groups", **RANGE).content.decode()


def test_first_field_is_chosen_by_default(organizations):
    html = get("groups", **RANGE).content.decode()
    assert f'<option value="{FIELD}" selected>' in html


def test_other_ranges_keep_the_list_and_the_field(organizations):
    response = get("groups", of=PLAN, list="inactive", days=60)
    [url] = links(response, "preset=90d")
    assert query_of(url) == {"of": PLAN, "list": "inactive", "days": "60", "preset": "90d"}
    assert 'type="hidden" name="of"' in response.content.decode()


def test_downloads_have_the_list(organizations, client):
    urls = links(get("groups", **RANGE, of=PLAN, list="active", page=3, q="pro"), "/api/groups")
    assert [query_of(url).pop("format") for url in urls] == ["csv", "json"]
    for url in urls:
        query = query_of(url)
        assert (query["of"], query["list"], query["q"]) == (PLAN, "active", "pro")
        assert (query["per_page"], "page" in query) == ("10000", False)


def test_days_that_are_not_counted_have_no_column(organizations, monkeypatch):
    monkeypatch.setattr(grouplists, "MAX_DAYS", 30)
    response = get("groups", **RANGE)
    assert {len(row) for row in table(response)} == {5}
    assert "Active days are not counted in this range." in text(response)


def test_only_groups_of_the_segment(organizations):
    response = get("groups", **RANGE, segment=f"{FIELD}:Organization 4")
    assert [row[:3] for row in table(response)] == [
        ["Organization 4", "1", "3"],
        ["Organization 2", "0", "1"],
    ]


def test_site_without_souvenirs(organizations):
    Souvenir.objects.all().delete()
    response = get("groups", **RANGE)
    assert [row[1] for row in table(response)] == ["0"] * 6


def test_site_without_listed_fields(organizations, settings):
    assert "Groups" in text(get("overview"))
    settings.SOUVENIRS_GROUP_BY = []
    response = get("groups")
    assert "Fields listed in SOUVENIRS_GROUP_BY are shown here." in text(response)
    assert not links(get("overview"), "/groups/")


def test_invalid_setting_leaves_the_other_pages_alone(organizations, settings):
    settings.SOUVENIRS_GROUP_BY = ["no_such_field"]
    response = get("overview")
    assert response.status_code == 200
    assert not links(response, "/groups/")


def test_page_in_german(organizations):
    with translation.override("de"):
        said = text(get("groups", **RANGE))
    assert "6 Gruppen, davon 3 im Zeitraum aktiv." in said


def test_many_organizations(organizations, django_assert_max_num_queries):
    Organization.objects.bulk_create(Organization(name=f"more {n}") for n in range(1_000))

    users = list(MEMBERS)
    Membership.objects.bulk_create(
        Membership(user_id=pk_of(users[n % len(users)]), organization_id=f"more {n}")
        for n in range(1_000)
    )
    with django_assert_max_num_queries(20):
        response = get("groups", **RANGE)
    assert len(table(response)) == userlists.PER_PAGE
    assert "1,006 groups" in text(response)
