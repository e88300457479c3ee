"""What a whole site pays: requests per second behind gunicorn and uvicorn, with wrk.

The same site three times, at the same time: with a middleware that does nothing, with that of
version 1.0.2 and with that of version 2. wrk asks them in turns, and each stays warm meanwhile. On
loopback, in a database of its own, and gone in the end.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from time import monotonic, perf_counter, sleep
from typing import Any

from _common import NAME, WEEK, answering, machine, print_table, say, scratch
from _version1 import OldSouvenir
from django.conf import settings
from django.contrib import auth
from django.contrib.auth.models import User
from django.contrib.sessions.backends.signed_cookies import SessionStore
from django.core.cache import caches
from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper

from souvenirs.models import Souvenir

FOLDER = Path(__file__).parent
HOST = "127.0.0.1"
USERS = 10_000
#: Of wrk; the first requests are made by as many threads.
CONNECTIONS = 8
#: First requests of users in one turn.
TURN = 500
#: Seconds that a server has to answer in, and a page.
START, PAGE = 30, 10

PAGES = {"never": "never asks for the user", "asks": "asks for the user"}
MIDDLEWARE = {
    "without": "_site.do_nothing",
    "1.0.2": "_version1.Middleware",
    "version 2": "souvenirs.middleware.SouvenirsMiddleware",
}
#: Where each leaves its rows.
TABLES: dict[str, type[models.Model]] = {"1.0.2": OldSouvenir, "version 2": Souvenir}

WRK = """
local requests = {}
for cookie in io.lines(os.getenv("SOUVENIRS_BENCH_COOKIES")) do
  requests[#requests + 1] = cookie
end
local path = os.getenv("SOUVENIRS_BENCH_PATH")
local count = #requests
local seeds = 0

function setup(thread)
  thread:set("seed", seeds)
  seeds = seeds + 1
end

function init(args)
  math.randomseed(seed)
  for i = 1, count do
    requests[i] = wrk.format("GET", path, {["Host"] = wrk.host, ["Cookie"] = requests[i]})
  end
end

function request()
  return requests[math.random(count)]
end

function done(summary, latency, requests)
  local errors = summary.errors
  local wrong = errors.connect + errors.read + errors.write + errors.status + errors.timeout
  io.write(string.format('\\n{"requests": %d, "microseconds": %d, "errors": %d, "p99": %d}\\n',
    summary.requests, summary.duration, wrong, latency:percentile(99)))
end
"""


@dataclass
class Server:
    kind: str
    process: subprocess.Popen[bytes]
    port: int

    def cpu_seconds(self) -> float:
        """What it has computed so far, its worker included; 0 where the system does not tell."""
        mine = self.process.pid
        try:
            children = Path(f"/proc/{mine}/task/{mine}/children").read_text().split()
            stats = [Path(f"/proc/{pid}/stat").read_text() for pid in [mine, *children]]
        except OSError:
            return 0
        fields = [stat.rpartition(")")[2].split() for stat in stats]
        ticks = sum(int(of[11]) + int(of[12]) for of in fields)
        return ticks / os.sysconf("SC_CLK_TCK")

    def stop(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


@dataclass
class Load:
    """What wrk is to do."""

    seconds: int
    cookies: Path
    script: Path

    def on(self, server: Server, page: str) -> tuple[float, float]:
        """How many requests a server answers in a second, and in a second of computing."""
        command = ["wrk", "--threads=2", f"--connections={CONNECTIONS}", f"--timeout={PAGE}s"]
        command += [f"--duration={self.seconds}s", f"--script={self.script}"]
        environment = os.environ | {
            "SOUVENIRS_BENCH_COOKIES": str(self.cookies),
            "SOUVENIRS_BENCH_PATH": f"/{page}/",
        }
        before = server.cpu_seconds()
        done = subprocess.run(
            [*command, f"http://{HOST}:{server.port}"],
            check=True,
            env=environment,
            stdout=subprocess.PIPE,
            timeout=self.seconds + START,
        )
        found = json.loads(done.stdout.splitlines()[-1])
        if found["errors"] or not found["requests"]:
            sys.exit(f"{server.kind} on {page}: {found}")
        computed = server.cpu_seconds() - before
        rate = found["requests"] / found["microseconds"] * 1e6
        return rate, found["requests"] / computed if computed else rate


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--users", type=int, default=USERS)
    parser.add_argument("--seconds", type=int, default=8, help="of each run of wrk")
    parser.add_argument("--rounds", type=int, default=5, help="runs of each")
    parser.add_argument("--servers", default="gunicorn,uvicorn")
    arguments = parser.parse_args()
    if not shutil.which("wrk"):
        sys.exit("wrk is not installed: apt-get install wrk, or brew install wrk.")
    wanted = [name for name in arguments.servers.split(",") if name]
    names = [name for name in wanted if find_spec(name)]
    for name in set(wanted) - set(names):
        say(f"{name} is not installed: left out. pip install {name}")

    engine = answering(["postgresql"]) or answering(["sqlite"])
    cache = answering(["redis"]) or ["locmem"]
    first: list[list[str]] = []
    steady: list[list[str]] = []
    with ExitStack() as stack:
        if cache == ["redis"]:
            stack.callback(forget_keys)
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix=NAME)))
        connection = stack.enter_context(scratch(engine[0]))
        with connection.schema_editor() as editor:
            editor.create_model(OldSouvenir)
        cookies = sign_in(arguments.users)
        load = Load(arguments.seconds, folder / "cookies", folder / "wrk.lua")
        load.cookies.write_text("\n".join(cookies) + "\n")
        load.script.write_text(WRK)
        for name in names:
            with serving(name, connection, cache[0]) as servers:
                say(f"First requests behind {name}...")
                first.append([name, *first_requests(servers, cookies)])
                for server in servers:
                    greeting = fetch(connect(server.port), "asks", cookies[0])
                    assert b"<h1>Hello user0</h1>" in greeting
                for page, title in PAGES.items():
                    say(f"A page that {title}, behind {name}...")
                    figures = steady_state(load, servers, page, arguments.rounds)
                    steady.append([f"{name}, {title}", *figures])

    print(f"## Serving\n\n{machine([*engine, *cache])}.\n")
    print(
        f"Requests per second of {arguments.users:,} signed-in users in random order, with wrk "
        f"over {CONNECTIONS} connections: one worker, sessions in signed cookies, a page from a "
        f"template. Medians of {arguments.rounds} alternating runs of {arguments.seconds} seconds "
        "each. Ratios are medians of the ratios within each round, with the lowest and the "
        "highest:\n"
    )
    headers = [*MIDDLEWARE, *(f"{kind} / without" for kind in TABLES)]
    print_table(["page", *headers, "version 2 / without, by CPU time"], steady)
    print(
        "The same users' first requests in the window, each of which leaves a souvenir, on a page "
        f"that never asks for the user, in alternating rounds of {TURN} users:\n"
    )
    print_table(["first requests", *headers, "version 2 / 1.0.2"], first)


def sign_in(count: int) -> list[str]:
    """As many users, each with a session that is all in its cookie."""
    names = [f"user{number}" for number in range(count)]
    cookies = []
    for user in User.objects.bulk_create([User(username=name) for name in names]):
        session = SessionStore()
        session[auth.SESSION_KEY] = str(user.pk)
        session[auth.BACKEND_SESSION_KEY] = "django.contrib.auth.backends.ModelBackend"
        session[auth.HASH_SESSION_KEY] = user.get_session_auth_hash()
        session.save()
        cookies.append(f"sessionid={session.session_key}")
    return cookies


@contextmanager
def serving(name: str, connection: BaseDatabaseWrapper, cache: str) -> Iterator[list[Server]]:
    """One server for each middleware, answering."""
    with ExitStack() as stack:
        servers = []
        for kind in MIDDLEWARE:
            server = start(name, kind, site_settings(name, kind, connection, cache))
            stack.callback(server.stop)
            servers.append(server)
        for server in servers:
            wait_for(server)
        yield servers


def site_settings(
    name: str, kind: str, connection: BaseDatabaseWrapper, cache: str
) -> dict[str, Any]:
    as_asgi = name == "uvicorn"
    database = dict(connection.settings_dict)
    # A thread of uvicorn lives as long as its request, and a connection with it.
    database["CONN_MAX_AGE"] = 0 if as_asgi else None
    if connection.vendor == "sqlite":
        pragmas = "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA busy_timeout=5000"
        database["OPTIONS"] = {"init_command": pragmas, "transaction_mode": "IMMEDIATE"}
    templates = {
        "page.html": "<!doctype html><title>A page</title><h1>Hello {{ name }}</h1><ul>"
        "{% for item in items %}<li>{{ forloop.counter }}: {{ item }}</li>{% endfor %}</ul>"
    }
    loaders = [("django.template.loaders.locmem.Loader", templates)]
    return {
        "SERVED_AS": "asgi" if as_asgi else "wsgi",
        "DATABASES": {"default": database},
        "CACHES": {"default": settings.CACHES[cache]},
        "INSTALLED_APPS": settings.INSTALLED_APPS,
        "MIDDLEWARE": [
            "django.contrib.sessions.middleware.SessionMiddleware",
            "django.contrib.auth.middleware.AuthenticationMiddleware",
            MIDDLEWARE[kind],
        ],
        "SESSION_ENGINE": "django.contrib.sessions.backends.signed_cookies",
        "TEMPLATES": [
            {
                "BACKEND": "django.template.backends.django.DjangoTemplates",
                "OPTIONS": {"loaders": [("django.template.loaders.cached.Loader", loaders)]},
            }
        ],
        "ROOT_URLCONF": "_site",
        "ALLOWED_HOSTS": [HOST],
        "DEFAULT_AUTO_FIELD": settings.DEFAULT_AUTO_FIELD,
        "SECRET_KEY": settings.SECRET_KEY,
        "USE_TZ": True,
        "SOUVENIRS_RATELIMIT_SECONDS": WEEK,
        # Behind each server everybody comes for the first time.
        "SOUVENIRS_CACHE_PREFIX": f"{name}.{kind.replace(' ', '')}.",
    }


def start(name: str, kind: str, site: dict[str, Any], workers: int = 1, threads: int = 2) -> Server:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", name, "_site:application"]
    if name == "gunicorn":
        command += [f"--bind={HOST}:{port}", f"--workers={workers}", f"--threads={threads}"]
        command += ["--worker-class=gthread", "--log-level=warning", "--no-control-socket"]
    else:
        command += [f"--host={HOST}", f"--port={port}", "--log-level=warning", "--no-access-log"]
    environment = os.environ | {"SOUVENIRS_BENCH_SITE": json.dumps(site, default=str)}
    return Server(kind, subprocess.Popen(command, cwd=FOLDER, env=environment), port)


def wait_for(server: Server, page: str = "never") -> None:
    """Until it answers an anonymous visitor."""
    began = monotonic()
    while monotonic() - began < START:
        if server.process.poll() is not None:
            break
        try:
            fetch(connect(server.port), page)
        except ConnectionError:
            sleep(0.1)
        else:
            return
    sys.exit(f"The server for {server.kind} does not answer.")


def connect(port: int) -> HTTPConnection:
    return HTTPConnection(HOST, port, timeout=PAGE)


def fetch(connection: HTTPConnection, page: str, cookie: str = "") -> bytes:
    connection.request("GET", f"/{page}/", headers={"Cookie": cookie} if cookie else {})
    response = connection.getresponse()
    body = response.read()
    if response.status != 200:
        sys.exit(f"/{page}/ answers {response.status}.")
    return body


def first_requests(servers: Sequence[Server], cookies: Sequence[str]) -> list[str]:
    """Each user's first request, once; the servers in turns."""
    before = {kind: table._default_manager.count() for kind, table in TABLES.items()}
    rates: list[list[float]] = [[] for _ in servers]
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        for at in range(0, len(cookies), TURN):
            turn = cookies[at : at + TURN]
            parts = [turn[n::CONNECTIONS] for n in range(CONNECTIONS)]
            for number in in_turn(servers, at // TURN):
                began = perf_counter()
                ports = [servers[number].port] * CONNECTIONS
                list(pool.map(fetch_all, ports, parts))
                rates[number].append(len(turn) / (perf_counter() - began))
    for kind, table in TABLES.items():
        found = table._default_manager.count() - before[kind]
        if found != len(cookies):
            sys.exit(f"{kind}: {len(cookies):,} users left {found:,} souvenirs.")
    of = dict(zip([server.kind for server in servers], rates, strict=True))
    return [*summary(of), spread(of["version 2"], of["1.0.2"])]


def fetch_all(port: int, cookies: Sequence[str]) -> None:
    connection = connect(port)
    for cookie in cookies:
        fetch(connection, "never", cookie)
    connection.close()


def steady_state(load: Load, servers: Sequence[Server], page: str, rounds: int) -> list[str]:
    """Everybody has left a souvenir; each server in turn in every round."""
    rates: dict[str, list[float]] = {kind: [] for kind in MIDDLEWARE}
    computing: dict[str, list[float]] = {kind: [] for kind in MIDDLEWARE}
    # The first round warms up.
    for turn in range(rounds + 1):
        for number in in_turn(servers, turn):
            rate, by_cpu = load.on(servers[number], page)
            if turn:
                rates[servers[number].kind].append(rate)
                computing[servers[number].kind].append(by_cpu)
    return [*summary(rates), spread(computing["version 2"], computing["without"])]


def in_turn(servers: Sequence[Server], turn: int) -> list[int]:
    """Their positions; another one is first in each turn."""
    count = len(servers)
    return [(turn + place) % count for place in range(count)]


def summary(rates: dict[str, list[float]]) -> list[str]:
    medians = [f"{median(found):,.0f}" for found in rates.values()]
    return medians + [spread(rates[kind], rates["without"]) for kind in TABLES]


def spread(some: Sequence[float], others: Sequence[float]) -> str:
    ratios = [100 * one / other for one, other in zip(some, others, strict=True)]
    return f"{median(ratios):.1f} % ({min(ratios):.1f} to {max(ratios):.1f})"


def forget_keys() -> None:
    client = caches["redis"]._cache.get_client(write=True)
    for key in client.scan_iter(f"{NAME}:*"):
        client.delete(key)


if __name__ == "__main__":
    main()
