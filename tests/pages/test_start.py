"""A site where nobody has been seen is told how to begin, and what is done already."""

import re
from html import unescape

import pytest

from souvenirs.control import erase_user
from souvenirs.web import VIEW_USAGE
from tests.conftest import at, pk_of
from tests.digesting import digest
from tests.pages.test_pages import Person, get, links, text

pytestmark = [pytest.mark.django_db, pytest.mark.above_the_store]

OPEN = [False, False, False]


def steps(response):
    """Whether each step is done."""
    items = re.findall(r"<li( class=\"is-done\")?>\s*<h3>", response.content.decode())
    return [bool(item) for item in items]


@pytest.mark.parametrize("query", [{}, {"preset": "7d"}, {"from": "2016-01-01"}])
def test_empty_site_shows_the_steps_and_no_numbers(query):
    response = get("overview", **query)
    assert response.status_code == 200
    assert steps(response) == [True, False, False]
    assert "<table" not in response.content.decode()
    assert "<form" not in response.content.decode()
    assert "import_souvenirs --from last_login" in text(response)


def test_invalid_parameters_are_said_on_an_empty_site_too():
    assert get("overview", preset="9d").status_code == 400


def names(response):
    """The names of the steps that are done, of which nothing else is shown."""
    items = re.findall(r"<li class=\"is-done\">\s*<h3>(.*?)</h3>\s*</li>", response.text, re.DOTALL)
    return [re.findall(r"</span>([^<]+)<span", item)[0] for item in items]


def test_done_steps_say_what_is_known(leave):
    """Settings are all that is read of recording, and that there is a digest shows no schedule."""
    assert names(get("overview")) == ["The settings allow recording"]
    leave((1, at(2025, 6, 18, 9)))
    assert names(get("health")) == ["The settings allow recording", "The first user has been seen"]


def test_first_souvenir_ends_it(leave):
    leave((1, at(2025, 6, 18, 9)))
    response = get("overview")
    assert steps(response) == []
    assert "<form" in response.content.decode()


def test_other_pages_can_be_reached():
    assert links(get("overview"), "/souvenirs/health/")
    assert links(get("overview"), "/souvenirs/people/")
    assert not links(get("overview", Person(VIEW_USAGE)), "people")


def test_missing_middleware_is_said(settings):
    settings.MIDDLEWARE = []
    response = get("overview")
    assert steps(response) == OPEN
    assert "MIDDLEWARE does not contain souvenirs.middleware.SouvenirsMiddleware" in text(response)


def test_site_that_records_by_itself_needs_no_middleware(settings):
    settings.MIDDLEWARE, settings.SILENCED_SYSTEM_CHECKS = [], ["souvenirs.W003"]
    assert steps(get("overview")) == [True, False, False]


def test_recording_that_is_switched_off_is_said(settings):
    settings.SOUVENIRS_ENABLED = False
    response = get("overview")
    assert steps(response) == OPEN
    assert "SOUVENIRS_ENABLED is False" in text(response)


@pytest.mark.parametrize("ignores", [False, True])
def test_staff_are_told_if_they_do_not_count(settings, ignores):
    settings.SOUVENIRS_IGNORE_STAFF = ignores
    assert ("Staff users do not count either" in text(get("overview"))) == ignores


@pytest.mark.parametrize("name", ["ENABLED", "IGNORE_STAFF"])
def test_setting_with_a_wrong_value_does_not_end_the_page(settings, name):
    setattr(settings, f"SOUVENIRS_{name}", "maybe")
    for page in ("overview", "health"):
        assert get(page).status_code == 200


def test_health_shows_the_steps_until_all_are_done(leave):
    assert steps(get("health")) == [True, False, False]
    leave((1, at(2025, 6, 18, 9)))
    assert steps(get("health")) == [True, True, False]
    digest()
    assert steps(get("health")) == []


@pytest.mark.django_db(transaction=True)
def test_digests_without_souvenirs_are_seen(leave):
    """As after a pruned history has been erased."""
    leave((1, at(2025, 6, 18, 9)))
    digest()
    erase_user(pk_of(1))
    response = get("overview")
    assert steps(response) == [True, False, True]
    assert names(response)[-1] == "The first digest has been made"


def test_commands_are_those_of_the_app():
    named = re.findall(r"manage\.py (\w+)", unescape(text(get("overview"))))
    assert set(named) == {"digest_souvenirs", "import_souvenirs"}
