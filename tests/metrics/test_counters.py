"""What becomes of visits is counted."""

from time import monotonic

import pytest
from django.db import DataError, OperationalError, connection, transaction

from souvenirs.control import asouvenez, souvenez
from souvenirs.metrics import counters
from souvenirs.models import Souvenir
from souvenirs.recording import (
    OUTCOMES,
    backlog,
    catch_up,
    catch_up_at_exit,
    rate_limiter,
    tally,
)
from souvenirs.resilience import cache_breaker, database_breaker
from tests.conftest import pk_of
from tests.metrics.scraped import samples_of

pytestmark = [pytest.mark.django_db, pytest.mark.above_the_store]


@pytest.fixture(autouse=True)
def _patience(settings):
    settings.SOUVENIRS_TIMEOUT = 5


def values():
    found = samples_of(counters.RECORDED.collect())
    return {
        (outcome, reason): found[
            f'souvenirs_recorded_total{{outcome="{outcome}",reason="{reason}"}}'
        ]
        for outcome, reason in counters.SERIES
    }


@pytest.fixture
def counted():
    """What has been counted since the test began, without what has not."""
    before = values()
    return lambda: {
        key: value - before[key] for key, value in values().items() if value - before[key]
    }


def failing(error):
    def fail(execute, sql, *arguments):
        if sql.startswith("INSERT"):
            raise error
        return execute(sql, *arguments)

    return connection.execute_wrapper(fail)


def give_session(client):
    """Let a client have a session, without a user."""
    session = client.session
    session["cart"] = 1
    session.save()
    client.cookies["sessionid"] = session.session_key


def test_every_outcome_has_a_series():
    assert {outcome for outcome, _ in counters.SERIES} == set(OUTCOMES)


def test_souvenir_is_added_and_then_rate_limited(counted, make_user):
    user = make_user()
    souvenez(user)
    assert counted() == {("added", ""): 1}
    souvenez(user)
    souvenez(user.pk)
    souvenez(user, ratelimit=3600)
    assert counted() == {("added", ""): 1, ("rate_limited", ""): 3}


async def test_async_calls_count_as_well(counted):
    await asouvenez(pk_of(1))
    await asouvenez(pk_of(1))
    assert counted() == {("added", ""): 1, ("rate_limited", ""): 1}


def test_another_process_has_recorded_the_user(counted):
    souvenez(pk_of(1))
    rate_limiter.forget()
    souvenez(pk_of(1))
    assert counted() == {("added", ""): 1, ("rate_limited", ""): 1}


@pytest.mark.django_db(transaction=True)
def test_souvenir_that_is_rolled_back_is_not_added(counted):
    with transaction.atomic():
        souvenez(pk_of(1))
        souvenez(pk_of(1))
        assert counted() == {("rate_limited", ""): 1}
        transaction.set_rollback(True)
    assert counted() == {("rate_limited", ""): 1}


@pytest.mark.parametrize("path", ["/plain/", "/user/"])
def test_requests_count_once_each(client, make_user, counted, path):
    client.force_login(make_user())
    client.get(path)
    assert counted() == {("added", ""): 1}
    client.get(path)
    client.get(path)
    assert counted() == {("added", ""): 1, ("rate_limited", ""): 2}


def test_anonymous_request_counts_nothing(client, counted):
    client.get("/plain/")
    assert counted() == {}


def test_session_without_a_user_counts_nothing(client, counted):
    give_session(client)
    for _ in range(3):
        client.get("/plain/")
    assert counted() == {}


@pytest.mark.parametrize("path", ["/plain/", "/user/"])
def test_ignored_user_counts_nothing(client, make_user, counted, settings, path):
    settings.SOUVENIRS_IGNORE_STAFF = True
    user = make_user()
    if not hasattr(user, "is_staff"):
        pytest.skip("this user model has no is_staff")
    user.is_staff = True
    user.save()
    souvenez(user.pk)  # by a call, which does not look at users
    rate_limiter.forget()
    client.force_login(user)
    for _ in range(3):
        client.get(path)
    assert counted() == {("added", ""): 1}
    souvenez(user.pk)  # and now it is known
    client.get("/user/")
    assert counted() == {("added", ""): 1, ("rate_limited", ""): 1}


