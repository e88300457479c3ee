"""Statements are read in the admin, by those who may, and changed by nobody."""

from html import unescape

import pytest
from django.contrib import admin
from django.contrib.auth import get_user_model
from django.core.exceptions import PermissionDenied
from django.http import Http404
from django.test import RequestFactory
from django.urls import reverse

from souvenirs.admin import StatementAdmin
from souvenirs.control import erase_user
from souvenirs.models import Statement
from souvenirs.statementfile import verified
from souvenirs.statements import issue_statement
from tests.conftest import at, pk_of
from tests.organizations import ONE, found_organizations, name_of
from tests.pages.test_pages import Person
from tests.terminals import run

pytestmark = [pytest.mark.django_db, pytest.mark.through_the_store]

JANUARY = at(2016, 1, 1), at(2016, 2, 1)
FEBRUARY = JANUARY[1], at(2016, 3, 1)
ADMIN = StatementAdmin(Statement, admin.site)

VIEW = "souvenirs.view_statement"
READER = Person(VIEW)


@pytest.fixture
def statements(leave, set_now):
    set_now(at(2016, 6, 1))
    found = found_organizations({1: (1,), 2: (2,)})
    leave((1, JANUARY[0]), (2, JANUARY[0]), (1, FEBRUARY[0]))
    return [
        issue_statement(found[1], JANUARY, of=ONE, plan="<pro>", quota=5, issuer="Site & Co"),
        issue_statement(found[1], FEBRUARY, of=ONE),
        issue_statement(None, FEBRUARY, tz="Asia/Tokyo"),
    ]


def request_of(user=READER, query=""):
    request = RequestFactory().get(f"/?{query}")
    request.user = user
    return request


def listed(query=""):
    changes = ADMIN.get_changelist_instance(request_of(query=query))
    return [(ADMIN.whose(each), each.number) for each in changes.result_list]


def test_list_is_latest_first(statements):
    assert listed() == [("Everyone", 1), (name_of(1), 2), (name_of(1), 1)]


def test_list_can_be_searched_and_narrowed(statements):
    assert listed("q=Organization") == [(name_of(1), 2), (name_of(1), 1)]
    assert listed(f"q={statements[2].hash}") == [("Everyone", 1)]
    assert listed("start__year=2016&start__month=1") == [(name_of(1), 1)]


def test_columns(statements):
    columns = ADMIN.active_users, ADMIN.plan, ADMIN.quota, ADMIN.issuer
    assert [column(statements[0]) for column in columns] == [1, "<pro>", 5, "Site & Co"]
    assert [column(statements[1]) for column in columns] == [1, "-", "-", "-"]


@pytest.mark.parametrize("verb", ["add", "change", "delete"])
def test_nobody_may_change_them(statements, verb):
    user = Person(*(f"souvenirs.{each}_statement" for each in ("view", "add", "change", "delete")))
    request = request_of(user)
    allowed = getattr(ADMIN, f"has_{verb}_permission")
    assert not (allowed(request) if verb == "add" else allowed(request, statements[0]))
    assert ADMIN.get_readonly_fields(request, statements[0]) == ADMIN.get_fields(request)


@pytest.mark.parametrize(
    ("permissions", "expected"), [([VIEW], True), (["souvenirs.view_usage"], False), ([], False)]
)
def test_who_may_see_them(permissions, expected):
    request = request_of(Person(*permissions))
    assert ADMIN.has_view_permission(request) is expected
    assert ADMIN.has_module_permission(request) is expected


def refuses(user):
    raise PermissionDenied


def sees_everyone(user):
    return None


def sees_some(user):
    return get_user_model()._default_manager.all()


@pytest.mark.parametrize(
    ("function", "expected"),
    [(sees_everyone, True), (sees_some, False), (refuses, False), (len, False), (5, False)],
)
def test_reader_who_may_not_see_everyone_sees_none(settings, statements, function, expected):
    settings.SOUVENIRS_VISIBLE_TO = function
    assert ADMIN.has_view_permission(request_of()) is expected
    if not expected:
        for view in (ADMIN.print_view, ADMIN.recount_view, ADMIN.file_view):
            with pytest.raises(PermissionDenied):
                view(request_of(Person(VIEW, "souvenirs.view_people")), statements[0].pk)


