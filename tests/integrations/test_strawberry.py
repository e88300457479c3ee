import pytest
from asgiref.sync import sync_to_async
from django.test import AsyncClient
from rest_framework.authtoken.models import Token

from tests.integrations.conftest import bearer, seen, without_app

pytestmark = [pytest.mark.django_db, pytest.mark.through_the_store]

FUNCTIONS = [
    "tests.integrations.userfunctions.graphql_user",
    "tests.integrations.userfunctions.graphql_user_pk",
]
ANSWER, SIGNED_IN = {"query": "{answer}"}, {"query": "{signedIn}"}


@pytest.fixture
def key(user):
    return Token.objects.create(user=user).key


def ask(client, path, query, **options):
    return client.post(path, query, content_type="application/json", **options)


@pytest.mark.parametrize("query", [ANSWER, SIGNED_IN])
def test_session(signed_in, user, query):
    for _ in range(2):
        assert "errors" not in ask(signed_in, "/graphql/", query).json()
    assert seen() == [user.pk]


@pytest.mark.parametrize("query", [ANSWER, SIGNED_IN])
def test_no_session_is_nobody(client, query):
    assert "errors" not in ask(client, "/graphql/", query).json()
    assert seen() == []


@pytest.mark.parametrize("query", [{"query": "{nonsense}"}, {"query": "{"}])
def test_refused_query_counts(signed_in, user, query):
    assert "errors" in ask(signed_in, "/graphql/", query).json()
    assert seen() == [user.pk]


@pytest.mark.parametrize("function", FUNCTIONS)
def test_user_of_a_token(client, user, key, settings, function):
    settings.SOUVENIRS_USER_FUNCTION = function
    for _ in range(2):
        assert "errors" not in ask(client, "/graphql/token/", ANSWER, headers=bearer(key)).json()
    assert seen() == [user.pk]


@pytest.mark.parametrize("function", FUNCTIONS)
def test_unknown_token_is_nobody(client, settings, function):
    settings.SOUVENIRS_USER_FUNCTION = function
    ask(client, "/graphql/token/", ANSWER, headers=bearer("nonsense"))
    assert seen() == []


def test_token_is_nobody_where_the_site_does_not_say_whose_it_is(client, key):
    ask(client, "/graphql/token/", ANSWER, headers=bearer(key))
    assert seen() == []


@pytest.mark.parametrize("query", [ANSWER, SIGNED_IN])
@pytest.mark.parametrize("path", ["/graphql/", "/graphql/token/"])
def test_headers_are_those_without_the_app(signed_in, key, settings, path, query):
    settings.SOUVENIRS_USER_FUNCTION = FUNCTIONS[0]
    with_app = ask(signed_in, path, query, headers=bearer(key))
    without_app(settings)
    without = ask(signed_in, path, query, headers=bearer(key))
    assert with_app.headers == without.headers
    assert with_app.cookies == without.cookies


@pytest.mark.parametrize("query", [ANSWER, SIGNED_IN])
async def test_async_session(user, query):
    client = AsyncClient()
    await client.aforce_login(user)
    for _ in range(2):
        assert "errors" not in (await ask(client, "/async/graphql/", query)).json()
    assert await sync_to_async(seen)() == [user.pk]


@pytest.mark.parametrize("function", FUNCTIONS)
async def test_async_user_of_a_token(user, key, settings, function):
    settings.SOUVENIRS_USER_FUNCTION = function
    for _ in range(2):
        response = await ask(AsyncClient(), "/async/graphql/token/", ANSWER, headers=bearer(key))
        assert "errors" not in response.json()
    assert await sync_to_async(seen)() == [user.pk]


async def test_async_unknown_token_is_nobody(user, settings):
    settings.SOUVENIRS_USER_FUNCTION = FUNCTIONS[0]
    await ask(AsyncClient(), "/async/graphql/token/", ANSWER, headers=bearer("nonsense"))
    assert await sync_to_async(seen)() == []
