import json
from datetime import UTC, datetime, timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from souvenirs.doctor.cache import SETTINGS
from souvenirs.models import Digest
from tests.conftest import CACHES, server_to_ourselves
from tests.digesting import digest, flip_a_bit

pytestmark = [pytest.mark.django_db, pytest.mark.through_the_store]


@pytest.fixture(autouse=True)
def _site(settings, monkeypatch):
    """A site that is fine, whose cache all processes share."""
    settings.CACHES = {"default": CACHES["redis"]}
    settings.SOUVENIRS_TIMEOUT = 5  # a machine under load must not look like a server that is down
    settings.SILENCED_SYSTEM_CHECKS = ["souvenirs.W007", "souvenirs.W013", "souvenirs.W014"]
    monkeypatch.setenv(SETTINGS, "tests.doctor.settings")
    monkeypatch.setenv("SOUVENIRS_TEST_CACHES", json.dumps(settings.CACHES))
    with server_to_ourselves("redis"):
        yield


@pytest.fixture
def doctor():
    """Run the command; return what it writes, and the exit code."""

    def run(*arguments):
        out = StringIO()
        try:
            call_command("souvenirs_doctor", *arguments, stdout=out, no_color=True)
        except CommandError as error:
            return out.getvalue() + str(error), error.returncode
        return out.getvalue(), 0

    return run


@pytest.fixture
def recorded(leave):
    leave((1, datetime.now(UTC) - timedelta(days=5)), (1, datetime.now(UTC)))
    digest()


@pytest.mark.usefixtures("recorded")
def test_site_that_is_fine(doctor):
    text, code = doctor("--strict", "--disk", "10")
    lines = text.splitlines()
    assert lines[-1] == "Found 0 errors and 0 warnings."
    assert all(line.startswith("ok       ") for line in lines[:-1])
    assert "ok       Future: No souvenir is in the future." in lines
    assert "ok       Disk: " in text
    assert code == 0


def test_warning(doctor):
    text, code = doctor()
    assert "warning  Recording: No souvenir has been recorded yet.\n" in text
    assert "\n         Sign in, request a page, and run this command again.\n" in text
    assert text.endswith("Found 0 errors and 1 warning.\n")
    assert "Disk" not in text
    assert code == 0
    text, code = doctor("--strict")
    assert (text.splitlines()[-1], code) == ("Found 0 errors and 1 warning.", 1)


@pytest.mark.usefixtures("recorded")
def test_error(doctor):
    flip_a_bit(Digest.objects.filter(level=3600)[0])
    text, code = doctor()
    assert (text.splitlines()[-1], code) == ("Found 1 error and 0 warnings.", 1)
    assert "error    Checksums: " in text


def test_json(doctor):
    text, code = doctor("--json")
    answer = json.loads(text)
    assert answer["state"] == "warning"
    assert {"area", "title", "state", "message", "remedy", "values"} == set(answer["findings"][0])
    [recording] = [each for each in answer["findings"] if each["title"] == "Recording"]
    assert recording == {
        "area": "recording",
        "title": "Recording",
        "state": "warning",
        "message": "No souvenir has been recorded yet.",
        "remedy": "Sign in, request a page, and run this command again.",
        "values": {"newest": None},
    }
    assert {each["remedy"] for each in answer["findings"] if each["state"] == "ok"} == {None}
    assert code == 0


def test_settings_that_are_wrong_do_not_stop_the_command(doctor, settings):
    settings.SOUVENIRS_CACHE_NAME = "nowhere"
    settings.SOUVENIRS_GATE_SIZE = 0
    text, code = doctor()
    assert "error    System check souvenirs.E002: SOUVENIRS_CACHE_NAME should be a name" in text
    assert "error    System check souvenirs.E007: SOUVENIRS_GATE_SIZE should be" in text
    assert code == 1


@pytest.mark.parametrize("disk", ["0", "-1", "much"])
def test_disk_has_to_be_a_size(doctor, disk):
    text, _ = doctor("--disk", disk)
    assert f"must be a number greater than 0, not '{disk}'" in text
