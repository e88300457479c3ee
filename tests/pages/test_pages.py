"""What is on the pages is what the Python API says, to those who may see it."""

import json
import re
from datetime import UTC, datetime, timedelta
from html import unescape
from urllib.parse import parse_qs, urlsplit

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import AnonymousUser, Permission
from django.core.management import call_command
from django.db import connection
from django.db.models import Q
from django.test import RequestFactory
from django.urls import reverse
from django.utils import translation

from souvenirs.control import active_users
from souvenirs.digests.pruning import Pruner
from souvenirs.insights import growth, last_seen_many, most_active, retention
from souvenirs.models import Digest, Souvenir
from souvenirs.pages import ROUTES, formats, tables, userlists, views
from souvenirs.reports import (
    customer_monthly_usage,
)
from souvenirs.stores import measures
from souvenirs.web import VIEW_PEOPLE, VIEW_USAGE, fields
from tests.conftest import at, build_user, pk_of
from tests.digesting import digest
from tests.organizations import found_organizations
from tests.users.models import Membership

pytestmark = pytest.mark.above_the_store

NOW = at(2025, 6, 18, 10, 30)
RANGE = {"from": "2025-01-01", "to": "2025-06-18"}
START, END = at(2025, 1, 1), at(2025, 6, 18)
HAS_DJANGOS_USER = get_user_model()._meta.label == "auth.User"

with_the_admin = pytest.mark.skipif(not HAS_DJANGOS_USER, reason="the admin needs permissions")


class Person:
    """Whoever asks, with permissions, whatever the user model of the site."""

    pk = 0
    is_active = is_authenticated = True

    def __init__(self, *permissions):
        self.permissions = permissions

    def has_perm(self, permission):
        return permission in self.permissions


ANYBODY = Person(VIEW_USAGE, VIEW_PEOPLE)


def get(name, user=ANYBODY, **query):
    request = RequestFactory().get("/", query)
    request.user = user
    return ROUTES[name][1](request)


def text(response):
    """What can be read on a page, in one line."""
    html = re.sub(r"<(script|style).*?</\1>", " ", response.content.decode(), flags=re.DOTALL)
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", html)).split())


def rows(response, caption):
    """The rows of the table with that caption, as texts."""
    [table] = [
        table
        for table in re.findall(r"<table.*?</table>", response.content.decode(), re.DOTALL)
        if caption in unescape(table)
    ]
    body = table.partition("<tbody>")[2]
    return [
        [
            " ".join(unescape(re.sub(r"<[^>]*>", " ", cell)).split())
            for cell in re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row)
        ]
        for row in re.findall(r"<tr>(.*?)</tr>", body)
    ]


def links(response, words):
    """The links of a page whose URL has those words."""
    return [
        unescape(url)
        for url in re.findall(r'href="([^"]*)"', response.content.decode())
        if words in unescape(url)
    ]


def query_of(url):
    return {name: value for name, [value] in parse_qs(urlsplit(url).query).items()}


@pytest.fixture(autouse=True)
def _now(monkeypatch):
    monkeypatch.setattr("django.utils.timezone.now", lambda: NOW)


def of_version_1(periods):
    return iter(())


def shown(value, digits=0):
    return formats.number(value, digits)


def tiles(response):
    """The value and the change of each key figure, by name."""
    pattern = (
        r'<li class="souvenirs-figure[^>]*>\s*<h2>(.*?)(?: <small>.*?</small>)?</h2>.*?'
        r'<p class="souvenirs-value">(.*?)</p>(?:\s*<p class="souvenirs-change[^>]*>(.*?)</p>)?'
    )
    found = re.findall(pattern, response.content.decode(), re.DOTALL)
    return {
        unescape(re.sub(r"<[^>]*>", "", name)): (re.sub(r"<[^>]*>", "", value), unescape(change))
        for name, value, change in found
    }


def test_complete_range_has_no_marks(world):
    asked = {"from": "2025-03-01", "to": "2025-05-01", "interval": "month"}
    for name in ("overview", "retention"):
        html = get(name, **asked).content.decode()
        for mark in ("so far", "cut off", "…", "Churned users are shown", "is-unfinished"):
            assert mark not in html


def test_cells_are_written_as_html():
    text = "</td><b>'&\""
    escaped = "&lt;/td&gt;&lt;b&gt;&#x27;&amp;&quot;"
    assert str(tables.TableCell("1")) == "<td>1</td>"
    assert str(tables.TableCell("1", note="2", url="/?a&b", kind="s1")) == (
        '<td class="s1"><a href="/?a&amp;b">1</a> <small>2</small></td>'
    )
    assert str(tables.TableCell(text, text, text, text, is_header=True, spoken=text)) == (
        f'<th scope="row" class="{escaped}"><a href="{escaped}">'
        f'<span aria-hidden="true">{escaped}</span>'
        f'<span class="souvenirs-spoken">{escaped}</span></a> <small>{escaped}</small></th>'
    )


@pytest.mark.parametrize("mode", ["in", "in_or_later"])
def test_retention_is_the_insight(world, mode):
    response = get("retention", **RANGE, mode=mode)
    found = retention(START, END, mode=mode)
    table = rows(response, "Users of each cohort")
    assert table[0] == ["Mean", "", *(formats.percent(share) for share in found.mean())]
    for row, cohort in zip(table[1:], found.cohorts, strict=True):
        assert row[1] == shown(cohort.size)
        for offset, users in enumerate(cohort.cells):
            share = formats.percent(found.share(cohort.period.label, offset))
            expected = "… not over yet" if users is None else f"{share} {users}"
            assert row[2 + offset] == expected


def test_people_behind_every_cell_are_as_many(world):
    """The list behind a number has that number of users."""
    response = get("retention", **RANGE)
    found = retention(START, END)
    urls = [query_of(url) for url in links(response, "list=cohort")]
    cells = [query for query in urls if "offset" in query]
    assert len(cells) == sum(bool(users) for each in found.cohorts for users in each.cells)
    for query in (*cells[:4], urls[0]):
        offset = query.get("offset")
        expected = found.users(query["of"], None if offset is None else int(offset))
        assert names_in(get("people", **query)) == names_of(expected)


