import re
from datetime import timedelta
from pathlib import Path

import pytest
from django.contrib import admin
from django.contrib.auth import get_user_model
from django.core import mail
from django.core.management import CommandError
from django.db import OperationalError
from django.db.models import Q

from souvenirs.digests.digester import Digester
from souvenirs.digests.pruning import Pruner
from souvenirs.mail import Deliveries
from souvenirs.models import Delivery, Digest
from tests.conftest import at, build_user, pk_of
from tests.mail.conftest import DAY, MONDAY, NOW
from tests.mail.smtp import use_mail_server
from tests.processes import free_port
from tests.terminals import run

pytestmark = [pytest.mark.django_db, pytest.mark.above_the_store, pytest.mark.usefixtures("now")]

COMMAND = "email_usage"
ANN, BOB = "ann@example.com", "bob@example.com"
HAS_EMAIL = "email" in {field.name for field in get_user_model()._meta.fields}
GUIDE = (Path(__file__).parents[2] / "docs/how-to/mail.md").read_text()


def failed(*arguments, **options):
    with pytest.raises(CommandError) as error:
        run(COMMAND, *arguments, **options)
    return str(error.value)


def text_of(message):
    return message.get_body(("plain",)).get_content()


@pytest.mark.usefixtures("history")
def test_a_mail_through_a_real_server(mailbox):
    assert run(COMMAND, ANN, BOB) == (f"{ANN}: sent.\n{BOB}: sent.\n", "")
    assert [addresses for addresses, _ in mailbox.mails] == [[ANN], [BOB]]
    _, message = mailbox.mails[0]
    assert (message["To"], message["From"]) == (ANN, "webmaster@localhost")
    assert message["Subject"].strip() == "localhost: 6 active users, Nov. 13, 2017 – Nov. 19, 2017"
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["List-Id"] == "<souvenirs-usage.localhost>"
    assert message.get_content_type() == "multipart/alternative"
    assert [part.get_content_type() for part in message.iter_parts()] == ["text/plain", "text/html"]
    assert text_of(message).replace("\r\n", "\n") == run(COMMAND, "--print")[0].split("\n\n", 1)[1]


@pytest.mark.usefixtures("history")
def test_at_most_once_for_a_period(mailbox, set_now):
    run(COMMAND, ANN)
    assert run(COMMAND, ANN, ANN, "ANN@example.com", BOB)[0] == (
        f"{ANN}: already sent.\n{BOB}: sent.\n"
    )
    assert run(COMMAND, ANN, "--again")[0] == f"{ANN}: sent.\n"
    assert mailbox.recipients == [ANN, BOB, ANN]
    set_now(NOW + 6 * DAY)
    assert run(COMMAND, ANN)[0] == f"{ANN}: already sent.\n"
    set_now(NOW + 7 * DAY)
    assert run(COMMAND, ANN)[0] == f"{ANN}: sent.\n"


@pytest.mark.usefixtures("history")
def test_a_missed_week_is_sent_when_it_is_asked_for(mailbox):
    run(COMMAND, ANN)
    assert run(COMMAND, ANN, "--as-of=2017-11-13")[0] == f"{ANN}: sent.\n"
    assert "Nov. 6, 2017 – Nov. 12, 2017" in mailbox.mails[-1][1]["Subject"]


@pytest.mark.usefixtures("history")
def test_a_server_that_does_not_answer_claims_nothing(settings):
    use_mail_server(settings, free_port())
    message = failed(ANN, BOB)
    assert message.startswith("2 mails of 2 not sent.\nann@example.com: the mail server cannot be")
    assert not Delivery.objects.exists()


@pytest.mark.usefixtures("history")
def test_a_refused_recipient_keeps_nobody_else_from_the_mail(mailbox, capsys):
    mailbox.refused = {ANN}
    message = failed(ANN, BOB)
    assert message.startswith(f"1 mail of 2 not sent.\n{ANN}: the mail server refused it: ")
    assert "550" in message
    assert mailbox.recipients == [BOB]
    mailbox.refused = set()
    assert run(COMMAND, ANN, BOB)[0] == f"{ANN}: sent.\n{BOB}: already sent.\n"


@pytest.mark.usefixtures("history")
def test_a_refused_content_is_released(mailbox):
    mailbox.answer = "552 Too much"
    assert "the mail server refused it: (552, b'Too much')" in failed(ANN)
    assert not Delivery.objects.exists()


