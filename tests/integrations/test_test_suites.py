"""The test suite of a small project, which leaves behind what it could not write."""

import os
import sqlite3
import subprocess
import sys
from contextlib import closing, suppress

import psycopg
import pytest

from tests import servers
from tests.conftest import require_server
from tests.integrations.test_tenants import url
from tests.processes import ROOT, module

pytestmark = [pytest.mark.faults, pytest.mark.thorough]

SETTINGS = """
import dj_database_url

DATABASES = {{"default": dj_database_url.parse({url!r}) | {{"TEST": {{"NAME": {name!r}}}}}}}
INSTALLED_APPS = ["django.contrib.auth", "django.contrib.contenttypes", "souvenirs"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
"""

TESTS = """
import pytest
from django.db import OperationalError, connection
from souvenirs.control import souvenez
from souvenirs.models import Souvenir
from souvenirs.recording import backlog


def fails(execute, sql, params, many, context):
    if sql.startswith("INSERT"):
        raise OperationalError("no inserts")
    return execute(sql, params, many, context)


@pytest.mark.django_db(transaction=True)
def test_what_cannot_be_written_is_remembered():
    assert not Souvenir.objects.exists()
    with connection.execute_wrapper(fails), pytest.raises(OperationalError):
        souvenez(1)
    assert len(backlog.backlog()) == 1
"""


class Project:
    """A project in a folder, with the database that its tests use."""

    def __init__(self, folder, engine):
        self.folder, self.engine = folder, engine
        self.name = str(folder / "test.sqlite3")
        address = f"sqlite:///{folder / 'site.sqlite3'}"
        if engine == "postgresql":
            self.name, address = f"souvenirs_suite_{os.getpid()}", servers.POSTGRES
        (folder / "settings.py").write_text(SETTINGS.format(url=address, name=self.name))
        (folder / "test_site.py").write_text(TESTS)

    def test(self, *options):
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--ds=settings", *options],
            cwd=self.folder,
            env={**os.environ, "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{self.folder}"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout
        return done.stdout

    def users(self):
        """Of the souvenirs in the database of the tests; None if it does not exist."""
        sql = "SELECT user_id FROM souvenirs_souvenir"
        with suppress(sqlite3.OperationalError, psycopg.OperationalError):
            if self.engine == "postgresql":
                with psycopg.connect(url(self.name)) as connection:
                    return connection.execute(sql).fetchall()
            with closing(sqlite3.connect(f"file:{self.name}?mode=ro", uri=True)) as connection:
                return connection.execute(sql).fetchall()
        return None


@pytest.fixture(params=["sqlite", "postgresql"])
def project(request, tmp_path):
    module("pytest_django")
    if request.param == "postgresql":
        require_server("postgresql")
    project = Project(tmp_path, request.param)
    yield project
    if request.param == "postgresql":
        with psycopg.connect(url("postgres"), autocommit=True) as connection:
            connection.execute(f"DROP DATABASE IF EXISTS {project.name} WITH (FORCE)")


def test_database_that_is_kept_for_the_next_run_gets_nothing(project):
    for _ in range(2):
        assert "Souvenirs are lost" not in project.test("--reuse-db")
        assert project.users() == []


def test_database_that_is_dropped_is_not_made_anew(project):
    project.test()
    assert project.users() is None