def names_in(response):
    table = re.search(r"<tbody>(.*?)</tbody>", response.content.decode(), re.DOTALL)[1]
    found = re.findall(r'<th scope="row">(.*?)</th>', table)
    return {unescape(re.sub(r"<[^>]*>", "", name)) for name in found}


def names_of(users):
    return {user.get_username() for user in users.users()}


@pytest.mark.parametrize(("name", "shown"), [(4711, "4711"), (None, "")])
def test_names_that_are_no_text(world, monkeypatch, name, shown):
    """As of a user model whose users are called by a number, or have no name."""
    monkeypatch.setattr(get_user_model(), "get_username", lambda user: name)
    assert names_in(get("people", list="never")) == {shown}
    html = get("people", list="never", format="json").content.decode()
    assert f'"username": "{shown}"' in html


def name_of(number):
    return get_user_model()._default_manager.get(pk=pk_of(number)).get_username()


def test_lists_of_people(world):
    cutoff = NOW - timedelta(days=30)
    recent = active_users(cutoff, None)
    assert names_in(get("people", list="recent", days="30")) == names_of(recent)
    gone = active_users(None, cutoff) - recent
    assert names_in(get("people", list="inactive", days="30")) == names_of(gone)
    assert names_in(get("people", list="never")) == {name_of(9)}
    assert names_in(get("people", **RANGE)) == names_of(active_users(START, END))


def test_lists_of_the_last_days_offer_days_and_no_range(world):
    html = get("people", list="inactive", days="90", tz="UTC").content.decode()
    assert 'name="from"' not in html
    urls = links(get("people", list="inactive", days="90", tz="UTC"), "days=180")
    assert query_of(urls[0]) == {"tz": "UTC", "list": "inactive", "days": "180"}
    assert not links(get("people", list="never"), "days=180")


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ({}, "28 days · Everyone"),
        ({"list": "inactive", "days": "180"}, "Not seen in the last days · 180 days · Everyone"),
        ({"list": "recent", "days": "1"}, "Seen in the last days · 1 day · Everyone"),
        ({"list": "never"}, "Never seen · Everyone"),
    ],
)
def test_choices_are_said_where_there_is_no_room_for_the_fields(world, query, said):
    [summary, *_] = re.findall(r"<summary>(.*?)</summary>", get("people", **query).content.decode())
    assert summary == said


def test_list_is_paged_and_ordered(world, monkeypatch):
    monkeypatch.setattr(userlists, "PER_PAGE", 3)
    monkeypatch.setattr(views, "PER_PAGE", 3)
    every = sorted(names_of(active_users(START, END)))
    first, second, third = (get("people", **RANGE, page=str(number)) for number in (1, 2, 3))
    assert [sorted(names_in(each)) for each in (first, second, third)] == [
        every[:3],
        every[3:6],
        every[6:],
    ]
    assert 'rel="next"' in first.content.decode()
    assert 'rel="prev"' not in first.content.decode()
    assert 'rel="prev"' in third.content.decode()
    assert 'rel="next"' not in third.content.decode()
    backwards = get("people", **RANGE, order="-name")
    assert sorted(names_in(backwards)) == every[-3:]
    assert 'aria-sort="descending"' in backwards.content.decode()


def test_list_can_be_searched(world):
    name = name_of(3)
    assert names_in(get("people", **RANGE, q=name[:-1])) >= {name}
    assert names_in(get("people", **RANGE, q="no such name")) == set()
    assert "No users." in text(get("people", **RANGE, q="no such name"))


LISTS = [
    RANGE,
    {"list": "recent", "days": "12"},
    {"list": "inactive", "days": "12"},
    {"list": "never"},
    {"list": "new", "of": "2025-02", **RANGE},
    {"list": "cohort", "of": "2025-02", **RANGE},
    {"list": "churned", "of": "2025-06", **RANGE},
    {**RANGE, "segment": "some"},
    {"list": "inactive", "days": "12", "segment": "some"},
    {**RANGE, "q": "user"},
    {"list": "inactive", "days": "12", "q": "user"},
    {**RANGE, "q": "no such name"},
]


@pytest.mark.parametrize("is_digested", [False, True])
def test_order_by_when_users_were_last_seen(world, settings, is_digested):
    """The same users as in the order of names, sorted by what the column is made of."""
    settings.SOUVENIRS_SEGMENTS = {"some": Q(pk__in=[pk_of(2), pk_of(3), pk_of(7), pk_of(9)])}
    if is_digested:
        digest()
    for query in LISTS:
        listed = people_of(query)
        moments = last_seen_many(listed)
        for order, following in (("seen", "-seen"), ("-seen", "seen")):
            expected = sorted(
                listed,
                key=lambda user, moments=moments: (moments[user.pk] or START, user.pk),
                reverse=order == "-seen",
            )
            response = get("people", **query, order=order)
            found = [row[0] for row in rows(response, "<caption") if row[0] != "No users."]
            assert found == [user.get_username() for user in expected], (query, order)
            direction = "descending" if order == "-seen" else "ascending"
            assert f'aria-sort="{direction}"' in response.content.decode(), (query, order)
            orders = {query_of(url)["order"] for url in links(response, f"order={following}")}
            assert orders == {following}, (query, order)


def people_of(query):
    """The users on a list in the order of names."""
    names = [row[0] for row in rows(get("people", **query), "<caption") if row[0] != "No users."]
    model = get_user_model()
    return list(model._default_manager.filter(**{f"{model.USERNAME_FIELD}__in": names}))


