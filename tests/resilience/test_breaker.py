from concurrent.futures import ThreadPoolExecutor

import pytest

from souvenirs.resilience.breaker import (
    CircuitBreaker,
    cache_breaker,
    database_breaker,
    open_breakers,
    reset,
)


@pytest.fixture(autouse=True)
def half_a_minute(settings, stopwatch):
    settings.SOUVENIRS_BREAKER_SECONDS = 30


def pauses(circuit, stopwatch):
    """The seconds until each of the next tries, all of which fail."""
    while True:
        seconds = 0
        while not circuit.allows():
            stopwatch.advance(0.5)
            seconds += 0.5
        circuit.trip()
        yield seconds


def opened():
    circuit = CircuitBreaker()
    circuit.trip()
    return circuit


def test_allows_everything_at_first():
    assert all(CircuitBreaker().allows() for _ in range(3))


def test_opens_for_a_second(stopwatch):
    circuit = opened()
    stopwatch.advance(0.9)
    assert not any(circuit.allows() for _ in range(3))
    stopwatch.advance(0.1)
    assert [circuit.allows() for _ in range(3)] == [True, False, False]


def test_opens_for_longer_while_it_keeps_failing(stopwatch):
    tries = pauses(opened(), stopwatch)
    assert [next(tries) for _ in range(8)] == [1, 2, 4, 8, 16, 30, 30, 30]


def test_opens_for_a_second_again_after_a_success(stopwatch):
    circuit = opened()
    tries = pauses(circuit, stopwatch)
    assert [next(tries) for _ in range(3)] == [1, 2, 4]
    circuit.close()
    circuit.trip()
    assert [next(tries) for _ in range(3)] == [1, 2, 4]


def test_try_that_is_interrupted_is_not_the_last(stopwatch, monkeypatch):
    """By the signal of a task that takes too long, for example."""
    circuit = opened()
    stopwatch.advance(1)

    def interrupted():
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("souvenirs.resilience.breaker.monotonic", interrupted)
        with pytest.raises(KeyboardInterrupt):
            circuit.allows()
    stopwatch.advance(1)
    assert (circuit.is_due(), circuit.allows()) == (True, True)


def test_many_that_fail_at_once_have_failed_once(stopwatch):
    """Threads that had begun before the breaker opened."""
    circuit = CircuitBreaker()
    assert [circuit.trip() for _ in range(8)] == [1] * 8
    assert next(pauses(circuit, stopwatch)) == 1


def test_shorter_pauses_are_the_settings(settings):
    settings.SOUVENIRS_BREAKER_SECONDS = 0.5
    assert CircuitBreaker().trip() == 0.5


def test_allows_another_try_if_nothing_is_heard_of_one(stopwatch):
    circuit = opened()
    stopwatch.advance(1)
    circuit.allows()
    stopwatch.advance(1)
    assert [circuit.allows() for _ in range(2)] == [True, False]


def test_allows_everything_once_it_is_closed():
    circuit = opened()
    circuit.close()
    assert all(circuit.allows() for _ in range(3))


def test_one_thread_of_many_tries(stopwatch):
    circuit = opened()
    stopwatch.advance(30)
    with ThreadPoolExecutor(8) as threads:
        allowed = list(threads.map(lambda _: circuit.allows(), range(500)))
    assert sum(allowed) == 1


def test_thread_that_another_one_overtakes_waits(stopwatch, monkeypatch):
    circuit = opened()
    stopwatch.advance(1)

    def overtaken():
        patch.undo()
        assert circuit.allows()  # the other thread
        return stopwatch.seconds

    with monkeypatch.context() as patch:
        patch.setattr("souvenirs.resilience.breaker.monotonic", overtaken)
        assert not circuit.allows()
    assert not circuit.allows()
    stopwatch.advance(1)
    assert [circuit.allows() for _ in range(2)] == [True, False]


def test_each_cache_has_its_own():
    cache_breaker("default").trip()
    assert (cache_breaker("default").allows(), cache_breaker("other").allows()) == (False, True)


def test_reset_closes_all():
    database_breaker().trip()
    cache_breaker("default").trip()
    reset()
    assert database_breaker().allows()
    assert cache_breaker("default").allows()


def test_tells_whoever_watches_when_it_opens_and_closes(monkeypatch):
    seen = []
    monkeypatch.setattr("souvenirs.resilience.breaker._watcher", lambda: seen.append(open_now()))

    def open_now():
        return open_breakers()["database"]

    database_breaker().trip()
    database_breaker().trip()  # of a caller who had begun before
    database_breaker().close()
    database_breaker().close()
    assert seen == [True, False]


def test_nobody_has_to_watch(monkeypatch):
    monkeypatch.setattr("souvenirs.resilience.breaker._watcher", None)
    database_breaker().trip()
    assert open_breakers() == {"cache": False, "database": True}
