"""Tests that are left out are counted and said."""

from types import SimpleNamespace

import pytest

from tests import missing


def skipped(reason):
    return SimpleNamespace(longrepr=("test_it.py", 1, f"Skipped: {reason}"))


def reason_of(leave_out, *arguments):
    with pytest.raises(pytest.skip.Exception) as caught:
        leave_out(*arguments)
    return str(caught.value)


def test_what_is_missing_is_counted_and_nothing_else(monkeypatch):
    monkeypatch.setattr(missing, "IN_CI", False)
    redis = skipped(reason_of(missing.leave_out, "redis, no server answered"))
    data = skipped(reason_of(missing.leave_out_for_data, "weblog"))
    found = missing.left_out([data, redis, skipped("SQLite is no server"), redis])
    assert missing.sentences(found) == [
        "Missing: redis, no server answered. That left out 2 tests.",
        "Missing: the data set weblog, which may not be copied into the project."
        " That left out 1 test.",
    ]


def test_runs_are_added_up(monkeypatch, tmp_path):
    path = tmp_path / "left_out"
    monkeypatch.setattr(missing, "RECORD", str(path))
    for _ in range(2):
        missing.record(missing.Counter({"redis": 2}))
    assert missing.recorded(path) == {"redis": 4}


def test_only_data_can_be_missing_in_ci(monkeypatch):
    monkeypatch.setattr(missing, "IN_CI", True)
    with pytest.raises(pytest.fail.Exception, match="Missing: redis"):
        missing.leave_out("redis")
    assert "weblog" in reason_of(missing.leave_out_for_data, "weblog")