def test_pages_in_the_order_of_last_seen(world, monkeypatch):
    monkeypatch.setattr(userlists, "PER_PAGE", 3)
    monkeypatch.setattr(views, "PER_PAGE", 3)
    moments = last_seen_many(active_users())
    every = [
        get_user_model()._default_manager.get(pk=key).get_username()
        for key in sorted(moments, key=lambda key: (moments[key], key), reverse=True)
    ]
    found = [get("people", **RANGE, order="-seen", page=str(number)) for number in (1, 2, 3)]
    assert [[row[0] for row in rows(each, "Users active")] for each in found] == [
        every[:3],
        every[3:6],
        every[6:],
    ]
    assert ['rel="next"' in each.content.decode() for each in found] == [True, True, False]
    csv = get("people", **RANGE, order="-seen", format="csv").content.decode().splitlines()
    assert [line.split(",")[1] for line in csv[1:]] == every


def test_deleted_users_leave_a_page_shorter(world):
    gone = max((moment, key) for key, moment in last_seen_many(active_users()).items())[1]
    get_user_model()._default_manager.filter(pk=gone).delete()
    response = get("people", **RANGE, order="-seen")
    assert len(rows(response, "Users active")) == 7
    assert "8 users. Deleted users are counted" in text(response)


def test_order_by_when_users_registered(world):
    response = get("people", **RANGE, order="-joined")
    if userlists.orders().get("joined") is None:
        assert (response.status_code, "no date of registration" in text(response)) == (400, True)
    else:
        assert response.status_code == 200


@pytest.mark.parametrize(
    ("moment", "shown"),
    [
        (NOW, "June 18, 2025, 10:30 a.m."),
        (NOW + timedelta(microseconds=1), "not yet"),
        (at(9999, 1, 1), "not yet"),
        (None, "–"),
    ],
)
def test_users_are_registered_from_that_moment_on(
    world, settings, django_user_model, moment, shown
):
    settings.SOUVENIRS_DATE_JOINED_FIELD = "last_login"
    django_user_model._default_manager.filter(pk=pk_of(9)).update(last_login=moment)
    assert [row[1] for row in rows(get("people", list="never"), "never seen")] == [shown]


@pytest.mark.parametrize(
    "query",
    [RANGE, {"list": "recent", "days": "1"}, {"list": "inactive", "days": "1"}, {"list": "never"}],
)
def test_search_finds_everyone_unless_told_otherwise(world, query):
    for number in (3, 9):
        name = name_of(number)
        found = get("people", **query, q=name)
        assert names_in(found) == {name}
        assert f"Search for “{name}” among all users" in text(found)
        assert "1 user." in text(found)
    listed = names_in(get("people", **query))
    for number in (3, 9):
        name = name_of(number)
        assert names_in(get("people", **query, q=name, among="list")) == {name} & listed


def test_search_says_in_which_list_it_was_made(world):
    found = text(get("people", list="inactive", days="12", q="user", among="list"))
    assert "Search for “user”: Users who were seen, but not in the last 12 days" in found


def test_search_stays_in_the_segment(world, settings):
    settings.SOUVENIRS_SEGMENTS = {"some": Q(pk=pk_of(9))}
    assert names_in(get("people", q="user", segment="some")) == {name_of(9)}


@pytest.mark.parametrize("order", ["name", "seen", "days"])
def test_search_in_any_order_is_counted(world, order):
    found = get("people", **RANGE, q="user", order=order)
    assert len(names_in(found)) == 9
    assert "9 users." in text(found)


def days_in(response):
    return {row[0]: int(row[-1]) for row in rows(response, "<caption") if row[0] != "No users."}


@pytest.mark.parametrize("is_digested", [False, True])
def test_active_days_are_those_of_the_insight(world, is_digested):
    if is_digested:
        digest()
    by_key = dict(most_active(START, END, limit=None).users)
    expected = {
        user.get_username(): by_key.get(user.pk, 0)
        for user in get_user_model()._default_manager.all()
    }
    active = {name: days for name, days in expected.items() if days}
    for order in ("name", "seen", "days", "-days"):
        assert days_in(get("people", **RANGE, order=order)) == active, order
        assert days_in(get("people", **RANGE, order=order, q="user")) == expected, order


@pytest.mark.parametrize("more", [{}, {"q": "user"}])
def test_list_is_sorted_by_active_days_page_by_page(world, monkeypatch, more):
    whole = {
        sign: days_in(get("people", **RANGE, **more, order=f"{sign}days")) for sign in ("", "-")
    }
    for sign, found in whole.items():
        assert list(found.values()) == sorted(found.values(), reverse=sign == "-")
    monkeypatch.setattr(userlists, "PER_PAGE", 2)
    monkeypatch.setattr(views, "PER_PAGE", 2)
    for sign, found in whole.items():
        pages = [
            get("people", **RANGE, **more, order=f"{sign}days", page=str(number))
            for number in range(1, 6)
        ]
        assert [item for page in pages for item in days_in(page).items()] == list(found.items())


def test_most_active_users_are_asked_for_first(world):
    orders = {query_of(url)["order"] for url in links(get("people", **RANGE), "days&")}
    orders |= {query_of(url)["order"] for url in links(get("people", **RANGE), "order=-days")}
    assert orders == {"-days"}
    again = links(get("people", **RANGE, order="-days"), "order=days")
    assert {query_of(url)["order"] for url in again} == {"days"}


@pytest.mark.parametrize("name", ["recent", "inactive", "never"])
def test_lists_without_a_range_have_no_active_days(world, name):
    assert "Active days" not in text(get("people", list=name))
    response = get("people", list=name, order="days")
    assert response.status_code == 400
    assert f"does not apply to the list {name}" in text(response)


def test_active_days_of_long_ranges_are_not_counted(world):
    longest = {"from": "2024-05-14", "to": "2025-06-18"}
    assert days_in(get("people", **longest))
    longer = {**longest, "from": "2024-05-13"}
    assert "Active days are only counted in ranges of up to 400 days." in text(
        get("people", **longer)
    )
    refused = get("people", **longer, order="-days")
    assert refused.status_code == 400
    assert "counted in up to 400 days, not in 401" in text(refused)


