"""Answers that the client has already."""

import logging
from datetime import timedelta

import pytest
from django.contrib.auth import get_user_model
from django.db.models import Q
from django.utils import timezone

from souvenirs.digests.digester import Digester
from souvenirs.digests.erasing import erase_user
from souvenirs.models import Souvenir
from souvenirs.web import VIEW_PEOPLE, VIEW_USAGE
from tests.conftest import at, pk_of
from tests.web.test_access import Person

pytestmark = [pytest.mark.django_db, pytest.mark.above_the_store]

SERIES = "/souvenirs/api/series?from=2016-01-01&to=2016-02-01&interval=month"
URLS = [
    SERIES,
    f"{SERIES}&format=csv",
    "/souvenirs/api/usage?preset=month",
    "/souvenirs/api/health",
    "/souvenirs/api/",
    "/souvenirs/api/openapi.json",
]


@pytest.fixture
def api(client, settings, leave):
    settings.SOUVENIRS_API_AUTH = lambda request: Person(VIEW_USAGE, VIEW_PEOPLE)
    leave((1, at(2016, 1, 4)))
    return client


def status(client, url, tag, header="if-none-match", method="get"):
    return getattr(client, method)(url, headers={header: tag}).status_code


@pytest.mark.parametrize("method", ["get", "head"])
@pytest.mark.parametrize("url", URLS)
def test_answer_that_the_client_has(api, url, method):
    answer = api.get(url)
    again = getattr(api, method)(url, headers={"if-none-match": answer["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert "Content-Type" not in again
    assert "Content-Disposition" not in again
    for header in ("ETag", "Cache-Control", "Vary", "X-Content-Type-Options"):
        assert again[header] == answer[header]
    assert answer["Cache-Control"] == "private, no-cache"
    assert {"Authorization", "Cookie"} <= set(answer["Vary"].split(", "))


def test_etag_of_head_is_that_of_the_answer(api):
    assert api.head(SERIES)["ETag"] == api.get(SERIES)["ETag"]


def test_etags_that_name_the_answer(api):
    tag = api.get(SERIES)["ETag"]
    for given in (f'"other", {tag}', f"W/{tag}", "*", f"{tag} "):
        assert status(api, SERIES, given) == 304, given


def test_etags_that_do_not(api):
    tag = api.get(SERIES)["ETag"]
    for given in ('"other"', tag.strip('"'), "", '"', f"x{tag}", '"*"', tag.upper(), "\x00"):
        assert status(api, SERIES, given) == 200, given


def test_time_is_no_validator(api):
    answer = api.get(SERIES)
    assert "Last-Modified" not in answer
    assert status(api, SERIES, "Fri, 01 Jan 2100 00:00:00 GMT", "if-modified-since") == 200


@pytest.mark.parametrize("method", ["get", "head"])
def test_if_match(api, method):
    tag = api.get(SERIES)["ETag"]
    for given in (tag, "*", f'"other", {tag}'):
        assert status(api, SERIES, given, "if-match", method) == 200, given
    response = getattr(api, method)(SERIES, headers={"if-match": '"other"'})
    assert response.status_code == 412
    assert response["Cache-Control"] == "private, no-store"
    assert "ETag" not in response
    if method == "get":
        assert response.json()["error"]["field"] == "If-Match"


def joins(make_user, leave):
    make_user(2, joined=at(2016, 1, 5))


def is_deactivated(make_user, leave):
    get_user_model()._default_manager.filter(pk=pk_of(1)).update(is_active=False)


def is_seen(make_user, leave):
    leave((2, at(2016, 1, 5)))


def is_imported_with_a_lower_id(make_user, leave):
    """As a transaction does that began before the last one and ends after it."""
    Souvenir.objects.create(pk=-1, user_id=pk_of(2), when=at(2016, 1, 5))


def leaves_as_another_comes(make_user, leave):
    """Neither the number of souvenirs nor the greatest id differs."""
    Souvenir.objects.update(when=at(2016, 3, 1))


def is_erased(make_user, leave):
    leave((2, at(2016, 1, 1)))
    list(Digester().run())
    erase_user(pk_of(1))
    erase_user(pk_of(2))


def joins_a_segment(make_user, leave):
    get_user_model()._default_manager.filter(pk=pk_of(1)).update(first_name="Ann")


CHANGES = {
    joins: "usage",
    is_deactivated: "usage",
    is_seen: "series",
    is_imported_with_a_lower_id: "series",
    leaves_as_another_comes: "series",
    is_erased: "series",
    joins_a_segment: "series",
}


@pytest.mark.skipif(
    get_user_model()._meta.label != "auth.User", reason="the changes are of Django's user model"
)
@pytest.mark.parametrize("change", CHANGES)
def test_what_changes_the_answer_changes_its_etag(api, make_user, leave, settings, change):
    make_user(1, joined=at(2016, 1, 1))
    settings.SOUVENIRS_SEGMENTS = {"Ann": Q(first_name="Ann")}
    segment = "&segment=Ann" if change is joins_a_segment else ""
    url = f"/souvenirs/api/{CHANGES[change]}?from=2016-01-01&to=2016-02-01&interval=month{segment}"
    before = api.get(url)
    assert status(api, url, before["ETag"]) == 304
    change(make_user, leave)
    after = api.get(url, headers={"if-none-match": before["ETag"]})
    assert after.status_code == 200
    assert after.json() != before.json()


def test_time_that_passes_changes_the_answer(api, monkeypatch):
    url = "/souvenirs/api/series?from=2016-01-01&to=2016-02-01&interval=month&format=csv"
    now = timezone.now()
    monkeypatch.setattr(timezone, "now", lambda: at(2016, 1, 31))
    tag = api.get(url)["ETag"]
    monkeypatch.setattr(timezone, "now", lambda: now)
    assert status(api, url, tag) == 200


@pytest.mark.parametrize("form", ["json", "csv"])
@pytest.mark.parametrize(("query", "expected"), [("from=2016-01-01", 200), ("preset=12mo", 304)])
def test_range_without_an_end_contains_the_time_of_the_request(
    api, monkeypatch, form, query, expected
):
    url = f"/souvenirs/api/series?{query}&interval=year&format={form}"
    monkeypatch.setattr(timezone, "now", lambda: at(2026, 1, 2))
    tag = api.get(url)["ETag"]
    monkeypatch.setattr(timezone, "now", lambda: at(2026, 1, 2) + timedelta(seconds=1))
    assert status(api, url, tag) == expected


def test_users_are_not_stored(api):
    url = "/souvenirs/api/people?from=2016-01-01&to=2016-02-01"
    response = api.get(url)
    assert "ETag" not in response
    assert response["Cache-Control"] == "private, no-store"
    for header in ("if-none-match", "if-match"):
        for given in ("*", '"other"'):
            assert status(api, url, given, header) == 200


@pytest.mark.parametrize(("user", "refused"), [(None, 401), (Person(), 403)])
@pytest.mark.parametrize("url", URLS)
def test_nobody_else_is_told_that_nothing_changed(api, settings, user, refused, url):
    """Also one whose permission has been taken away since."""
    tag = api.get(url)["ETag"]
    settings.SOUVENIRS_API_AUTH = lambda request: user
    for given in (tag, f"W/{tag}", "*", f'"other", {tag}'):
        for method in ("get", "head"):
            response = getattr(api, method)(url, headers={"if-none-match": given})
            assert response.status_code == refused
            assert "ETag" not in response
            assert response["Cache-Control"] == "private, no-store"
    assert status(api, url, '"other"', "if-match") == refused


def test_answer_of_another_tenant(api, settings):
    """At the same URL, with what the client has of the first one."""
    settings.SOUVENIRS_SEGMENTS = {"mine": lambda: [pk_of(1)]}
    url = f"{SERIES}&segment=mine"
    tag = api.get(url)["ETag"]
    settings.SOUVENIRS_SEGMENTS = {"mine": lambda: [pk_of(2)]}
    assert status(api, url, tag) == 200


@pytest.mark.parametrize("status_code", [400, 404, 405])
def test_errors_have_no_etag(api, status_code):
    url, method = {400: ("series?x=1", "get"), 404: ("x", "get"), 405: ("series", "post")}[
        status_code
    ]
    response = getattr(api, method)(f"/souvenirs/api/{url}", headers={"if-none-match": "*"})
    assert response.status_code == status_code
    assert "ETag" not in response


def test_compressed_answer(api, settings):
    """Django weakens the ETag of what it compresses."""
    settings.MIDDLEWARE = ["django.middleware.gzip.GZipMiddleware", *settings.MIDDLEWARE]
    url, encodings = "/souvenirs/api/openapi.json", {"accept-encoding": "gzip"}
    answer = api.get(url, headers=encodings)
    assert answer["Content-Encoding"] == "gzip"
    assert answer["ETag"].startswith("W/")
    assert api.get(url, headers={**encodings, "if-none-match": answer["ETag"]}).status_code == 304


def test_site_with_conditional_requests_of_its_own(api, settings):
    settings.MIDDLEWARE = ["django.middleware.http.ConditionalGetMiddleware", *settings.MIDDLEWARE]
    tag = api.get(SERIES)["ETag"]
    assert status(api, SERIES, tag) == 304
    assert status(api, SERIES, '"other"') == 200
    assert "ETag" not in api.get("/souvenirs/api/people")


def test_nothing_is_logged_of_a_304(api, caplog):
    with caplog.at_level(logging.INFO):
        assert status(api, SERIES, api.get(SERIES)["ETag"]) == 304
    assert not caplog.records
