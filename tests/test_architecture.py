"""The rooms of the house: who may import whom, and what is handed out."""

import ast
import importlib
import os
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

import souvenirs

PACKAGE = Path(souvenirs.__file__).parent
DOCS = Path(__file__).parents[1] / "docs/architecture.md"

#: From the ground to the roof: a room imports only from rooms above it in this list.
HOUSE = """
conf            Every setting of the app: name, type, default and one line of help.
scope           What keeps tenants apart in whatever a process or a cache remembers.
signals         Signals that the app sends.
decorators      Views whose requests do not count as activity.
userfunctions   Functions for ``SOUVENIRS_USER_FUNCTION``.
csvfiles        CSV files that are safe to open in a spreadsheet.
statementfile   The format of statement files, and how to verify them without Django or a database.
calendar        Periods on the wall clock of a time zone, instants, and the UTC grid of digests.
utils           The calendar functions, at the import path of version 1.
sql             SQL that Django does not write: many values in one statement, partial indexes.
resilience      Slow or failing caches and databases do not hold up a request.
sets            Sets of users: their primary keys, their numbers and the bytes they are stored as.
models          Tables: souvenirs, digests, user numbers, annotations, figures, mails, statements.
stores          Where souvenirs are kept and read back.
recording       One request becomes one souvenir.
counting        Active users, segments and accounts.
querysets       Querysets of users by the time they were last seen.
reports         Registered, activated and active users, period by period.
digests         Souvenirs folded into digests, pruned, erased and verified.
insights        Series, stickiness, power curves, growth, retention, and when users were last seen.
publishing      Figures published as plain rows, for tools that read SQL.
statements      The active users that a customer is billed for, stored once, and their proof.
importing       Import of history from files and from Django's own tables.
annotations     Notes of the site's owner at a day, such as a release.
control         The main functions of the app and the errors they raise.
middleware      Record the users of requests.
asgi            Write what a process remembers when an ASGI server shuts it down.
testing         Helpers for the test suites of projects that use the app.
checks          System checks of the settings, the site and the database.
doctor          What is wrong on a site, and what to do about it.
alerts          Signs that recording is broken, that users stay away, or that digesting has stopped.
web             Shared by the pages and the API: permissions, parameters of URLs, CSV.
api             The API: parameters in a URL, a response in JSON or CSV.
metrics         Metrics for Prometheus: active users, digesting, and what became of visits.
pages           The pages: numbers, charts and tables for people.
dashboard       The URLs of the pages and the API, to include in a project.
admin           The admin: the pages, annotations, statements, souvenirs, and when users were seen.
templatetags    Template tags: usage on the index of the admin.
mail            The mail about a period: its numbers, its wording, and that nobody gets it twice.
management      The commands.
unattended      Digesting, pruning and mail as functions that return what they have done.
celery          Digesting, pruning and mail as tasks of Celery.
tasks           Digesting, pruning and mail as tasks of ``django.tasks``.
apps            The app, as Django loads it.
"""
SENTENCES = dict(line.split(maxsplit=1) for line in HOUSE.strip().splitlines())
ROOMS = list(SENTENCES)

#: Documented paths: whoever uses the app may import them, and so may every room above.
DOORS = {
    "souvenirs.control": "souvenez",
    "souvenirs.middleware": "SouvenirsMiddleware",
    "souvenirs.asgi": "with_shutdown",
    "souvenirs.models": "Souvenir",
    "souvenirs.reports": "customer_monthly_usage",
    "souvenirs.utils": "iter_months",
    "souvenirs.querysets": "ActivityQuerySet",
    "souvenirs.insights": "retention",
    "souvenirs.signals": "user_seen",
    "souvenirs.decorators": "souvenirs_exempt",
    "souvenirs.userfunctions": "request_auth",
    "souvenirs.testing": "reset",
    "souvenirs.checks": "check_settings",
    "souvenirs.admin": "LastSeenAdminMixin",
    "souvenirs.dashboard.urls": "urlpatterns",
    "souvenirs.metrics": "registry",
    "souvenirs.statements": "issue_statement",
    "souvenirs.statementfile": "verified",
    "souvenirs.metrics.urls": "urlpatterns",
    "souvenirs.management.commands._commands": "ReportCommand",
    "souvenirs.unattended": "digest",
    "souvenirs.tasks": "digest",
    "souvenirs.celery": "digest",
}

MODULES = sorted(path for path in PACKAGE.rglob("*.py") if "migrations" not in path.parts)


def room_of(path):
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


