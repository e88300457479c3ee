"""What a process could not write is written when it ends: each tenant's part, where it belongs."""

import threading
from contextvars import ContextVar, copy_context

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth import get_user_model
from django.core import mail
from django.db import OperationalError, connection, connections, router

from souvenirs.asgi import with_shutdown
from souvenirs.control import souvenez
from souvenirs.models import Souvenir
from souvenirs.recording import backlog, catchup
from souvenirs.recording.ratelimit import rate_limiter, window_now
from souvenirs.scope import Entered, entered, forget_scopes, scope
from tests.conftest import pk_of
from tests.recording.test_catchup import fail, seen, window_start

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "elsewhere"])

LOST = "Souvenirs are lost: the process ends"

BY_THREAD = threading.local()
BY_CONTEXT: ContextVar[str] = ContextVar("tenant", default="default")


class ThreadRouter:
    def db_for_write(self, model, **hints):
        return getattr(BY_THREAD, "alias", "default")

    db_for_read = db_for_write


class ContextRouter:
    def db_for_write(self, model, **hints):
        return BY_CONTEXT.get()

    db_for_read = db_for_write


@pytest.fixture(autouse=True)
def site(monkeypatch):
    """A process that Django's test runner has nothing to do with."""
    monkeypatch.delattr(mail, "outbox")


def users_in(alias):
    return list(Souvenir.objects.using(alias).values_list("user_id", flat=True).order_by("user_id"))


def fail_in(alias, *numbers):
    with connections[alias].execute_wrapper(no_inserts):
        for number in numbers:
            with pytest.raises(OperationalError):
                souvenez(pk_of(number))


def no_inserts(execute, sql, params, many, context):
    if sql.startswith("INSERT"):
        raise OperationalError("no inserts")
    return execute(sql, params, many, context)


def keep_session(number):
    """A visit of a session whose user is still to be found."""
    backlog.keep(
        backlog.Late("session", window_start(), window_now(3600), find=lambda: pk_of(number)),
        scope(),
        str(connections["elsewhere"].settings_dict["NAME"]),
        most=10,
        has_failed=False,
    )


@pytest.mark.parametrize("name", ["the same", "another"])
def test_process_that_ends_catches_up(watch, monkeypatch, name):
    """Not in another database."""
    fail(1)
    if name == "another":
        monkeypatch.setitem(connection.settings_dict, "NAME", "another")
    catchup.catch_up_at_exit()
    assert seen() == ([1] if name == "the same" else [])


def test_after_the_tests_of_a_project_nothing_is_written(watch, monkeypatch, caplog):
    """Their database may be used again."""
    monkeypatch.setattr(mail, "outbox", [], raising=False)
    fail(1)
    monkeypatch.delattr(mail, "outbox")
    catchup.catch_up_at_exit()
    assert (seen(), LOST in caplog.text) == ([], False)


def test_claim_that_may_be_of_another_process_keeps_nobody_from_being_written(
    watch,
    shared_cache,
):
    """Two souvenirs would be no loss."""
    fail(1)
    rate_limiter.claim(pk_of(1), window_now(3600))
    catchup.catch_up_at_exit()
    assert seen() == [1]


def test_each_database_gets_what_is_its_own(watch, settings):
    settings.DATABASE_ROUTERS = [f"{__name__}.ThreadRouter"]
    fail_in("default", 1, 2)
    try:
        BY_THREAD.alias = "elsewhere"
        fail_in("elsewhere", 2, 3)
    finally:
        del BY_THREAD.alias
    catchup.catch_up_at_exit()
    assert users_in("default") == [pk_of(1), pk_of(2)]
    assert users_in("elsewhere") == [pk_of(2), pk_of(3)]
    assert scope() == "default"


def test_user_of_a_session_is_not_looked_up_in_another_database(
    watch,
    settings,
    caplog,
):
    settings.DATABASE_ROUTERS = [f"{__name__}.ThreadRouter"]
    try:
        BY_THREAD.alias = "elsewhere"
        keep_session(1)
        fail_in("elsewhere", 2)
    finally:
        del BY_THREAD.alias
    catchup.catch_up_at_exit()
    assert users_in("elsewhere") == [pk_of(2)]
    assert f"{LOST} and has not written 1." in caplog.text


@pytest.mark.parametrize("by", ["router", "scope"])
def test_tenant_of_a_context_variable_is_entered(watch, settings, by):
    settings.DATABASE_ROUTERS = [f"{__name__}.ContextRouter"]
    if by == "scope":
        settings.SOUVENIRS_SCOPE = BY_CONTEXT.get

    def leave():
        BY_CONTEXT.set("elsewhere")
        keep_session(1)
        fail_in("elsewhere", 2)

    copy_context().run(leave)
    catchup.catch_up_at_exit()
    assert users_in("elsewhere") == [pk_of(1), pk_of(2)]
    assert users_in("default") == []


