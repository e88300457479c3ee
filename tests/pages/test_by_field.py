"""The values of a listed field side by side on the overview."""

import json

import pytest

from souvenirs.insights import active_series, growth
from souvenirs.pages import trend
from souvenirs.web import VIEW_USAGE
from tests.conftest import at, pk_of
from tests.digesting import digest
from tests.organizations import MEMBERS, found_organizations, name_of
from tests.pages.test_overview import chart_of
from tests.pages.test_pages import Person, get, links, query_of, rows, text
from tests.users.models import Membership

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.above_the_store,
    pytest.mark.usefixtures("stopped"),
]

FIELD, PLAN = "membership__organization__name", "membership__organization__plan"
RANGE = {"from": "2025-02-01", "to": "2025-05-01", "interval": "month"}
START, END = at(2025, 2, 1), at(2025, 5, 1)

#: The organizations by the number of their users active in the range, then by name.
RANKED = (2, 1, 3, 4, 5, 6)


@pytest.fixture
def organizations(settings, leave):
    settings.SOUVENIRS_GROUP_BY = [FIELD, PLAN]
    found_organizations()
    months = {1: (2, 3), 2: (2,), 3: (3, 4), 4: (4,), 5: (3,), 10: (1,)}
    leave(*((user, at(2025, month, 9)) for user, seen in months.items() for month in seen))


def ask(**query):
    return get("overview", **{**RANGE, "compare": FIELD, **query})


def lines(response):
    return {line["name"]: line["values"] for line in chart_of(response)["lines"]}


def table(response):
    return rows(response, " by month")


def named(*numbers):
    return [name_of(number) for number in numbers]


@pytest.mark.parametrize("is_digested", [False, True])
@pytest.mark.parametrize("figure", ["active", "7d", "28d", "new"])
def test_lines_are_those_of_the_insights(organizations, figure, is_digested):
    if is_digested:
        digest()
    window = {"active": None, "7d": 7, "28d": 28}
    found = lines(ask(figure=figure))
    assert list(found) == ["All users", *named(*RANKED)]
    for name, values in found.items():
        number = {name_of(n): n for n in RANKED}.get(name)
        users = [pk_of(u) for u, groups in MEMBERS.items() if number in groups] if number else None
        if figure == "new":
            periods = growth(START, END, interval="month", users=users).periods
            expected = [each.new for each in periods]
        else:
            options = {"interval": "month", "window": window[figure], "users": users}
            expected = list(active_series(START, END, **options).values)
        assert values == expected, name


def test_stickiness_of_each(organizations):
    alone = lines(get("overview", **RANGE, figure="stickiness", segment=f"{FIELD}:Organization 2"))
    [values] = alone.values()
    assert lines(ask(figure="stickiness"))["Organization 2"] == values


def test_rank_is_that_of_the_range(organizations):
    assert list(lines(ask(**{"from": "2025-04-01"})))[1:] == named(2, 3, 1, 4, 5, 6)


def test_those_with_the_most_active_users_are_drawn_and_shown(organizations, monkeypatch):
    monkeypatch.setattr("souvenirs.pages.forms.MOST_COLUMNS", 4)
    monkeypatch.setattr("souvenirs.pages.sections.trend.MOST_COLUMNS", 4)
    monkeypatch.setattr("souvenirs.pages.sections.trend.MOST_LINES", 3)
    response = ask(open="trend")
    assert list(lines(response)) == ["All users", *named(*RANKED[:3])]
    said = text(response)
    assert "The 3 with the most active users in the range are drawn, of 6." in said
    assert "The 4 with the most active users in the range are shown, of 6." in said
    assert {len(row) for row in table(response)} == {6}


def test_all_are_drawn_if_there_are_few(organizations):
    assert "with the most active users" not in text(ask(open="trend"))


def test_users_of_several_organizations_are_not_added_up(organizations):
    """User 2 is in two organizations, and once among all users."""
    found = lines(ask())
    assert found["All users"][0] == 2
    assert found["Organization 1"][0] + found["Organization 2"][0] == 3


