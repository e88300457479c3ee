import pytest
from asgiref.sync import sync_to_async
from django.test import AsyncClient

from tests.integrations.conftest import (
    APP,
    PASSWORD,
    needs_permissions,
    seen,
    username_of,
    without_app,
)

pytestmark = [pytest.mark.django_db, pytest.mark.through_the_store]


def test_login_through_the_form_leaves_one_with_the_pages_after_it(client, user):
    client.post("/login/", {"username": username_of(user), "password": PASSWORD})
    for _ in range(2):
        assert client.get("/members/").status_code == 200
    assert seen() == [user.pk]


def test_wrong_password_is_nobody(client, user):
    client.post("/login/", {"username": username_of(user), "password": "wrong"})
    assert seen() == []


@pytest.mark.parametrize("path", ["/members/", "/members/class/"])
def test_page_for_members(signed_in, user, path):
    for _ in range(2):
        assert signed_in.get(path).status_code == 200
    assert seen() == [user.pk]


@pytest.mark.parametrize("path", ["/members/", "/members/class/"])
def test_visitor_who_is_sent_to_the_login_is_nobody(client, path):
    assert client.get(path).status_code == 302
    assert seen() == []


@pytest.mark.parametrize("path", ["/members/", "/members/class/", "/exempt/"])
def test_headers_are_those_without_the_app(signed_in, settings, path):
    with_app = signed_in.get(path)
    without_app(settings)
    without = signed_in.get(path)
    assert with_app.headers == without.headers
    assert with_app.cookies == without.cookies


@pytest.mark.parametrize("path", ["/exempt/", "/exempt/class/"])
def test_exempt_view_leaves_none(signed_in, path):
    assert signed_in.get(path).content == b"user True"
    assert seen() == []


@pytest.mark.parametrize("path", ["/exempt/", "/exempt/class/"])
def test_page_after_an_exempt_one_counts(signed_in, user, path):
    signed_in.get(path)
    signed_in.get("/plain/")
    assert seen() == [user.pk]


@pytest.mark.parametrize("path", ["/exempt/", "/exempt/class/", "/async/exempt/"])
async def test_exempt_view_of_an_async_site_leaves_none(user, path):
    client = AsyncClient()
    await client.aforce_login(user)
    assert (await client.get(path)).content == b"user True"
    assert await sync_to_async(seen)() == []


@needs_permissions
@pytest.mark.parametrize("path", ["/admin/", "/admin/auth/user/"])
def test_admin(client, make_user, path):
    user = make_user(is_staff=True, is_superuser=True)
    client.force_login(user)
    for _ in range(2):
        assert client.get(path).status_code == 200
    assert seen() == [user.pk]


@needs_permissions
def test_login_to_the_admin(client, make_user):
    user = make_user(is_staff=True)
    user.set_password(PASSWORD)
    user.save()
    client.post("/admin/login/", {"username": user.username, "password": PASSWORD})
    assert client.get("/admin/").status_code == 200
    assert seen() == [user.pk]


@pytest.fixture
def remote_site(settings):
    settings.AUTHENTICATION_BACKENDS = ["django.contrib.auth.backends.RemoteUserBackend"]
    settings.MIDDLEWARE = [
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
        "django.contrib.auth.middleware.RemoteUserMiddleware",
        APP,
    ]


@pytest.mark.usefixtures("remote_site")
@pytest.mark.parametrize("path", ["/plain/", "/user/"])
def test_user_whom_the_web_server_signed_in(client, user, path):
    for _ in range(2):
        client.get(path, REMOTE_USER=username_of(user))
    assert seen() == [user.pk]


@pytest.mark.usefixtures("remote_site")
@pytest.mark.parametrize("path", ["/plain/", "/user/"])
def test_visitor_whom_the_web_server_did_not_sign_in(client, path):
    client.get(path)
    assert seen() == []


@pytest.mark.usefixtures("remote_site")
def test_user_whom_the_web_server_did_not_sign_in_any_more(client, user):
    """Django signs them out before the view: the request is nobody's."""
    client.get("/user/", REMOTE_USER=username_of(user))
    client.get("/user/")
    assert seen() == [user.pk]


@pytest.mark.usefixtures("remote_site")
@pytest.mark.parametrize("path", ["/async/plain/", "/async/user/"])
async def test_async_user_whom_the_web_server_signed_in(user, path):
    client = AsyncClient()
    for _ in range(2):
        # Under ASGI it is a header, which Django trusts: a proxy has to see to it.
        await client.get(path, headers={"remote-user": username_of(user)})
    assert await sync_to_async(seen)() == [user.pk]
