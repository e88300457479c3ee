import asyncio
import logging
import random
import sqlite3
from contextlib import ExitStack, closing, contextmanager
from datetime import timedelta

import pytest
from asgiref.sync import iscoroutinefunction, sync_to_async
from django.conf import settings as django_settings
from django.contrib.auth import get_user_model
from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import AnonymousUser
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session
from django.core.handlers.asgi import ASGIRequest
from django.db import connection, connections
from django.http import HttpResponse
from django.test import AsyncClient, Client, RequestFactory
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from rest_framework.authtoken.models import Token

from souvenirs.middleware import SouvenirsMiddleware
from souvenirs.models import Souvenir
from souvenirs.recording import sessions
from souvenirs.recording.ratelimit import rate_limiter, window_now, window_of
from souvenirs.resilience.breaker import database_breaker
from souvenirs.testing import disabled
from tests.conftest import FOREVER, at, duration
from tests.processes import BlackHole
from tests.recording.test_recorder import broken_insert

pytestmark = pytest.mark.django_db

APP = "souvenirs.middleware.SouvenirsMiddleware"


@pytest.fixture
def user(make_user):
    return make_user(password=make_password("a password"))


@pytest.fixture
def signed_in(user, client):
    client.force_login(user)
    return client


def seen():
    return list(Souvenir.objects.values_list("user_id", flat=True))


def username_of(user):
    return getattr(user, get_user_model().USERNAME_FIELD)


@pytest.mark.parametrize("path", ["/plain/", "/user/"])
def test_signed_in_user_is_seen_whether_or_not_the_page_asks(signed_in, user, path):
    signed_in.get(path)
    assert seen() == [user.pk]


@pytest.mark.parametrize("path", ["/plain/", "/user/"])
def test_anonymous_visitor_is_not(client, path):
    client.get(path)
    assert seen() == []


@pytest.mark.parametrize("path", ["/plain/", "/user/"])
def test_one_souvenir_for_many_requests(signed_in, path):
    for _ in range(5):
        signed_in.get(path)
    assert len(seen()) == 1


@pytest.mark.parametrize("path", ["/missing/", "/fails/"])
def test_failed_request_counts(signed_in, user, path):
    signed_in.raise_request_exception = False
    assert signed_in.get(path).status_code >= 400
    assert seen() == [user.pk]


def test_login_response_counts(client, user):
    response = client.post("/login/", {"username": username_of(user), "password": "a password"})
    assert response.status_code == 302
    assert seen() == [user.pk]


def test_logout_response_counts(signed_in, user):
    signed_in.post("/logout/")
    assert seen() == [user.pk]


def test_login_after_an_anonymous_page_counts(client, user):
    client.get("/user/")
    client.force_login(user)
    client.get("/plain/")
    assert seen() == [user.pk]


def test_user_of_a_token_counts(client, user):
    token = Token.objects.create(user=user)
    response = client.get("/api/", headers={"authorization": f"Token {token.key}"})
    assert response.json() == {"user": str(user.pk)}
    assert seen() == [user.pk]


def test_refused_token_is_nobody(client):
    client.get("/api/", headers={"authorization": "Token nonsense"})
    assert seen() == []


def test_user_that_a_view_sets_counts(user):
    def view(request):
        request.user = user
        return HttpResponse()

    SouvenirsMiddleware(view)(RequestFactory().get("/"))
    assert seen() == [user.pk]


def test_view_that_signs_its_user_out_counts_them(user):
    def view(request):
        request._cached_user = user
        request.user = AnonymousUser()
        return HttpResponse()

    SouvenirsMiddleware(view)(RequestFactory().get("/"))
    assert seen() == [user.pk]


def test_view_that_looks_for_its_user_without_the_middleware_of_django_counts_them(user):
    def view(request):
        request._cached_user = user
        return HttpResponse()

    SouvenirsMiddleware(view)(RequestFactory().get("/"))
    assert seen() == [user.pk]


def test_visitor_that_a_view_without_that_middleware_found_is_nobody():
    def view(request):
        request._cached_user = AnonymousUser()
        return HttpResponse()

    SouvenirsMiddleware(view)(RequestFactory().get("/"))
    assert seen() == []