def test_everyone_is_the_segment_if_one_is_chosen(organizations):
    found = lines(ask(segment=f"{FIELD}:Organization 1"))
    assert list(found)[:2] == [f"{FIELD}:Organization 1", "Organization 1"]
    assert found["Organization 1"] == found[f"{FIELD}:Organization 1"]


def test_column_leads_to_the_numbers_of_a_value(organizations):
    response = ask(open="trend", tz="Europe/Paris")
    urls = [query_of(url) for url in links(response, "open=trend") if "segment=" in url]
    assert [each["segment"] for each in urls] == [f"{FIELD}:{n}" for n in named(*RANKED)]
    assert urls[0] == {
        **RANGE,
        "tz": "Europe/Paris",
        "open": "trend",
        "segment": f"{FIELD}:Organization 2",
    }
    assert list(lines(get("overview", **urls[0])).values()) == [lines(ask())["Organization 2"]]


@pytest.mark.parametrize("figure", ["active", "28d", "new"])
def test_people_behind_each_number(organizations, figure):
    response = ask(open="trend", figure=figure)
    urls = [
        url
        for url in links(response, "/people/?")
        if f"{FIELD}:" in query_of(url).get("segment", "")
    ]
    numbers = [
        int(number) for row in rows(response, "month") for number in row[2:] if number not in "0–"
    ]
    assert numbers
    assert len(urls) == len(numbers)
    for url, number in zip(urls, numbers, strict=True):
        assert f" {number} user" in text(get("people", **query_of(url)))


def test_nobody_behind_a_number_without_the_permission(organizations):
    response = get("overview", Person(VIEW_USAGE), **RANGE, compare=FIELD, open="trend")
    assert not links(response, "/people/")


def test_no_links_within_a_segment(organizations):
    response = ask(open="trend", segment=f"{FIELD}:Organization 1")
    assert not [url for url in links(response, "segment=") if "Organization+2" in url]


def test_all_groups_are_a_page_away(organizations):
    [url] = [url for url in links(ask(), "/groups/?") if "of" in query_of(url)]
    assert query_of(url) == {"from": "2025-02-01", "to": "2025-05-01", "of": FIELD}
    assert not links(get("overview", **RANGE), f"of={FIELD}")


def test_files_are_those_of_the_api(organizations, client, settings):
    settings.SOUVENIRS_API_AUTH = lambda request: Person(VIEW_USAGE)
    [url, *_] = links(ask(open="trend"), "/api/series?")
    assert query_of(url)["top"] == str(trend.MOST_COLUMNS)
    found = {}
    for row in client.get(url.replace("format=csv", "format=json")).json()["rows"]:
        found.setdefault(row["segment"] or "All users", []).append(row["value"])
    assert found == lines(ask())


def test_file_of_the_page_where_the_api_has_none(organizations):
    asked = {"figure": "stickiness", "format": "json"}
    found = json.loads(ask(**asked).content)["rows"]
    assert list(dict.fromkeys(row["segment"] for row in found)) == [None, *named(*RANKED)]


def test_choice_has_the_label_of_the_field(organizations):
    html = ask().content.decode()
    assert f'<option value="{FIELD}" selected>By Organization name</option>' in html
    assert f'<option value="{PLAN}">By Organization plan</option>' in html


@pytest.mark.parametrize("name", ["password", "profile__organization"])
def test_field_that_is_not_listed_is_refused(organizations, name):
    response = ask(compare=name)
    assert response.status_code == 400
    said = f"must be one of previous, year, segment, groups, {FIELD}, {PLAN}, not '{name}'."
    assert said in text(response)


def test_nobody_has_a_value(organizations):
    Membership.objects.all().delete()
    response = ask(open="trend")
    assert response.status_code == 200
    assert list(lines(response)) == ["Active users"]


def test_empty_range(organizations):
    response = ask(**{"from": "2026-01-01", "to": "2026-02-01"}, open="trend")
    assert response.status_code == 200
    assert "No data in this range." in text(response)


def test_queries(organizations, django_assert_max_num_queries):
    with django_assert_max_num_queries(12):
        assert ask().status_code == 200
