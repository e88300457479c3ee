import pytest
from django.conf import settings as django_settings
from rest_framework.authtoken.models import Token
from rest_framework_simplejwt.tokens import AccessToken

from tests.integrations.conftest import PASSWORD, bearer, seen, username_of, without_app

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.through_the_store,
    # SECRET_KEY of the suite signs the tokens.
    pytest.mark.filterwarnings("ignore::jwt.warnings.InsecureKeyLengthWarning"),
]

needs_id = pytest.mark.skipif(
    django_settings.AUTH_USER_MODEL == "users.CharUser",
    reason="Simple JWT wants the key to be called id; it reads SIMPLE_JWT once per process",
)


def token(user):
    return {"authorization": f"Token {Token.objects.get_or_create(user=user)[0].key}"}


def jwt(user):
    return bearer(AccessToken.for_user(user))


CREDENTIALS = [
    pytest.param("/api/token/", token, id="token"),
    pytest.param("/api/token/function/", token, id="function"),
    pytest.param("/api/jwt/", jwt, id="jwt", marks=needs_id),
    pytest.param("/api/jwt/stateless/", jwt, id="stateless", marks=needs_id),
]


@pytest.mark.parametrize(("path", "credentials"), CREDENTIALS)
def test_user_of_a_token(client, user, path, credentials):
    for _ in range(2):
        response = client.get(path, headers=credentials(user))
        assert response.json() == {"user": str(user.pk)}
    assert seen() == [user.pk]


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/api/token/", {"authorization": "Token nonsense"}),
        ("/api/token/", {}),
        ("/api/token/function/", {"authorization": "Token nonsense"}),
        ("/api/jwt/", bearer("nonsense")),
        ("/api/jwt/stateless/", bearer("nonsense")),
    ],
)
def test_refused_token_is_nobody(client, path, headers):
    assert client.get(path, headers=headers).status_code == 401
    assert seen() == []


@pytest.mark.parametrize(("path", "credentials"), CREDENTIALS)
def test_token_counts_rather_than_the_session(client, make_user, path, credentials):
    user, other = make_user(), make_user()
    client.force_login(other)
    client.get(path, headers=credentials(user))
    assert seen() == [user.pk]


@pytest.mark.parametrize(("path", "credentials"), CREDENTIALS)
def test_headers_are_those_without_the_app(client, user, settings, path, credentials):
    with_app = client.get(path, headers=credentials(user))
    without_app(settings)
    without = client.get(path, headers=credentials(user))
    assert with_app.headers == without.headers
    assert with_app.cookies == without.cookies


@needs_id
@pytest.mark.parametrize("path", ["/api/jwt/", "/api/jwt/stateless/"])
def test_jwt_obtained_with_a_password(client, user, path):
    name = type(user).USERNAME_FIELD
    credentials = {name: username_of(user), "password": PASSWORD}
    access = client.post("/api/jwt/obtain/", credentials).json()["access"]
    for _ in range(2):
        assert client.get(path, headers=bearer(access)).status_code == 200
    assert seen() == [user.pk]


@needs_id
def test_obtaining_a_jwt_is_no_request_of_a_user(client, user):
    """Its views authenticate nobody: there is no user on the request, only in the answer."""
    credentials = {type(user).USERNAME_FIELD: username_of(user), "password": PASSWORD}
    pair = client.post("/api/jwt/obtain/", credentials).json()
    assert client.post("/api/jwt/refresh/", {"refresh": pair["refresh"]}).status_code == 200
    assert seen() == []


@needs_id
def test_user_of_a_stateless_jwt_is_remembered(client, user, django_assert_num_queries):
    """Its key is text in the token, whatever it is in the database."""
    client.get("/api/jwt/stateless/", headers=jwt(user))
    with django_assert_num_queries(0):
        client.get("/api/jwt/stateless/", headers=jwt(user))


def test_session(signed_in, user):
    for _ in range(2):
        assert signed_in.get("/api/session/").json() == {"user": str(user.pk)}
    assert seen() == [user.pk]


def test_no_session_is_nobody(client):
    assert client.get("/api/session/").status_code == 403
    assert seen() == []


def test_headers_of_a_session_are_those_without_the_app(signed_in, settings):
    with_app = signed_in.get("/api/session/")
    without_app(settings)
    without = signed_in.get("/api/session/")
    assert with_app.headers == without.headers
    assert with_app.cookies == without.cookies


@pytest.mark.parametrize(
    "path",
    [
        "/api/exempt/",
        "/api/exempt/function/",
        "/api/exempt/inner/",
        "/api/exempt/method/",
        "/api/exempt/actions/",
    ],
)
def test_exempt_view_leaves_none(client, user, path):
    assert client.get(path, headers=token(user)).status_code == 200
    assert seen() == []


def test_action_beside_an_exempt_one_counts(client, user):
    assert client.get("/api/exempt/actions/1/", headers=token(user)).status_code == 200
    assert seen() == [user.pk]
