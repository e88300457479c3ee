"""Who is in a session that is kept in a cache, whatever that cache does."""

import time
from contextlib import contextmanager

import pytest
from django.contrib.auth import get_user_model
from django.core.cache import caches
from django.test import Client, override_settings

from tests.caches import BreakableCache
from tests.conftest import CACHES, FOREVER
from tests.processes import BlackHole
from tests.recording.test_middleware import seen

pytestmark = pytest.mark.django_db


@pytest.fixture(params=["cache", "cached_db"])
def engine(request, settings):
    settings.SESSION_ENGINE = f"django.contrib.sessions.backends.{request.param}"
    settings.SESSION_CACHE_ALIAS = "sessions"
    settings.SOUVENIRS_BREAKER_SECONDS = 600
    with sessions_in({"BACKEND": "tests.caches.BreakableCache", "LOCATION": "sessions"}):
        yield request.param


@pytest.fixture
def user(engine, make_user, client):
    """A user who has signed in while all was well."""
    user = make_user()
    client.force_login(user)
    return user


def sessions_in(cache):
    return override_settings(CACHES={"default": CACHES["locmem"], "sessions": cache})


@contextmanager
def failing():
    BreakableCache.is_down = True
    try:
        yield
    finally:
        BreakableCache.is_down = False


@contextmanager
def hung():
    with (
        BlackHole() as hole,
        sessions_in({**CACHES["redis"], "LOCATION": f"redis://{hole.address}"}),
    ):
        yield


FAULTS = [failing, hung]


@pytest.mark.parametrize("fault", FAULTS)
def test_user_is_seen_where_the_session_is_in_a_database_too(client, user, engine, fault):
    with fault():
        for _ in range(2):
            assert client.get("/plain/").status_code == 200
    assert seen() == ([user.pk] if engine == "cached_db" else [])


@pytest.mark.parametrize("fault", FAULTS)
def test_user_is_seen_once_the_cache_answers_again(client, user, fault, stopwatch):
    with fault():
        for _ in range(2):
            client.get("/plain/")
    stopwatch.advance(600)
    client.get("/plain/")
    assert seen() == [user.pk]


@pytest.mark.parametrize("fault", FAULTS)
def test_visit_of_another_leaves_what_the_cache_kept_from_being_left(
    client, user, make_user, fault, stopwatch, settings
):
    other = Client()
    other.force_login(make_user())
    with fault():
        client.get("/plain/")
    stopwatch.advance(600)
    settings.SOUVENIRS_TIMEOUT = FOREVER
    other.get("/plain/")
    assert sorted(seen()) == sorted(each.pk for each in get_user_model().objects.all())


def test_hung_cache_costs_one_wait(client, user, asked_of_redis):
    with hung():
        began = time.monotonic()
        for _ in range(20):
            client.get("/plain/")
        assert 0.09 < time.monotonic() - began < FOREVER
    assert asked_of_redis == ["get"]


def test_failure_is_logged_where_it_costs_a_souvenir(client, user, engine, caplog):
    with failing():
        for _ in range(2):
            client.get("/plain/")
    found = [record.getMessage() for record in caplog.records]
    assert found == ["Could not leave a souvenir of a session."] * (engine == "cache")


@pytest.mark.parametrize("engine", ["cached_db"], indirect=True)
def test_cache_of_the_sessions_is_not_filled(client, user):
    caches["sessions"].clear()
    client.get("/plain/")
    assert seen() == [user.pk]
    assert caches["sessions"].get(client.session.cache_key) is None
