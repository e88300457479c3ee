import asyncio
from contextlib import suppress

import pytest
from django.db import connections, transaction
from django.http import HttpResponse
from django.test import AsyncRequestFactory, RequestFactory

from souvenirs.middleware import SouvenirsMiddleware
from souvenirs.models import Souvenir
from souvenirs.recording import closing_opened
from tests.conftest import build_user


@pytest.fixture
def scratch(monkeypatch, tmp_path, django_db_blocker):
    """The connection to another database, in a file, which is closed."""
    configuration = {"ENGINE": "django.db.backends.sqlite3", "NAME": tmp_path / "db.sqlite3"}
    configured = connections.configure_settings({"default": {}, "scratch": configuration})
    monkeypatch.setitem(connections.settings, "scratch", configured["scratch"])
    with django_db_blocker.unblock():
        yield connections["scratch"]
        connections["scratch"].close()
    del connections["scratch"]


def test_what_is_opened_is_closed(scratch):
    with closing_opened():
        scratch.ensure_connection()
    assert scratch.connection is None


def test_what_is_opened_is_closed_after_an_error(scratch):
    with suppress(ZeroDivisionError), closing_opened():
        scratch.ensure_connection()
        raise ZeroDivisionError
    assert scratch.connection is None


def test_what_was_open_stays_open(scratch):
    scratch.ensure_connection()
    opened = scratch.connection
    with closing_opened():
        scratch.ensure_connection()
    assert scratch.connection is opened


def test_what_a_transaction_needs_stays_open(scratch):
    block = transaction.atomic(using="scratch")
    with closing_opened():
        block.__enter__()
    assert scratch.connection is not None
    block.__exit__(None, None, None)


@pytest.mark.parametrize(
    ("factory", "stays"), [(RequestFactory, True), (AsyncRequestFactory, False)]
)
def test_recording_closes_what_it_opens_under_asgi(scratch, settings, factory, stays):
    def bypass(request, user):
        scratch.ensure_connection()
        return True

    settings.SOUVENIRS_BYPASS = bypass
    request = factory().get("/")
    request.user = build_user(1)
    SouvenirsMiddleware(lambda request: HttpResponse())(request)
    assert (scratch.connection is not None) is stays


@pytest.mark.django_db
def test_request_given_up_inside_a_sync_middleware_counts(make_user):
    def give_up(request):
        raise asyncio.CancelledError

    request = AsyncRequestFactory().get("/")
    request.user = make_user()
    with pytest.raises(asyncio.CancelledError):
        SouvenirsMiddleware(give_up)(request)
    assert list(Souvenir.objects.values_list("user_id", flat=True)) == [request.user.pk]
