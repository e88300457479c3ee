"""Who may see what."""

import json
from types import SimpleNamespace

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse
from django.test import Client, RequestFactory
from django.urls import URLPattern, reverse
from django.urls.base import set_script_prefix

from souvenirs.api.access import for_api, user_of_api
from souvenirs.dashboard import urls
from souvenirs.decorators import EXEMPT
from souvenirs.models import Souvenir
from souvenirs.pages.access import for_pages, login_url
from souvenirs.web import VIEW_PEOPLE, VIEW_USAGE, may
from tests.conftest import at

pytestmark = pytest.mark.above_the_store


class Person:
    """A user with some permissions, as has any user model that knows them."""

    pk = 1
    is_authenticated = True

    def __init__(self, *permissions, is_active=True):
        self.permissions = permissions
        self.is_active = is_active

    def has_perm(self, permission):
        return permission in self.permissions


def request_of(user=None, method="get", path="/souvenirs/?from=2016-01-01", **headers):
    request = getattr(RequestFactory(), method)(path, headers=headers)
    if user is not None:
        request.user = user
    return request


def answer(request, reader=None):
    return HttpResponse("the numbers")


api_view = for_api(VIEW_USAGE)(answer)
page_view = for_pages(VIEW_USAGE)(answer)

HOLDER = Person(VIEW_USAGE)


@pytest.mark.parametrize(
    ("user", "expected"),
    [
        (Person(VIEW_USAGE), True),
        (Person(VIEW_PEOPLE), False),
        (Person(VIEW_USAGE, is_active=False), False),
        (Person(), False),
        (AnonymousUser(), False),
        (SimpleNamespace(is_active=True), False),
        (None, False),
    ],
)
def test_who_may(user, expected):
    assert may(user, VIEW_USAGE) is expected


@pytest.mark.django_db
def test_permissions_are_those_of_the_app(django_user_model):
    from django.contrib.auth.models import Permission

    found = Permission.objects.filter(content_type__app_label="souvenirs")
    codes = {f"souvenirs.{permission.codename}" for permission in found}
    assert {VIEW_USAGE, VIEW_PEOPLE} <= codes


@pytest.mark.parametrize(
    ("user", "status"),
    [(None, 401), (AnonymousUser(), 401), (Person(), 403), (HOLDER, 200)],
)
@pytest.mark.parametrize("method", ["get", "head", "post", "put", "patch", "delete", "options"])
def test_api_says_who_may_before_it_says_how(user, status, method):
    response = api_view(request_of(user, method))
    if user is HOLDER and method == "options":
        status = 204
    elif user is HOLDER and method not in ("get", "head"):
        status = 405
    assert response.status_code == status
    assert response["Cache-Control"] == f"private, {'no-cache' if status == 200 else 'no-store'}"
    assert response["X-Content-Type-Options"] == "nosniff"
    assert ("Allow" in response) is (status in (204, 405))
    if status >= 400 and method != "head":
        assert json.loads(response.content)["error"].keys() == {"field", "message"}
        assert response["Content-Type"] == "application/json"


def test_nobody_is_told_how_to_come_back(settings):
    assert api_view(request_of())["WWW-Authenticate"] == "Session"
    settings.SOUVENIRS_API_AUTH = lambda request: None
    assert api_view(request_of())["WWW-Authenticate"] == "Bearer"


def test_function_of_the_site_says_who_asks(settings):
    settings.SOUVENIRS_API_AUTH = lambda request: (
        HOLDER if request.headers.get("authorization") == "Bearer secret" else None
    )
    request = request_of(authorization="Bearer secret")
    assert user_of_api(request) is HOLDER
    assert api_view(request).status_code == 200
    assert api_view(request_of(authorization="Bearer wrong")).status_code == 401


def test_session_counts_where_the_function_knows_nobody(settings):
    settings.SOUVENIRS_API_AUTH = lambda request: None
    assert api_view(request_of(HOLDER)).status_code == 200


def test_function_comes_before_the_session(settings):
    settings.SOUVENIRS_API_AUTH = lambda request: Person()
    assert api_view(request_of(HOLDER)).status_code == 403
    settings.SOUVENIRS_API_AUTH = lambda request: AnonymousUser()
    assert api_view(request_of(HOLDER)).status_code == 401


def test_function_can_refuse(settings):
    def refuse(request):
        raise PermissionDenied("a secret")

    settings.SOUVENIRS_API_AUTH = refuse
    response = api_view(request_of(HOLDER))
    assert response.status_code == 403
    assert "secret" not in response.text


