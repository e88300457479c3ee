"""Whatever happens to us, the site's responses are those of the site without the app."""

from contextlib import ExitStack, contextmanager

import pytest
from asgiref.sync import async_to_sync
from django.db import connection
from django.test import AsyncClient, Client, override_settings
from rest_framework.authtoken.models import Token

from souvenirs.models import Souvenir
from souvenirs.signals import user_seen
from tests.conftest import CACHES, vendor_is
from tests.processes import BlackHole
from tests.recording.test_middleware import APP, seen
from tests.recording.test_ratelimit import named
from tests.recording.test_recorder import broken_insert

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.thorough]

REQUESTS = [
    ("get", "/plain/"),
    ("get", "/user/"),
    ("head", "/user/"),
    ("post", "/plain/"),
    ("get", "/missing/"),
    ("get", "/no/such/page/"),
    ("get", "/fails/"),
    ("get", "/moved/"),
    ("get", "/login/required/"),
    ("get", "/json/"),
    ("get", "/api/"),
    ("get", "/session/"),
    ("get", "/async/plain/"),
    ("get", "/async/user/"),
    ("post", "/logout/"),
    ("get", "/user/"),
]

#: Streams, each where it is served without being collected first.
SYNC, ASYNC = [("get", "/streaming/"), ("get", "/file/")], [("get", "/async/streaming/")]


def fails(*args, **kwargs):
    raise RuntimeError("this fails")


@contextmanager
def failing_receiver():
    user_seen.connect(fails)
    yield
    user_seen.disconnect(fails)


@contextmanager
def hung_cache():
    with BlackHole() as hole:
        cache = {**CACHES["redis"], "LOCATION": f"redis://{hole.address}/0"}
        with override_settings(
            CACHES={"default": CACHES["locmem"], "hung": cache}, SOUVENIRS_CACHE_NAME="hung"
        ):
            yield


@contextmanager
def missing_table():
    table = Souvenir._meta.db_table
    with connection.schema_editor() as editor:
        editor.alter_db_table(Souvenir, table, f"{table}_gone")
    try:
        yield
    finally:
        with connection.schema_editor() as editor:
            editor.alter_db_table(Souvenir, f"{table}_gone", table)


@contextmanager
def read_only():
    """For what we write; the site's own sessions and logins are left out of it by the requests."""
    statement = {
        "postgresql": "SET default_transaction_read_only = {}",
        "sqlite": "PRAGMA query_only = {}",
        "mysql": "SET SESSION TRANSACTION READ {}",
    }[connection.vendor]
    words = ("ONLY", "WRITE") if vendor_is("mysql") else ("on", "off")
    with connection.cursor() as cursor:
        cursor.execute(statement.format(words[0]))
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute(statement.format(words[1]))


FAULTS = {
    "nothing": ExitStack,
    "cache fails": lambda: override_settings(
        CACHES=named("FailingCache") | {"locmem": CACHES["locmem"]}
    ),
    "cache cannot tell": lambda: override_settings(CACHES=named("SilentCache")),
    "cache cannot delete": lambda: override_settings(CACHES=named("DeleteFailsCache")),
    "cache remembers nothing": lambda: override_settings(CACHES={"default": CACHES["dummy"]}),
    "cache hangs": hung_cache,
    "insert fails": lambda: connection.execute_wrapper(broken_insert_of_ours),
    "table is missing": missing_table,
    "receiver fails": failing_receiver,
    "bypass fails": lambda: override_settings(SOUVENIRS_BYPASS=fails),
    "user function fails": lambda: override_settings(SOUVENIRS_USER_FUNCTION=fails),
    "user function is missing": lambda: override_settings(SOUVENIRS_USER_FUNCTION="no.such"),
    "window is nonsense": lambda: override_settings(SOUVENIRS_RATELIMIT_SECONDS="an hour"),
    "pattern is nonsense": lambda: override_settings(SOUVENIRS_IGNORE_PATHS=["("]),
    "cache is missing": lambda: override_settings(SOUVENIRS_CACHE_NAME="nowhere"),
    "recording is off": lambda: override_settings(SOUVENIRS_ENABLED=False),
}


def broken_insert_of_ours(execute, sql, *arguments):
    if "souvenirs_souvenir" in sql:
        return broken_insert(execute, "INSERT", *arguments)
    return execute(sql, *arguments)


def shown(response, body):
    """All of a response that the client gets, but for the moment and the new keys of sessions."""
    cookies = {
        name: {**morsel, "expires": bool(morsel["expires"]), "value": bool(morsel.value)}
        for name, morsel in response.cookies.items()
    }
    headers = {
        name: bool(value) if name == "Expires" else value
        for name, value in response.headers.items()
    }
    return response.status_code, headers, cookies, body


