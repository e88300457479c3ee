"""The list of the endpoints, and what is not in it."""

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


def test_links_of_the_index_lead_to_what_they_name(api):
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


@pytest.mark.parametrize(
    "path", ["nothing", "series/", "series/2016", "openapi", "<script>", "%00"]
)
def test_unknown_endpoint(api, path):
    response = api.get(f"/souvenirs/api/{path}")
    assert response.status_code == 404
    assert response["Content-Type"] == "application/json"
    assert response["Cache-Control"] == "private, no-store"
    assert response.json() == {
        "error": {
            "field": "path",
            "message": "Unknown endpoint: the endpoints are usage, series, retention, growth, "
            "stickiness, busy, people, health.",
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
