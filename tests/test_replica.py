"""Whatever writes reads from the database that it writes to: a replica lags behind it.

The replica is as empty as it was when everything began, and no command asks it anything.
"""

import io
import json
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta

import pytest
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.db import connections
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from souvenirs.control import count_active_users, souvenez
from souvenirs.digests import erase_user
from souvenirs.insights.timeline import timeline_of
from souvenirs.models import Digest, Souvenir
from souvenirs.publishing import known_counts, reading
from souvenirs.statementfile import verified
from souvenirs.statements import export_statement, issue_statement, recount_statement
from souvenirs.stores import get_store
from tests.conftest import at, pk_of
from tests.organizations import ONE, found_organizations

pytestmark = [
    pytest.mark.django_db(databases=["default", "elsewhere"]),
    pytest.mark.through_the_store,
]


class Router:
    """Everything is read from the replica, as in Django's documentation."""

    def db_for_read(self, model, **hints):
        return "elsewhere"

    def db_for_write(self, model, **hints):
        return "default"

    def allow_relation(self, *objects, **hints):
        return True


#: Of five users, in two months that are over.
SIGHTINGS = [(1 + day % 5, at(2016, 1 + day % 2, 1 + day, day)) for day in range(20)]


@contextmanager
def reads_from_replica(settings):
    """Such a router; a query on the replica is an error."""

    def refuse(execute, sql, *arguments):
        raise AssertionError(f"The replica was asked: {sql}")

    settings.DATABASE_ROUTERS = [f"{__name__}.Router"]
    try:
        with connections["elsewhere"].execute_wrapper(refuse):
            yield
    finally:
        settings.DATABASE_ROUTERS = []


@pytest.fixture
def history(make_user, leave):
    """The sightings, and five users each of whom has signed in."""
    for number in range(1, 6):
        make_user(number, last_login=at(2016, 3, number))
    leave(*SIGHTINGS)


@pytest.fixture
def run(settings, history):
    """Run a command where everything is read from the replica; return what it printed."""

    def call(command, *arguments):
        arguments = [*command.split(), *arguments]
        output = io.StringIO()
        with reads_from_replica(settings):
            call_command(*arguments, stdout=output, stderr=output)
        return output.getvalue()

    return call


def rows():
    souvenirs = Souvenir.objects.order_by("when", "user_id")
    digests = Digest.objects.order_by("kind", "level", "start")
    return (
        list(souvenirs.values_list("user_id", "when", "digested")),
        [(each.level, each.start, each.is_stale, each.users()) for each in digests],
    )


DIGEST, VERIFY, PRUNE = "digest_souvenirs", "digest_souvenirs --verify", "prune_souvenirs"
COMMANDS = [
    [DIGEST],
    [DIGEST, VERIFY],
    [DIGEST, "digest_souvenirs --status"],
    [DIGEST, "digest_souvenirs --rebuild"],
    [DIGEST, "digest_souvenirs --since 2016-01-03 --until 2016-02-05"],
    [DIGEST, "prune_souvenirs --older-than 30", VERIFY],
    [DIGEST, "prune_souvenirs --older-than 30 --dry-run"],
]


@pytest.mark.parametrize("commands", COMMANDS, ids=lambda each: each[-1])
def test_digests(run, leave, commands):
    for command in commands:
        call_command(*command.split(), stdout=io.StringIO())
    expected = rows()
    for model in (Digest, Souvenir):
        model.objects.all().delete()
    leave(*SIGHTINGS)
    printed = [run(command) for command in commands]
    assert rows() == expected
    if commands[-1] == VERIFY:
        assert "found 0 differences" in printed[-1]


def test_statements(leave, settings):
    found = found_organizations({1: (1,), 2: (1,), 3: (2,)})
    leave((1, at(2016, 1, 7)), (3, at(2016, 1, 7)))
    with reads_from_replica(settings):
        statement = issue_statement(found[1], (at(2016, 1, 1), at(2016, 2, 1)), of=ONE)
        assert verified(export_statement(statement)).users == {str(pk_of(1))}
        assert not recount_statement(statement).differs