def test_page_links_to_what_there_is_besides(statements):
    links = ADMIN.pages(statements[0])
    for page in ("print", "recount", "file"):
        assert (
            f'href="{reverse(f"admin:souvenirs_statement_{page}", args=[statements[0].pk])}"'
            in (links)
        )


def test_page_to_print(statements):
    response = ADMIN.print_view(request_of(), statements[0].pk)
    page = response.content.decode()
    assert response["Cache-Control"] == "private, no-store"
    for text in (
        "<h1>Statement 1</h1>",
        f"<td>{name_of(1)}</td>",
        "<td>2016-01-01 00:00:00 UTC</td>",
        "<td>2016-02-01 00:00:00 UTC</td>",
        "<strong>1</strong>",
        "&lt;pro&gt;",
        "Site &amp; Co",
        "<td>5</td>",
        f"<code>{statements[0].hash}</code>",
        '<tr><th scope="row">2016-01-01</th><td>1</td></tr>',
        '<tr><th scope="row">2016-01-31</th><td>0</td></tr>',
    ):
        assert text in page
    assert "<pro>" not in page
    assert "Hash of the statement before" not in page
    assert "late imports" not in page


def test_page_to_print_of_what_is_unusual(statements, set_now):
    set_now(FEBRUARY[1])
    early = issue_statement(None, (at(2016, 2, 2), FEBRUARY[1]), early=True)
    page = unescape(ADMIN.print_view(request_of(), early.pk).content.decode())
    assert "<td>Everyone</td>" in page
    assert f"<code>{statements[2].hash}</code>" in page
    assert "Issued before the days for late imports were over." in page
    assert "Issuer" not in page
    page = ADMIN.print_view(request_of(), statements[2].pk).content.decode()
    assert "<td>2016-02-01 09:00:00 Asia/Tokyo</td>" in page


def test_recount(statements):
    erase_user(pk_of(1))
    response = ADMIN.recount_view(request_of(), statements[1].pk)
    assert response["Content-Type"] == "text/plain; charset=utf-8"
    assert response.content.decode().startswith("Then 1, now 0 active users.\n-1 erased: ")


@pytest.mark.usefixtures("statements")
def test_recount_that_is_not_possible_says_why(leave):
    """A day of the statement begins inside a bucket, to which its souvenirs are then pruned."""
    leave((1, at(2016, 1, 10, 18, 10)))
    statement = issue_statement(None, JANUARY, tz="Asia/Kolkata")
    run("digest_souvenirs")
    run("prune_souvenirs", "--older-than=0")
    response = ADMIN.recount_view(request_of(), statement.pk)
    assert response.status_code == 409
    assert "souvenirs of 2016-01-10 18:00 to 2016-01-10 19:00" in response.content.decode()


def test_recount_by_a_field_that_is_gone_says_so(statements):
    body = statements[0].body.replace(ONE, "colour")
    Statement.objects.filter(pk=statements[0].pk).update(body=body)
    response = ADMIN.recount_view(request_of(), statements[0].pk)
    assert response.status_code == 409
    assert response.content.decode().startswith("of must be a field of ")


def test_file_is_for_those_who_may_see_people(statements):
    with pytest.raises(PermissionDenied):
        ADMIN.file_view(request_of(), statements[0].pk)
    response = ADMIN.file_view(request_of(Person(VIEW, "souvenirs.view_people")), statements[0].pk)
    assert verified(response.content).users == {str(pk_of(1))}
    assert response["Content-Disposition"] == (
        f'attachment; filename="statement-{statements[0].pk}.txt"'
    )


def test_statement_that_is_not_there():
    with pytest.raises(Http404):
        ADMIN.print_view(request_of(), 987654)


@pytest.mark.skipif(
    get_user_model()._meta.label != "auth.User", reason="the admin is for Django's own users"
)
def test_pages_of_the_admin(statements, client):
    # PostgreSQL does not know which keys the organizations' users were given.
    client.force_login(get_user_model().objects.create_superuser("root", pk=99))
    urls = [reverse("admin:souvenirs_statement_changelist")]
    for page in ("change", "print", "recount", "file"):
        urls.append(reverse(f"admin:souvenirs_statement_{page}", args=[statements[0].pk]))
    for url in urls:
        response = client.get(url)
        assert response.status_code == 200, url
    page = client.get(urls[1]).content.decode()
    assert statements[0].hash in page
    assert 'name="_save"' not in page
    assert client.get(reverse("admin:index")).content.decode().count("Statements") == 1
