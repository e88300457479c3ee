"""What a fault kept from being written is written with the next success."""

import gc
import os
import time
import warnings
import weakref
from contextlib import contextmanager, suppress
from datetime import timedelta
from functools import partial

import pytest
from asgiref.sync import sync_to_async
from django.contrib.sessions.backends.db import SessionStore
from django.db import DataError, OperationalError, connection, transaction
from django.db.models.signals import post_save, pre_save
from django.http import HttpResponse
from django.test import AsyncClient, Client, RequestFactory, override_settings

from souvenirs.conf import conf
from souvenirs.control import asouvenez, erase_user, souvenez
from souvenirs.middleware import HELD_SECONDS, SouvenirsMiddleware
from souvenirs.models import Souvenir
from souvenirs.recording import backlog, catchup
from souvenirs.recording.ratelimit import CLAIM_SECONDS, rate_limiter, window_now
from souvenirs.resilience import database_breaker, time_limited
from souvenirs.signals import user_seen
from souvenirs.stores import figures
from souvenirs.stores.orm import OrmStore
from souvenirs.testing import disabled, reset
from tests.conftest import at, pk_of
from tests.recording.test_ratelimit import named

pytestmark = pytest.mark.django_db

HOUR = timedelta(hours=1)


@contextmanager
def failing(*numbers, error=OperationalError):
    """The INSERT of these users fails, or that of all, however many are in it."""
    keys = {connection_value(number) for number in numbers}

    def fail(execute, sql, params, many, context):
        if sql.startswith("INSERT INTO") and (not keys or keys.intersection(params)):
            raise error("the database is slow")
        return execute(sql, params, many, context)

    with connection.execute_wrapper(fail):
        yield


def connection_value(number):
    """A primary key as it is sent to the database."""
    return Souvenir._meta.get_field("user").target_field.get_db_prep_save(pk_of(number), connection)


@contextmanager
def left_alone(watch):
    """The database, whose breaker is open in the block."""
    database_breaker().trip()
    yield
    watch.advance(1)


def fail(*numbers):
    """Calls whose INSERT fails, each alone."""
    with failing():
        for number in numbers:
            with pytest.raises(OperationalError):
                souvenez(pk_of(number))


def seen():
    """The numbers of the users of the souvenirs, each as often as there are souvenirs."""
    numbers = {pk_of(number): number for number in range(1, 1000)}
    return sorted(numbers[user] for user in Souvenir.objects.values_list("user_id", flat=True))


def signed_in(user):
    client = Client()
    client.force_login(user)
    return client


def remembered():
    return len(backlog.backlog() or ())


# With the next success


def test_failed_souvenir_is_left_with_the_next(clock, watch):
    clock.set(at(2016, 1, 1, 12, 59, 58))
    fail(1, 2)
    clock.set(at(2016, 1, 1, 13, 0, 5))
    assert souvenez(pk_of(3)) == "added"
    when = dict(Souvenir.objects.values_list("user_id", "when"))
    assert when == {
        pk_of(1): at(2016, 1, 1, 12, 59, 58),
        pk_of(2): at(2016, 1, 1, 12, 59, 58),
        pk_of(3): at(2016, 1, 1, 13, 0, 5),
    }
    assert remembered() == 0


async def test_async_call_leaves_it_too(watch):
    await sync_to_async(fail)(1)
    await asouvenez(pk_of(2))
    assert await sync_to_async(seen)() == [1, 2]


def test_next_call_of_the_user_leaves_one(watch):
    fail(1)
    assert souvenez(pk_of(1)) == "added"
    souvenez(pk_of(2))
    assert seen() == [1, 2]


@pytest.mark.parametrize("path", ["/plain/", "/user/", "/async/plain/", "/async/user/"])
def test_visits_while_the_breaker_is_open_are_remembered(make_user, watch, path):
    clients = [signed_in(make_user()) for _ in range(4)]
    with left_alone(watch):
        for client in clients[:3] * 2:
            client.get(path)
    assert seen() == []
    clients[3].get(path)
    assert seen() == [1, 2, 3, 4]