def test_erasing(run):
    run(DIGEST)
    key = pk_of(3)
    run("erase_user --no-input --", str(key))
    assert not Souvenir.objects.filter(user_id=key).exists()
    assert count_active_users() == 4
    assert "found 0 differences" in run(VERIFY)


@pytest.mark.parametrize("command", ["erase_user --no-input", "export_user"])
def test_user_of_another_field(run, command):
    run(DIGEST)
    user = get_user_model().objects.using("default").get(pk=pk_of(3))
    username = get_user_model().USERNAME_FIELD
    run(command, getattr(user, username), "--lookup", username)
    assert count_active_users() == (4 if command.startswith("erase") else 5)


def test_export(run):
    run(DIGEST)
    [key, *_] = Souvenir.objects.values_list("user_id", flat=True)
    output = io.StringIO()
    call_command("export_user", str(key), stdout=output)
    assert json.loads(run("export_user", str(key))) == json.loads(output.getvalue())


def test_import_of_a_file(run, tmp_path):
    username = get_user_model().USERNAME_FIELD
    user = get_user_model().objects.first()
    lines = [f"{getattr(user, username)},2016-05-0{day}T10:00:00Z" for day in (1, 2)]
    path = tmp_path / "history.csv"
    path.write_text("\n".join(["user_id,when", *lines]))
    before = Souvenir.objects.count()
    for _ in range(2):
        run("import_souvenirs", str(path), "--lookup", username)
        assert Souvenir.objects.count() == before + 2


@pytest.mark.parametrize("table", ["last_login", "admin_log"])
def test_import_of_a_table(run, table):
    before = Souvenir.objects.count()
    run(f"import_souvenirs --from {table}")
    assert Souvenir.objects.count() == before + (5 if table == "last_login" else 0)


def test_deleted_user_is_erased(run, settings):
    run(DIGEST)
    settings.SOUVENIRS_ON_USER_DELETE = "erase"
    with reads_from_replica(settings):
        erase_user(get_user_model().objects.using("default").first())
    assert Souvenir.objects.values("user_id").distinct().count() == 4


@pytest.mark.parametrize("check_duplicate", [True, False])
def test_recording(settings, make_user, check_duplicate):
    user, when = make_user(), timezone.now() - timedelta(minutes=1)
    with reads_from_replica(settings):
        options = {"check_duplicate": check_duplicate, "ratelimit": not check_duplicate}
        outcomes = [souvenez(user, when, **options) for _ in range(2)]
    assert outcomes == ["added", "duplicated" if check_duplicate else "rate-limited"]


def test_mail(settings, history, set_now):
    """Accounts are read from the replica, as on every page."""
    set_now(at(2016, 3, 1))
    settings.DATABASE_ROUTERS = [f"{__name__}.Router"]

    def run(*arguments):
        output = io.StringIO()
        call_command(
            "email_usage", "ann@example.com", "--interval=month", *arguments, stdout=output
        )
        return output.getvalue()

    assert "5 active users" in run("--print")
    assert run() == "ann@example.com: sent.\n"
    assert run() == "ann@example.com: already sent.\n"


def test_figures_are_read_from_the_replica_that_the_rest_is_computed_from(
    settings, history, set_now, monkeypatch
):
    """It lags behind: what has been left and published since is in neither."""
    monkeypatch.setattr(reading, "FEWEST", 1)
    settings.SOUVENIRS_PUBLISH = {"intervals": ["day"]}
    set_now(at(2016, 3, 30))
    for command in ("digest_souvenirs", "digest_souvenirs"):
        call_command(command, stdout=io.StringIO())
    settings.DATABASE_ROUTERS = [f"{__name__}.Router"]
    store = get_store()
    assert store.digested().alias == "elsewhere"
    periods = timeline_of(at(2016, 1, 1), None, "day", "UTC")
    with CaptureQueriesContext(connections["default"]) as queries:
        assert known_counts(replace(periods, periods=_known(periods)), ["active"]) == {}
    assert not queries
    settings.DATABASE_ROUTERS = []
    assert len(known_counts(timeline_of(None, None, "day", "UTC"), ["active"])["active"]) > 50


def _known(timeline):
    """The periods as they are to somebody who has asked the database itself."""
    return tuple(replace(period, known=True) for period in timeline.periods)
