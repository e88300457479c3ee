"""A site that is not set up: one sentence says what is missing, wherever somebody meets it."""

import subprocess
import sys
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection, connections, transaction
from django.db.models import Q
from django.urls import reverse
from django.utils.html import escape

import souvenirs
from souvenirs.api import ENDPOINTS
from souvenirs.checks import NotMigrated, check_database, migrated
from souvenirs.control import count_active_users
from souvenirs.pages import ROUTES
from tests.conftest import at, pk_of

COMMANDS = {
    "digest_souvenirs": [],
    "erase_user": [str(pk_of(1)), "--no-input"],
    "export_user": [str(pk_of(1))],
    "import_souvenirs": ["--from", "last_login"],
    "issue_statement": [],
    "prune_souvenirs": ["--older-than", "1"],
    "recount_statement": ["1"],
    "show_active_users": [],
    "show_activity": [],
    "show_growth": [],
    "show_inactive": [],
    "show_retention": [],
    "show_seats": ["--of", "profile__organization"],
    "show_statement": [],
    "show_usage": ["--calendar"],
    "verify_statement": [],
}
#: The parameters without which a page has nothing to show.
NEEDED = {"billing": {"subscription_start": "2016-01-01"}}

SENTENCE = (
    "The tables of souvenirs in the database 'default' lack migrations: "
    "run manage.py migrate souvenirs --database default."
)


def refused(name, *arguments):
    """What a command says that ends in an error."""
    with pytest.raises(CommandError) as error:
        call_command(name, *arguments, stdout=StringIO(), stderr=StringIO())
    return str(error.value)


@pytest.fixture
def unmigrated(transactional_db):
    """A site without our tables."""
    call_command("migrate", "souvenirs", "zero", verbosity=0)
    yield
    call_command("migrate", "souvenirs", verbosity=0)


@pytest.fixture
def get(make_holder, client):
    """Return a function that requests a URL of ours by name, as a user who may see everything."""
    client.force_login(make_holder("souvenirs.view_usage", "souvenirs.view_people"))
    return lambda name, **query: client.get(reverse(f"souvenirs:{name}"), query)


def test_site_that_is_not_migrated(unmigrated, get, settings):
    settings.SOUVENIRS_GROUP_BY = ["profile__organization"]
    for name, arguments in COMMANDS.items():
        assert (name, refused(name, *arguments)) == (name, SENTENCE)
    for endpoint in ENDPOINTS:
        query = {"list": "inactive"} if endpoint.name == "people" else {}
        response = get(f"api-{endpoint.name}", **query)
        said = {"error": {"field": "database", "message": SENTENCE}}
        assert (endpoint.name, response.status_code, response.json()) == (endpoint.name, 503, said)
    for name in ROUTES:
        response = get(name, **NEEDED.get(name, {}))
        assert (name, response.status_code) == (name, 503)
        assert escape(SENTENCE) in response.content.decode()
    # An error inside a transaction aborts it on some engines.
    with pytest.raises(NotMigrated), transaction.atomic(), migrated():
        count_active_users(at(2016, 1, 1), at(2016, 2, 1))


class KeepsOut:
    """A router that keeps our tables out, as that of django-tenants in the public schema."""

    def allow_migrate(self, db, app_label, **hints):
        return app_label != "souvenirs"


@pytest.mark.parametrize(
    ("schema", "where"), [("public", "schema 'public'"), (None, "database 'default'")]
)
def test_tables_that_a_router_keeps_out(unmigrated, settings, monkeypatch, schema, where):
    settings.DATABASE_ROUTERS = [f"{__name__}.KeepsOut"]
    monkeypatch.setattr(connections["default"], "schema_name", schema, raising=False)
    sentence = f"A router keeps the tables of souvenirs out of the {where}."
    assert refused("digest_souvenirs") == refused("show_activity") == sentence
    assert check_database(databases=["default"]) == []


def test_other_errors_of_the_database_stay_what_they_are(db):
    with pytest.raises(DatabaseError, match="no_such_table"), transaction.atomic(), migrated():
        connection.cursor().execute("SELECT 1 FROM no_such_table")


def leaks():
    raise RuntimeError("https://user:secret@example.com")


@pytest.mark.django_db
def test_segment_that_cannot_be_evaluated(settings, get, leave):
    settings.SOUVENIRS_SEGMENTS = {"staff": Q(), "pro": leaks}
    settings.SOUVENIRS_GROUP_BY = ["profile__organization"]
    leave((1, at(2025, 6, 1)))
    assert "secret@example.com" in refused("show_activity", "--segment", "pro")
    assert "secret@example.com" in refused("show_usage", "--calendar", "--by-segment")
    assert "secret@example.com" in refused("show_inactive", "--segment", "pro")
    sentence = (
        "The segment 'pro' cannot be evaluated: manage.py check --database default explains why."
    )
    said = {"error": {"field": "segment", "message": sentence}}
    for query in {"segment": "pro"}, {"by": "segment"}:
        response = get("api-usage", **query)
        assert (response.status_code, response.json()) == (503, said)
    for name in ROUTES.keys() - {"health"}:
        response = get(name, segment="pro", **NEEDED.get(name, {}))
        assert (name, response.status_code) == (name, 503)
        page = response.content.decode()
        assert escape(sentence) in page
        assert "secret" not in page
        assert get(name, segment="staff", **NEEDED.get(name, {})).status_code == 200


@pytest.mark.above_the_store
@pytest.mark.parametrize(
    "module", ["middleware", "control", "dashboard.urls", "insights", "admin", "querysets"]
)
def test_app_that_is_not_installed(module):
    script = f"""
import django
from django.conf import settings
settings.configure(INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes"])
django.setup()
import souvenirs.{module}
"""
    source = Path(souvenirs.__file__).parents[1]
    command = [sys.executable, "-c", script]
    ended = subprocess.run(command, cwd=source, capture_output=True, text=True, check=False)
    assert ended.stderr.splitlines()[-1] == (
        "django.core.exceptions.ImproperlyConfigured: "
        '"souvenirs" is missing from INSTALLED_APPS: add it.'
    )
