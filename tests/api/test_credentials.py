"""Tokens in the query string."""

import logging

import pytest
from django.core.exceptions import ImproperlyConfigured, PermissionDenied
from django.test import AsyncClient, RequestFactory
from django.views.debug import ExceptionReporter
from openapi_spec_validator import OpenAPIV31SpecValidator

from souvenirs.api import ENDPOINTS
from souvenirs.api.access import for_api, user_of_api
from souvenirs.api.openapi import document
from souvenirs.checks import check_settings
from souvenirs.conf.kinds import API_PARAMETERS
from souvenirs.web import VIEW_PEOPLE, VIEW_USAGE
from tests.web.test_access import Person, answer

pytestmark = [pytest.mark.django_db, pytest.mark.above_the_store]

RANGE = "from=2016-01-01&to=2016-02-01&interval=month"
PATHS = [*(each.name for each in ENDPOINTS), "", "openapi.json"]

#: What must not be seen again.
TOKEN = "s3cr3t"

USERS = {TOKEN: Person(VIEW_USAGE, VIEW_PEOPLE), "other": Person()}


@pytest.fixture
def api(client, settings):
    settings.SOUVENIRS_API_AUTH = lambda request: USERS.get(request.GET.get("token"))
    settings.SOUVENIRS_API_AUTH_PARAMETERS = ["token", "key"]
    settings.SOUVENIRS_GROUP_BY = ["membership__organization__name"]
    return client


@pytest.mark.parametrize("path", PATHS)
def test_token_in_the_query(api, path):
    url = f"/souvenirs/api/{path}"
    response = api.get(f"{url}?token={TOKEN}")
    assert response.status_code == 200
    assert TOKEN not in response.text
    assert TOKEN not in str(response.headers)
    assert api.get(f"{url}?token=other").status_code == 403
    for query in ("token=wrong", "token=", f"key={TOKEN}", f"Token={TOKEN}", ""):
        assert api.get(f"{url}?{query}").status_code == 401


@pytest.mark.parametrize(
    "query", ["", "&format=csv", "&tz=Asia/Tokyo", "&to=2016-01-01", "&tz=%ff"]
)
def test_endpoint_sees_the_other_parameters_only(api, query):
    url = f"/souvenirs/api/series?{RANGE}{query}"
    found = api.get(f"{url}&token={TOKEN}&key=a&key=b")
    expected = api.get(f"/souvenirs/api/series?token={TOKEN}&{RANGE}{query}")
    assert found.content == expected.content
    assert "token" not in found.text
    assert found.status_code == (400 if query in ("&to=2016-01-01", "&tz=%ff") else 200)


def test_answer_with_another_token_is_the_same_answer(api, monkeypatch):
    monkeypatch.setitem(USERS, "new", Person(VIEW_USAGE))
    url = f"/souvenirs/api/series?{RANGE}&token="
    tag = api.get(f"{url}{TOKEN}")["ETag"]
    assert api.get(f"{url}new", headers={"if-none-match": tag}).status_code == 304
    assert api.get(f"{url}other", headers={"if-none-match": tag}).status_code == 403
    assert api.get(f"{url}wrong", headers={"if-none-match": "*"}).status_code == 401


@pytest.mark.parametrize("path", ["nothing", "series?x=1&", "series?tz=America&", "people?page=0&"])
def test_errors_do_not_show_it(api, path, caplog):
    caplog.set_level(logging.DEBUG)
    response = api.get(f"/souvenirs/api/{path}{'&' if '?' in path else '?'}token={TOKEN}")
    assert response.status_code in (400, 404)
    assert TOKEN not in response.text
    assert TOKEN not in caplog.text
    for record in caplog.records:
        assert TOKEN not in str(vars(record))


def test_parameter_that_is_not_named_is_unknown(api, settings):
    settings.SOUVENIRS_API_AUTH_PARAMETERS = ()
    response = api.get(f"/souvenirs/api/series?token={TOKEN}")
    assert response.status_code == 400
    assert response.json()["error"]["field"] == "token"
    assert TOKEN not in response.text


PARAMETERS = sorted({name for each in ENDPOINTS for name in each.form.parameters()})


