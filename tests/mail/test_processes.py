"""Several runs at once, and one that is killed: real processes, databases and mail servers."""

import asyncio
import os
import subprocess
import sys
from contextlib import contextmanager
from threading import Event

import pytest
from django.contrib.auth import get_user_model

from tests import servers
from tests.conftest import FIRST_RUN, require_server
from tests.mail.smtp import mail_server
from tests.processes import ROOT, wait_until

pytestmark = pytest.mark.skipif(
    not FIRST_RUN or get_user_model()._meta.label != "auth.User",
    reason="the processes have databases of their own",
)

ANN, BOB = "ann@example.com", "bob@example.com"

SEEN = """
from datetime import timedelta
from django.utils import timezone
from souvenirs.models import Souvenir
Souvenir.objects.bulk_create(
    Souvenir(user_id=n, when=timezone.now() - timedelta(days=n)) for n in range(1, 40)
)
"""


class Site:
    """A site whose commands run in processes of their own."""

    def __init__(self, port, **environment):
        path = os.pathsep.join([str(ROOT / "src"), str(ROOT)])
        self.environment = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "tests.mail.site",
            "PYTHONPATH": path,
            "MAIL_PORT": str(port),
            **environment,
        }

    def start(self, *arguments):
        return subprocess.Popen(
            [sys.executable, "-m", "django", *arguments],
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, *arguments):
        process = self.start(*arguments)
        out, _ = process.communicate(timeout=120)
        return process.returncode, out


@contextmanager
def site_on(database, port, folder):
    if database == "sqlite":
        url = f"sqlite:///{folder}/site.sqlite3?timeout=60"
        yield Site(port, SOUVENIRS_TEST_DATABASE=database, SQLITE_URL=url)
        return
    require_server(database)
    variable = {"postgresql": "POSTGRES_URL", "mariadb": "MARIADB_URL"}[database]
    with servers.new_database(database, f"souvenirs_mail_{os.getpid()}") as url:
        yield Site(port, SOUVENIRS_TEST_DATABASE=database, **{variable: url})


@pytest.fixture(
    params=[
        "sqlite",
        pytest.param("postgresql", marks=pytest.mark.thorough),
        pytest.param("mariadb", marks=pytest.mark.thorough),
    ]
)
def site(request, tmp_path):
    with mail_server() as (mailbox, port), site_on(request.param, port, tmp_path) as site:
        code, out = site.run("migrate", "-v0")
        assert code == 0, out
        code, out = site.run("shell", "-v0", "-c", SEEN)
        assert code == 0, out
        site.mailbox = mailbox
        yield site


def test_several_at_once_send_each_mail_once(site):
    processes = [site.start("email_usage", ANN, BOB) for _ in range(3)]
    outputs = [process.communicate(timeout=120)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0], outputs
    assert sorted(site.mailbox.recipients) == [ANN, BOB]
    assert sum(out.count(": sent.") for out in outputs) == 2
    code, out = site.run("email_usage", ANN, BOB)
    assert (code, out) == (0, f"{ANN}: already sent.\n{BOB}: already sent.\n")
    assert len(site.mailbox.mails) == 2


def test_a_run_that_is_killed_while_it_sends(site):
    arrived, release = Event(), Event()

    async def hang(server, session, envelope):
        arrived.set()
        while not release.is_set():
            await asyncio.sleep(0.02)
        return "451 Too late"

    take, site.mailbox.handle_DATA = site.mailbox.handle_DATA, hang
    process = site.start("email_usage", ANN)
    assert wait_until(arrived.is_set, 60)
    process.kill()
    process.communicate(timeout=60)
    release.set()
    site.mailbox.handle_DATA = take
    # Nobody knows whether it was sent: it is not sent again by itself.
    assert site.run("email_usage", ANN, BOB) == (
        0,
        f"{ANN}: another run is sending it.\n{BOB}: sent.\n",
    )
    assert site.run("email_usage", ANN, "--again") == (0, f"{ANN}: sent.\n")
    assert site.mailbox.recipients == [BOB, ANN]


def test_site_without_autocommit(site):
    """What one run has done is there for the next one."""
    site.environment["SITE_AUTOCOMMIT"] = "0"
    assert site.run("email_usage", ANN) == (0, f"{ANN}: sent.\n")
    assert site.run("email_usage", ANN) == (0, f"{ANN}: already sent.\n")
    site.mailbox.refused.add(BOB)
    assert site.run("email_usage", BOB)[0] == 1
    site.mailbox.refused.clear()
    assert site.run("email_usage", BOB) == (0, f"{BOB}: sent.\n")
    assert site.mailbox.recipients == [ANN, BOB]
    for sentence in "Digested 39 souvenirs,", "Digested 0 souvenirs,":
        code, out = site.run("digest_souvenirs")
        assert (code, out[: len(sentence)]) == (0, sentence)
    for sentence in "Deleted 19 souvenirs", "Deleted 0 souvenirs":
        code, out = site.run("prune_souvenirs", "--older-than", "20.5")
        assert (code, out[: len(sentence)]) == (0, sentence)