async def test_visits_on_an_event_loop_are_remembered(make_user, watch):
    users = [await sync_to_async(make_user)() for _ in range(2)]
    clients = [AsyncClient() for _ in users]
    for client, user in zip(clients, users, strict=True):
        await client.aforce_login(user)
    with left_alone(watch):
        await clients[0].get("/async/plain/")
    await clients[1].get("/async/plain/")
    assert await sync_to_async(seen)() == [1, 2]


@pytest.mark.parametrize("path", ["/plain/", "/user/"])
def test_visit_of_a_limited_user_catches_up(make_user, watch, path):
    clients = [signed_in(make_user()) for _ in range(2)]
    clients[0].get(path)
    with left_alone(watch):
        clients[1].get(path)
        clients[0].get(path)
        assert seen() == [1]
    clients[0].get(path)
    assert seen() == [1, 2]


def no_sessions(execute, sql, params, many, context):
    if "django_session" in sql:
        raise OperationalError("the database is slow")
    return execute(sql, params, many, context)


def test_session_that_cannot_be_read_is_remembered(make_user, watch):
    one, other = signed_in(make_user()), signed_in(make_user())
    with connection.execute_wrapper(no_sessions):
        assert one.get("/plain/").status_code == 200
        catchup.catch_up(watch.seconds)
    assert seen() == []
    watch.advance(1)
    other.get("/plain/")
    assert seen() == [1, 2]


def test_session_that_fails_for_another_reason_is_not_remembered(caplog):
    class Session(SessionStore):
        def load(self):
            raise RuntimeError("no data")

    request = RequestFactory().get("/")
    request.COOKIES = {"sessionid": "a key"}
    request.session = Session("a long key of a session")
    SouvenirsMiddleware(lambda request: HttpResponse())(request)
    assert (remembered(), "no data" in caplog.text) == (0, True)


def test_session_that_ended_meanwhile_is_nobodys(make_user, watch):
    one, other = signed_in(make_user()), signed_in(make_user())
    with left_alone(watch):
        one.get("/plain/")
    one.session.flush()
    other.get("/plain/")
    assert (seen(), remembered()) == ([2], 0)


# What does not count


@pytest.mark.parametrize("path", ["/plain/", "/user/"])
def test_bypassed_visits_are_not_remembered(make_user, watch, settings, path):
    settings.SOUVENIRS_BYPASS = lambda request, user: user.pk == pk_of(1)
    clients = [signed_in(make_user()) for _ in range(3)]
    with left_alone(watch):
        for client in clients[:2]:
            client.get(path)
    clients[2].get(path)
    assert (seen(), remembered()) == ([2, 3], 0)


def test_bypass_that_raises_is_not_tried_for_ever(make_user, watch, settings, caplog):
    settings.SOUVENIRS_BYPASS = lambda request, user: 1 / (user.pk != pk_of(1)) > 2
    clients = [signed_in(make_user()) for _ in range(2)]
    with left_alone(watch):
        clients[0].get("/plain/")
    clients[1].get("/plain/")
    assert (seen(), remembered()) == ([2], 0)
    assert "Could not find the user of a visit" in caplog.text


def test_held_requests_are_few(make_user, watch, settings, monkeypatch):
    monkeypatch.setattr("souvenirs.middleware.HELD_REQUESTS", 2)
    settings.SOUVENIRS_BYPASS = lambda request, user: False
    with left_alone(watch):
        for _ in range(3):
            signed_in(make_user()).get("/plain/")
    assert remembered() == 2


@pytest.mark.parametrize("then", ["visit", "limited visit", "slice"])
def test_held_requests_are_let_go_in_time(make_user, watch, settings, caplog, then):
    settings.SOUVENIRS_BYPASS = lambda request, user: False
    requests = weakref.WeakSet()
    settings.MIDDLEWARE = [f"{__name__}.note_request", *settings.MIDDLEWARE]
    note_request.requests = requests
    client, other, limited = (signed_in(make_user()) for _ in range(3))
    limited.get("/plain/")
    with left_alone(watch):
        client.get("/plain/")
        watch.advance(0.5)
        other.get("/plain/")
        watch.advance(HELD_SECONDS - 0.5)
        gc.collect()
        assert len(requests) == 2
        if then == "visit":
            database_breaker().reset()
            database_breaker().trip()
            signed_in(make_user()).get("/plain/")
        elif then == "limited visit":
            limited.get("/plain/")
        catchup.catch_up(watch.seconds)
    del client
    gc.collect()
    assert seen() == ([2, 3, 4] if then == "visit" else [2, 3])
    assert len(requests) == 0
    assert "Souvenirs are lost: the requests of 1 visits" in caplog.text