def test_user_function_of_a_site_without_sessions(user, settings):
    settings.SOUVENIRS_USER_FUNCTION = lambda request: user
    SouvenirsMiddleware(lambda request: HttpResponse())(RequestFactory().get("/"))
    assert seen() == [user.pk]


@pytest.mark.parametrize("path", ["/plain/", "/user/"])
def test_headers_are_those_of_the_site_without_the_app(signed_in, settings, path):
    with_app = signed_in.get(path)
    settings.MIDDLEWARE = [name for name in settings.MIDDLEWARE if name != APP]
    without = signed_in.get(path)
    assert with_app.headers == without.headers
    assert with_app.cookies == without.cookies


def test_page_that_asks_nobody_does_not_vary(signed_in):
    assert "Vary" not in signed_in.get("/plain/").headers


def test_page_that_asks_nobody_costs_nothing_once_the_user_is_seen(
    signed_in, django_assert_num_queries
):
    signed_in.get("/plain/")
    with django_assert_num_queries(0):
        signed_in.get("/plain/")


def test_page_that_asks_costs_its_own_queries_only(signed_in, django_assert_num_queries):
    signed_in.get("/user/")
    with django_assert_num_queries(2):
        signed_in.get("/user/")


def test_anonymous_page_costs_nothing(client, django_assert_num_queries):
    with django_assert_num_queries(0):
        client.get("/plain/")


def test_session_of_nobody_is_looked_up_once(client, django_assert_num_queries):
    session = client.session
    session["basket"] = [1]
    session.save()
    client.get("/plain/")
    with django_assert_num_queries(0):
        client.get("/plain/")
    assert seen() == []


def test_session_is_not_done_when_the_window_turns_meanwhile(signed_in, monkeypatch):
    """What was settled for one window says nothing about the next."""
    clock = [at(2030, 1, 1, 0, 59, 59).timestamp()]
    monkeypatch.setattr("souvenirs.recording.ratelimit.time.time", lambda: clock[0])
    get_user = sessions.get_user

    def slow_get_user(request):
        clock[0] += 2
        return get_user(request)

    monkeypatch.setattr("souvenirs.recording.sessions.get_user", slow_get_user)
    signed_in.get("/plain/")
    assert not rate_limiter.sessions.knows(
        window_now(3600), hash(signed_in.cookies["sessionid"].value)
    )


def test_session_that_the_view_loaded_is_not_loaded_again(signed_in):
    def view(request):
        request.session.get("basket")
        return HttpResponse()

    request = RequestFactory().get("/")
    request.COOKIES = {key: morsel.value for key, morsel in signed_in.cookies.items()}
    request.session = SessionStore(request.COOKIES["sessionid"])
    with CaptureQueriesContext(connection) as queries:
        SouvenirsMiddleware(view)(request)
    assert sum("django_session" in query["sql"] for query in queries) == 1


def test_session_class_with_a_constructor_of_its_own(signed_in, user):
    class Session(SessionStore):
        key_salt = SessionStore().key_salt

        def __init__(self, request, key):
            super().__init__(key)

    request = RequestFactory().get("/")
    request.COOKIES = {key: morsel.value for key, morsel in signed_in.cookies.items()}
    request.session = Session(request, request.COOKIES["sessionid"])
    SouvenirsMiddleware(lambda request: HttpResponse())(request)
    assert seen() == [user.pk]


def test_second_session_of_a_user_costs_no_look_at_the_user(user, django_assert_num_queries):
    one, other = Client(), Client()
    one.force_login(user)
    other.force_login(user)
    one.get("/plain/")
    with django_assert_num_queries(1) as queries:
        other.get("/plain/")
    assert "django_session" in queries[0]["sql"]
    with django_assert_num_queries(0):
        other.get("/plain/")


def test_expired_file_session_is_left_in_its_place(client, user, settings, tmp_path):
    """That engine replaces a session that it finds to have expired, which is not for us to do."""
    settings.SESSION_ENGINE = "django.contrib.sessions.backends.file"
    settings.SESSION_FILE_PATH = str(tmp_path)
    client.force_login(user)
    session = client.session
    session.set_expiry(timezone.now() - timedelta(days=1))
    session.save()
    before = sorted(path.name for path in tmp_path.iterdir())
    client.get("/plain/")
    assert sorted(path.name for path in tmp_path.iterdir()) == before
    assert seen() == []


