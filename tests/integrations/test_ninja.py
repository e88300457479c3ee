import pytest
from asgiref.sync import sync_to_async
from django.test import AsyncClient
from rest_framework.authtoken.models import Token

from tests.integrations.conftest import bearer, seen, without_app

pytestmark = [pytest.mark.django_db, pytest.mark.through_the_store]

REQUEST_AUTH = "souvenirs.userfunctions.request_auth"


@pytest.fixture(autouse=True)
def _request_auth(settings):
    settings.SOUVENIRS_USER_FUNCTION = REQUEST_AUTH


@pytest.fixture
def key(user):
    return Token.objects.create(user=user).key


def headers(key):
    return {**bearer(key), "x-key": key}


@pytest.mark.parametrize("path", ["/ninja/session/", "/ninja/open/"])
@pytest.mark.parametrize("function", [None, REQUEST_AUTH])
def test_session(signed_in, user, settings, path, function):
    settings.SOUVENIRS_USER_FUNCTION = function
    for _ in range(2):
        assert signed_in.get(path).json() == {"answer": 42}
    assert seen() == [user.pk]


@pytest.mark.parametrize("path", ["/ninja/bearer/", "/ninja/key/"])
def test_user_of_a_key(client, user, key, path):
    for _ in range(2):
        assert client.get(path, headers=headers(key)).json() == {"answer": 42}
    assert seen() == [user.pk]


@pytest.mark.parametrize("path", ["/ninja/bearer/", "/ninja/key/"])
def test_key_is_nobody_where_the_site_does_not_say_whose_it_is(client, key, settings, path):
    settings.SOUVENIRS_USER_FUNCTION = None
    assert client.get(path, headers=headers(key)).status_code == 200
    assert seen() == []


def test_key_of_no_user_is_nobody(client):
    assert client.get("/ninja/nameless/", headers=headers("a key")).status_code == 200
    assert seen() == []


def test_key_of_no_user_leaves_the_user_of_the_session(signed_in, user):
    signed_in.get("/ninja/nameless/", headers=headers("a key"))
    assert seen() == [user.pk]


@pytest.mark.parametrize("path", ["/ninja/session/", "/ninja/bearer/", "/ninja/key/"])
def test_refused_key_is_nobody(client, path):
    assert client.get(path, headers=headers("nonsense")).status_code == 401
    assert seen() == []


@pytest.mark.parametrize("path", ["/ninja/bearer/", "/ninja/key/"])
def test_key_counts_rather_than_the_session(client, make_user, key, user, path):
    client.force_login(make_user())
    client.get(path, headers=headers(key))
    assert seen() == [user.pk]


@pytest.mark.parametrize("path", ["/ninja/session/", "/ninja/bearer/", "/ninja/key/"])
def test_headers_are_those_without_the_app(signed_in, key, settings, path):
    with_app = signed_in.get(path, headers=headers(key))
    without_app(settings)
    without = signed_in.get(path, headers=headers(key))
    assert with_app.headers == without.headers
    assert with_app.cookies == without.cookies


def test_exempt_operation_leaves_none(client, key):
    assert client.get("/ninja/exempt/", headers=headers(key)).json() == {"answer": 42}
    assert seen() == []


async def test_async_user_of_a_key(user, key):
    for _ in range(2):
        response = await AsyncClient().get("/ninja/async/bearer/", headers=headers(key))
        assert response.json() == {"answer": 42}
    assert await sync_to_async(seen)() == [user.pk]


async def test_async_exempt_operation_leaves_none(key):
    response = await AsyncClient().get("/ninja/async/exempt/", headers=headers(key))
    assert response.json() == {"answer": 42}
    assert await sync_to_async(seen)() == []
