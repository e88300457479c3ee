import json
from datetime import timedelta
from io import StringIO
from pathlib import Path

import django
import pytest
from django.core import mail
from django.core.management import CommandError, call_command
from django.db import DatabaseError

from tests.conftest import at
from tests.terminals import run

pytestmark = [pytest.mark.django_db, pytest.mark.through_the_store]

NOW = at(2017, 11, 20, 15, 20)
DAY = timedelta(days=1)
OUTLYING = (
    "4 users active up to 15:00 on Monday, 2017-11-20; expected 30, and from 14 to 52 is usual."
)


@pytest.fixture(autouse=True)
def _now(set_now):
    set_now(NOW)


@pytest.fixture
def loss(leave):
    """A site whose users always come in the morning, but few today."""
    leave(*((number, at(2017, 11, 20, 9) - n * DAY) for n in range(1, 70) for number in range(30)))
    leave(*((number, at(2017, 11, 20, 9)) for number in range(4)))


GUIDE = (Path(__file__).parents[2] / "docs/how-to/alert.md").read_text()


def failed(*arguments):
    """The output, the message and the exit code of a command that ends with an error."""
    out = StringIO()
    with pytest.raises(CommandError) as error:
        call_command("check_activity", *arguments, stdout=out, stderr=StringIO())
    return out.getvalue(), str(error.value), error.value.returncode


def test_fine(leave):
    leave(*((1, at(2017, 11, 20, 13) - n * DAY) for n in range(70)))
    assert run("check_activity") == ("Activity is as expected.\n", "")


def test_not_judged_is_no_alert():
    out, err = run("check_activity")
    assert out.splitlines()[0] == "There is no souvenir yet."
    assert err == ""


@pytest.mark.usefixtures("loss")
def test_an_alert():
    assert failed() == (f"{OUTLYING}\n", "1 finding.", 1)


@pytest.mark.usefixtures("loss")
def test_the_tolerance_and_the_zone_are_passed_on():
    assert run("check_activity", "--tolerance=20")[0] == "Activity is as expected.\n"
    out, _, _ = failed("--tz=Asia/Tokyo")
    assert out.startswith("4 users active up to 00:00 on Monday, 2017-11-20;")


@pytest.mark.usefixtures("loss")
def test_json():
    out, _, code = failed("--json")
    [finding] = json.loads(out)["findings"]
    assert (finding["kind"], finding["text"], code) == ("outlying", OUTLYING, 1)
    assert finding["values"]["low"] == 14
    assert json.loads(out)["not_judged"] == []


@pytest.mark.usefixtures("loss")
def test_the_guide_shows_the_output():
    for arguments in ([], ["--json"]):
        out, message, _ = failed(*arguments)
        command = " ".join(["$ python manage.py check_activity", *arguments])
        assert f"{command}\n{out}CommandError: {message}\n" in GUIDE


def test_json_without_findings():
    data = json.loads(run("check_activity", "--json")[0])
    assert data["findings"] == []
    assert len(data["not_judged"]) == 2


@pytest.mark.usefixtures("loss")
def test_email():
    failed("--email", "ann@example.com", "bob@example.com")
    [message] = mail.outbox
    assert message.to == ["ann@example.com", "bob@example.com"]
    assert (message.subject, message.body) == ("Activity: 1 finding.", OUTLYING)


def test_no_email_without_findings():
    run("check_activity", "--email", "ann@example.com")
    assert mail.outbox == []


@pytest.mark.usefixtures("loss")
def test_email_that_cannot_be_sent(settings):
    backend, server = (
        "django.core.mail.backends.smtp.EmailBackend",
        {"host": "127.0.0.1", "port": 1},
    )
    if django.VERSION >= (6, 1):
        settings.MAILERS = {"default": {"BACKEND": backend, "OPTIONS": server}}
    else:
        settings.EMAIL_BACKEND = backend
        settings.EMAIL_HOST, settings.EMAIL_PORT = server.values()
    out, message, code = failed("--email", "ann@example.com")
    assert (out, code) == (f"{OUTLYING}\n", 2)
    assert message.startswith("The email could not be sent: ")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--windows=0"], "--windows must be a positive whole number, not '0'."),
        (["--undigested=x"], "--undigested must be a positive whole number, not 'x'."),
        (["--email", "ann"], "--email 'ann' is not an address."),
        (["--tz=Mars"], "Unknown time zone 'Mars'"),
        (["--tolerance=0"], "must be a number greater than 0, not '0'"),
        (["--segment-drop=x"], "must be a number greater than 0, not 'x'"),
    ],
)
def test_bad_input(arguments, message):
    out = StringIO()
    with pytest.raises(CommandError) as error:
        call_command("check_activity", *arguments, stdout=out)
    assert message in str(error.value)
    assert out.getvalue() == ""


@pytest.mark.parametrize("argument", ["--windows=0", "--email=ann", "--tz=Mars"])
def test_bad_input_is_no_alert(argument):
    assert failed(argument)[2] == 2


def test_a_database_that_fails(monkeypatch):
    def refuse(*args):
        raise DatabaseError("gone")

    monkeypatch.setattr("souvenirs.management.commands.check_activity.judge", refuse)
    assert failed() == ("", "The database failed: gone", 2)


def test_an_interruption_is_no_alert(monkeypatch):
    def interrupt(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr("souvenirs.management.commands.check_activity.judge", interrupt)
    assert failed()[2] == 130