@pytest.mark.parametrize("name", PARAMETERS)
def test_parameter_of_an_endpoint_cannot_be_named(api, settings, name):
    """Without it, the endpoint would give another answer than the one that was asked for."""
    settings.SOUVENIRS_API_AUTH_PARAMETERS = ["token", name]
    [message] = check_settings()
    assert message.id == "souvenirs.E026"
    assert message.msg.endswith(f": {name} is a parameter of the API itself.")
    with pytest.raises(ImproperlyConfigured, match=f": {name} is a parameter of the API itself"):
        api.get(f"/souvenirs/api/series?{RANGE}&token={TOKEN}")


def test_only_parameters_of_the_endpoints_are_refused():
    assert sorted(API_PARAMETERS) == PARAMETERS


def seen_by_the_endpoint(query, **meta):
    request = RequestFactory().get(f"/souvenirs/api/series?{query}", **meta)
    assert for_api(VIEW_USAGE)(answer)(request).status_code == 200
    return request


def test_nothing_that_reads_the_request_later_sees_it(api):
    uri = f"/souvenirs/api/series?a=1&token={TOKEN}&b=%C3%A9"
    request = seen_by_the_endpoint(f"a=1&token={TOKEN}&b=%C3%A9", RAW_URI=uri, REQUEST_URI=uri)
    expected = "/souvenirs/api/series?a=1&b=%C3%A9"
    assert request.get_full_path() == request.META["RAW_URI"] == expected
    assert request.META["REQUEST_URI"] == expected
    assert request.GET.dict() == {"a": "1", "b": "é"}
    assert TOKEN not in repr(request)
    assert TOKEN not in str(request.META)


def test_request_without_it_stays_as_it_is(api, settings):
    settings.SOUVENIRS_API_AUTH = lambda request: Person(VIEW_USAGE)
    request = seen_by_the_endpoint("b=%c3%a9&a", RAW_URI="/raw")
    assert request.META["QUERY_STRING"] == "b=%c3%a9&a"
    assert request.META["RAW_URI"] == "/raw"


@pytest.mark.parametrize("error", [RuntimeError, PermissionDenied])
def test_report_of_a_function_that_fails(api, settings, error, caplog):
    def fail(request):
        raise error

    settings.SOUVENIRS_API_AUTH = fail
    api.raise_request_exception = False
    response = api.get(f"/souvenirs/api/series?token={TOKEN}")
    assert response.status_code == (403 if error is PermissionDenied else 500)
    [record] = [each for each in caplog.records if each.name == "django.request"]
    report = ExceptionReporter(record.request, *(record.exc_info or (None, None, None)))
    assert "/souvenirs/api/series" in report.get_traceback_text()
    assert TOKEN not in report.get_traceback_text()


def test_more_parameters_than_django_reads(api):
    """The function cannot read them."""
    query = "&".join(f"a{number}=1" for number in range(1001))
    response = api.get(f"/souvenirs/api/series?token={TOKEN}&{query}")
    assert response.status_code == 400
    assert response.json()["error"]["field"] == "query"
    assert response["Cache-Control"] == "private, no-store"


def test_session_does_not_need_it(settings):
    settings.SOUVENIRS_API_AUTH_PARAMETERS = ["token"]
    request = RequestFactory().get(f"/?token={TOKEN}")
    request.user = Person(VIEW_USAGE)
    assert user_of_api(request) is request.user
    assert "token" not in request.GET


async def test_token_in_the_query_of_an_async_site(api):
    response = await AsyncClient().get(f"/souvenirs/api/openapi.json?token={TOKEN}")
    assert response.status_code == 200
    assert TOKEN not in str(response.asgi_request.META)


def test_document_names_the_parameters(settings):
    settings.SOUVENIRS_API_AUTH_PARAMETERS = ["api_key", "a.b-c"]
    found = document()
    schemes = found["components"]["securitySchemes"]
    assert schemes["query.api_key"] == {"type": "apiKey", "in": "query", "name": "api_key"}
    assert {"query.a.b-c": []} in found["security"]
    OpenAPIV31SpecValidator(found).validate()
