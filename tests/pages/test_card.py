"""A card for the index of the admin, which never breaks it."""

from datetime import timedelta
from types import SimpleNamespace

import pytest
from django.contrib.auth.models import AnonymousUser
from django.db import DatabaseError, connection, transaction
from django.template import Context, Template
from django.utils import translation

from souvenirs.control import count_active_users
from souvenirs.models import Souvenir
from souvenirs.pages.formats import DASH
from souvenirs.web import VIEW_USAGE
from tests.conftest import at
from tests.pages.test_pages import ANYBODY, Person

pytestmark = [pytest.mark.django_db, pytest.mark.above_the_store]

NOW = at(2025, 6, 18, 10, 30)
TEMPLATE = "{% load souvenirs_usage %}{% souvenirs_usage %}"


@pytest.fixture(autouse=True)
def _now(set_now):
    set_now(NOW)


def card(user=ANYBODY, **request):
    request = SimpleNamespace(user=user, **request)
    return Template(TEMPLATE).render(Context({"request": request}))


def figures(html):
    return [part.partition("</dd>")[0] for part in html.split("<dd>")[1:]]


def test_figures_are_counts(world, leave):
    leave((9, NOW - timedelta(days=3)))
    today = at(2025, 6, 18)
    expected = [count_active_users(today - timedelta(days=days - 1), NOW) for days in (1, 7, 28)]
    assert len(set(expected)) == 3
    assert figures(card()) == [str(count) for count in expected]


def test_nothing_is_known_before_the_first_souvenir():
    assert figures(card()) == [DASH] * 3


def test_it_takes_three_queries(world, django_assert_max_num_queries):
    with django_assert_max_num_queries(3 + 2):  # the savepoint of a transaction
        card()


def test_links():
    assert 'href="/admin/souvenirs/usage/"' in card()
    assert 'href="/admin/souvenirs/usage/people/?list=recent&amp;days=7"' in card()
    assert "people/" not in card(Person(VIEW_USAGE))


@pytest.mark.parametrize("user", [None, AnonymousUser(), Person()])
def test_nothing_for_who_may_not(world, user):
    assert card(user) == ""
    assert Template(TEMPLATE).render(Context()) == ""


@pytest.mark.parametrize("is_missing", ["pages", "table"])
def test_what_fails_is_one_line(settings, world, is_missing, caplog):
    def fail(execute, sql, params, many, context):
        if Souvenir._meta.db_table in sql:
            raise DatabaseError("no such table")
        return execute(sql, params, many, context)

    with transaction.atomic(), connection.execute_wrapper(fail):
        if is_missing == "pages":
            settings.ROOT_URLCONF = type("WithoutPages", (), {"urlpatterns": []})
        html = card()
    assert "Active users could not be counted." in html
    assert figures(html) == []
    assert "Could not count active users" in caplog.text


@pytest.mark.django_db(transaction=True)
def test_outside_a_transaction_it_needs_no_savepoint(world, django_assert_max_num_queries):
    with django_assert_max_num_queries(3):
        assert figures(card())


def test_it_is_in_one_language(world):
    with translation.override("he"):
        assert 'lang="en" dir="ltr"' in card()
    with translation.override("de"):
        assert "Aktive Benutzer" in card()
