import contextlib
import random
import time
import uuid
from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace
from zoneinfo import ZoneInfo

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import AnonymousUser, Group
from django.db import DatabaseError, IntegrityError, connection, transaction
from django.test import override_settings
from django.utils import timezone
from django.utils.functional import SimpleLazyObject

from souvenirs.control import asouvenez, souvenez
from souvenirs.models import Souvenir
from souvenirs.recording.ratelimit import CLAIM_SECONDS, rate_limiter, window_of
from souvenirs.testing import disabled, reset
from tests.conftest import INSTANT, at, pk_of
from tests.recording.test_ratelimit import named

pytestmark = pytest.mark.django_db

SECOND = timedelta(seconds=1)
HOUR = timedelta(hours=1)


def broken_insert(execute, sql, params, many, context):
    if sql.startswith("INSERT"):
        raise DatabaseError("the disk is full")
    return execute(sql, params, many, context)


def test_leaves_a_souvenir_of_now(make_user):
    user = make_user()
    before = timezone.now()
    assert souvenez(user) == "added"
    souvenir = Souvenir.objects.get()
    assert souvenir.user == user
    assert before <= souvenir.when <= timezone.now()


def test_second_call_is_limited(make_user):
    user = make_user()
    assert [souvenez(user), souvenez(user)] == ["added", "rate-limited"]
    assert Souvenir.objects.count() == 1


@pytest.mark.parametrize(
    "form",
    [
        lambda user: user,
        lambda user: user.pk,
        lambda user: SimpleLazyObject(lambda: user),
        lambda user: SimpleNamespace(pk=user.pk),
    ],
    ids=["user", "key", "lazy user", "token"],
)
def test_call_of_a_limited_user_asks_nobody(make_user, form, django_assert_num_queries):
    user = form(make_user())
    str(user)  # loads a lazy one
    souvenez(user)
    with django_assert_num_queries(0):
        assert souvenez(user) == "rate-limited"
        assert souvenez(user, ratelimit=3600) == "rate-limited"


@pytest.mark.parametrize("equal", [True, 1.0, Group(pk=1), AnonymousUser()])
def test_what_equals_the_key_of_a_limited_user_is_still_checked(make_user, equal):
    souvenez(make_user(1))
    with pytest.raises(ValueError, match="give a saved user or its primary key"):
        souvenez(equal)


def test_limited_user_is_skipped_where_recording_is_off(make_user):
    user = make_user()
    souvenez(user)
    with disabled():
        assert souvenez(user) == "skipped"


def test_limit_holds_in_another_process(make_user, shared_cache):
    """Another process has the same cache and remembers nothing itself."""
    user = make_user()
    souvenez(user)
    rate_limiter.forget()
    assert souvenez(user) == "rate-limited"


def test_users_are_limited_each_for_themselves(make_user):
    assert [souvenez(make_user()), souvenez(make_user())] == ["added", "added"]


def test_user_by_primary_key(make_user):
    user = make_user()
    assert souvenez(user.pk) == "added"
    assert souvenez(user) == "rate-limited"
    assert Souvenir.objects.get().user == user


def test_key_as_text_is_the_same_user(make_user):
    user = make_user()
    assert [souvenez(str(user.pk)), souvenez(user)] == ["added", "rate-limited"]


def test_lazy_user(make_user):
    user = make_user()
    assert souvenez(SimpleLazyObject(lambda: user)) == "added"


def test_limited_call_asks_nobody(make_user, django_assert_num_queries):
    user = make_user()
    souvenez(user)
    with override_settings(), django_assert_num_queries(0):
        assert souvenez(user) == "rate-limited"


def test_first_call_is_one_insert(make_user, django_assert_num_queries, settings):
    user = make_user()
    # The savepoint of the test's own transaction comes on top.
    with django_assert_num_queries(3) as queries:
        souvenez(user)
    # On MariaDB the limit of its time stands in front of the INSERT.
    sent = [query["sql"].rpartition(" FOR ")[2].split()[0] for query in queries]
    assert sent == ["SAVEPOINT", "INSERT", "RELEASE"]


def test_past_moment_is_recorded_while_today_is_limited(make_user):
    user = make_user()
    souvenez(user)
    assert souvenez(user, when=timezone.now() - 365 * 24 * HOUR) == "added"


def test_past_moment_is_limited_in_its_own_window(make_user):
    user, when = make_user(), at(2016, 1, 1, 12)
    moments = [when, when + HOUR - INSTANT, when + HOUR, when - INSTANT]
    assert [souvenez(user, moment) for moment in moments] == [
        "added",
        "rate-limited",
        "added",
        "added",
    ]


