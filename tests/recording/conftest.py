import pytest


@pytest.fixture
def watch(stopwatch, monkeypatch):
    """A stopwatch for the breakers; to catch up, there is always time."""
    monkeypatch.setattr("souvenirs.recording.catchup.monotonic", lambda: stopwatch.seconds)
    monkeypatch.setattr("souvenirs.recording.recorder.monotonic", lambda: stopwatch.seconds)
    monkeypatch.setattr("souvenirs.recording.backlog.monotonic", lambda: stopwatch.seconds)
    monkeypatch.setattr("souvenirs.middleware.monotonic", lambda: stopwatch.seconds)
    return stopwatch