def test_tenant_that_only_the_site_can_enter_is_not_taken_for_another(
    watch,
    settings,
    caplog,
):
    current = "one"
    settings.SOUVENIRS_SCOPE = lambda: current
    fail(1, 2)
    current = "two"
    fail(3)
    catchup.catch_up_at_exit()
    assert seen() == [3]
    assert f"{LOST} and has not written 2." in caplog.text


def test_failing_tenant_keeps_no_other_from_being_written(watch, settings, caplog):
    settings.DATABASE_ROUTERS = [f"{__name__}.ContextRouter"]
    fail_in("default", 1)
    backlog.keep(
        backlog.Late("no database", window_start(), None, pk_of(2)),
        "gone",
        "gone",
        most=10,
        has_failed=False,
    )
    copy_context().run(lambda: (BY_CONTEXT.set("elsewhere"), fail_in("elsewhere", 3)))
    catchup.catch_up_at_exit()
    assert (users_in("default"), users_in("elsewhere")) == ([pk_of(1)], [pk_of(3)])
    assert "The connection 'gone' doesn't exist" in caplog.text


def test_tenants_share_the_time(watch, settings, monkeypatch):
    settings.DATABASE_ROUTERS = [f"{__name__}.ContextRouter"]
    turns = []
    monkeypatch.setattr(catchup._Turn, "run", lambda turn: turns.append(turn.seconds))
    fail_in("default", 1)
    copy_context().run(lambda: (BY_CONTEXT.set("elsewhere"), fail_in("elsewhere", 2)))
    catchup.catch_up_at_exit()
    assert turns == [1, 2]  # no time has passed


@pytest.mark.parametrize("where", ["scope", "all"])
def test_process_that_ends_raises_nothing(settings, caplog, monkeypatch, where):
    fail(1)
    if where == "scope":
        settings.SOUVENIRS_SCOPE = lambda: 1 / 0
    else:
        monkeypatch.setattr(catchup, "backlogs", lambda: 1 / 0)
    catchup.catch_up_at_exit()
    assert "ZeroDivisionError" in caplog.text


# ASGI


class Lifespan:
    """A server that starts an application and shuts it down."""

    def __init__(self):
        self.sent = []
        self.messages = ["lifespan.startup", "lifespan.shutdown"]

    async def receive(self):
        return {"type": self.messages.pop(0)}

    async def send(self, message):
        self.sent.append(message["type"])

    async def run(self, application):
        await with_shutdown(application)({"type": "lifespan"}, self.receive, self.send)


DONE = ["lifespan.startup.complete", "lifespan.shutdown.complete"]


async def like_django(scope, receive, send):
    raise ValueError(f"Django can only handle ASGI/HTTP connections, not {scope['type']}.")


async def like_starlette(scope, receive, send):
    for _ in range(2):
        message = await receive()
        await send({"type": f"{message['type']}.complete"})


@pytest.mark.parametrize("application", [like_django, like_starlette])
async def test_shutdown_of_an_asgi_server_catches_up(watch, application):
    await sync_to_async(fail)(1)
    server = Lifespan()
    await server.run(application)
    assert (server.sent, await sync_to_async(seen)()) == (DONE, [1])


async def test_application_that_fails_at_startup_fails_as_before():
    async def broken(scope, receive, send):
        await receive()
        raise RuntimeError("no startup")

    with pytest.raises(RuntimeError, match="no startup"):
        await Lifespan().run(broken)


async def test_requests_are_passed_on():
    asked = []

    async def application(*arguments):
        asked.append(arguments)

    await with_shutdown(application)({"type": "http"}, None, None)
    assert asked == [({"type": "http"}, None, None)]


def test_schema_is_entered(watch, settings):
    """As that of django-tenants, which tests/integrations uses for real."""
    usual = connections["default"]

    def set_schema(name):
        usual.schema_name = name

    settings.SOUVENIRS_SCOPE = None  # what is known about schemas is forgotten
    usual.schema_name, usual.set_schema = "acme", set_schema
    try:
        fail(1)
        usual.schema_name = "public"
        catchup.catch_up_at_exit()
        assert (seen(), scope()) == ([1], ("default", "acme"))
    finally:
        del usual.schema_name, usual.set_schema
        forget_scopes()


def test_router_is_pinned_for_souvenirs_alone(watch, settings):
    settings.DATABASE_ROUTERS = [f"{__name__}.ThreadRouter"]
    with entered("elsewhere") as how:
        assert how is Entered.SOUVENIRS
        assert router.db_for_write(Souvenir) == router.db_for_read(Souvenir) == "elsewhere"
        assert router.db_for_write(get_user_model()) == "default"