@pytest.mark.parametrize("path", ["/plain/", "/user/"])
@pytest.mark.parametrize("counts", [False, True])
def test_impersonated_user_counts_where_the_site_says_so(
    client, make_user, counted, settings, path, counts
):
    settings.SOUVENIRS_COUNT_IMPERSONATED = counts
    user = make_user()
    souvenez(user)
    client.force_login(user)
    session = client.session
    session["hijack_history"] = ["1"]
    session.save()
    for _ in range(3):
        client.get(path)
    limited = {("rate_limited", ""): 3} if counts else {}
    assert counted() == {("added", ""): 1, **limited}


@pytest.mark.parametrize(
    ("setting", "value", "ask"),
    [
        ("METHODS", ["HEAD"], lambda client: client.head("/plain/")),
        ("METHODS", ["HEAD"], lambda client: client.head("/user/")),
        ("PATHS", ["^/json/"], lambda client: client.get("/json/")),
        ("STATUS_CODES", [404], lambda client: client.get("/missing/")),
        ("USER_AGENTS", ["B"], lambda client: client.get("/user/", headers={"user-agent": "B"})),
    ],
)
def test_request_that_does_not_count_has_no_outcome(
    client, make_user, counted, settings, setting, value, ask
):
    setattr(settings, f"SOUVENIRS_IGNORE_{setting}", value)
    client.force_login(make_user())
    client.get("/plain/")
    for _ in range(3):
        ask(client)
    assert counted() == {("added", ""): 1}
    client.get("/user/")
    assert counted() == {("added", ""): 1, ("rate_limited", ""): 1}


def test_exempt_view_of_a_known_user_counts_nothing(client, make_user, counted):
    client.force_login(make_user())
    client.get("/plain/")
    client.get("/exempt/")
    assert counted() == {("added", ""): 1}


def test_bypass_is_not_asked_for_a_known_user(client, make_user, counted, settings):
    client.force_login(make_user())
    settings.SOUVENIRS_BYPASS = lambda request, user: request.method == "HEAD"
    client.get("/user/")
    client.head("/user/")
    assert counted() == {("added", ""): 1, ("rate_limited", ""): 1}


def test_new_session_of_a_known_user_counts(client, make_user, counted):
    user = make_user()
    souvenez(user)
    client.force_login(user)
    client.get("/plain/")
    assert counted() == {("added", ""): 1, ("rate_limited", ""): 1}
    client.get("/plain/")
    assert counted() == {("added", ""): 1, ("rate_limited", ""): 2}


def test_without_a_window_each_visit_is_added(client, make_user, counted, settings):
    settings.SOUVENIRS_RATELIMIT_SECONDS = 0
    client.force_login(make_user())
    client.get("/plain/")
    client.get("/plain/")
    assert counted() == {("added", ""): 2}
    client.logout()
    give_session(client)
    client.get("/plain/")
    assert counted() == {("added", ""): 2}


@pytest.mark.django_db(transaction=True)
def test_further_visits_of_a_remembered_user_are_rate_limited(client, make_user, counted):
    client.force_login(make_user())
    with failing(OperationalError("down")):
        client.get("/user/")
    failed = {("failed", "database"): 1, ("remembered", ""): 1}
    assert counted() == failed
    for number in (1, 2):
        database_breaker().trip()
        client.get("/user/")
        assert counted() == {**failed, ("rate_limited", ""): number}


@pytest.mark.django_db(transaction=True)
def test_further_failure_of_a_remembered_user_is_no_other_outcome(counted):
    with failing(OperationalError("down")):
        for _ in range(2):
            database_breaker().close()
            with pytest.raises(OperationalError):
                souvenez(pk_of(1))
    assert counted() == {("failed", "database"): 2, ("remembered", ""): 1}


@pytest.mark.django_db(transaction=True)
def test_further_visits_of_a_session_that_cannot_be_read_have_no_outcome(
    client, make_user, counted
):
    client.force_login(make_user())
    for _ in range(3):
        database_breaker().trip()
        client.get("/plain/")
    assert counted() == {("remembered", ""): 1}


@pytest.mark.django_db(transaction=True)
def test_failed_souvenir_is_remembered_and_added_later(counted):
    with failing(OperationalError("down")), pytest.raises(OperationalError):
        souvenez(pk_of(1))
    assert counted() == {("failed", "database"): 1, ("remembered", ""): 1}
    souvenez(pk_of(2))
    assert Souvenir.objects.count() == 2
    assert counted() == {("failed", "database"): 1, ("remembered", ""): 1, ("added", ""): 2}


@pytest.mark.django_db(transaction=True)
def test_failed_request_counts_one_failure(client, make_user, counted):
    client.force_login(make_user())
    with failing(OperationalError("down")):
        client.get("/user/")
    assert counted() == {("failed", "database"): 1, ("remembered", ""): 1}