@pytest.mark.usefixtures("history")
def test_a_connection_that_breaks_may_have_sent_the_mail(mailbox, set_now):
    mailbox.answer = None
    message = failed(ANN)
    assert f"{ANN}: sending failed, perhaps after the mail had been accepted: " in message
    assert "--again" in message
    mailbox.answer = "250 OK"
    assert run(COMMAND, ANN)[0] == f"{ANN}: another run is sending it.\n"
    set_now(NOW + timedelta(hours=2))
    assert "a run that began at 2017-11-20 06:00 UTC was killed" in failed(ANN)
    assert run(COMMAND, ANN, "--again")[0] == f"{ANN}: sent.\n"
    assert run(COMMAND, ANN)[0] == f"{ANN}: already sent.\n"
    assert len(mailbox.mails) == 2


@pytest.mark.usefixtures("history")
def test_a_database_that_fails_keeps_nobody_else_from_the_mail(mailbox, monkeypatch):
    mark = Deliveries.mark_sent
    failing = iter([OperationalError("the disk is full")])

    def fail_once(self, claim):
        for error in failing:
            raise error
        mark(self, claim)

    monkeypatch.setattr(Deliveries, "mark_sent", fail_once)
    message = failed(ANN, BOB)
    assert message.startswith("1 mail of 2 not sent.\n")
    assert f"{ANN}: the database failed: the disk is full. If the mail did not arrive" in message
    assert mailbox.recipients == [ANN, BOB]
    assert run(COMMAND, BOB)[0] == f"{BOB}: already sent.\n"


@pytest.mark.usefixtures("history")
def test_a_letter_that_folds_to_others_is_another_address(mailbox):
    run(COMMAND, "ann@strasse.example")
    run(COMMAND, "ann@stra\xdfe.example", "Ann@STRASSE.example")
    assert len(mailbox.recipients) == 2


@pytest.mark.usefixtures("history")
def test_a_segment_named_twice_is_the_same_mail(settings):
    settings.SOUVENIRS_SEGMENTS = {"pro": Q(pk=pk_of(3))}
    run(COMMAND, ANN, "--with-segment", "pro")
    out, _ = run(COMMAND, ANN, "--with-segment", "pro", "--with-segment", "pro")
    assert out == f"{ANN}: already sent.\n"


@pytest.mark.usefixtures("history")
def test_a_backend_that_sends_nothing(monkeypatch):
    monkeypatch.setattr("django.core.mail.backends.locmem.EmailBackend.send_messages", lambda *a: 0)
    assert failed(ANN) == f"1 mail of 1 not sent.\n{ANN}: the mail backend sent nothing."
    assert not Delivery.objects.exists()


def test_old_deliveries_are_deleted(history):
    run(COMMAND, ANN)
    Delivery.objects.update(claimed=NOW - timedelta(days=401))
    run(COMMAND, BOB)
    assert [each.claimed for each in Delivery.objects.all()] == [NOW]


def test_a_site_without_souvenirs():
    said = "Nothing to send: no whole week has ended since the first souvenir.\n"
    assert run(COMMAND, ANN) == (said, "")
    assert (mail.outbox, Delivery.objects.count()) == ([], 0)


@pytest.mark.usefixtures("history")
def test_nothing_is_sent_with_print(leave):
    out, _ = run(COMMAND, ANN, BOB, "--print")
    assert out.count("To: ") == 2
    html, _ = run(COMMAND, "--print-html")
    assert html.startswith("<!DOCTYPE html>")
    assert html.rstrip() == run(COMMAND, ANN, "--print-html")[0].rstrip()
    assert (mail.outbox, Delivery.objects.count()) == ([], 0)


