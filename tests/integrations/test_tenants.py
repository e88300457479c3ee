import os
import subprocess
import sys
from urllib.parse import urlsplit

import psycopg
import pytest

from tests import servers
from tests.conftest import require_server
from tests.processes import ROOT

pytestmark = [pytest.mark.faults, pytest.mark.thorough]


def url(name):
    return urlsplit(servers.POSTGRES)._replace(path=f"/{name}").geturl()


@pytest.fixture
def database():
    """The URL of an empty database of PostgreSQL."""
    require_server("postgresql")
    name = f"souvenirs_tenants_{os.getpid()}"
    with psycopg.connect(url("postgres"), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
        yield url(name)
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


def test_tenants_of_django_tenants_are_apart(database):
    done = subprocess.run(
        [sys.executable, "-m", "tests.integrations.tenants", database],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