def test_user_without_a_key_is_nobody(caplog):
    class Service:
        is_authenticated = True
        pk = None

    def view(request):
        request.user = Service()
        return HttpResponse()

    SouvenirsMiddleware(view)(RequestFactory().get("/"))
    assert (seen(), caplog.records) == ([], [])


def test_session_is_not_written(signed_in):
    before = list(Session.objects.values())
    signed_in.get("/plain/")
    assert list(Session.objects.values()) == before


def test_session_that_expired_keeps_its_cookie(signed_in, settings):
    """A page that asks nobody leaves the cookie of a dead session alone, and so do we."""
    Session.objects.update(expire_date=timezone.now() - timedelta(days=1))
    response = signed_in.get("/plain/")
    assert settings.SESSION_COOKIE_NAME not in response.cookies
    assert seen() == []


def test_session_that_a_new_password_ended_is_left_to_the_host(signed_in, user):
    user.set_password("another one")
    user.save()
    before = list(Session.objects.values())
    signed_in.get("/plain/")
    assert (list(Session.objects.values()), seen()) == (before, [])


def test_session_signed_with_an_older_key_is_left_to_the_host(signed_in, user, settings):
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "a new one"
    before = list(Session.objects.values())
    signed_in.get("/plain/")
    assert list(Session.objects.values()) == before


@pytest.mark.parametrize("engine", ["cache", "cached_db", "signed_cookies"])
def test_session_engines(client, user, settings, engine):
    settings.SESSION_ENGINE = f"django.contrib.sessions.backends.{engine}"
    client.force_login(user)
    response = client.get("/plain/")
    assert seen() == [user.pk]
    assert "Vary" not in response.headers


def test_disabled_app_records_nothing(signed_in, django_assert_num_queries):
    with disabled(), django_assert_num_queries(0):
        signed_in.get("/plain/")
    assert seen() == []


def test_no_limit_records_every_request(signed_in, settings):
    settings.SOUVENIRS_RATELIMIT_SECONDS = 0
    signed_in.get("/plain/")
    signed_in.get("/user/")
    assert len(seen()) == 2


@pytest.mark.parametrize("path", ["/plain/", "/user/"])
def test_failing_database_costs_the_host_nothing(signed_in, user, path):
    with connection.execute_wrapper(broken_insert):
        assert signed_in.get(path).status_code == 200
    assert seen() == []
    signed_in.get(path)
    assert seen() == [user.pk]


def test_database_that_made_a_request_wait_is_left_alone(signed_in, django_assert_num_queries):
    database_breaker().trip()
    with django_assert_num_queries(0):
        assert signed_in.get("/plain/").status_code == 200
    assert seen() == []


def test_database_that_answers_again_is_asked_by_everybody(signed_in, user, settings, stopwatch):
    settings.SOUVENIRS_BREAKER_SECONDS = 30
    database_breaker().trip()
    stopwatch.advance(30)
    signed_in.get("/plain/")
    assert seen() == [user.pk]
    assert all(database_breaker().allows() for _ in range(2))


@contextmanager
def hung_database(alias, path):
    """Have a silent server in the place of a database; with SQLite, a file that is locked."""
    usual, hung = connections[alias], connections.create_connection(alias)
    with ExitStack() as stack:
        if usual.vendor == "sqlite":
            stack.enter_context(closing(sqlite3.connect(path))).execute("BEGIN EXCLUSIVE")
            own = {"NAME": str(path), "OPTIONS": {"timeout": 2 * FOREVER}}
        else:
            own = {"HOST": "127.0.0.1", "PORT": stack.enter_context(BlackHole()).port}
        hung.settings_dict = {**hung.settings_dict, **own}
        connections[alias] = stack.enter_context(closing(hung))
        try:
            yield hung
        finally:
            connections[alias] = usual