@pytest.fixture
def busy(leave, make_holder, settings):
    """Eight weeks of a site that grows, the last of which regulars stay away."""
    weeks = [(MONDAY - (7 - week) * 7 * DAY, week) for week in range(8)]
    leave(
        *(
            (number, monday + number % 7 * DAY)
            for monday, week in weeks
            for number in range(10 * week + 1, 61 + 14 * week)
        )
    )
    joined = {
        number: MONDAY - (7 - max(0, (number - 47) // 14)) * 7 * DAY for number in range(1, 159)
    }
    get_user_model().objects.bulk_create(
        build_user(number, joined=when) for number, when in joined.items()
    )
    make_holder("souvenirs.view_people", number=500, email=ANN, joined=NOW)
    settings.SOUVENIRS_SEGMENTS = {
        "pro": Q(pk__lt=pk_of(100)),
        "free": Q(pk__gte=pk_of(100)),
    }


@pytest.mark.skipif(
    get_user_model()._meta.label != "auth.User", reason="the guide is about users with names"
)
@pytest.mark.usefixtures("busy")
def test_the_guide_shows_the_output():
    arguments = ["--with-segment", "pro", "--with-segment", "free", "--site", "Example", "--print"]
    out, _ = run(COMMAND, ANN, *arguments)
    assert f"$ python manage.py email_usage {ANN} {' '.join(arguments)}\n{out}```\n" in GUIDE
    assert max(map(len, out.splitlines()[2:])) <= 78
    assert f"$ python manage.py email_usage {ANN} {BOB}\n{run(COMMAND, ANN, BOB)[0]}" in GUIDE
    assert f"$ python manage.py email_usage {ANN} {BOB}\n{run(COMMAND, ANN, BOB)[0]}" in GUIDE


@pytest.mark.usefixtures("history")
def test_in_the_language_of_the_reader(leave):
    leave(*((number, MONDAY) for number in range(100, 1334)))
    out, _ = run(COMMAND, "--print", "--language=de")
    assert "Subject: localhost: 1.240 aktive Benutzer, 13. November 2017 – 19." in out
    assert re.search(r"Neu +1\.238 +\+1\.234", out)
    assert "1 240 utilisateurs actifs" in run(COMMAND, "--print", "--language=FR")[0].replace(
        "\u202f", " "
    ).replace("\xa0", " ")
    assert '<html lang="es">' in run(COMMAND, "--print-html", "--language=es")[0]


@pytest.mark.usefixtures("history")
def test_the_default_is_the_language_of_the_site(settings):
    settings.LANGUAGE_CODE = "de"
    assert "aktive Benutzer" in run(COMMAND, "--print")[0]
    settings.LANGUAGE_CODE = "it"  # without a translation
    assert "active users" in run(COMMAND, "--print")[0]


@pytest.mark.usefixtures("history")
def test_segments(settings, make_user):
    settings.SOUVENIRS_SEGMENTS = {
        "all of them, whose name is too long for a column of the text": Q(pk__isnull=False),
        "<b>some</b>": Q(pk=pk_of(3)),
        "broken": Q(nonsense=1),
    }
    make_user(3)
    names = [f"--with-segment={name}" for name in settings.SOUVENIRS_SEGMENTS]
    out, _ = run(COMMAND, "--print", *names)
    assert re.search(r"^all of them, whose name is too long f… +1 +±0$", out, re.MULTILINE)
    assert re.search(r"^<b>some</b> +1 +±0$", out, re.MULTILINE)
    assert "The segment broken cannot be evaluated: see Health.\n" in out
    assert "A user of several segments counts in each of them.\n" in out
    html, _ = run(COMMAND, "--print-html", *names)
    assert "&lt;b&gt;some&lt;/b&gt;" in html
    assert "<b>some" not in html


def regulars(leave, count):
    """Regulars who were last seen 21 days before the Monday."""
    leave(
        *(
            (number, MONDAY + 7 * DAY - days * DAY)
            for number in range(20, 20 + count)
            for days in (16, 23, 30, 37)
        )
    )


@pytest.mark.usefixtures("history")
def test_others_see_the_number_of_those_who_slip_away(leave, make_user):
    regulars(leave, 1)
    make_user(20)
    out, _ = run(COMMAND, BOB, "--print")
    assert "Slipping away\n" in out
    assert "1 regular, active in each of four weeks, was not seen in the last 14 days." in out
    assert "user20@example.com" not in out


@pytest.mark.skipif(not HAS_EMAIL, reason="users have no email address")
@pytest.mark.usefixtures("history")
def test_few_names(leave, make_user, make_holder):
    regulars(leave, 1)
    make_user(20)
    make_holder("souvenirs.view_people", number=1, email=ANN)
    out, _ = run(COMMAND, ANN, "--print")
    assert "* user20@example.com\n\n" in out


@pytest.mark.skipif(not HAS_EMAIL, reason="users have no email address")
@pytest.mark.usefixtures("history")
def test_who_may_see_people_sees_their_names(leave, make_user, make_holder):
    regulars(leave, 10)
    for number in range(20, 29):
        make_user(number)
    named = {get_user_model().USERNAME_FIELD: "<i>&\u202e\n20"}
    get_user_model().objects.filter(pk=pk_of(20)).update(**named)
    make_holder("souvenirs.view_people", number=1, email=ANN)
    out, _ = run(COMMAND, ANN, "--print")
    assert "* <i>&\ufffd 20\n" in out
    assert "* user21@example.com\n" in out
    assert "* and 2 more\n" in out
    html, _ = run(COMMAND, ANN, "--print-html")
    assert "&lt;i&gt;&amp;" in html
    assert "user21" not in run(COMMAND, BOB, "--print")[0]


@pytest.mark.usefixtures("history")
@pytest.mark.parametrize(
    ("interval", "period", "bar"),
    [
        ("day", "Nov. 19, 2017", "November 19"),
        ("month", "October 2017", "October 2017"),
        ("quarter", "July 1, 2017 – Sept. 30, 2017", "July 2017"),
        ("year", "2016", "2016"),
    ],
)
def test_intervals(leave, interval, period, bar):
    leave((1, at(2016, 1, 1)))
    out, _ = run(COMMAND, "--print", f"--interval={interval}")
    assert f"active user, {period}\n" in out or f"active users, {period}\n" in out
    assert re.search(rf"^{bar} +\d", out, re.MULTILINE)
    assert f"Active users by {interval}\n" in out


def test_a_period_without_anybody(leave):
    leave((1, MONDAY - 70 * DAY))
    out, _ = run(COMMAND, "--print")
    assert "0 active users\n±0 on the period before\n" in out
    assert "Nobody was seen. Run manage.py check_activity" in out


def test_a_first_week(leave):
    leave((1, MONDAY))
    out, _ = run(COMMAND, "--print")
    assert "\n1 active user\nNov. 13, 2017" in out
    assert "– means unknown" in out


def test_pruned_souvenirs(leave):
    leave(*((number, at(2017, 8, 1, 18, 40) + number * DAY) for number in range(111)))
    list(Digester().run())
    list(Pruner(at(2017, 10, 25)).run())
    out, _ = run(COMMAND, "--print", "--tz=Asia/Kolkata")
    assert "Some numbers are missing, because souvenirs of their days have been pruned.\n" in out
    list(Pruner(at(2017, 11, 15)).run())
    assert "have been deleted, and only their digest is left" in failed(ANN, "--tz=Asia/Kolkata")
    assert mail.outbox == []


@pytest.mark.usefixtures("history")
def test_a_corrupt_digest(leave):
    list(Digester().run())
    list(Pruner(NOW).run())
    Digest.objects.update(body=b"x")
    assert "and its souvenirs are gone" in failed(ANN)
    assert mail.outbox == []


@pytest.mark.usefixtures("history")
def test_the_name_of_the_site(settings):
    settings.DEFAULT_FROM_EMAIL = "Us <us@example.org>"
    assert "Subject: example.org: 6" in run(COMMAND, "--print")[0]
    run(COMMAND, ANN, "--site= Our\nsite ")
    [message] = mail.outbox
    assert message.subject.startswith("Our site: 6")
    assert message.extra_headers["List-Id"] == "<souvenirs-usage.example.org>"
    assert failed(ANN, "--site= \n") == "--site ' \\n' is not a name."


@pytest.mark.usefixtures("history")
def test_the_name_of_the_site_in_its_table(settings):
    settings.INSTALLED_APPS = [*settings.INSTALLED_APPS, "django.contrib.sites"]
    from django.contrib.sites.models import SITE_CACHE, Site

    assert "Subject: localhost: " in run(COMMAND, "--print")[0]  # without SITE_ID
    settings.SITE_ID = 7
    SITE_CACHE[7] = Site(name="Our site")
    try:
        assert "Subject: Our site: " in run(COMMAND, "--print")[0]
    finally:
        SITE_CACHE.clear()
        # The admin, set up once more for the app, knows the model from now on.
        admin.site.unregister(Site)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "Give the address of a reader, or --print."),
        (["ann"], "'ann' is not an email address."),
        ([f"{ANN}\nBcc: x@example.com"], "'ann@example.com\\nBcc: x@example.com' is not an email"),
        ([ANN, "--interval=hour"], "interval must be one of day, week, month, quarter, year, not"),
        ([ANN, "--tz=Mars"], "Unknown time zone 'Mars'"),
        ([ANN, "--as-of=x"], "--as-of 'x' is not a date"),
        ([ANN, "--with-segment=x"], "'x' is not a segment"),
        ([ANN, "--language=it"], "There is no translation into 'it'"),
        ([ANN, "--language=../de"], "There is no translation into '../de'"),
        ([ANN, BOB, "--print-html"], "--print-html prints one mail: give one address, not 2."),
    ],
)
@pytest.mark.usefixtures("history")
def test_bad_input(arguments, message):
    assert message in failed(*arguments)
    assert (mail.outbox, Delivery.objects.count()) == ([], 0)