def test_token_does_not_make_a_page(settings):
    settings.SOUVENIRS_API_AUTH = lambda request: HOLDER
    assert page_view(request_of()).status_code == 302


@pytest.mark.parametrize("view", [api_view, page_view])
def test_looking_is_no_activity(view):
    request = request_of(HOLDER)
    view(request)
    assert getattr(request, EXEMPT)


def test_page_asks_nobody_to_sign_in():
    response = page_view(request_of(AnonymousUser()))
    assert response.status_code == 302
    assert response["Location"] == "/admin/login/?next=/souvenirs/%3Ffrom%3D2016-01-01"
    assert response["Cache-Control"] == "private, no-store"


@pytest.mark.parametrize("permission", [VIEW_USAGE, VIEW_PEOPLE])
def test_page_says_which_permission_is_missing(permission):
    response = for_pages(permission)(answer)(request_of(Person()))
    assert response.status_code == 403
    assert response["Cache-Control"] == "private, no-store"
    text = response.content.decode()
    assert f"you need the permission {permission}: ask an administrator" in text
    assert "the numbers" not in text
    assert 'href="/souvenirs/"' not in text


def test_page_without_people_leads_to_the_numbers():
    response = for_pages(VIEW_PEOPLE)(answer)(request_of(HOLDER))
    assert response.status_code == 403
    assert 'href="/souvenirs/"' in response.content.decode()


def test_page_is_for_who_may():
    response = page_view(request_of(HOLDER))
    assert response.content == b"the numbers"
    assert response["Cache-Control"] == "private, no-store"
    assert page_view(request_of(HOLDER, "post")).status_code == 405


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        ("/accounts/login/", "/admin/login/"),  # Django's default, which leads nowhere here
        ("/login/", "/login/"),
        ("admin:login", "/admin/login/"),
        ("https://sso.example.com/login", "https://sso.example.com/login"),
    ],
)
def test_where_to_sign_in(settings, setting, expected):
    settings.LOGIN_URL = setting
    assert login_url() == expected


def test_where_to_sign_in_below_a_prefix(settings):
    settings.LOGIN_URL = "/sub/login/"
    set_script_prefix("/sub/")
    try:
        assert login_url() == "/sub/login/"
        settings.LOGIN_URL = "/login/"
        assert login_url() == "/login/"
    finally:
        set_script_prefix("/")


def test_where_to_sign_in_without_the_admin(settings):
    settings.ROOT_URLCONF = type("NoURLs", (), {"urlpatterns": []})
    settings.LOGIN_URL = "/accounts/login/"
    assert login_url() == "/accounts/login/"


@pytest.mark.django_db
def test_user_model_without_permissions_lets_nobody_in(make_user):
    user = make_user()
    if not hasattr(get_user_model(), "has_perm"):
        assert api_view(request_of(user)).status_code == 403


#: What each URL needs, any of which is enough. One that is not here makes the table fail.
NEEDED = {
    **dict.fromkeys(["overview", "retention", "groups", "billing", "health"], (VIEW_USAGE,)),
    "people": (VIEW_PEOPLE,),
    "api-stickiness": (VIEW_USAGE,),
    "api-busy": (VIEW_USAGE,),
    "api-usage": (VIEW_USAGE,),
    "api-series": (VIEW_USAGE,),
    "api-retention": (VIEW_USAGE,),
    "api-growth": (VIEW_USAGE,),
    "api-people": (VIEW_PEOPLE,),
    "api-groups": (VIEW_USAGE,),
    "api-statements": (VIEW_USAGE,),
    "api-health": (VIEW_USAGE,),
    **dict.fromkeys(
        ["api-root", "api-index", "api-openapi", "api-not-found"], (VIEW_USAGE, VIEW_PEOPLE)
    ),
}

#: Answers that the client may store, to be told later that they have not changed: no users.
STORED = {name for name, needed in NEEDED.items() if name[:4] == "api-" and VIEW_USAGE in needed}

METHODS = ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"]


def names_in(patterns):
    for pattern in patterns:
        if isinstance(pattern, URLPattern):
            yield pattern.name
        else:
            yield from names_in(pattern.url_patterns)


NAMES = list(names_in(urls.urlpatterns))


def test_every_url_is_in_the_table():
    assert sorted(NAMES) == sorted(NEEDED)


