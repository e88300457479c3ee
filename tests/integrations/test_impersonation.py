"""Whoever works on behalf of a user is not that user, and is not there as oneself either."""

import pytest
from asgiref.sync import sync_to_async
from django.db import connection
from django.test import AsyncClient, Client
from django.test.utils import CaptureQueriesContext

from souvenirs import testing
from souvenirs.models import Souvenir
from tests.integrations.conftest import APP, needs_permissions, seen, without_app

pytestmark = [pytest.mark.django_db, pytest.mark.through_the_store]

PAGES = ["/plain/", "/user/"]


class Hijack:
    """django-hijack: the session becomes the user's and remembers whose it was."""

    middleware = ["hijack.middleware.HijackUserMiddleware"]

    def start(self, client, user):
        return client.post("/hijack/acquire/", {"user_pk": user.pk})

    def stop(self, client):
        return client.post("/hijack/release/")


class Impersonate:
    """django-impersonate: the session stays; request.user is swapped before the view."""

    middleware = ["impersonate.middleware.ImpersonateMiddleware"]

    def start(self, client, user):
        return client.get(f"/impersonate/{user.pk}/")

    def stop(self, client):
        return client.get("/impersonate/stop/")


class LoginAs:
    """django-loginas: as django-hijack, without a middleware."""

    middleware = []

    def start(self, client, user):
        return client.post(f"/loginas/login/user/{user.pk}/")

    def stop(self, client):
        return client.get("/loginas/logout/")


@pytest.fixture(
    params=[
        pytest.param(Hijack, id="hijack"),
        pytest.param(Impersonate, id="impersonate", marks=needs_permissions),
        pytest.param(LoginAs, id="loginas", marks=needs_permissions),
    ]
)
def tool(request, settings):
    tool = request.param()
    settings.HIJACK_PERMISSION_CHECK = "tests.integrations.views.anybody"
    others = [name for name in settings.MIDDLEWARE if name != APP]
    settings.MIDDLEWARE = [*others, *tool.middleware, APP]
    return tool


@pytest.fixture
def admin(make_user, settings):
    everything = settings.AUTH_USER_MODEL == "auth.User"
    return make_user(100, **({"is_staff": True, "is_superuser": True} if everything else {}))


@pytest.fixture
def on_behalf(tool, client, admin, user):
    """A browser in which ``admin`` works on behalf of ``user``."""
    client.force_login(admin)
    assert tool.start(client, user).status_code == 302
    return client


def start_afresh():
    testing.reset()
    Souvenir.objects.all().delete()


def test_page_takes_the_impersonator_for_the_impersonated(on_behalf, user):
    assert on_behalf.get("/whoami/").content == str(user.pk).encode()


def test_start_does_not_count_the_impersonated(on_behalf, user):
    assert user.pk not in seen()


@pytest.mark.parametrize("path", PAGES)
def test_nobody_counts_while_it_lasts(on_behalf, path):
    start_afresh()
    for _ in range(2):
        assert on_behalf.get(path).status_code == 200
    assert seen() == []


@pytest.mark.parametrize("path", PAGES)
def test_nobody_counts_where_the_app_comes_before_the_package(on_behalf, tool, settings, path):
    others = [name for name in settings.MIDDLEWARE if name not in [APP, *tool.middleware]]
    settings.MIDDLEWARE = [*others, APP, *tool.middleware]
    start_afresh()
    on_behalf.get(path)
    assert seen() == []


@pytest.mark.parametrize("path", PAGES)
def test_nobody_counts_where_there_is_no_limit(on_behalf, settings, path):
    settings.SOUVENIRS_RATELIMIT_SECONDS = 0
    start_afresh()
    on_behalf.get(path)
    assert seen() == []


@pytest.mark.parametrize("path", ["/async/plain/", "/async/user/"])
async def test_nobody_counts_on_an_async_site(on_behalf, path):
    await sync_to_async(start_afresh)()
    client = AsyncClient()
    client.cookies = on_behalf.cookies
    assert (await client.get(path)).status_code == 200
    assert await sync_to_async(seen)() == []


