"""The site under test behind a server of ASGI, and clients who go away."""

import json
import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from tests.faults.load import visit
from tests.processes import HOST, Web, wait_until

pytestmark = [pytest.mark.faults, pytest.mark.thorough]

#: The number of requests under way at the same time.
AT_ONCE = 4

#: What may stand inside the middleware of the app.
INSIDE = {
    "nothing": [],
    "async": ["django.middleware.gzip.GZipMiddleware"],
    "sync only": ["tests.faults.site.sync_only"],
    "several": [
        "tests.faults.site.sync_only",
        "django.middleware.gzip.GZipMiddleware",
        "tests.faults.site.sync_only",
    ],
}


@contextmanager
def hanging(web, path, people):
    """Requests that are under way, with connections that are closed when the block ends."""
    clients = [socket.create_connection((HOST, web.port)) for _ in people]
    try:
        for client, person in zip(clients, people, strict=True):
            request = f"GET {path} HTTP/1.1\r\nHost: {HOST}\r\nCookie: {person.cookie}\r\n\r\n"
            client.sendall(request.encode())
        yield clients
    finally:
        for client in clients:
            client.close()


@pytest.mark.parametrize("inside", INSIDE)
def test_given_up_requests_are_recorded(site, inside):
    environment = {**site.environment(), "SITE_MIDDLEWARE_INSIDE": json.dumps(INSIDE[inside])}
    with Web(environment, "uvicorn") as web:
        with hanging(web, "/async_hangs/", site.people):
            assert wait_until(lambda: web.log.count("A view has begun.") == len(site.people))
            assert site.users() == []
        everyone = [person.pk for person in site.people]
        wait_until(lambda: site.users() == everyone)
        assert site.users() == everyone


def keeping_connections(site, inside="nothing"):
    """The environment of a site with ``CONN_MAX_AGE``."""
    return {
        **site.environment(),
        "SITE_KEEPS_CONNECTIONS": "1",
        "SITE_MIDDLEWARE_INSIDE": json.dumps(INSIDE[inside]),
    }


def connections(site):
    """The number of connections to the database of the site that are open."""
    sql = f"SELECT count(*) FROM pg_stat_activity WHERE datname = '{site.name}'"
    [(number,)] = site.server.execute(sql)
    return number


def clients(redis):
    """The number of connections to Redis that others have open."""
    with redis.client() as client:
        return len(client.client_list()) - 1


def visit_all(web, people, path):
    with ThreadPoolExecutor(AT_ONCE) as threads:
        return list(threads.map(lambda person: visit(web, path, person), people))


@pytest.mark.parametrize("path", ["/plain/", "/async_slow/?seconds=0", "/async_stream/"])
@pytest.mark.parametrize("inside", ["nothing", "sync only"])
def test_no_connection_is_left_open(site, redis, path, inside):
    with Web(keeping_connections(site, inside), "uvicorn") as web:
        assert {each.status for each in visit_all(web, site.people, path)} == {200}
        assert len(site.users()) == len(site.people)
        assert wait_until(lambda: not connections(site))
        # The first requests may make a pool of connections each, of which the last one stays.
        assert clients(redis) <= 2 * AT_ONCE


def test_a_stream_that_fails_leaves_no_connection_open(site):
    with Web(keeping_connections(site), "uvicorn") as web:
        visit_all(web, site.people, "/async_fails_in_mid_stream/")
        assert wait_until(lambda: not connections(site))
        assert len(site.users()) == len(site.people)


@pytest.mark.parametrize("inside", ["nothing", "sync only"])
@pytest.mark.parametrize("path", ["/async_hangs/", "/async_endless_stream/"])
def test_a_client_who_goes_away_leaves_no_connection_open(site, path, inside):
    with Web(keeping_connections(site, inside), "uvicorn") as web:
        with hanging(web, path, site.people) as clients:
            if path == "/async_hangs/":
                assert wait_until(lambda: web.log.count("A view has begun.") == len(clients))
            else:
                for client in clients:
                    assert client.recv(10)
        assert wait_until(lambda: len(site.users()) == len(site.people))
        assert wait_until(lambda: not connections(site))