@pytest.mark.django_db(transaction=True)
def test_list_is_shown_where_active_days_are_unknown(world):
    digest()
    list(Pruner(NOW).run())
    query = {"from": "2025-03-01T00:00:00Z", "to": "2025-04-01T00:00:00Z", "tz": "Asia/Kolkata"}
    response = get("people", **query)
    assert names_in(response)
    assert "The active days are unknown in this time zone" in text(response)
    assert get("people", **query, order="-days").status_code == 400


def test_totals_of_the_lists_of_the_last_days(world):
    cutoff = NOW - timedelta(days=12)
    recent = active_users(cutoff, None)
    gone = active_users(None, cutoff) - recent
    for order in ("name", "-seen"):
        for name, users in {"recent": recent, "inactive": gone}.items():
            found = text(get("people", list=name, days="12", order=order))
            assert f"{len(users)} user" in found
            assert "Deleted users are counted" in found
    assert "1 user." in text(get("people", list="never"))
    assert "Deleted users" not in text(get("people", list="never"))


def test_totals_end_with_the_last_page(world, monkeypatch):
    monkeypatch.setattr(userlists, "MAX_ROWS", 8)
    assert "9 users" not in text(get("people", q="user"))
    monkeypatch.setattr("souvenirs.pages.sections.users.MAX_ROWS", 8)
    assert "More than 8 users." in text(get("people", q="user"))
    monkeypatch.setattr(userlists, "MAX_ROWS", 9)
    assert "9 users." in text(get("people", q="user"))


def test_users_of_a_segment_who_were_never_seen_are_counted_beyond_the_last_page(
    world, settings, monkeypatch
):
    for number in (20, 21, 22):
        build_user(number).save()
    settings.SOUVENIRS_SEGMENTS = {"some": Q(pk__in=[pk_of(n) for n in (1, 20, 21, 22)])}
    for most in (2, 3, 4):
        monkeypatch.setattr(userlists, "MAX_ROWS", most)
        found = get("people", list="never", segment="some")
        assert "3 users." in text(found)
        assert names_in(found) == {name_of(number) for number in (20, 21, 22)}


@pytest.mark.skipif(not HAS_DJANGOS_USER, reason="other keys take queries for their numbers")
@pytest.mark.parametrize(
    ("query", "most"),
    [
        ({**RANGE}, 7),
        ({**RANGE, "order": "-days"}, 7),
        ({**RANGE, "order": "-joined"}, 8),
        ({**RANGE, "order": "seen"}, 13),
        ({**RANGE, "q": "nobody"}, 5),
        ({"list": "never"}, 6),
        ({"list": "never", "q": "nobody"}, 2),
    ],
)
def test_number_of_queries_of_a_list(world, query, most, django_assert_max_num_queries):
    """What shows a list is not read twice, and nothing is looked up for nobody."""
    digest()
    with django_assert_max_num_queries(most):
        assert get("people", **query).status_code == 200


def test_inactive_users_come_newest_first(world, leave):
    leave((8, NOW - timedelta(days=2)))
    newest = get("people", list="inactive", days="1")
    explicit = get("people", list="inactive", days="1", order="-seen")
    assert len(names_in(newest)) > 2
    assert rows(newest, "<caption") == rows(explicit, "<caption")
    assert 'aria-sort="descending"' in newest.content.decode()
    assert rows(get("people", list="inactive", days="1", order="name"), "<caption") != rows(
        newest, "<caption"
    )


@pytest.mark.parametrize(
    ("query", "word"),
    [
        ({"from": "2025-06-01", "to": "2025-06-18"}, None),
        ({"from": "2025-06-01", "to": "2025-06-19"}, "so far"),
        ({"from": "2025-06-01", "to": "2025-06-18", "list": "churned", "of": "2025-06"}, "so far"),
        ({"from": "2025-04-01", "to": "2025-05-10", "list": "churned", "of": "2025-05"}, "cut off"),
        ({"from": "2025-04-01", "to": "2025-06-01", "list": "churned", "of": "2025-05"}, None),
        ({**RANGE, "list": "cohort", "of": "2025-02"}, None),
        ({**RANGE, "list": "cohort", "of": "2025-06"}, "so far"),
        ({**RANGE, "list": "cohort", "of": "2025-02", "offset": "3"}, None),
        (
            {"from": "2025-01-01", "to": "2025-05-10", "list": "cohort", "of": "2025-02"}
            | {"offset": "3"},
            "cut off",
        ),
    ],
)
def test_captions_say_what_is_incomplete(world, query, word):
    [caption, *_] = re.findall(
        r"<caption[^>]*>(.*?)</caption>", get("people", **query).content.decode()
    )
    assert (re.findall(r"\((so far|cut off)\)$", caption) or [None]) == [word]
    state = {"so far": "running", "cut off": "cut", None: None}[word]
    assert json.loads(get("people", **query, format="json").content)["incomplete"] == state
    lines = get("people", **query, format="csv").content.decode().splitlines()
    assert [line.rpartition(",")[2] for line in lines] == [
        "incomplete",
        *[state or ""] * (len(lines) - 1),
    ]


def test_files_have_totals_and_active_days(world):
    [row] = json.loads(get("people", **RANGE, q=name_of(9), format="json").content)["rows"]
    assert row["active_days"] == 0
    found = json.loads(get("people", list="inactive", days="12", format="json").content)
    assert found["total"] == len(found["rows"])
    assert "active_days" not in found["rows"][0]
    assert "active_days" not in get("people", list="never", format="csv").content.decode()


@pytest.mark.parametrize("query", [{"list": "cohort"}, {"list": "new", "of": "1999-01"}])
def test_no_such_number(world, query):
    response = get("people", **RANGE, **query)
    assert response.status_code == 400
    assert "No such number" in text(response)