def test_past_moment_does_not_limit_today(make_user):
    user = make_user()
    souvenez(user, when=at(2016, 1, 1))
    assert souvenez(user) == "added"


def test_both_sides_of_midnight_count(make_user):
    """A limit that slides for an hour would lose the second day of somebody who stays up late."""
    user = make_user()
    assert [souvenez(user, at(2016, 1, 1, 23, 30)), souvenez(user, at(2016, 1, 2, 0, 10))] == [
        "added",
        "added",
    ]


@pytest.mark.parametrize("ratelimit", [False, 0, None])
def test_without_a_limit_every_call_writes(make_user, ratelimit):
    user = make_user()
    assert [souvenez(user, ratelimit=ratelimit) for _ in range(3)] == ["added"] * 3


def test_limit_of_the_call(make_user):
    user, when = make_user(), at(2016, 1, 1)
    moments = [when, when + 9 * SECOND, when + 10 * SECOND]
    outcomes = [souvenez(user, moment, ratelimit=10) for moment in moments]
    assert outcomes == ["added", "rate-limited", "added"]


def test_limit_of_the_settings(make_user, settings):
    settings.SOUVENIRS_RATELIMIT_SECONDS = 60
    user, when = make_user(), at(2016, 1, 1)
    moments = [when, when + 59 * SECOND, when + 60 * SECOND]
    assert [souvenez(user, moment) for moment in moments] == ["added", "rate-limited", "added"]


def test_no_limit_in_the_settings(make_user, settings):
    settings.SOUVENIRS_RATELIMIT_SECONDS = 0
    user = make_user()
    assert [souvenez(user), souvenez(user)] == ["added", "added"]


def test_duplicate_is_looked_for(make_user):
    user, when = make_user(), at(2016, 1, 1)
    souvenez(user, when)
    assert souvenez(user, when, ratelimit=False, check_duplicate=True) == "duplicated"
    assert souvenez(user, when + INSTANT, ratelimit=False, check_duplicate=True) == "added"


def test_duplicate_of_another_user_is_none(make_user):
    when = at(2016, 1, 1)
    souvenez(make_user(), when)
    assert souvenez(make_user(), when, check_duplicate=True) == "added"


def test_disabled_app_skips(make_user, settings):
    settings.SOUVENIRS_ENABLED = False
    assert souvenez(make_user()) == "skipped"
    assert not Souvenir.objects.exists()


def test_moment_is_kept_to_the_microsecond_whatever_its_zone(make_user):
    when = datetime(2016, 1, 1, 0, 30, 15, 123_456, tzinfo=ZoneInfo("Asia/Kolkata"))
    souvenez(make_user(), when)
    assert Souvenir.objects.get().when == when


def test_clock_that_is_a_little_ahead_is_tolerated(make_user):
    assert souvenez(make_user(), timezone.now() + 50 * SECOND) == "added"


@pytest.mark.parametrize(
    ("user", "message"),
    [
        (None, "user is None"),
        (AnonymousUser(), "is anonymous"),
    ],
)
def test_bad_user_is_refused(user, message):
    with pytest.raises(ValueError, match=message):
        souvenez(user)


def test_user_that_is_not_saved_is_refused():
    with pytest.raises(ValueError, match="has not been saved"):
        souvenez(get_user_model()(pk=None))


@pytest.mark.parametrize("value", [True, 1.5, b"1"])
def test_value_of_another_type_is_refused(value):
    with pytest.raises(ValueError, match="is not a primary key of"):
        souvenez(value)


def test_object_of_another_model_is_refused():
    with pytest.raises(ValueError, match=r"is not an instance of .*: give a saved user"):
        souvenez(Group(pk=77, name="a group"))


def test_user_that_is_no_model_is_known_by_its_key():
    """As the users of stateless tokens."""

    class TokenUser:
        pk = id = str(pk_of(1))
        is_authenticated = True

    assert souvenez(TokenUser()) == "added"
    assert souvenez(pk_of(1)) == "rate-limited"


def test_value_that_no_column_of_keys_holds_is_refused():
    with pytest.raises(ValueError, match="is not a primary key of"):
        souvenez(10**70)


@pytest.mark.parametrize("value", ["no key", [], object()])
def test_value_that_is_no_key_is_refused(value):
    if get_user_model()._meta.pk.get_internal_type() == "CharField":
        pytest.skip("every value is a key of this user model")
    with pytest.raises(ValueError, match="is not a primary key of"):
        souvenez(value)