def test_held_request_that_was_written_is_not_lost(make_user, watch, settings, caplog):
    settings.SOUVENIRS_BYPASS = lambda request, user: False
    with left_alone(watch):
        signed_in(make_user()).get("/plain/")
    catchup.catch_up(watch.seconds)
    watch.advance(HELD_SECONDS)
    fail(2)
    assert (seen(), "Souvenirs are lost" in caplog.text) == ([1], False)


def note_request(get_response):
    def middleware(request):
        if hasattr(note_request, "requests"):
            note_request.requests.add(request)
        return get_response(request)

    return middleware


def test_request_that_was_held_too_long_while_it_is_being_read_is_nobodys(watch):
    """By another thread; then it is put back."""

    def find():
        watch.advance(HELD_SECONDS)
        rest.expire()
        raise OperationalError("the database is slow")

    backlog.keep(
        backlog.Late("visit", window_start(), window_now(3600), find=find),
        None,
        str(connection.settings_dict["NAME"]),
        most=1,
        has_failed=False,
        seconds=HELD_SECONDS,
    )
    rest = backlog.backlog()
    catchup.catch_up(watch.seconds)
    watch.advance(30)
    catchup.catch_up(watch.seconds)
    assert (seen(), remembered()) == ([], 0)


@pytest.mark.parametrize("counts", [True, False])
def test_impersonated_visits_are_remembered_where_they_count(make_user, watch, settings, counts):
    settings.SOUVENIRS_COUNT_IMPERSONATED = counts
    settings.MIDDLEWARE = [f"{__name__}.impersonate", *settings.MIDDLEWARE]
    one, other = signed_in(make_user()), make_user()
    with left_alone(watch):
        one.get("/plain/")
    souvenez(other)
    assert seen() == ([1, 2] if counts else [2])


def impersonate(get_response):
    def middleware(request):
        request.impersonator = "staff"
        return get_response(request)

    return middleware


def test_nothing_is_written_while_recording_is_off(watch):
    fail(1)
    with disabled():
        catchup.catch_up(watch.seconds)
    assert seen() == []


# One souvenir per user and window


@pytest.mark.parametrize("elapsed", [0, CLAIM_SECONDS + 1])
def test_user_whom_another_process_recorded_is_left_out(watch, shared_cache, clock, elapsed):
    clock.set(at(2016, 1, 1, 12))
    fail(1)
    rate_limiter.claim(pk_of(1), window_now(3600))  # the other process
    Souvenir.objects.create(user_id=pk_of(1), when=at(2016, 1, 1, 12, 30))
    clock.set(at(2016, 1, 1, 12, 0, elapsed))
    souvenez(pk_of(2))
    souvenez(pk_of(3))
    assert seen() == [1, 2, 3]


def test_user_whom_another_process_is_recording_waits(watch, shared_cache, clock):
    clock.set(at(2016, 1, 1, 12))
    fail(1)
    rate_limiter.claim(pk_of(1), window_now(3600))  # the other process, which dies
    souvenez(pk_of(2))
    assert (seen(), remembered()) == ([2], 1)
    clock.set(at(2016, 1, 1, 12, 0, CLAIM_SECONDS + 1))
    watch.advance(1)
    souvenez(pk_of(3))
    assert (seen(), remembered()) == ([1, 2, 3], 0)


def test_not_every_request_asks_the_cache_about_those_who_wait(watch, shared_cache, monkeypatch):
    remember(watch, 2)
    for number in (1, 2):
        rate_limiter.claim(pk_of(number), window_now(3600))  # the other process
    assert database_breaker().allows()
    asked = []
    monkeypatch.setattr(rate_limiter, "claim", lambda user, window: asked.append(user) or False)
    for _ in range(3):
        catchup.catch_up(watch.seconds)
    assert (asked, remembered()) == ([pk_of(1), pk_of(2)], 2)
    assert not database_breaker().is_due()  # nothing is known about the database


