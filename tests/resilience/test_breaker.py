from concurrent.futures import ThreadPoolExecutor

import pytest

from souvenirs.resilience.breaker import CircuitBreaker, cache_breaker, database_breaker, reset


@pytest.fixture(autouse=True)
def half_a_minute(settings, stopwatch):
    settings.SOUVENIRS_BREAKER_SECONDS = 30


def opened():
    circuit = CircuitBreaker()
    circuit.trip()
    return circuit


def test_allows_everything_at_first():
    assert all(CircuitBreaker().allows() for _ in range(3))


def test_allows_nothing_once_it_is_tripped(stopwatch):
    circuit = opened()
    stopwatch.advance(29)
    assert not any(circuit.allows() for _ in range(3))


def test_allows_one_try_after_its_time(stopwatch):
    circuit = opened()
    stopwatch.advance(30)
    assert [circuit.allows() for _ in range(3)] == [True, False, False]


def test_allows_another_try_after_the_same_time_again(stopwatch):
    circuit = opened()
    stopwatch.advance(30)
    circuit.allows()
    stopwatch.advance(30)
    assert [circuit.allows() for _ in range(2)] == [True, False]


def test_failed_try_costs_the_whole_time_again(stopwatch):
    circuit = opened()
    stopwatch.advance(30)
    circuit.allows()
    circuit.trip()
    stopwatch.advance(29)
    assert not circuit.allows()


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


def test_thread_that_another_one_overtakes_waits(stopwatch):
    circuit = opened()
    due = circuit._due.pop()  # as a thread does that is about to look at the clock
    assert not circuit.allows()
    circuit._due.append(due)
    stopwatch.advance(30)
    assert circuit.allows()


def test_each_cache_has_its_own():
    cache_breaker("default").trip()
    assert (cache_breaker("default").allows(), cache_breaker("other").allows()) == (False, True)


def test_reset_closes_all():
    database_breaker().trip()
    cache_breaker("default").trip()
    reset()
    assert database_breaker().allows()
    assert cache_breaker("default").allows()
