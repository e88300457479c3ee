"""The view that Prometheus scrapes."""

import pytest
from django.contrib.auth import get_user_model
from django.test import Client
from django.urls import include, path, resolve
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from souvenirs.models import Souvenir
from souvenirs.web import VIEW_PEOPLE, VIEW_USAGE
from tests.metrics.scraped import samples_in

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.above_the_store,
    pytest.mark.urls("tests.metrics.test_views"),
]

urlpatterns = [path("metrics", include("souvenirs.metrics.urls"))]

TOKEN = "ZHJ1bXM-2f"


def ask(client, token=TOKEN, method="get", **headers):
    return getattr(client, method)(
        "/metrics", headers={"Authorization": f"Bearer {token}", **headers}
    )


@pytest.fixture
def token(settings):
    settings.SOUVENIRS_METRICS_TOKEN = TOKEN


@pytest.mark.usefixtures("token")
def test_token_shows_the_metrics(client):
    response = ask(client)
    assert response.status_code == 200
    assert response["Content-Type"].startswith("text/plain; version=")
    assert response["Cache-Control"] == "private, no-store"
    found = samples_in(response.text)
    assert found["souvenirs_scrape_success"] == 1
    assert 'souvenirs_recorded_total{outcome="added",reason=""}' in found


@pytest.mark.usefixtures("token")
def test_openmetrics_are_there_for_who_asks(client):
    response = ask(client, Accept="application/openmetrics-text; version=1.0.0")
    assert response["Content-Type"].startswith("application/openmetrics-text")
    assert response.text.endswith("# EOF\n")


@pytest.mark.usefixtures("token")
@pytest.mark.parametrize(
    "accept",
    [
        "application/openmetrics-text; version=junk",
        "application/openmetrics-text; version=1.x",
        "text/plain; version=junk",
        "text/plain; version=1.0.0x",
        "junk",
        ";;;",
    ],
)
def test_who_asks_for_no_known_format_gets_the_plain_one(client, accept):
    response = ask(client, Accept=accept)
    assert response.status_code == 200
    assert response["Content-Type"] == CONTENT_TYPE_PLAIN_0_0_4
    assert samples_in(response.text)["souvenirs_scrape_success"] == 1


@pytest.mark.usefixtures("token")
def test_directory_that_is_gone_is_named(client, monkeypatch, tmp_path):
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path / "gone"))
    response = ask(client)
    assert response.status_code == 503
    assert response.json()["error"]["field"] == "PROMETHEUS_MULTIPROC_DIR"
    assert "create it before the server starts" in response.json()["error"]["message"]


@pytest.mark.usefixtures("token")
def test_site_where_login_is_required_everywhere(client, settings):
    required = "django.contrib.auth.middleware.LoginRequiredMiddleware"
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, required]
    assert ask(client).status_code == 200
    assert ask(client, "wrong").status_code == 401


@pytest.mark.usefixtures("token")
@pytest.mark.parametrize("wrong", ["", "wrong", TOKEN[:-1], TOKEN + "x", TOKEN.lower(), "tök"])
def test_wrong_token_shows_nothing(client, wrong):
    response = ask(client, wrong)
    assert response.status_code == 401
    assert "souvenirs_" not in response.text


@pytest.mark.parametrize("token", ["", "None", "wrong"])
def test_no_token_is_right_if_none_is_set(client, token):
    assert ask(client, token).status_code == 401


@pytest.mark.usefixtures("token")
def test_methods(client):
    assert ask(client, method="head").status_code == 200
    assert ask(client, method="options").status_code == 204
    strict = Client(enforce_csrf_checks=True)
    assert ask(strict, method="post").status_code == 405
    assert strict.post("/metrics").status_code == 401


@pytest.mark.parametrize(
    ("permissions", "status"), [([VIEW_USAGE], 200), ([VIEW_PEOPLE], 403), ([], 403)]
)
def test_users_need_the_permission(client, make_holder, permissions, status):
    client.force_login(make_holder(*permissions))
    response = client.get("/metrics")
    assert response.status_code == status
    assert ("souvenirs_scrape_success" in response.text) == (status == 200)


def test_function_of_the_api_names_the_user(client, settings, make_holder):
    user = make_holder(VIEW_USAGE)
    settings.SOUVENIRS_API_AUTH = lambda request: (
        user if request.headers.get("Authorization") == "Bearer of the API" else None
    )
    assert ask(client, "of the API").status_code == 200
    assert ask(client).status_code == 401


def test_scrape_by_a_user_is_no_activity(client, make_holder):
    client.force_login(make_holder(VIEW_USAGE))
    assert client.get("/metrics").status_code == 200
    assert not Souvenir.objects.exists()


def test_view_needs_no_transaction():
    assert resolve("/metrics").func._non_atomic_requests == {"default"}


def own_user(user):
    return get_user_model()._default_manager.filter(pk=user.pk)


def test_metrics_of_the_whole_site_are_refused_to_who_may_see_some_users(
    client, make_holder, settings
):
    client.force_login(make_holder(VIEW_USAGE))
    assert client.get("/metrics").status_code == 200
    settings.SOUVENIRS_VISIBLE_TO = own_user
    response = client.get("/metrics")
    assert response.status_code == 403
    assert response.json()["error"]["message"] == (
        "This is about the whole site, and you may only see some of its users."
    )