def test_error_in_the_sites_function(client, make_user, counted, settings):
    client.force_login(make_user())
    settings.SOUVENIRS_BYPASS = lambda request, user: 1 / 0
    client.get("/user/")
    assert counted() == {("failed", "error"): 1}


def test_error_before_there_is_work(client, make_user, counted, settings):
    client.force_login(make_user())
    settings.SOUVENIRS_USER_FUNCTION = lambda request: 1 / 0
    client.get("/user/")
    assert counted() == {("failed", "error"): 1}


@pytest.mark.django_db(transaction=True)
def test_souvenir_that_no_database_takes_is_lost(counted, stopwatch):
    with failing(OperationalError("down")), pytest.raises(OperationalError):
        souvenez(pk_of(1))
    with failing(DataError("not a key")):
        for _ in range(3):
            stopwatch.advance(100)
            database_breaker().close()
            backlog.backlog().breaker.close()
            catch_up(monotonic())
    assert counted() == {
        ("failed", "database"): 1,
        ("remembered", ""): 1,
        ("failed", "error"): 1,
    }


@pytest.mark.django_db(transaction=True)
def test_too_many_are_lost(counted, settings):
    settings.SOUVENIRS_GATE_SIZE = 1
    with failing(OperationalError("down")):
        for number in (1, 2):
            with pytest.raises(OperationalError):
                souvenez(pk_of(number))
    assert counted() == {
        ("failed", "database"): 2,
        ("remembered", ""): 1,
        ("failed", "full"): 1,
    }


@pytest.mark.django_db(transaction=True)
def test_process_that_ends_loses_what_it_cannot_write(counted, monkeypatch):
    monkeypatch.delattr("django.core.mail.outbox")
    with failing(OperationalError("down")):
        with pytest.raises(OperationalError):
            souvenez(pk_of(1))
        catch_up_at_exit()
    assert counted() == {
        ("failed", "database"): 1,
        ("remembered", ""): 1,
        ("failed", "exit"): 1,
    }


@pytest.mark.parametrize("name", ["SERIES", "_add_limited"])
def test_counter_that_fails_costs_no_souvenir(monkeypatch, caplog, client, make_user, name):
    monkeypatch.setattr(counters, name, {} if name == "SERIES" else None)
    client.force_login(make_user())
    client.get("/plain/")
    client.get("/plain/")
    assert Souvenir.objects.count() == 1
    assert "Could not count a visit." in caplog.text


def test_without_metrics_nobody_counts(monkeypatch, counted):
    monkeypatch.setattr(tally, "count", None)
    monkeypatch.setattr(tally, "rate_limited", None)
    assert souvenez(pk_of(1)) == "added"
    assert souvenez(pk_of(1)) == "rate-limited"
    assert souvenez(pk_of(1), ratelimit=3600) == "rate-limited"
    assert counted() == {}


@pytest.mark.django_db(transaction=True)
def test_without_metrics_no_request_is_counted(monkeypatch, counted, client, make_user):
    monkeypatch.setattr(tally, "count", None)
    monkeypatch.setattr(tally, "rate_limited", None)
    client.force_login(make_user())
    database_breaker().trip()
    client.get("/user/")
    client.get("/user/")
    database_breaker().close()
    souvenez(make_user(2))
    client.force_login(make_user(3))
    souvenez(pk_of(3))
    client.get("/plain/")
    client.logout()
    give_session(client)
    client.get("/plain/")
    assert counted() == {}
    assert not rate_limiter.uncounted_sessions._held[1]


# Breakers


def open_now():
    found = samples_of(counters.BREAKERS.collect())
    return {
        kind: found[f'souvenirs_breaker_open{{kind="{kind}"}}'] for kind in ("cache", "database")
    }


def test_breakers_show_whether_they_are_open():
    assert open_now() == {"cache": 0, "database": 0}
    database_breaker().trip()
    assert open_now() == {"cache": 0, "database": 1}
    cache_breaker("default").trip()
    database_breaker().close()
    assert open_now() == {"cache": 1, "database": 0}


def test_breaker_stays_open_while_another_one_closes():
    cache_breaker("default").trip()
    cache_breaker("other").trip()
    cache_breaker("other").close()
    assert open_now()["cache"] == 1


def test_gauge_that_fails_costs_nothing(monkeypatch, caplog):
    monkeypatch.setattr(counters, "BREAKERS", None)
    database_breaker().trip()
    assert "Could not show the state" in caplog.text