def test_people_as_files(world):
    csv = get("people", **RANGE, list="new", of="2025-01", format="csv")
    expected = growth(START, END).users("2025-01", "new")
    lines = csv.content.decode().splitlines()
    registered = "registered," if userlists.orders().get("joined") else ""
    assert lines[0] == f"id,username,{registered}last_seen,active_days,incomplete"
    assert {line.split(",")[0] for line in lines[1:]} == {str(key) for key in expected}
    response = get("people", **RANGE, list="new", of="2025-01", format="json")
    assert f'"total": {len(expected)}' in response.content.decode()


def test_deleted_users_are_counted_and_not_listed(world):
    get_user_model()._default_manager.filter(pk=pk_of(3)).delete()
    response = get("people", **RANGE)
    assert len(names_in(response)) == 7
    assert "8 users. Deleted users are counted" in text(response)


@pytest.mark.parametrize("cohort", ["retention", "people"])
def test_cohorts_of_registration(world, cohort):
    query = {"cohort": "joined", "list": "cohort", "of": "2025-01", "offset": "0"}
    if cohort == "retention":
        query = {"cohort": "joined"}
    response = get(cohort, **RANGE, **query)
    if userlists.orders().get("joined") is None:
        assert (response.status_code, "no date of registration" in text(response)) == (400, True)
    else:
        assert response.status_code == 200


def test_billing_is_the_report(world):
    response = get("billing", subscription_start="2025-01-15", recent="3")
    usages = list(customer_monthly_usage(at(2025, 1, 15), recent=3))
    table = rows(response, "Users in each period of the subscription")
    assert [row[0] for row in table] == ["Y01 M06 so far", "Y01 M05", "Y01 M04"]
    assert [row[3:] for row in table] == [
        [shown(usage["usage"][name]) for name in usage["usage"]] for usage in reversed(usages)
    ]


def test_billing_before_the_first_souvenir_is_unknown(world):
    response = get("billing", subscription_start="2020-01-15", interval="year")
    table = rows(response, "Users in each period of the subscription")
    assert table[-1][-1] == shown(None)
    assert "unknown: there is no data before the first souvenir" in text(response)


def test_billing_of_a_tenant(world, settings):
    few = [pk_of(1), pk_of(5)]
    settings.SOUVENIRS_SEGMENTS = {"few": Q(pk__in=few)}
    response = get("billing", subscription_start="2025-01-15", segment="few")
    usages = list(customer_monthly_usage(at(2025, 1, 15), users=few))
    table = rows(response, "Users in each period of the subscription")
    assert [row[3:] for row in table] == [
        [shown(usage["usage"][name]) for name in usage["usage"]] for usage in reversed(usages)
    ]
    assert 'name="segment"' in response.content.decode()
    assert {query_of(url)["segment"] for url in links(response, "from=")} == {"few"}
    for url in links(response, "/people/?"):
        query = query_of(url)
        if "from" in query:
            [count] = [row[5] for row in table if row[1] == query["from"][:10]]
            assert str(len(names_in(get("people", **query)))) == count


def test_function_of_version_1_reports_on_everybody(world, settings):
    settings.SOUVENIRS_SEGMENTS = {"few": Q(pk__in=[pk_of(1)])}
    settings.SOUVENIRS_USAGE_REPORTS_FUNCTION = "tests.pages.test_pages.of_version_1"
    query = {"subscription_start": "2025-01-15"}
    assert get("billing", **query).status_code == 200
    refused = get("billing", **query, segment="few")
    assert (refused.status_code, "has no parameter users" in text(refused)) == (400, True)


def test_billing_asks_for_a_start(world):
    assert "Enter the start of a subscription" in text(get("billing"))


@pytest.mark.parametrize(("interval", "label"), [("day", "Y01 M01"), ("quarter", "Y01 Q1")])
def test_billing_in_other_intervals(world, interval, label):
    response = get("billing", subscription_start="2025-06-10", interval=interval)
    last = rows(response, "Users in each period of the subscription")[-1]
    assert last[0].removesuffix(" so far") == label


def test_billing_of_a_subscription_to_come(world):
    assert "No data in this range." in text(get("billing", subscription_start="2030-01-01"))


def test_health(world, settings):
    settings.SILENCED_SYSTEM_CHECKS = ["souvenirs.W013", "souvenirs.W014"]  # of the user model
    digest()
    response = get("health")
    state = dict(rows(response, "Digesting progress"))
    assert state["History begins"] == "Jan. 11, 2025, 5 p.m." or state["History begins"]
    assert state["Undigested souvenirs"] == "0"
    assert state["Souvenirs pruned up to"] == "none"
    [buckets, *_] = rows(response, "Size of the digests")
    assert buckets[:2] == ["Bucket of 60 minutes", shown(Digest.objects.filter(level=3600).count())]
    assert "No system check failed." in text(response)


def test_health_names_digests_of_another_kind(world):
    for level in (3_600, 86_400, 31 * 86_400):
        Digest.objects.create(kind="v2", level=level, start=0)
    first = [row[0] for row in rows(get("health"), "Size of the digests")]
    assert first == ["Bucket of 60 minutes (v2)", "Day (v2)", "Month (v2)"]


def test_health_tells_what_the_doctor_finds(world, settings, monkeypatch, leave):
    leave((1, datetime.now(UTC) + timedelta(days=1)))
    monkeypatch.setitem(measures.CLOCKS, connection.vendor, "SELECT 1 FROM no_such_table")
    settings.SOUVENIRS_KEEP_DAYS = 36_500
    found = {row[0]: row[1:] for row in rows(get("health"), "Diagnosis")}
    assert found["Indexes"] == ["fine", "All indexes of the app exist."]
    state, sentence = found["Future"]
    assert state == "warning"
    assert sentence.startswith("1 souvenir is in the future, the last one from ")
    assert ". Synchronize the clocks" in sentence
    # What an error says may be a secret.
    state, sentence = found["Clock"]
    assert state == "error"
    assert sentence.startswith("manage.py souvenirs_doctor says more.")
    assert "no_such_table" not in text(get("health"))