@pytest.mark.parametrize(
    ("when", "error", "message"),
    [
        (datetime(2016, 1, 1), ValueError, "when is a naive datetime, 2016-01-01 00:00:00"),
        (date(2016, 1, 1), TypeError, "when must be a datetime"),
        ("2016-01-01", TypeError, "when must be a datetime"),
        (at(9999, 1, 1), ValueError, "when is in the future"),
    ],
)
def test_bad_moment_is_refused(when, error, message):
    with pytest.raises(error, match=message):
        souvenez(pk_of(1), when)


def test_moment_in_the_future_is_refused():
    with pytest.raises(ValueError, match="in the future"):
        souvenez(pk_of(1), timezone.now() + 2 * timedelta(minutes=1))


@pytest.mark.parametrize("ratelimit", [-1, "3600", timedelta(hours=1), 1e-300, float("inf")])
def test_bad_limit_is_refused(ratelimit):
    with pytest.raises(ValueError, match="ratelimit must be"):
        souvenez(pk_of(1), ratelimit=ratelimit)


def test_refused_call_leaves_no_trace(make_user):
    user = make_user()
    with pytest.raises(ValueError, match="naive"):
        souvenez(user, datetime(2016, 1, 1))
    assert souvenez(user) == "added"


def test_failed_insert_raises_and_is_tried_again(make_user, shared_cache):
    user = make_user()
    with connection.execute_wrapper(broken_insert), pytest.raises(DatabaseError):
        souvenez(user)
    assert souvenez(user) == "added"


def test_failed_insert_with_a_failing_cache_raises_the_insert(make_user):
    user = make_user()
    with (
        override_settings(CACHES=named("DeleteFailsCache")),
        connection.execute_wrapper(broken_insert),
        pytest.raises(DatabaseError, match="the disk is full"),
    ):
        souvenez(user)


@pytest.mark.parametrize("name", ["FailingCache", "SilentCache"])
def test_cache_that_cannot_tell_does_not_cost_the_souvenir(make_user, name):
    user = make_user()
    with override_settings(CACHES=named(name)):
        assert [souvenez(user), souvenez(user)] == ["added", "rate-limited"]


def test_broken_transaction_is_left_alone(make_user):
    user = make_user()
    with transaction.atomic():
        transaction.set_rollback(True)
        with connection.execute_wrapper(refuse_everything):
            assert souvenez(user) == "skipped"
    assert souvenez(user) == "added"


def test_error_of_the_host_stays_its_own(make_user):
    """A souvenir asked for while the site handles an error neither hides it nor adds to it."""
    user = make_user()

    def view():
        with transaction.atomic():
            try:
                make_user(number=1)
            except IntegrityError:
                with contextlib.suppress(DatabaseError):
                    souvenez(user)
                raise

    with pytest.raises(IntegrityError):
        view()


def refuse_everything(execute, sql, params, many, context):
    raise AssertionError(f"a query was sent: {sql}")


def test_failed_insert_does_not_break_the_hosts_transaction(make_user):
    """A real failure of the engine, in a savepoint of our own."""
    user = make_user()
    with transaction.atomic():
        with connection.execute_wrapper(fail_in_the_engine), pytest.raises(DatabaseError):
            souvenez(user)
        get_user_model().objects.count()
    assert souvenez(user) == "added"


def fail_in_the_engine(execute, sql, params, many, context):
    return execute(sql.replace("INSERT INTO", "INSERT INTO no_"), params, many, context)


@pytest.fixture
def claim(make_user, monkeypatch):
    """Claim a window as a process that died before it wrote; returns the user and the moment."""

    def make(seconds_ago):
        user, when, now = make_user(), at(2016, 1, 1, 12, 30), time.time()
        with monkeypatch.context() as patched:
            patched.setattr("souvenirs.recording.ratelimit.time.time", lambda: now - seconds_ago)
            assert rate_limiter.claim(user.pk, window_of(when, 3600))
        return user, when

    return make


#: Outside of a transaction of the site, and inside.
PLACES = [contextlib.nullcontext, transaction.atomic]


@pytest.mark.parametrize("place", PLACES)
def test_claim_that_may_still_lead_to_a_souvenir_is_believed(claim, shared_cache, place):
    user, when = claim(CLAIM_SECONDS / 2)
    with place():
        assert souvenez(user, when) == "rate-limited"
    assert not Souvenir.objects.exists()


@pytest.mark.parametrize("place", PLACES)
def test_claim_of_a_process_that_died_costs_no_souvenir(claim, shared_cache, place):
    user, when = claim(CLAIM_SECONDS + 1)
    with place():
        assert [souvenez(user, when), souvenez(user, when)] == ["added", "rate-limited"]
    assert Souvenir.objects.count() == 1