@pytest.mark.thorough
@pytest.mark.django_db(transaction=True, databases=["default", "elsewhere"])
@pytest.mark.parametrize("path", ["/plain/", "/user/"])
def test_hung_database_costs_one_wait_before_each_pause(
    signed_in, settings, tmp_path, path, stopwatch, monkeypatch
):
    settings.DATABASE_ROUTERS = ["tests.test_several_databases.Router"]
    with hung_database("elsewhere", tmp_path / "site.sqlite3") as hung:
        asked = []
        connect = hung.ensure_connection
        monkeypatch.setattr(hung, "ensure_connection", lambda: (asked.append(path), connect()))
        for pause in (1, 2, 4):
            asked.clear()
            assert 0.09 < duration(signed_in.get, path) < FOREVER
            assert asked
            asked.clear()
            stopwatch.advance(pause - 0.5)
            for _ in range(4):
                signed_in.get(path)
            assert asked == []
            stopwatch.advance(0.5)


@pytest.mark.parametrize("path", ["/plain/", "/user/"])
def test_clock_that_is_set_costs_no_souvenir(signed_in, clock, path):
    chance, expected = random.Random(6), set()
    for _ in range(50):
        clock.set(at(2016, 1, 1) + chance.randint(0, 600) * timedelta(minutes=1))
        assert signed_in.get(path).status_code == 200
        expected.add(window_now(3600))
    assert {window_of(each.when, 3600) for each in Souvenir.objects.all()} == expected


def test_failure_is_logged_without_the_users_name(signed_in, user, caplog):
    with connection.execute_wrapper(broken_insert), caplog.at_level(logging.INFO):
        signed_in.get("/user/")
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert username_of(user) not in caplog.records[0].getMessage() or username_of(user) == user.pk


def test_bad_setting_costs_the_host_nothing(signed_in, settings):
    settings.SOUVENIRS_RATELIMIT_SECONDS = "an hour"
    assert signed_in.get("/plain/").status_code == 200


def test_request_without_sessions_and_users():
    response = SouvenirsMiddleware(lambda request: HttpResponse())(RequestFactory().get("/"))
    assert response.status_code == 200


def test_foreign_session_cookie_without_session_middleware():
    request = RequestFactory().get("/")
    request.COOKIES[django_settings.SESSION_COOKIE_NAME] = "a cookie"
    assert SouvenirsMiddleware(lambda request: HttpResponse())(request).status_code == 200


@pytest.mark.django_db(transaction=True)
def test_souvenir_survives_the_rollback_of_the_view(make_user, settings):
    connection.settings_dict["ATOMIC_REQUESTS"] = True
    try:
        user = make_user()
        client = Client(raise_request_exception=False)
        client.force_login(user)
        assert client.get("/fails/").status_code == 500
    finally:
        connection.settings_dict["ATOMIC_REQUESTS"] = False
    assert seen() == [user.pk]


async def force_login(user):
    client = AsyncClient()
    await client.aforce_login(user)
    return client


@pytest.mark.parametrize("path", ["/async/plain/", "/async/user/", "/plain/", "/user/"])
async def test_async_site_sees_the_user(user, path):
    client = await force_login(user)
    for _ in range(2):
        response = await client.get(path)
        assert response.status_code == 200
    assert await sync_to_async(seen)() == [user.pk]


async def test_async_page_that_asks_nobody_does_not_vary(user):
    client = await force_login(user)
    response = await client.get("/async/plain/")
    assert "Vary" not in response.headers


async def test_async_anonymous_visitor_is_not_seen():
    await AsyncClient().get("/async/user/")
    assert await sync_to_async(seen)() == []


async def test_async_logout_counts(user):
    client = await force_login(user)
    await client.post("/logout/")
    assert await sync_to_async(seen)() == [user.pk]


async def test_request_that_the_client_gave_up_counts(user):
    reached = asyncio.Event()

    async def view(request):
        reached.set()
        await asyncio.Event().wait()

    request = ASGIRequest(
        {"type": "http", "method": "GET", "path": "/", "headers": []}, body_file=None
    )
    request.user = user
    task = asyncio.create_task(SouvenirsMiddleware(view)(request))
    await reached.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await sync_to_async(seen)() == [user.pk]


def test_middleware_is_async_only_where_the_site_is():
    async def view(request):
        return HttpResponse()

    assert iscoroutinefunction(SouvenirsMiddleware(view))
    assert not iscoroutinefunction(SouvenirsMiddleware(lambda request: HttpResponse()))


def test_session_left_over_from_a_deleted_user(signed_in, user):
    user.delete()
    signed_in.get("/plain/")
    assert seen() == []