def test_health_tells_of_checks(world, settings):
    settings.SOUVENIRS_WEEK_START = 9
    assert "SOUVENIRS_WEEK_START" in text(get("health"))


@pytest.mark.parametrize("name", ROUTES)
def test_site_without_anything(db, name):
    assert get(name).status_code == 200


@pytest.mark.parametrize("name", ROUTES)
def test_without_time_zones(world, settings, name, monkeypatch):
    settings.USE_TZ = False
    settings.TIME_ZONE = "Europe/Paris"
    monkeypatch.setattr("django.utils.timezone.now", lambda: NOW.replace(tzinfo=None))
    query = {"billing": {"subscription_start": "2025-01-15"}, "health": {}}.get(name, RANGE)
    assert get(name, **query).status_code == 200


@pytest.mark.parametrize(
    "query",
    [RANGE, {"list": "recent", "days": "12"}, {"list": "inactive", "days": "12"}],
)
def test_order_of_last_seen_without_time_zones(world, settings, query, monkeypatch):
    settings.USE_TZ = False
    settings.TIME_ZONE = "Europe/Paris"
    monkeypatch.setattr("django.utils.timezone.now", lambda: NOW.replace(tzinfo=None))
    moments = last_seen_many(people_of(query))
    assert [row[0] for row in rows(get("people", **query, order="seen"), "<caption")] == [
        get_user_model()._default_manager.get(pk=key).get_username()
        for key in sorted(moments, key=lambda key: (moments[key], key))
    ]


@pytest.mark.parametrize(
    ("name", "query", "sentence"),
    [
        ("overview", {"from": "soon"}, "From must be like 2016-01-31"),
        ("overview", {"from": "2025-02-31"}, "a valid date and time"),
        (
            "overview",
            {"from": "2025-02-01", "to": "2025-01-01T12:00"},
            "From 2025-02-01 is later than the end, 2025-01-01T12:00.",
        ),
        (
            "overview",
            {"from": "2025-07-01"},
            "From 2025-07-01 is later than the end, 2025-06-18T10:30:00+00:00.",
        ),
        ("overview", {"tz": "America"}, "a name like Europe/Paris"),
        ("overview", {"from": "0001-01-01", "to": "0001-01-03", "tz": "UTC"}, "is out of range in"),
        ("overview", {"interval": "day", "from": "2020-01-01"}, "more than 400"),
        ("overview", {"nonsense": "1"}, "Unknown parameter"),
        ("overview", {"preset": "12mo", "from": "2025-01-01"}, "cannot be combined"),
        ("retention", {"interval": "day", "from": "2025-01-01"}, "more than 60"),
        ("retention", {"mode": "never"}, "mode must be one of"),
        ("people", {"list": "all"}, "list must be one of"),
        ("people", {"days": "0", "list": "recent"}, "Days must be a whole number"),
        ("people", {"q": "\0"}, "Null characters are not allowed"),
        ("people", {"interval": "day", "from": "2020-01-01"}, "more than 400"),
        ("billing", {"interval": "week"}, "interval must be one of"),
        ("health", {"tz": "../etc"}, "a name like Europe/Paris"),
    ],
)
def test_what_cannot_be_asked_is_answered_with_the_form(world, name, query, sentence):
    response = get(name, **query)
    assert response.status_code == 400
    assert text(response).count(sentence) == 1
    assert '<form method="get"' in response.content.decode()


@pytest.mark.parametrize(
    ("end", "linked"),
    [
        ("2025-06-18T10:30Z", "from=2025-06-01&amp;to=2025-06-18T10%3A30Z&amp;"),
        ("2025-06-18T10:31Z", "from=2025-06-01&amp;interval"),
    ],
)
def test_files_about_a_range_that_is_not_over_end_now(world, end, linked):
    page = get("retention", **{"from": "2025-06-01", "to": end}).content.decode()
    assert f"/api/retention?{linked}" in page


def test_range_in_the_future_is_empty(world):
    page = get("retention", **{"from": "2026-01-01", "to": "2026-02-01"}).content.decode()
    assert "/api/retention?from=2026-01-01&amp;to=2026-01-01&amp;" in page


def test_empty_fields_of_the_form_ask_for_nothing(world):
    response = get("overview", **{"from": "", "to": "", "segment": "", "tz": ""})
    assert response.status_code == 200


def test_pruned_span_is_said(world, monkeypatch):
    def refuse(*args, **kwargs):
        raise views.PrunedSpan("It begins inside a bucket.")

    for name in ("retention", "people"):
        monkeypatch.setattr(views, "retention_of", refuse)
        monkeypatch.setattr(userlists, "growth", refuse)
        response = get(name, **RANGE, **({"list": "new"} if name == "people" else {}))
        assert (response.status_code, "It begins inside a bucket." in text(response)) == (400, True)


def test_corrupt_digest_is_said(world):
    digest()
    Souvenir.objects.all().delete()
    Digest.objects.filter(level__lte=3600).update(body=b"damaged", is_pruned=True)
    Digest.objects.filter(level__gt=3600).delete()
    with translation.override("de"):
        response = get("retention", **RANGE)
    assert response.status_code == 503
    assert "Eine Zusammenfassung ist beschädigt" in text(response)
    assert '<span lang="en" dir="ltr">The digest of' in response.content.decode()


PROBE = "</script><img src=x onerror=alert(1)>'\""