@pytest.mark.parametrize("path", PAGES)
def test_impersonated_counts_where_the_site_says_so(on_behalf, user, settings, path):
    settings.SOUVENIRS_COUNT_IMPERSONATED = True
    start_afresh()
    for _ in range(2):
        on_behalf.get(path)
    assert seen() == [user.pk]


@pytest.mark.parametrize("path", PAGES)
def test_impersonated_counts_in_a_browser_of_their_own(on_behalf, user, path):
    start_afresh()
    on_behalf.get(path)
    own = Client()
    own.force_login(user)
    own.get(path)
    assert seen() == [user.pk]


@pytest.mark.parametrize("path", PAGES)
def test_impersonator_counts_again_afterwards(on_behalf, tool, admin, path):
    start_afresh()
    on_behalf.get(path)
    tool.stop(on_behalf)
    on_behalf.get(path)
    assert seen() == [admin.pk]


@pytest.mark.parametrize("path", PAGES)
def test_impersonator_counts_on_the_pages_afterwards(on_behalf, tool, admin, settings, path):
    settings.SOUVENIRS_RATELIMIT_SECONDS = 0
    on_behalf.get(path)
    tool.stop(on_behalf)
    start_afresh()
    on_behalf.get(path)
    assert seen() == [admin.pk]


def test_stop_does_not_count_the_impersonated(on_behalf, tool, user):
    start_afresh()
    tool.stop(on_behalf)
    assert user.pk not in seen()


def test_sign_out_counts_nobody(on_behalf):
    """Signing out empties the session, and with it every trace of the impersonator."""
    start_afresh()
    on_behalf.post("/logout/")
    assert seen() == []


@pytest.mark.parametrize("path", PAGES)
def test_headers_are_those_without_the_app(on_behalf, settings, path):
    start_afresh()
    with_app = on_behalf.get(path)
    without_app(settings)
    without = on_behalf.get(path)
    assert with_app.headers == without.headers
    assert with_app.cookies == without.cookies


def test_page_that_asks_nobody_does_not_vary(on_behalf, tool):
    """With django-impersonate every page varies: its middleware asks before any view does."""
    varies = "Vary" in on_behalf.get("/plain/").headers
    assert varies == isinstance(tool, Impersonate)


def test_page_that_asks_nobody_costs_no_more_than_the_packages_own(on_behalf, settings):
    on_behalf.get("/plain/")
    with CaptureQueriesContext(connection) as with_app:
        on_behalf.get("/plain/")
    without_app(settings)
    with CaptureQueriesContext(connection) as without:
        on_behalf.get("/plain/")
    assert len(with_app) == len(without)


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize("tool", [Hijack], indirect=True)
def test_one_of_two_hijacks_goes_on(on_behalf, tool, make_user, admin, path):
    tool.start(on_behalf, make_user())
    tool.stop(on_behalf)
    start_afresh()
    on_behalf.get(path)
    assert seen() == []
    tool.stop(on_behalf)
    on_behalf.get(path)
    assert seen() == [admin.pk]


@needs_permissions
@pytest.mark.parametrize("tool", [Impersonate], indirect=True)
def test_impersonator_counts_where_the_package_is_told_to_stay_out(on_behalf, admin):
    """Its URI_EXCLUSIONS, by default the admin: there request.user is the impersonator."""
    start_afresh()
    assert on_behalf.get("/admin/").status_code == 200
    assert seen() == [admin.pk]


@needs_permissions
@pytest.mark.parametrize("tool", [LoginAs], indirect=True)
def test_way_back_that_has_expired_signs_out_and_counts_nobody(on_behalf, tool, monkeypatch):
    monkeypatch.setattr("loginas.utils.la_settings.USER_SESSION_DAYS_TIMESTAMP", -1)
    start_afresh()
    tool.stop(on_behalf)
    assert on_behalf.get("/user/").content == b"user False"
    assert seen() == []