@pytest.mark.parametrize("place", PLACES)
def test_claim_that_led_to_a_souvenir_still_limits(claim, shared_cache, place):
    user, when = claim(CLAIM_SECONDS + 1)
    Souvenir.objects.create(user_id=user.pk, when=when - timedelta(minutes=20))
    with place():
        assert souvenez(user, when) == "rate-limited"


@pytest.mark.parametrize("processes", ["one", "many"])
def test_clock_that_is_set_costs_no_souvenir(make_user, clock, processes):
    """A second one in the same window is no loss: it changes no count."""
    user, chance, expected = make_user(), random.Random(5), set()
    for _ in range(100):
        clock.set(at(2016, 1, 1) + chance.randint(0, 600) * timedelta(minutes=1))
        if processes == "many":
            rate_limiter.forget()
        assert souvenez(user) in ("added", "rate-limited")
        expected.add(window_of(clock.now(UTC), 3600))
    assert {window_of(each.when, 3600) for each in Souvenir.objects.all()} == expected


def test_rolled_back_souvenir_does_not_keep_the_user_from_the_next(make_user, shared_cache):
    user = make_user()
    with contextlib.suppress(RuntimeError), transaction.atomic():
        assert souvenez(user) == "added"
        raise RuntimeError
    assert souvenez(user) == "added"
    assert Souvenir.objects.count() == 1


def test_savepoint_that_is_rolled_back_does_not_either(make_user):
    user = make_user()
    with transaction.atomic():
        with contextlib.suppress(RuntimeError), transaction.atomic():
            souvenez(user)
            raise RuntimeError
        assert [souvenez(user), souvenez(user)] == ["added", "rate-limited"]
    assert Souvenir.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_committed_souvenir_limits_the_user(shared_cache):
    user = pk_of(1)
    with transaction.atomic():
        assert [souvenez(user), souvenez(user)] == ["added", "rate-limited"]
    assert souvenez(user) == "rate-limited"
    with transaction.atomic():
        assert souvenez(user) == "rate-limited"
    assert Souvenir.objects.count() == 1


def test_souvenir_of_before_limits_inside_a_transaction(make_user, shared_cache):
    user = make_user()
    souvenez(user)
    rate_limiter.forget()
    with transaction.atomic():
        assert souvenez(user) == "rate-limited"


def test_failed_insert_inside_a_transaction_is_tried_again(make_user):
    user = make_user()
    with transaction.atomic():
        with connection.execute_wrapper(broken_insert), pytest.raises(DatabaseError):
            souvenez(user)
        assert souvenez(user) == "added"


def test_moment_and_window_are_of_one_clock(make_user, monkeypatch):
    """A user whose call begins in one window and writes in the next is limited in the next."""
    user = make_user()
    souvenez(user)
    souvenir = Souvenir.objects.get()
    assert rate_limiter.remembers(user.pk, window_of(souvenir.when, 3600))


async def test_async_twin_leaves_a_souvenir():
    user = pk_of(1)
    assert [await asouvenez(user), await asouvenez(user)] == ["added", "rate-limited"]
    assert await Souvenir.objects.acount() == 1


async def test_async_twin_refuses_the_same():
    with pytest.raises(ValueError, match="user is None"):
        await asouvenez(None)


def test_naive_moments_without_time_zone_support(make_user, settings):
    settings.USE_TZ = False
    settings.TIME_ZONE = "Europe/Paris"
    user, when = make_user(), datetime(2016, 1, 1, 12)
    assert souvenez(user, when) == "added"
    assert Souvenir.objects.get().when == when
    reset()
    assert souvenez(user, when, check_duplicate=True) == "duplicated"


def test_aware_moment_without_time_zone_support(make_user, settings):
    settings.USE_TZ = False
    settings.TIME_ZONE = "Europe/Paris"
    souvenez(make_user(), at(2016, 1, 1, 12))
    assert Souvenir.objects.get().when == datetime(2016, 1, 1, 13)


def test_unsaved_user_with_a_key_of_its_own():
    """A key made in advance is a key: the user may be saved later."""
    if get_user_model()._meta.pk.get_internal_type() != "UUIDField":
        pytest.skip("keys of this user model come from the database")
    assert souvenez(get_user_model()(pk=uuid.uuid4())) == "added"


def test_now_is_utc(make_user):
    souvenez(make_user())
    assert abs(Souvenir.objects.get().when - datetime.now(UTC)) < 10 * SECOND
