"""The document of the API says what the API does."""

import json
from datetime import date
from pathlib import Path

import pytest
import schemathesis
from django.contrib.auth import get_user_model
from django.core.signals import request_finished, request_started
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as hypothesis
from hypothesis import strategies as st
from openapi_spec_validator import OpenAPIV31SpecValidator
from schemathesis.checks import CHECKS

from souvenirs.api import ENDPOINTS, document
from souvenirs.web import VIEW_PEOPLE, VIEW_USAGE
from tests.conftest import at
from tests.web.test_access import Person

pytestmark = pytest.mark.above_the_store

DOCUMENT = Path(__file__).parents[2] / "docs/openapi.json"


def test_document_is_valid():
    OpenAPIV31SpecValidator(document()).validate()


def test_document_in_the_docs_is_current():
    """Else run ``make reference``."""
    assert DOCUMENT.read_text() == json.dumps(document(), indent=2) + "\n"


def test_document_has_every_endpoint_and_every_parameter():
    paths = document()["paths"]
    assert [*paths] == [f"/{endpoint.name}" for endpoint in ENDPOINTS]
    for endpoint in ENDPOINTS:
        names = [each["name"] for each in paths[f"/{endpoint.name}"]["get"]["parameters"]]
        assert names == list(endpoint.form.parameters())


@pytest.mark.django_db
def test_document_says_where_the_api_is(client, settings):
    settings.SOUVENIRS_API_AUTH = lambda request: Person(VIEW_USAGE)
    found = client.get("/souvenirs/api/openapi.json").json()
    assert found["servers"] == [{"url": "/souvenirs/api"}]
    assert found == document()


def token_user(request):
    token = request.headers.get("authorization")
    return Person(VIEW_USAGE, VIEW_PEOPLE) if token == "Bearer all" else None


HEADERS = {"Authorization": "Bearer all"}


@pytest.fixture
def application(db):
    """The site as a server runs it, but on the connection, and in the transaction, of the test."""
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield get_wsgi_application()
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


@pytest.mark.thorough
@pytest.mark.parametrize("name", [endpoint.name for endpoint in ENDPOINTS])
@pytest.mark.parametrize("mode", ["POSITIVE", "NEGATIVE"])
def test_api_does_what_its_document_says(application, settings, make_user, leave, name, mode):
    """Whatever is asked, in the words of the document or not."""
    settings.SOUVENIRS_API_AUTH = token_user
    settings.SOUVENIRS_SEGMENTS = {"staff": lambda: get_user_model()._default_manager.all()}
    settings.SOUVENIRS_GROUP_BY = ["membership__organization__name"]
    make_user(1), make_user(2)
    leave((1, at(2016, 1, 1)), (2, at(2026, 1, 1)))
    schema = schemathesis.openapi.from_wsgi(
        "/souvenirs/api/openapi.json", application, headers=HEADERS
    )
    schema.config.generation.update(with_security_parameters=False)
    answered = []

    @hypothesis(
        max_examples=25,
        deadline=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(
        schema[f"/{name}"]["GET"].as_strategy(generation_mode=schemathesis.GenerationMode[mode]),
        st.sampled_from(["Asia/Tokyo", "America/New_York", "UTC"]),
        st.lists(st.dates(date(2015, 1, 1), date(2026, 1, 1)), min_size=2, max_size=2),
    )
    def check(case, zone, days):
        if mode == "POSITIVE" and case.query:
            make_sense(case.query, zone, sorted(days))
        # What the document allows need not make sense: 2016-02-30, or a segment that is not there.
        response = case.call_and_validate(
            headers=HEADERS, excluded_checks=[CHECKS.get_one("positive_data_acceptance")]
        )
        answered.append(response.status_code)

    check()
    if mode == "POSITIVE":
        assert answered.count(200) >= 5


def make_sense(query, zone, days):
    """Leave the range to a preset or to days that there are, and the rest to chance."""
    for name in ("tz", "segment", "subscription_start"):
        if name in query:
            query[name] = {"tz": zone, "segment": "staff"}.get(name, str(days[0]))
    if "by" not in query:
        query.pop("exclusive", None)
    if "preset" not in query and "from" in query:
        query["from"], query["to"] = map(str, days)
    else:
        query.pop("from", None)
        query.pop("to", None)
