import logging

import pytest

from souvenirs.resilience import logs
from souvenirs.resilience.logs import ThrottledLogger


@pytest.fixture
def log():
    rare = ThrottledLogger("souvenirs.tests")
    yield rare
    logs._logs.remove(rare)


def fail(log, *arguments, **keywords):
    try:
        raise RuntimeError("why")
    except RuntimeError:
        log.exception(*arguments, **keywords)


def test_first_is_logged_with_its_exception(log, caplog):
    fail(log, "Could not leave a souvenir of %s.", "user 5")
    [record] = caplog.records
    assert record.getMessage() == "Could not leave a souvenir of user 5."
    assert (record.levelname, record.exc_info[0]) == ("ERROR", RuntimeError)


def test_level_is_the_callers(log, caplog):
    fail(log, "The cache failed.", level=logging.WARNING)
    assert caplog.records[0].levelname == "WARNING"


def test_second_is_not_whatever_its_arguments(log, caplog):
    fail(log, "user %s", 5)
    fail(log, "user %s", 6)
    assert [record.getMessage() for record in caplog.records] == ["user 5"]


def test_another_kind_is(log, caplog):
    fail(log, "user %s", 5)
    fail(log, "cache")
    assert [record.getMessage() for record in caplog.records] == ["user 5", "cache"]


def test_next_interval_says_how_many_were_left_out(log, caplog, settings, stopwatch):
    settings.SOUVENIRS_BREAKER_SECONDS = 30
    for user in range(3):
        fail(log, "User %s.", user)
    stopwatch.advance(30)
    fail(log, "User %s.", 3)
    stopwatch.advance(30)
    fail(log, "User %s.", 4)
    assert [record.getMessage() for record in caplog.records] == [
        "User 0.",
        "User 3. 2 similar errors were not logged.",
        "User 4.",
    ]


def test_reset_logs_the_next(log, caplog):
    fail(log, "cache")
    logs.reset()
    fail(log, "cache")
    assert len(caplog.records) == 2