@cache
def imports(path):
    """Everything that a module imports, as pairs of an absolute dotted path and a name."""
    package = ["souvenirs", *path.relative_to(PACKAGE).parent.parts]
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found += [(alias.name, None) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join(part for part in (*base, *(node.module or "").split(".")) if part)
            found += [(module, alias.name) for alias in node.names]
    return found


def names_imported(path):
    return {module for module, _ in imports(path)}


def rooms_imported(path):
    """The parts, below the package, of what a module imports from other rooms."""
    parts = [name.split(".")[1:] for name in names_imported(path) if name.startswith("souvenirs.")]
    return [each for each in parts if each[0] != room_of(path)]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_room_imports_only_from_rooms_below(path):
    if path == PACKAGE / "__init__.py":
        assert not rooms_imported(path)
        return
    below = ROOMS[: ROOMS.index(room_of(path))]
    assert {each[0] for each in rooms_imported(path)} <= set(below)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_what_a_room_does_not_hand_out_is_private_to_it(path):
    inside = [".".join(["souvenirs", *each]) for each in rooms_imported(path) if each[1:]]
    assert set(inside) <= set(DOORS)


def names_handed_out():
    """The names that each room imports in its ``__init__.py``, where these are not for projects."""
    for path in PACKAGE.glob("*/__init__.py"):
        text = path.read_text()
        if "__all__" not in text:
            names = {name for module, name in imports(path) if module.count(".") == 2}
            yield from ((room_of(path), name) for name in names if text.count(name) == 1)


@pytest.mark.parametrize(("room", "name"), sorted(names_handed_out()))
def test_a_room_hands_out_only_what_others_use(room, name):
    others = [path for path in MODULES if room_of(path) != room]
    assert any((f"souvenirs.{room}", name) in imports(path) for path in others)


def test_every_module_is_in_a_room():
    assert {room_of(path) for path in MODULES} - {"__init__"} == set(ROOMS)


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_says_what_it_is_for(room):
    path = PACKAGE / room / "__init__.py"
    docstring = ast.get_docstring(
        ast.parse((path if path.exists() else PACKAGE / f"{room}.py").read_text())
    )
    assert (docstring or "").splitlines()[:1] == [SENTENCES[room]]


def test_the_documentation_shows_the_same_house():
    assert HOUSE in DOCS.read_text()


def test_the_documentation_names_modules_that_exist():
    text = re.sub(r"^\|.*", "", DOCS.read_text(), flags=re.MULTILINE)
    named = set(re.findall(r"`([\w/]+\.py)`", text))
    assert len(named) > 10
    roots = (PACKAGE, DOCS.parents[1])
    assert [path for path in named if not any((root / path).exists() for root in roots)] == []


@pytest.mark.parametrize(("path", "name"), DOORS.items())
def test_a_door_is_open(path, name):
    assert hasattr(importlib.import_module(path), name)


@pytest.mark.parametrize("path", ["souvenirs.utils", "souvenirs.sets.usersets"])
def test_what_needs_no_settings_can_be_imported_without(path):
    environment = {name: os.environ[name] for name in os.environ if not name.startswith("DJANGO_")}
    code = f"import {path}"
    subprocess.run([sys.executable, "-c", code], env=environment, check=True, timeout=60)


def test_only_sets_knows_bitmaps():
    users = [path.relative_to(PACKAGE) for path in MODULES if "pyroaring" in names_imported(path)]
    assert users == [Path("sets/usersets.py")]


def test_importing_the_package_loads_no_models():
    assert not (PACKAGE / "__init__.py").read_text()


#: Modules whose subject the model itself is; all others ask a store.
NAMES_A_TABLE = {
    "admin/usage.py": "shows souvenirs as they are stored",
    "annotations.py": "has a table of its own, which is not about users",
    "counting/activity.py": "takes a queryset of souvenirs",
    "mail/deliveries.py": "has a table of its own, of what was sent",
    "publishing/table.py": "has a table of its own, of numbers",
    "recording/catchup.py": "sends its signal as the model",
    "recording/recorder.py": "sends its signal as the model",
    "statements/table.py": "has tables of its own, of what was issued",
}


def test_only_stores_name_the_tables():
    users = {
        str(path.relative_to(PACKAGE))
        for path in MODULES
        if "souvenirs.models" in names_imported(path) and room_of(path) != "stores"
    }
    assert users == set(NAMES_A_TABLE)
    managers = {room_of(path) for path in MODULES if ".objects" in path.read_text()}
    assert managers == {"annotations", "mail", "publishing", "statements", "stores"}


def test_only_digests_are_handed_rows_of_the_tables():
    rows = re.compile(r"\b(Digest|DigestTable|SouvenirQuerySet)\b|\.(souvenirs|digests)\.[a-z]+\(")
    users = {room_of(path) for path in MODULES if rows.search(path.read_text())}
    assert users == {"digests", "stores", "models"}


def test_the_kind_of_active_users_is_named_in_one_place():
    named = {
        str(path.relative_to(PACKAGE)): path.read_text().count("Digest.ACTIVE")
        for path in MODULES
        if "Digest.ACTIVE" in path.read_text()
    }
    # The default of a store, and the question whether souvenirs are folded into a kind.
    assert named == {"stores/__init__.py": 1, "stores/digesttable.py": 1}