@pytest.mark.parametrize("name", ROUTES)
def test_nothing_inline_and_nothing_that_somebody_wrote(world, settings, name):
    settings.SOUVENIRS_SEGMENTS = {PROBE: Q(pk__in=[pk_of(1)])}
    model = get_user_model()
    if model.USERNAME_FIELD != "code":
        model._default_manager.filter(pk=pk_of(1)).update(**{model.USERNAME_FIELD: PROBE})
    queries = [{}, RANGE, {"tz": PROBE}, {"from": PROBE}, {"segment": PROBE}, {"q": PROBE}]
    queries += [{PROBE: PROBE}, {"list": "active", **RANGE}, {"list": "cohort", "of": PROBE}]
    for query in queries:
        html = get(name, **query).content.decode()
        assert "<img" not in html
        for attributes, body in re.findall(r"<script([^>]*)>(.*?)</script>", html, re.DOTALL):
            assert not body or 'type="application/json"' in attributes
        for tag in re.findall(r"<[a-z][^>]*>", html):
            bare = re.sub(r'"[^"]*"', '""', tag)
            assert not re.search(r"\s(on\w+|style)\s*=", bare), tag
        assert "<style" not in html


@pytest.mark.parametrize("name", ROUTES)
def test_who_may_see_a_page(world, name):
    needed = VIEW_PEOPLE if name == "people" else VIEW_USAGE
    assert get(name, Person(needed)).status_code == 200
    assert get(name, AnonymousUser()).status_code == 302
    other = VIEW_USAGE if name == "people" else VIEW_PEOPLE
    assert get(name, Person(other)).status_code == 403


def test_no_name_and_no_link_to_one_without_the_permission(world):
    names = names_of(active_users())
    for name in ("overview", "retention", "billing", "health"):
        query = RANGE if name in ("overview", "retention") else {}
        html = get(name, Person(VIEW_USAGE), **query).content.decode()
        assert "people/" not in html
        assert not [name for name in names if name in html]


@pytest.mark.parametrize("name", ROUTES)
def test_pages_only_answer(world, name):
    request = RequestFactory().post("/")
    request.user = ANYBODY
    response = ROUTES[name][1](request)
    assert response.status_code == 405


@pytest.mark.parametrize("is_digested", [False, True])
@pytest.mark.parametrize(
    ("name", "query"),
    [
        ("overview", {}),
        ("retention", {}),
        ("people", {"list": "new", "of": "2025-01"}),
        ("people", {"list": "inactive"}),
        ("health", {}),
    ],
)
def test_queries_do_not_grow_with_the_range(
    world, name, query, is_digested, django_assert_max_num_queries, settings
):
    """Four more are those of the session, the user and their permissions."""
    settings.SOUVENIRS_SEGMENTS = {"few": Q(pk__in=[pk_of(1), pk_of(5)])}
    if is_digested:
        digest()
    ranges = [RANGE, {"from": "2024-01-01", "to": "2025-06-18"}] if name != "health" else [{}]
    most = 8 if HAS_DJANGOS_USER else 12
    for each in ranges:
        # Half of what the diagnosis adds to health are savepoints, in a transaction, as here.
        more = {"people": 6, "health": 63}.get(name, 0)
        with django_assert_max_num_queries(most + more):
            assert get(name, **each, **query).status_code == 200


def test_downloads_ask_the_api_the_same(world, client):
    urls = [
        url
        for part in ("growth", "busy")
        for url in links(get("overview", **RANGE, tz="Asia/Tokyo", open=part), "/api/")
    ]
    found = {urlsplit(url).path.rpartition("/")[2] for url in urls}
    assert found == {"series", "growth", "busy"}
    for url in urls:
        query = query_of(url)
        assert (query["tz"], query["from"], query["to"]) == ("Asia/Tokyo", *RANGE.values())
    assert [query_of(url)["preset"] for url in links(get("retention"), "/api/")] == ["12mo"] * 2


@pytest.mark.thorough
@with_the_admin
def test_everything_that_is_linked_answers(boss, settings):
    settings.SOUVENIRS_GROUP_BY = ["groups__name", "is_staff"]
    seen, waiting = set(), [reverse("admin:souvenirs_dashboard")]
    while waiting:
        url = waiting.pop()
        response = boss.get(url)
        assert response.status_code == 200, url
        kind = (urlsplit(url).path, tuple(sorted(query_of(url))), query_of(url).get("list"))
        if kind in seen or "text/html" not in response["Content-Type"]:
            continue
        seen.add(kind)
        waiting += [each for each in links(response, "souvenirs/usage/") if each not in waiting][
            :200
        ]
    assert len({path for path, *_ in seen}) == len(ROUTES)


@with_the_admin
def test_admin_shows_the_way(boss):
    index = boss.get(reverse("admin:index"))
    url = reverse("admin:souvenirs_usage_changelist")
    assert url == reverse("admin:souvenirs_dashboard")
    assert links(index, url)
    assert links(boss.get(reverse("admin:souvenirs_souvenir_changelist")), url)


@with_the_admin
def test_admin_is_for_staff_with_the_permission(world, client):
    user = build_user(50, username="staff", is_staff=True)
    user.save()
    client.force_login(user)
    url = reverse("admin:souvenirs_dashboard")
    denied = client.get(url)
    assert denied.status_code == 403
    assert "you need the permission souvenirs.view_usage" in text(denied)
    assert 'id="site-name"' in denied.content.decode()
    assert not links(client.get(reverse("admin:index")), url)
    user.user_permissions.set(Permission.objects.filter(codename="view_usage"))
    assert client.get(url).status_code == 200
    assert links(client.get(reverse("admin:index")), url)
    assert client.get(reverse("admin:souvenirs_people")).status_code == 403
    get_user_model().objects.filter(pk=user.pk).update(is_staff=False)
    assert client.get(url).status_code == 302


