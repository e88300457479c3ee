from __future__ import annotations

import itertools
import json
from datetime import datetime

import pytest

from tests.faults.people import make_people
from tests.processes import MariaDB, PostgreSQL, Redis

#: A window that began long ago and ends in years: no test runs over its edge.
ENDLESS = 1_000_000_000

#: Seconds that nothing but a fault takes, on the busiest machine.
PATIENT = 5


class Site:
    """A site in a database of its own, with people who are signed in and have done nothing."""

    def __init__(self, server, name, people, cache):
        self.server, self.name, self.people, self.cache = server, name, people, cache

    def environment(self, sessions="signed_cookies", cache_backend=None, cache=None, **settings):
        """The environment of the site's processes; ``settings`` without their prefix."""
        settings = {"RATELIMIT_SECONDS": ENDLESS, "TIMEOUT": PATIENT, **settings}
        environment = {
            "DJANGO_SETTINGS_MODULE": "tests.faults.site",
            "SITE_DATABASE": self.server.database(self.name),
            "SITE_CACHE": cache or self.cache,
            "SITE_SESSIONS": sessions,
            "SITE_SETTINGS": json.dumps({f"SOUVENIRS_{key}": settings[key] for key in settings}),
        }
        return environment | ({"SITE_CACHE_BACKEND": cache_backend} if cache_backend else {})

    def souvenirs(self) -> list[tuple[int, datetime]]:
        sql = "SELECT user_id, {} FROM souvenirs_souvenir"
        column = '"when"' if self.server.url.startswith("postgres") else "`when`"
        return list(self.server.execute(sql.format(column), self.name))

    def users(self) -> list[int]:
        """The users of the souvenirs, each as often as there are souvenirs."""
        return sorted(user for user, _ in self.souvenirs())

    def recorded(self) -> list[int]:
        """The users of the souvenirs, each once."""
        return sorted(set(self.users()))

    def missing(self, visits, seconds) -> set[tuple[int, int]]:
        """Users and windows of answered visits without a souvenir."""
        found = {(user, int(when.timestamp() // seconds)) for user, when in self.souvenirs()}
        return {
            (visit.user, visit.window(seconds))
            for visit in visits
            if visit.status is not None and visit.window(seconds) is not None
        } - found


def _sites(server, environment):
    """Copies of a database with people, each made when it is asked for."""
    server.execute("CREATE DATABASE people")
    people = make_people({**environment, "SITE_DATABASE": server.database("people")}, 40)
    for number in itertools.count(1):
        name = f"site_{number}"
        server.execute(f"CREATE DATABASE {name} TEMPLATE people")
        yield name, people


@pytest.fixture(scope="module")
def postgresql():
    with PostgreSQL() as server:
        yield server


@pytest.fixture(scope="module")
def _postgresql_sites(postgresql):
    environment = {"DJANGO_SETTINGS_MODULE": "tests.faults.site", "SITE_SESSIONS": "signed_cookies"}
    return _sites(postgresql, environment)


@pytest.fixture
def redis():
    with Redis() as server:
        yield server


@pytest.fixture
def site(postgresql, _postgresql_sites, redis):
    """A site on PostgreSQL and Redis."""
    name, people = next(_postgresql_sites)
    return Site(postgresql, name, people, redis.url)


@pytest.fixture
def mariadb_site(redis):
    """A site on MariaDB and Redis."""
    with MariaDB() as server:
        server.execute("CREATE DATABASE site CHARACTER SET utf8mb4")
        site = Site(server, "site", [], redis.url)
        site.people = make_people(site.environment(), 20)
        yield site