def test_souvenir_whose_insert_was_committed_after_all_is_not_repeated(watch):
    """The answer of the server got lost."""
    fail(1)
    Souvenir.objects.create(user_id=pk_of(1), when=window_start())
    souvenez(pk_of(2))
    assert seen() == [1, 2]


def window_start():
    return window_now(3600).number * HOUR + at(1970, 1, 1)


@pytest.mark.parametrize("cache", ["FailingCache", "SilentCache"])
def test_cache_that_cannot_tell_repeats_nothing(watch, make_user, cache):
    client, other = signed_in(make_user()), make_user()
    with override_settings(CACHES=named(cache)), left_alone(watch):
        client.get("/plain/")  # by its session, and by its user
        client.get("/user/")
    with override_settings(CACHES=named(cache)):
        souvenez(other)
    assert seen() == [1, 2]


def test_without_a_limit_every_visit_is_remembered_once(watch, make_user, settings):
    settings.SOUVENIRS_RATELIMIT_SECONDS = 0
    client = signed_in(make_user())
    with left_alone(watch):
        client.get("/user/")
        client.get("/plain/")
    client.get("/user/")
    client.get("/user/")
    assert seen() == [1, 1, 1, 1]


def test_caught_up_user_is_limited(watch):
    fail(1)
    souvenez(pk_of(2))
    assert souvenez(pk_of(1)) == "rate-limited"


def test_signal_is_sent_once(watch):
    sent = []

    def receive(user_pk, when, request, **kwargs):
        sent.append((user_pk, when, request))

    fail(1)
    user_seen.connect(receive)
    try:
        catchup.catch_up(watch.seconds)
    finally:
        user_seen.disconnect(receive)
    assert sent == [(pk_of(1), Souvenir.objects.get().when, None)]


# Slices


def remember(watch, count):
    with left_alone(watch):
        for number in range(1, count + 1):
            backlog.keep(
                backlog.Late(number, window_start(), window_now(3600), pk_of(number)),
                None,  # the tenant
                str(connection.settings_dict["NAME"]),
                most=count,
                has_failed=False,
            )


def test_many_are_one_statement(watch, monkeypatch, django_assert_num_queries):
    monkeypatch.setattr(figures, "LATE", 7200)  # the window may have begun an hour ago
    remember(watch, 100)
    with django_assert_num_queries(2) as queries:
        catchup.catch_up(watch.seconds)
    assert ["INSERT INTO" in query["sql"] for query in queries] == [False, True]
    assert seen() == list(range(1, 101))


def test_one_at_fault_does_not_keep_the_others(watch):
    """It is isolated, and left once it can be."""
    remember(watch, 250)
    with failing(7):
        for _ in range(8):
            watch.advance(30)
            catchup.catch_up(watch.seconds)
        assert seen() == [number for number in range(1, 251) if number != 7]
        assert remembered() == 1
    watch.advance(30)
    catchup.catch_up(watch.seconds)
    assert seen() == list(range(1, 251))


def test_one_at_fault_is_tried_less_and_less_often(watch):
    remember(watch, 1)
    tries = []

    def note(execute, sql, params, many, context):
        if sql.startswith("INSERT"):
            tries.append(watch.seconds - began)
            raise OperationalError("the database is slow")
        return execute(sql, params, many, context)

    began = watch.seconds
    with connection.execute_wrapper(note):
        for _ in range(70):
            catchup.catch_up(watch.seconds)
            watch.advance(1)
    assert tries == [0, 1, 3, 7, 15, 31, 61]


def test_database_that_works_again_is_tried_again(watch):
    remember(watch, 1)
    with failing():
        for _ in range(10):
            catchup.catch_up(watch.seconds)
            watch.advance(30)
    fail(2)
    with failing(1):
        catchup.catch_up(watch.seconds)
    souvenez(pk_of(3))
    assert seen() == [1, 2, 3]


def test_values_that_the_database_refuses_are_dropped(watch, caplog):
    remember(watch, 3)
    with failing(2, error=DataError):
        for _ in range(4):
            watch.advance(30)
            catchup.catch_up(watch.seconds)
    assert (seen(), remembered()) == ([1, 3], 0)
    assert "Could not leave 1 souvenirs of earlier." in caplog.text


def test_call_with_values_that_the_database_refuses_is_not_remembered():
    with failing(error=DataError), pytest.raises(DataError):
        souvenez(pk_of(1))
    assert remembered() == 0