class Visit:
    """What somebody asks with, and what they may see: everything, or what they have been given."""

    def __init__(self, *permissions, user=None, backend=None, token=None):
        self.permissions = permissions
        self.is_known = user is not None or token is not None
        self.is_signed_in = user is not None
        self.client = Client(headers={"authorization": f"Bearer {token}"} if token else None)
        if user is not None:
            self.client.force_login(user, backend)

    def expected(self, name, method):
        if name.startswith("api-") and not self.is_known:
            return 401
        if not name.startswith("api-") and not (self.is_known and self.is_signed_in):
            return 302
        if not set(NEEDED[name]) & set(self.permissions):
            return 403
        found = 404 if name == "api-not-found" else 200
        return {"GET": found, "HEAD": found, "OPTIONS": 204}.get(method, 405)


BOTH = (VIEW_USAGE, VIEW_PEOPLE)
ANYBODY = "django.contrib.auth.backends.AllowAllUsersModelBackend"


def has_fields(*names):
    return {field.name for field in get_user_model()._meta.get_fields()}.issuperset(names)


@pytest.fixture
def visit(request, settings, make_user, make_holder):
    """Somebody of the role that is the parameter."""
    if request.param == "nobody":
        return Visit()
    if request.param == "somebody":
        return Visit(user=make_holder())
    if request.param == "view_usage":
        return Visit(VIEW_USAGE, user=make_holder(VIEW_USAGE))
    if request.param == "view_people":
        return Visit(VIEW_PEOPLE, user=make_holder(VIEW_PEOPLE))
    if request.param == "both":
        return Visit(*BOTH, user=make_holder(*BOTH))
    if request.param.startswith("token"):
        users = {"usage": make_holder(VIEW_USAGE), "all": make_holder(*BOTH)}
        settings.SOUVENIRS_API_AUTH = lambda request: users.get(
            request.headers.get("authorization", "").removeprefix("Bearer ")
        )
        if request.param == "token of nobody":
            visit = Visit(token="wrong")
            visit.is_known = False
            return visit
        if request.param == "token of view_usage":
            return Visit(VIEW_USAGE, token="usage")
        return Visit(*BOTH, token="all")
    if not has_fields("is_staff", "is_superuser", "is_active"):
        pytest.skip("the user model knows no such users")
    if request.param == "staff":
        return Visit(user=make_user(is_staff=True))
    if request.param == "superuser":
        return Visit(*BOTH, user=make_user(is_superuser=True))
    inactive = make_user(is_superuser=True, is_staff=True, active=False)
    if request.param == "inactive superuser":
        visit = Visit(user=inactive)
        visit.is_known = False  # to Django's own backend
        return visit
    settings.AUTHENTICATION_BACKENDS = [ANYBODY]
    return Visit(user=inactive, backend=ANYBODY)


ROLES = [
    "nobody",
    "somebody",
    "staff",
    "superuser",
    "inactive superuser",
    "inactive superuser that may sign in",
    "view_usage",
    "view_people",
    "both",
    "token of nobody",
    "token of view_usage",
    "token of both",
]


@pytest.mark.django_db
@pytest.mark.parametrize("visit", ROLES, indirect=True)
@pytest.mark.parametrize("name", NAMES)
def test_who_sees_what(visit, name, leave, settings):
    settings.SOUVENIRS_GROUP_BY = ["membership__organization__name"]
    leave((1, at(2016, 1, 1)))
    for method in METHODS:
        unknown = ["series/2016"] if name == "api-not-found" else []
        response = visit.client.generic(method, reverse(f"souvenirs:{name}", args=unknown))
        assert response.status_code == visit.expected(name, method), method
        is_stored = "ETag" in response
        assert is_stored is (name in STORED and response.status_code == 200)
        reuse = "private, no-cache" if is_stored else "private, no-store"
        assert response.get("Cache-Control") == reuse or response.status_code == 403
        if name.startswith("api-") and response.status_code != 204:
            assert response["Content-Type"] == "application/json"
            assert response["X-Content-Type-Options"] == "nosniff"
        if method == "HEAD" or response.status_code == 204:
            assert response.content == b""
        if response.status_code >= 400 and method != "HEAD":
            assert b"2016" not in response.content
            assert b"example.com" not in response.content
    assert Souvenir.objects.count() == 1


@pytest.mark.django_db
def test_what_protects_forms_does_not_answer_in_place_of_the_api(settings, make_holder):
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, "django.middleware.csrf.CsrfViewMiddleware"]
    client = Client(enforce_csrf_checks=True)
    client.force_login(make_holder(VIEW_USAGE))
    response = client.post("/souvenirs/api/series")
    assert response.status_code == 405
    assert response.json()["error"]["field"] == "method"