def visit(client, headers):
    found = []
    for verb, path in SYNC + REQUESTS:
        response = getattr(client, verb)(path, headers=headers)
        streams = response.streaming
        found.append(shown(response, b"".join(response) if streams else response.content))
    return found


async def avisit(client, headers):
    found = []
    for verb, path in ASYNC + REQUESTS:
        response = await getattr(client, verb)(path, headers=headers)
        streams = response.streaming
        body = b"".join([part async for part in response]) if streams else response.content
        found.append(shown(response, body))
    return found


def clients(kind, user):
    """Twice the same browser."""
    found = [kind(raise_request_exception=False) for _ in range(2)]
    for client in found if user else []:
        client.force_login(user)
    return found


@pytest.fixture(params=["anonymous", "session", "token"])
def visitor(request, make_user):
    """The user who signs in, and the headers of the requests."""
    if request.param == "anonymous":
        return None, {}
    user = make_user()
    if request.param == "session":
        return user, {}
    return None, {"authorization": f"Token {Token.objects.create(user=user).key}"}


@pytest.mark.parametrize("fault", FAULTS)
def test_responses_are_the_sites_own(visitor, settings, fault):
    user, headers = visitor
    without = [name for name in settings.MIDDLEWARE if name != APP]
    ours, theirs = clients(Client, user)
    with FAULTS[fault]():
        found = visit(ours, headers)
    settings.MIDDLEWARE = without
    assert found == visit(theirs, headers)


@pytest.mark.parametrize("fault", FAULTS)
def test_responses_of_an_async_site_are_its_own(visitor, settings, fault):
    user, headers = visitor
    without = [name for name in settings.MIDDLEWARE if name != APP]
    ours, theirs = clients(AsyncClient, user)
    with FAULTS[fault]():
        found = async_to_sync(avisit)(ours, headers)
    settings.MIDDLEWARE = without
    assert found == async_to_sync(avisit)(theirs, headers)


def test_site_without_the_app_is_without_it(settings, make_user, client):
    settings.MIDDLEWARE = [name for name in settings.MIDDLEWARE if name != APP]
    client.force_login(make_user())
    client.get("/plain/")
    assert seen() == []


@pytest.mark.parametrize("path", ["/plain/", "/user/"])
def test_read_only_database(make_user, client, path, caplog):
    user = make_user()
    client.force_login(user)
    with read_only():
        assert client.get(path).status_code == 200
        assert client.get(path).status_code == 200
    assert (seen(), len(caplog.records)) == ([], 1)
    client.get(path)
    assert seen() == [user.pk]


@pytest.mark.parametrize("fault", ["insert fails", "table is missing", "bypass fails"])
@pytest.mark.parametrize("path", ["/plain/", "/user/"])
def test_next_request_tries_again(make_user, client, path, fault):
    user = make_user()
    client.force_login(user)
    with FAULTS[fault]():
        client.get(path)
    client.get(path)
    assert seen() == [user.pk]


@pytest.mark.parametrize(
    "fault", ["cache fails", "cache cannot tell", "cache remembers nothing", "cache hangs"]
)
@pytest.mark.parametrize("path", ["/plain/", "/user/"])
def test_cache_costs_no_souvenir_and_no_second_one(make_user, client, path, fault):
    user = make_user()
    client.force_login(user)
    with FAULTS[fault]():
        for _ in range(5):
            client.get(path)
    assert seen() == [user.pk]


def test_user_who_is_deleted_in_the_view(make_user, settings):
    """The site's own COMMIT succeeds, and theirs was the last request."""
    connection.settings_dict["ATOMIC_REQUESTS"] = True
    try:
        user = make_user()
        client = Client()
        client.force_login(user)
        assert client.post("/goodbye/").status_code == 200
    finally:
        connection.settings_dict["ATOMIC_REQUESTS"] = False
    assert not type(user).objects.exists()
    assert Souvenir.objects.count() <= 1


def test_souvenir_asked_for_in_a_broken_transaction(make_user, client):
    """Nothing is sent on it, and the site's own error stays what it was."""
    client.raise_request_exception = False
    connection.settings_dict["ATOMIC_REQUESTS"] = True
    try:
        client.force_login(make_user())
        assert client.get("/breaks/").content == b"IntegrityError, skipped"
    finally:
        connection.settings_dict["ATOMIC_REQUESTS"] = False