def test_failed_slice_releases_its_claims_at_once(watch, shared_cache, monkeypatch):
    """One by one, a request would wait for a hundred answers after its time is over."""
    remember(watch, 50)
    asked = []
    call = rate_limiter._call
    monkeypatch.setattr(
        rate_limiter, "_call", lambda verb, *rest: asked.append(verb) or call(verb, *rest)
    )
    with failing():
        catchup.catch_up(watch.seconds)
    assert asked == ["add"] * 50 + ["get_many", "delete_many"]
    assert all(rate_limiter.claim(pk_of(number), window_now(3600)) for number in range(1, 51))


def test_interrupted_slice_is_put_back(watch):
    remember(watch, 2)
    with failing(error=KeyboardInterrupt), pytest.raises(KeyboardInterrupt):
        catchup.catch_up(watch.seconds)
    watch.advance(1)
    catchup.catch_up(watch.seconds)
    assert seen() == [1, 2]


def test_request_that_has_waited_writes_nothing(watch, settings):
    settings.SOUVENIRS_TIMEOUT = 0.2
    remember(watch, 2)
    catchup.catch_up(watch.seconds - 0.1)
    assert seen() == []
    catchup.catch_up(watch.seconds - 0.09)
    assert seen() == [1, 2]


def test_time_that_runs_out_ends_the_slice(watch, monkeypatch):
    remember(watch, 3)
    claim = rate_limiter.claim

    def slowly(user, window):
        watch.advance(0.03)
        return claim(user, window)

    monkeypatch.setattr(rate_limiter, "claim", slowly)
    catchup.catch_up(watch.seconds)
    assert (seen(), remembered()) == ([1, 2], 1)
    catchup.catch_up(watch.seconds)
    assert seen() == [1, 2, 3]


@pytest.mark.parametrize("signal", [user_seen, pre_save, post_save])
def test_slow_receivers_end_the_slice(watch, signal):
    """Of each signal, and not only after a whole statement."""
    remember(watch, 4)

    def receive(**kwargs):
        watch.advance(0.03)

    signal.connect(receive, sender=Souvenir)
    try:
        catchup.catch_up(watch.seconds)
    finally:
        signal.disconnect(receive, sender=Souvenir)
    assert (seen(), remembered()) == ([1, 2], 2)


def test_lookup_that_took_all_the_time_leaves_the_statement_for_the_next(watch):
    def find():
        watch.advance(5)
        return pk_of(1)

    backlog.keep(
        backlog.Late("session", window_start(), window_now(3600), find=find),
        None,
        str(connection.settings_dict["NAME"]),
        most=1,
        has_failed=False,
    )
    catchup.catch_up(watch.seconds)
    assert (seen(), remembered()) == ([], 1)
    watch.advance(1)
    catchup.catch_up(watch.seconds)
    assert (seen(), remembered()) == ([1], 0)


def test_claim_that_took_all_the_time_leaves_the_statement_its_half(watch, monkeypatch):
    remember(watch, 1)
    limits = []
    add_missing = OrmStore.add_missing

    def note(store, late, seconds):
        limits.append(seconds)
        return add_missing(store, late, seconds)

    monkeypatch.setattr(OrmStore, "add_missing", note)
    monkeypatch.setattr(rate_limiter, "claim", lambda user, window: watch.advance(5) or True)
    catchup.catch_up(watch.seconds)
    assert (limits, seen()) == ([conf.TIMEOUT / 2], [1])


def test_statements_of_a_slice_share_the_time(watch, monkeypatch):
    remember(watch, 1)
    limits = []

    def note(*connections, seconds):
        limits.append(seconds)
        return time_limited(*connections, seconds=seconds)

    def slow(execute, sql, params, many, context):
        time.sleep(0.02)
        return execute(sql, params, many, context)

    monkeypatch.setattr("souvenirs.stores.orm.time_limited", note)
    with connection.execute_wrapper(slow):
        catchup.catch_up(watch.seconds)
    select, insert = limits
    assert seen() == [1]
    assert insert <= select - 0.02


def test_memory_is_bounded(settings, caplog):
    settings.SOUVENIRS_GATE_SIZE = 3
    fail(1, 2, 3, 1, 4, 5)
    assert remembered() == 3
    assert caplog.text.count("Souvenirs are lost: the process remembers 3 already") == 1


