import threading
import time
from datetime import timedelta

import pytest
from django.core.cache import cache, caches
from django.test import override_settings

from souvenirs.conf import is_window
from souvenirs.recording.ratelimit import (
    RateLimiter,
    Window,
    WindowMemory,
    bounds_of,
    window_now,
    window_of,
)
from souvenirs.resilience.caches import close_caches
from tests.caches import CountingCache, FailingCache, SlowCache
from tests.conftest import CACHES, FOREVER, INSTANT, at
from tests.processes import BlackHole

HOUR = 3600
WINDOW = Window(HOUR, 400_000)


def unasked():
    raise AssertionError("asked whether a souvenir is there")


def yes():
    return True


def no():
    return False


def named(name):
    return {"default": {"BACKEND": f"tests.caches.{name}", "LOCATION": name}}


@pytest.fixture
def calls():
    CountingCache.calls.clear()
    with override_settings(CACHES=named("CountingCache")):
        yield CountingCache.calls


@pytest.mark.parametrize("seconds", [900, 1800, 3600, 86400])
def test_window_starts_on_its_edge(seconds):
    edge = at(2016, 1, 2)
    before, on = window_of(edge - INSTANT, seconds), window_of(edge, seconds)
    assert (before.number + 1, on) == (on.number, window_of(edge + INSTANT, seconds))


def test_window_before_1970():
    assert window_of(at(1970, 1, 1) - INSTANT, HOUR) == Window(HOUR, -1)


def test_one_admission_per_user_and_window(shared_cache):
    assert [RateLimiter().admits(1, WINDOW, unasked) for _ in range(3)] == [True, False, False]


def test_every_user_is_admitted(shared_cache):
    assert [RateLimiter().admits(user, WINDOW, unasked) for user in (1, 2)] == [True, True]


def test_every_window_admits(shared_cache):
    rate_limiter = RateLimiter()
    windows = [WINDOW, Window(HOUR, WINDOW.number + 1), Window(900, WINDOW.number)]
    assert [rate_limiter.admits(1, window, unasked) for window in windows] == [True, True, True]


def test_giving_back_admits_again(shared_cache):
    rate_limiter = RateLimiter()
    rate_limiter.admits(1, WINDOW, unasked)
    rate_limiter.remember(1, WINDOW)
    rate_limiter.release(1, WINDOW)
    assert rate_limiter.admits(1, WINDOW, unasked)


@pytest.mark.parametrize(
    "user", ["", "two words", "ünïcode", "x" * 300, "line\nbreak", "\x00", "\ud800", "a/b:c"]
)
def test_keys_that_caches_refuse_are_hashed(shared_cache, user):
    assert [RateLimiter().admits(user, WINDOW, unasked) for _ in range(2)] == [True, False]


def test_hashed_keys_differ():
    assert RateLimiter()._key("two words", WINDOW) != RateLimiter()._key("two  words", WINDOW)


def test_timeout_is_passed(calls):
    """A cache's own default may be 300 seconds, or for ever."""
    RateLimiter().admits(1, WINDOW, unasked)
    assert [timeout for _, timeout in calls] == [HOUR]


def test_prefix_is_the_settings(calls, settings):
    settings.SOUVENIRS_CACHE_PREFIX = "mine:"
    RateLimiter().admits(1, WINDOW, unasked)
    assert [key for key, _ in calls] == ["mine:1.3600.400000"]


def test_memory_answers_before_the_cache(calls):
    rate_limiter, now = RateLimiter(), window_now(HOUR)
    rate_limiter.remember(1, now)
    assert (rate_limiter.admits(1, now, unasked), calls) == (False, [])


@pytest.mark.parametrize("seconds", [-10, 0, 10])
def test_fresh_claim_is_believed(shared_cache, monkeypatch, seconds):
    now = window_now(HOUR)
    moment = now.number * HOUR + 1000
    monkeypatch.setattr("souvenirs.recording.ratelimit.time.time", lambda: moment)
    assert RateLimiter().admits(1, now, unasked)
    monkeypatch.setattr("souvenirs.recording.ratelimit.time.time", lambda: moment + seconds)
    rate_limiter = RateLimiter()
    assert not rate_limiter.admits(1, now, unasked)
    assert not rate_limiter.remembers(1, now)


@pytest.mark.parametrize("seconds", [-11, 11, 2599])
def test_old_claim_without_a_souvenir_is_nobodys(shared_cache, monkeypatch, seconds):
    """Its process died between the claim and the souvenir, or a clock was set."""
    now = window_now(HOUR)
    moment = now.number * HOUR + 1000
    monkeypatch.setattr("souvenirs.recording.ratelimit.time.time", lambda: moment)
    assert RateLimiter().admits(1, now, unasked)
    monkeypatch.setattr("souvenirs.recording.ratelimit.time.time", lambda: moment + seconds)
    assert RateLimiter().admits(1, now, no)
    assert not RateLimiter().admits(1, now, yes)