@with_the_admin
@pytest.mark.parametrize("is_digested", [False, True])
def test_whole_page_takes_twelve_queries_and_people_sixteen(
    world, client, settings, is_digested, django_assert_max_num_queries
):
    settings.SOUVENIRS_SEGMENTS = {"few": Q(pk__in=[1, 5])}
    settings.SOUVENIRS_GROUP_BY = ["is_staff"]
    user = build_user(50, username="staff", is_staff=True)
    user.save()
    user.user_permissions.set(Permission.objects.filter(codename__startswith="view_"))
    client.force_login(user)
    if is_digested:
        digest()
    lists = [{"list": "new", "of": "2025-01"}, {"list": "cohort", "of": "2025-01"}, {}]
    lists = [{**each, **RANGE} for each in lists]
    lists += [{"list": name, "days": "3"} for name in ("recent", "inactive")] + [{"list": "never"}]
    for name in ROUTES:
        queries = lists if name == "people" else [{}]
        if name not in ("billing", "health"):
            queries = [*queries, *({**query, "segment": "few"} for query in queries)]
        for query in queries:
            # In a transaction, as here, annotations are read within a savepoint.
            most = {"overview": 14, "health": 74, "people": 16, "groups": 20}.get(name, 12)
            with django_assert_max_num_queries(most):
                response = client.get(reverse(f"admin:souvenirs_{name}"), query)
            assert response.status_code == 200


@with_the_admin
def test_users_lead_to_the_admin_for_who_may_see_them(world, client):
    user = build_user(50, username="staff", is_staff=True)
    user.save()
    user.user_permissions.set(Permission.objects.filter(codename="view_people"))
    client.force_login(user)
    url = reverse("admin:souvenirs_people")
    assert not links(client.get(url, RANGE), "/auth/user/")
    user.user_permissions.set(Permission.objects.filter(codename__in=["view_people", "view_user"]))
    assert links(client.get(url, RANGE), "/auth/user/1/change/")


@with_the_admin
def test_raw_souvenirs_are_neither_counted_nor_changed(boss, django_assert_max_num_queries):
    url = reverse("admin:souvenirs_souvenir_changelist")
    with django_assert_max_num_queries(7) as captured:
        response = boss.get(url)
    assert response.status_code == 200
    assert not [query for query in captured if "COUNT(" in query["sql"]]
    assert not (names_of(active_users()) - {"boss"}) & set(text(response).split())
    souvenir = Souvenir.objects.first()
    for change in ("add/", f"{souvenir.pk}/delete/"):
        assert boss.get(f"{url}{change}").status_code == 403
    assert "submit-row" not in text(boss.get(f"{url}{souvenir.pk}/change/"))
    boss.logout()
    assert boss.get(url).status_code == 302


@with_the_admin
def test_raw_souvenirs_do_not_lead_to_pages_that_are_refused(world, client):
    user = build_user(50, username="staff", is_staff=True)
    user.save()
    user.user_permissions.set(Permission.objects.filter(codename="view_souvenir"))
    client.force_login(user)
    response = client.get(reverse("admin:souvenirs_souvenir_changelist"))
    assert response.status_code == 200
    assert not links(response, "/usage/")


@with_the_admin
@pytest.mark.django_db(transaction=True)
def test_raw_souvenirs_that_are_not_migrated(make_user, client):
    client.force_login(make_user(1, is_staff=True, is_superuser=True))
    call_command("migrate", "souvenirs", "zero", verbosity=0)
    try:
        response = client.get(reverse("admin:souvenirs_souvenir_changelist"), follow=True)
    finally:
        call_command("migrate", "souvenirs", verbosity=0)
    assert response.redirect_chain == [(reverse("admin:index"), 302)]
    assert "run manage.py migrate souvenirs" in text(response)


def test_pages_outside_of_the_admin(world, settings):
    settings.INSTALLED_APPS = [app for app in settings.INSTALLED_APPS if "admin" not in app]
    html = get("overview").content.decode()
    assert "souvenirs/standalone.css" in html
    assert "admin/" not in html


@pytest.mark.parametrize(
    ("value", "top", "expected"),
    [(None, 1, "s0"), (0, 1, "s0"), (0.01, 1, "s1"), (0.5, 1, "s5"), (1, 1, "s10"), (1, 0, "s0")],
)
def test_shades(value, top, expected):
    assert tables.shade(value, top) == expected


@pytest.mark.parametrize(
    ("size", "expected"), [(999, "999 B"), (1_500, "1.5 kB"), (2e12, "2.0 TB")]
)
def test_sizes(size, expected):
    assert formats.stretched(size) == expected


def test_words_are_text():
    assert fields.TextField(strip=False).schema()["type"] == "string"


def test_numbers_are_rounded_and_not_cut():
    assert (formats.number(0.25, 1), formats.percent(2 / 7), formats.number(-0.6)) == (
        "0.2",
        "29%",
        "-1",
    )


def test_numbers_as_the_language_writes_them(world):
    with translation.override("de"):
        assert formats.number(1234.5, 1) == "1.234,5"
        html = get("overview", **RANGE).content.decode()
    for coordinates in re.findall(r' (?:d|x|y|height|width|viewBox)="([^"]*)"', html):
        assert "," not in coordinates


@pytest.mark.parametrize("page", ["overview", "retention", "people", "billing"])
def test_value_of_a_listed_field_is_a_segment(world, settings, page):
    found_organizations(dict.fromkeys((61, 62), (1,)))
    Membership.objects.filter(user_id=pk_of(61)).update(user_id=pk_of(2))
    Membership.objects.filter(user_id=pk_of(62)).update(user_id=pk_of(5))
    settings.SOUVENIRS_GROUP_BY = ["membership__organization__name"]
    settings.SOUVENIRS_SEGMENTS = {"few": [pk_of(2), pk_of(5)]}
    name = "membership__organization__name:Organization 1"
    found = get(page, **RANGE, segment=name).content.decode()
    assert re.search(rf'<option value="{name}"\s+selected', found)
    few = get(page, **RANGE, segment="few").content.decode()
    some = re.compile(r"<select.*?</select>|href=\"[^\"]*\"", re.DOTALL)
    assert text_of(some.sub("", few)) == text_of(some.sub("", found).replace(name, "few"))


def text_of(html):
    return " ".join(re.sub(r"<(script|style).*?</\1>|<[^>]*>", " ", html, flags=re.DOTALL).split())