# Transactions, tenants, processes


@pytest.mark.django_db(transaction=True)
def test_failed_souvenir_of_a_transaction_is_as_durable_as_it(watch):
    with transaction.atomic():
        fail(1)
        assert remembered() == 0
    with suppress(RuntimeError), transaction.atomic():
        fail(2)
        raise RuntimeError
    assert remembered() == 1


@pytest.mark.django_db(transaction=True)
def test_transaction_of_the_site_does_not_catch_up(watch):
    """It could be rolled back."""
    fail(1)
    with transaction.atomic():
        souvenez(pk_of(2))
        catchup.catch_up(watch.seconds)
        assert seen() == [2]
    souvenez(pk_of(3))
    assert seen() == [1, 2, 3]


def test_each_tenant_catches_up_for_itself(watch, settings):
    tenant = "one"
    settings.SOUVENIRS_SCOPE = lambda: tenant
    fail(1)
    tenant = "two"
    souvenez(pk_of(2))
    assert seen() == [2]
    tenant = "one"
    souvenez(pk_of(3))
    assert seen() == [1, 2, 3]


def test_tenants_that_begin_meanwhile_do_not_matter(settings, monkeypatch):
    """In another thread, while one counts what the process remembers."""
    tenant = "one"
    settings.SOUVENIRS_SCOPE = lambda: tenant
    fail(1)
    length = backlog.Backlog.__len__

    def count(rest):
        backlog._backlogs.setdefault("three", backlog.Backlog(""))
        return length(rest)

    monkeypatch.setattr(backlog.Backlog, "__len__", count)
    tenant = "two"
    fail(2)
    assert remembered() == 1


def test_forked_process_leaves_it_to_its_parent():
    fail(1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of threads, which a runner of tests may have
        child = os.fork()
    if not child:
        os._exit(remembered())
    assert (os.waitpid(child, 0)[1], remembered()) == (0, 1)


@pytest.mark.django_db(transaction=True)
def test_erased_user_does_not_come_back(watch):
    fail(1, 2, 3)
    watch.advance(1)
    with failing(1, 3):
        catchup.catch_up(watch.seconds)  # the first is alone now
    erase_user(pk_of(1))
    erase_user(pk_of(3))
    watch.advance(30)
    souvenez(pk_of(4))
    assert (seen(), remembered()) == ([2, 4], 0)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("is_identified", [True, False])
def test_user_whom_another_process_erased_does_not_come_back(
    watch, shared_cache, clock, is_identified
):
    clock.set(at(2016, 1, 1, 12))
    if is_identified:
        fail(1, 2)
    else:
        keep_sessions(1, 2)
    other = dict(backlog._backlogs)
    backlog.forget()  # which the process that erases does not have
    clock.set(at(2016, 1, 1, 12, 0, 1))
    erase_user(pk_of(1))
    backlog._backlogs.update(other)
    clock.set(at(2016, 1, 1, 12, 0, 2))
    souvenez(pk_of(3))
    assert (seen(), remembered()) == ([2, 3], 0)


@pytest.mark.django_db(transaction=True)
def test_visit_after_an_erasure_is_a_new_one(watch, shared_cache, clock):
    clock.set(at(2016, 1, 1, 12))
    erase_user(pk_of(1))
    clock.set(at(2016, 1, 1, 12, 0, 1))
    fail(1)
    souvenez(pk_of(2))
    assert seen() == [1, 2]


@pytest.mark.parametrize("cache", ["FailingCache", "SilentCache"])
def test_cache_that_does_not_tell_who_was_erased_costs_nobody(watch, cache):
    fail(1)
    with override_settings(CACHES=named(cache)):
        souvenez(pk_of(2))
    assert seen() == [1, 2]


def keep_sessions(*numbers):
    """Visits of sessions whose users are still to be found."""
    for number in numbers:
        backlog.keep(
            backlog.Late(
                f"session {number}", at(2016, 1, 1, 12), None, find=partial(pk_of, number)
            ),
            None,
            str(connection.settings_dict["NAME"]),
            most=10,
            has_failed=False,
        )


def test_reset_forgets(watch):
    fail(1)
    reset()
    souvenez(pk_of(2))
    assert seen() == [2]