def test_old_claim_is_looked_into_once_for_all_processes(shared_cache, monkeypatch):
    now = window_now(HOUR)
    moment = now.number * HOUR + 1000
    monkeypatch.setattr("souvenirs.recording.ratelimit.time.time", lambda: moment)
    assert RateLimiter().admits(1, now, unasked)
    monkeypatch.setattr("souvenirs.recording.ratelimit.time.time", lambda: moment + 60)
    assert not RateLimiter().admits(1, now, yes)
    other = RateLimiter()
    assert not other.admits(1, now, unasked)
    assert other.remembers(1, now)


def test_process_that_was_refused_admits_what_another_gives_back(shared_cache):
    one, other, now = RateLimiter(), RateLimiter(), window_now(HOUR)
    assert one.admits(1, now, unasked)
    assert not other.admits(1, now, unasked)
    one.release(1, now)
    assert other.admits(1, now, unasked)


def test_claim_is_seen_by_everybody(shared_cache):
    assert not RateLimiter().is_claimed(1, WINDOW, unasked)
    RateLimiter().admits(1, WINDOW, unasked)
    assert RateLimiter().is_claimed(1, WINDOW, unasked)


def test_nothing_is_claimed_in_a_cache_that_fails():
    with override_settings(CACHES=named("FailingCache")):
        assert not RateLimiter().is_claimed(1, WINDOW, unasked)


@pytest.mark.parametrize(
    ("when", "start", "end"),
    [
        (at(2016, 1, 1, 12, 59), at(2016, 1, 1, 12), at(2016, 1, 1, 13)),
        (at(2016, 1, 1, 13), at(2016, 1, 1, 13), at(2016, 1, 1, 14)),
        (at(1, 1, 1), at(1, 1, 1), at(1, 1, 1, 1)),
    ],
)
def test_bounds_of_a_window(when, start, end):
    assert bounds_of(window_of(when, HOUR)) == (start, end)


def test_bounds_are_cut_where_years_end():
    assert bounds_of(window_of(at(1, 1, 1), 1000 * 365 * 86400))[0] == at(1, 1, 1)
    assert bounds_of(window_of(at(9999, 1, 1), 1000 * 365 * 86400))[1] == at(9999, 12, 31)


@pytest.mark.parametrize(
    ("seconds", "good"),
    [(1e-6, True), (1e-7, False), (3600, True), (float("inf"), False), (float("nan"), False)],
)
def test_length_of_a_window(seconds, good):
    assert is_window(seconds) is good


@pytest.mark.parametrize("name", ["FailingCache", "SilentCache"])
def test_a_cache_that_cannot_tell_admits(name):
    with override_settings(CACHES=named(name)):
        assert [RateLimiter().admits(1, WINDOW, unasked) for _ in range(2)] == [True, True]


def test_a_missing_cache_admits(settings):
    settings.SOUVENIRS_CACHE_NAME = "nowhere"
    assert RateLimiter().admits(1, WINDOW, unasked)


def test_giving_back_to_a_failing_cache_raises_nothing():
    with override_settings(CACHES=named("FailingCache")):
        RateLimiter().release(1, WINDOW)


def test_dummy_cache_admits_until_the_process_remembers():
    rate_limiter, now = RateLimiter(), window_now(HOUR)
    with override_settings(CACHES={"default": CACHES["dummy"]}):
        assert rate_limiter.admits(1, now, unasked)
        rate_limiter.remember(1, now)
        assert not rate_limiter.admits(1, now, unasked)


def test_clearing_the_cache_admits_whom_no_process_remembers(shared_cache):
    assert not [RateLimiter().admits(1, WINDOW, unasked) for _ in range(2)][1]
    cache.clear()
    assert RateLimiter().admits(1, WINDOW, unasked)


def test_the_sites_cache_is_left_as_it_is(shared_cache):
    before = dict(vars(caches["default"]))
    RateLimiter().admits(1, WINDOW, unasked)
    assert vars(caches["default"]) == before


def test_memory_is_of_the_window_of_now():
    memory = WindowMemory()
    memory.remember(WINDOW, 1)
    assert not memory.knows(WINDOW, 1)


def test_memory_of_another_window_is_none():
    memory, now = WindowMemory(), window_now(HOUR)
    memory.remember(now, 1)
    assert memory.knows(now, 1)
    assert not memory.knows(Window(HOUR, now.number + 1), 1)
    assert not memory.knows(Window(900, now.number), 1)


def test_memory_moves_on_with_the_clock(monkeypatch):
    memory, now = WindowMemory(), window_now(HOUR)
    memory.remember(now, 1)
    later = Window(HOUR, now.number + 24)
    monkeypatch.setattr("souvenirs.recording.ratelimit.time.time", lambda: later.number * HOUR)
    memory.remember(later, 2)
    assert memory.knows(later, 2)
    assert not memory.knows(now, 1)


