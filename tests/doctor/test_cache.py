import json
import sys
import uuid
from io import StringIO

import pytest
from django.core.cache import caches

from souvenirs.doctor import cache as doctor_cache
from souvenirs.doctor.cache import KEYS, SETTINGS, cache, claim, contend
from souvenirs.doctor.findings import State
from tests.conftest import CACHES, FOREVER, server_to_ourselves

LOCMEM, DUMMY = CACHES["locmem"], CACHES["dummy"]
FAILING = {"BACKEND": "tests.caches.FailingCache"}


@pytest.fixture
def tried(settings, monkeypatch):
    """Try a cache of this process and of another, by default the same; return the finding."""
    monkeypatch.setenv(SETTINGS, "tests.doctor.settings")
    settings.SOUVENIRS_CACHE_PREFIX = f"{uuid.uuid4().hex}."
    settings.SOUVENIRS_TIMEOUT = 5  # a machine under load must not look like a server that is down

    def run(ours, theirs=None):
        settings.CACHES = {"default": ours}
        monkeypatch.setenv("SOUVENIRS_TEST_CACHES", json.dumps({"default": theirs or ours}))
        [finding] = cache()
        return finding

    return run


def in_files(folder, backend="tests.doctor.caches.Careless"):
    return {"BACKEND": backend, "LOCATION": str(folder)}


@pytest.mark.parametrize("name", ["redis", "memcached"])
def test_cache_that_is_shared_and_atomic(tried, name):
    with server_to_ourselves(name):
        finding = tried(CACHES[name])
    assert (finding.state, finding.remedy) == (State.OK, "")
    assert finding.message == (
        f"The cache 'default' is shared and atomic: two processes claimed {KEYS} keys, each key "
        "once."
    )


def test_no_key_is_left_behind(tried, settings):
    pattern = f"*{settings.SOUVENIRS_CACHE_PREFIX}*"
    with server_to_ourselves("redis"):
        assert tried(CACHES["redis"]).state is State.OK
        client = caches["default"]._cache.get_client()
        assert list(client.scan_iter(pattern)) == []
        caches["default"].set(f"{settings.SOUVENIRS_CACHE_PREFIX}control", 1, 5)
        assert len(list(client.scan_iter(pattern))) == 1


def test_cache_of_a_process(tried):
    finding = tried(LOCMEM)
    assert finding.state is State.WARNING
    assert finding.message == (
        "The cache 'default' is not shared: two processes claimed the same keys."
    )
    assert finding.remedy.startswith("Name a cache in SOUVENIRS_CACHE_NAME")


def test_cache_that_stores_nothing(tried):
    finding = tried(DUMMY)
    assert finding.state is State.WARNING
    assert finding.message == "The cache 'default' stores nothing."


def test_cache_without_atomic_add(tried, tmp_path):
    finding = tried(in_files(tmp_path))
    assert finding.state is State.WARNING
    assert finding.message == (
        "The cache 'default' has no atomic add(): two processes both claimed 10 of 100 keys."
    )
    assert list(tmp_path.iterdir()) == []


def test_cache_that_lets_nobody_win(tried, tmp_path):
    finding = tried(in_files(tmp_path, "tests.doctor.caches.Refusing"))
    assert finding.state is State.ERROR
    assert finding.message == ("The cache 'default' refused 10 of 100 new keys to two processes.")


def test_cache_that_answers_nothing(tried):
    finding = tried({"BACKEND": "tests.caches.SilentCache"})
    assert finding.state is State.ERROR
    assert finding.message == "The cache 'default' refuses a new key."


def test_cache_that_fails(tried):
    finding = tried(FAILING)
    assert finding.state is State.ERROR
    assert finding.message == (
        "The cache 'default' does not answer: ConnectionError: the cache is down."
    )


def test_cache_that_fails_in_the_other_process(tried):
    finding = tried(LOCMEM, FAILING)
    assert finding.state is State.ERROR
    assert "the cache is down" in finding.message


def test_server_that_is_down(tried):
    finding = tried({**CACHES["redis"], "LOCATION": "redis://127.0.0.1:1/0"})
    assert finding.state is State.ERROR
    assert "does not answer: ConnectionError" in finding.message


def test_second_process_that_cannot_start(tried, monkeypatch):
    monkeypatch.setenv(SETTINGS, "no_such_site.settings")
    finding = tried(LOCMEM)
    assert finding.state is State.WARNING
    assert finding.message == (
        "The cache 'default' could not be tried by a second process: it ended: "
        "ModuleNotFoundError: No module named 'no_such_site'."
    )


def test_second_process_without_settings(tried, monkeypatch):
    monkeypatch.delenv(SETTINGS)
    finding = tried(LOCMEM)
    assert finding.state is State.WARNING
    assert finding.message.endswith("second process: DJANGO_SETTINGS_MODULE is not set.")


@pytest.mark.thorough
def test_second_process_that_hangs_is_ended(tried, monkeypatch):
    monkeypatch.setenv("SOUVENIRS_TEST_SECONDS", str(100 * FOREVER))
    monkeypatch.setattr(doctor_cache, "CHILD_SECONDS", 1)
    assert tried(LOCMEM).message.endswith("could not be tried by a second process: it ended.")


def test_wrong_name_of_the_cache_is_left_to_the_checks(settings):
    settings.SOUVENIRS_CACHE_NAME = []
    assert list(cache()) == []


def test_claiming_ends_when_the_time_is_up(settings, monkeypatch):
    settings.CACHES = {"default": LOCMEM}
    monkeypatch.setattr(doctor_cache, "SECONDS", -1)
    assert claim("default", uuid.uuid4().hex) == [True]


@pytest.mark.parametrize(("backend", "said"), [(LOCMEM, [True] * KEYS), (FAILING, None)])
def test_what_the_other_process_says(settings, monkeypatch, capsys, backend, said):
    settings.CACHES = {"default": backend}
    monkeypatch.setattr(sys, "argv", ["-c", "default", uuid.uuid4().hex])
    monkeypatch.setattr(sys, "stdin", StringIO("go\n"))
    contend()
    first, second = capsys.readouterr().out.splitlines()
    assert first == "souvenirs_doctor: []"
    said = "ConnectionError: the cache is down" if said is None else said
    assert second == f"souvenirs_doctor: {json.dumps(said)}"
