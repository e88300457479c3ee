"""The list of the endpoints, and what is not in it."""

from urllib.parse import unquote_to_bytes

import pytest
from django.urls import set_script_prefix

from souvenirs.web import VIEW_PEOPLE, VIEW_USAGE
from tests.web.test_access import Person

pytestmark = [pytest.mark.django_db, pytest.mark.above_the_store]


@pytest.fixture
def api(client, settings):
    settings.SOUVENIRS_API_AUTH = lambda request: Person(VIEW_USAGE, VIEW_PEOPLE)
    return client


def test_index_has_every_endpoint(api):
    found = api.get("/souvenirs/api/").json()
    assert found.keys() == {"endpoints", "openapi"}
    paths = api.get(found["openapi"]).json()["paths"]
    assert [f"/{each['name']}" for each in found["endpoints"]] == list(paths)
    for each, path in zip(found["endpoints"], paths.values(), strict=True):
        assert each["summary"] == path["get"]["summary"]
        assert each["parameters"] == [one["name"] for one in path["get"]["parameters"]]


def test_endpoint_in_the_index(api):
    *_, health = api.get("/souvenirs/api/").json()["endpoints"]
    assert health == {
        "name": "health",
        "url": "/souvenirs/api/health",
        "summary": "The start of history, the progress of digesting, and failed system checks.",
        "permission": "souvenirs.view_usage",
        "parameters": ["tz", "table", "format"],
    }


def test_links_of_the_index_lead_to_what_they_name(api, settings):
    settings.SOUVENIRS_GROUP_BY = ["membership__organization__name"]
    found = api.get("/souvenirs/api/").json()
    for url in [*(each["url"] for each in found["endpoints"]), found["openapi"]]:
        assert api.get(url).status_code == 200


def test_index_without_its_slash(api, settings):
    """Django's redirect would repeat the query, and a token in it."""
    settings.MIDDLEWARE = ["django.middleware.common.CommonMiddleware", *settings.MIDDLEWARE]
    response = api.get("/souvenirs/api?token=secret")
    assert response.status_code == 200
    assert response.content == api.get("/souvenirs/api/").content


def test_links_of_the_index_are_below_the_prefix_of_the_site(api):
    set_script_prefix("/sub/")
    try:
        found = api.get("/souvenirs/api/", SCRIPT_NAME="/sub").json()
    finally:
        set_script_prefix("/")
    assert found["endpoints"][0]["url"] == "/sub/souvenirs/api/usage"
    assert found["openapi"] == "/sub/souvenirs/api/openapi.json"


def test_index_says_nothing_of_its_query(api):
    assert b"secret" not in api.get("/souvenirs/api/?secret=secret").content


#: As they are sent: paths that nobody means, that a client builds by mistake, and attacks.
ODD_PATHS = [
    *("nothing", "series/", "series/2016", "openapi", "openapi.json/", "<script>"),
    # Slashes and dots, which some servers and clients remove.
    *("/", "//", "/series", "//series", "series//", ".", "..", "./series", "series/..", "../api/x"),
    *("%2F", "series%2F", "%2E%2E%2Fseries", "..%2f..%2fetc%2fpasswd", "%5C", "series%5C"),
    # White space and control characters.
    *("%00", "series%00", "%0A", "series%0A", "a%0Ab", "%0A/a", "a%0D%0Ab", "%0D%0A%0D%0A", "%09"),
    *("%0Aseries", "series%0D", "%0B", "%0C", "%1B%5B31m", "%7F", "%20", "series%20", "%20series"),
    *("%C2%85", "%E2%80%A8", "a%E2%80%A9b", "%C2%A0", "%EF%BB%BFseries", "%E2%80%AEseries"),
    # Beyond ASCII, and what is not UTF-8.
    *("%C3%A9", "s%C3%A9ries", "%F0%9F%A6%86", "%FF", "%C0%AF", "%ED%A0%80", "%80series", "%E9"),
    # Query strings and escapes in the path.
    *("%3F", "series%3Fby=segment", "series;a=1", "series&tz=UTC", "%23", "%", "%zz", "%2", "%25"),
    *("%2500", "%250A", "SERIES", "series.json", "series,usage", "*", "~", "{name}", "$.rows", ":"),
    *("a" * 100_000, "a/" * 20_000, "%0A" * 20_000, "%F0%9F%A6%86" * 10_000),
]


@pytest.mark.parametrize("path", ODD_PATHS, ids=lambda path: path[:20])
@pytest.mark.parametrize("debug", [False, True])
def test_unknown_endpoint(api, settings, path, debug):
    settings.DEBUG = debug
    settings.MIDDLEWARE = ["django.middleware.common.CommonMiddleware", *settings.MIDDLEWARE]
    # As a WSGI server decodes it; Client.get() would resolve dots.
    sent = unquote_to_bytes(f"/souvenirs/api/{path}").decode("latin-1")
    response = api.get("/", PATH_INFO=sent)
    assert response.status_code == 404
    assert response["Content-Type"] == "application/json"
    assert response["Cache-Control"] == "private, no-store"
    assert response.json() == {
        "error": {
            "field": "path",
            "message": "Unknown endpoint: the endpoints are usage, series, retention, growth, "
            "stickiness, busy, people, groups, statements, health.",
        }
    }


@pytest.mark.parametrize(("user", "status"), [(None, 401), (Person(), 403)])
def test_nobody_else_is_told_which_endpoints_there_are(client, settings, user, status):
    settings.SOUVENIRS_API_AUTH = lambda request: user
    known, unknown, index = (
        client.get(f"/souvenirs/api/{path}") for path in ("openapi.json", "nothing", "")
    )
    assert known.status_code == status
    assert known.content == unknown.content == index.content
    assert known.headers == unknown.headers == index.headers


@pytest.mark.parametrize("permission", [VIEW_USAGE, VIEW_PEOPLE])
def test_either_permission_shows_the_index(client, settings, permission):
    settings.SOUVENIRS_API_AUTH = lambda request: Person(permission)
    assert client.get("/souvenirs/api/").status_code == 200
    assert client.get("/souvenirs/api/nothing").status_code == 404