def test_memory_follows_a_clock_that_is_set_back(monkeypatch):
    memory, now = WindowMemory(), window_now(HOUR)
    memory.remember(now, 1)
    earlier = Window(HOUR, now.number - 24)
    monkeypatch.setattr("souvenirs.recording.ratelimit.time.time", lambda: earlier.number * HOUR)
    memory.remember(earlier, 1)
    assert memory.knows(earlier, 1)


def test_memory_is_bounded(settings):
    settings.SOUVENIRS_GATE_SIZE = 10
    memory, now = WindowMemory(), window_now(HOUR)
    for user in range(1_000):
        memory.remember(now, user)
        assert memory.knows(now, user)
    assert sum(memory.knows(now, user) for user in range(1_000)) <= 10


def test_one_thread_of_many_wins(shared_cache):
    rate_limiter, wins = RateLimiter(), []
    barrier = threading.Barrier(8)

    def enter():
        barrier.wait()
        if rate_limiter.admits(1, WINDOW, unasked):
            wins.append(1)
        close_caches()
        cache.close()

    threads = [threading.Thread(target=enter) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wins == [1]


def test_changed_settings_forget(settings):
    from souvenirs.recording.ratelimit import rate_limiter

    now = window_now(HOUR)
    rate_limiter.remember(1, now)
    settings.LANGUAGE_CODE = "fr"
    assert rate_limiter.remembers(1, now)
    settings.SOUVENIRS_CACHE_PREFIX = "other"
    assert not rate_limiter.remembers(1, now)


def test_reset_admits_everyone(shared_cache):
    rate_limiter = RateLimiter()
    rate_limiter.admits(1, WINDOW, unasked)
    rate_limiter.reset()
    assert rate_limiter.admits(1, WINDOW, unasked)


def test_windows_of_fractions_of_a_second():
    assert window_of(at(2016, 1, 1) + timedelta(seconds=0.5), 0.5).number % 2 == 1


@pytest.mark.parametrize(
    ("later", "known"), [(-1001, False), (0, True), (2599, True), (2600, False)]
)
def test_memory_knows_now_what_it_knows_of_the_window_of_now(monkeypatch, later, known):
    memory, moment = WindowMemory(), 400_000 * HOUR + 1000
    monkeypatch.setattr("souvenirs.recording.ratelimit.time.time", lambda: moment)
    memory.remember(window_now(HOUR), 1)
    monkeypatch.setattr("souvenirs.recording.ratelimit.time.time", lambda: moment + later)
    assert memory.knows_now(HOUR, 1) is known
    assert not memory.knows_now(HOUR, 2)
    assert not memory.knows_now(HOUR / 2, 1)


def test_cache_that_failed_is_left_alone_for_a_while(settings, caplog, stopwatch):
    """One process asks it once, and says so once."""
    settings.SOUVENIRS_BREAKER_SECONDS = 30
    FailingCache.asked = 0
    with override_settings(CACHES=named("FailingCache")):
        assert all(RateLimiter().admits(user, WINDOW, unasked) for user in range(20))
        assert (FailingCache.asked, len(caplog.records)) == (1, 1)
        stopwatch.advance(30)
        assert all(RateLimiter().admits(user, WINDOW, unasked) for user in range(20))
        assert (FailingCache.asked, len(caplog.records)) == (2, 2)
    assert caplog.records[0].levelname == "WARNING"


def test_cache_that_answers_again_is_asked_again(settings, stopwatch):
    settings.SOUVENIRS_BREAKER_SECONDS = 30
    with override_settings(CACHES=named("FailingCache")):
        RateLimiter().admits(1, WINDOW, unasked)
    stopwatch.advance(30)
    assert RateLimiter().admits(1, WINDOW, unasked)
    assert not RateLimiter().admits(1, WINDOW, unasked)


def test_cache_that_answers_slowly_is_left_alone_too(settings):
    settings.SOUVENIRS_TIMEOUT = 0.02
    SlowCache.asked = 0
    with override_settings(CACHES=named("SlowCache")):
        assert RateLimiter().admits(1, WINDOW, unasked)
        assert all(RateLimiter().admits(1, WINDOW, unasked) for _ in range(20))
    assert SlowCache.asked == 1


def test_hung_cache_costs_one_wait(settings, asked_of_redis):
    """A server that accepts and never answers."""
    settings.SOUVENIRS_BREAKER_SECONDS = 600
    with BlackHole() as hole:
        settings.CACHES = {"default": {**CACHES["redis"], "LOCATION": f"redis://{hole.address}/0"}}
        began = time.monotonic()
        assert all(RateLimiter().admits(user, WINDOW, unasked) for user in range(100))
        assert 0.09 < time.monotonic() - began < FOREVER
    assert asked_of_redis == ["add"]
