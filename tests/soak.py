"""A site under load whose servers break all the time: ``python -m tests.soak --seconds 600``.

Our own PostgreSQL, Redis and gunicorn, with two workers of four threads each, on loopback. Clients
ask without end for the pages of a small site; between calm spells, one fault at a time is brought
about, each kind in turn and in random order. ``--seed`` fixes the faults and the requests, though
not what the processes do in between. Then two things have to be true, or the exit code is 1:

**Nobody notices.** Every answer equals, in status, body and headers, the one that the same site
gave to the same request without the middleware and without faults. Left out are ``Date``; of a
cookie, ``expires``, which is ``Date`` and ``Max-Age``; and of a session in a cookie, its time stamp
and signature. A request may stay without an answer only where a worker was killed between its start
and its end. The pages in ``NEED_DATABASE`` are compared where no fault of the database lay, in part
or whole, between the request's start and its end.

**Nobody is lost, and nobody is made up.** A user has a souvenir in each window in which one of the
user's requests was answered, whatever was broken meanwhile: at the latest when the site is stopped.
Left out are requests that were in two windows, and those that a killed worker may have remembered
or claimed the window for: from the start of the fault before the kill to the end of the window
after it. And there is no souvenir of a user and window without a request of that user that reached
into that window.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import NamedTuple

import pytest

from tests.faults.load import Load, Visit, visit
from tests.faults.people import Person, make_people
from tests.processes import PostgreSQL, Redis, Web, wait_until

WINDOW = 10
BREAKER = 1
#: Longer than the default: a machine that is busy with the load itself is no fault.
TIMEOUT = 0.5
SETTLING = BREAKER + TIMEOUT

PEOPLE = 80
#: Users who delete themselves, each once.
LEAVERS = 40
CLIENTS = 6
#: Seconds between two requests of a client.
PAUSE = 0.08

PAGES = [
    "/plain/",
    "/asks/",
    "/api/",
    "/stream/",
    "/missing/",
    "/fails/",
    "/redirect/",
    "/login/",
    "/session/",
    "/slow/?seconds=0.05",
]
DELETE = "/delete/"
#: These ask for the user, or change something, in a transaction of their own.
NEED_DATABASE = {"/asks/", "/api/", DELETE}

#: With it, the answer to a login page is the same each time.
COOKIES = "csrftoken=" + "k" * 32


class Stage(NamedTuple):
    """What there is to break."""

    postgresql: PostgreSQL
    redis: Redis
    web: Web
    generator: random.Random


@contextmanager
def redis_stopped(stage: Stage) -> Iterator[None]:
    stage.redis.stop()
    yield
    stage.redis.start()


@contextmanager
def redis_suspended(stage: Stage) -> Iterator[None]:
    stage.redis.suspend()
    yield
    stage.redis.resume()


@contextmanager
def redis_restarted(stage: Stage) -> Iterator[None]:
    stage.redis.stop()
    stage.redis.start()
    yield


@contextmanager
def redis_flushed(stage: Stage) -> Iterator[None]:
    with stage.redis.client() as client:
        client.flushall()
    yield


@contextmanager
def postgresql_stopped(stage: Stage) -> Iterator[None]:
    stage.postgresql.stop()
    yield
    stage.postgresql.start()


@contextmanager
def postgresql_suspended(stage: Stage) -> Iterator[None]:
    stage.postgresql.suspend()
    yield
    stage.postgresql.resume()
    stage.postgresql.answers()


@contextmanager
def postgresql_read_only(stage: Stage) -> Iterator[None]:
    stage.postgresql.execute("ALTER DATABASE site SET default_transaction_read_only = on")
    yield
    stage.postgresql.execute("ALTER DATABASE site RESET default_transaction_read_only")


@contextmanager
def table_locked(stage: Stage) -> Iterator[None]:
    with stage.postgresql.connect("site") as connection, connection.transaction():
        connection.execute("LOCK TABLE souvenirs_souvenir IN ACCESS EXCLUSIVE MODE")
        yield


@contextmanager
def backends_terminated(stage: Stage) -> Iterator[None]:
    sql = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'site'"
    stage.postgresql.execute(sql)
    yield
    stage.postgresql.execute(sql)


@contextmanager
def worker_killed(stage: Stage) -> Iterator[None]:
    stage.web.kill(pid=stage.generator.choice(stage.web.workers))
    yield
    wait_until(lambda: len(stage.web.workers) == stage.web.number)


OF_THE_CACHE = [redis_stopped, redis_suspended, redis_restarted, redis_flushed]
OF_THE_DATABASE = [
    postgresql_stopped,
    postgresql_suspended,
    postgresql_read_only,
    table_locked,
    backends_terminated,
]
KINDS: list[Callable[[Stage], AbstractContextManager[None]]] = [
    *OF_THE_CACHE,
    *OF_THE_DATABASE,
    worker_killed,
]


class Fault(NamedTuple):
    kind: Callable[[Stage], AbstractContextManager[None]]
    started: float
    ended: float

    @property
    def settled(self) -> float:
        """When everything is again as if nothing had been."""
        settled = self.ended + SETTLING
        if self.kind is worker_killed:
            return max(settled, (self.ended // WINDOW + 1) * WINDOW)
        return settled

    def overlaps(self, visit: Visit) -> bool:
        return self.started <= visit.ended and visit.started <= self.ended

    def disturbs(self, visit: Visit) -> bool:
        return self.started <= visit.ended and visit.started <= self.settled


class Faults:
    """Brings about one fault at a time until its time is over."""

    def __init__(self, stage: Stage, seconds: float) -> None:
        self.stage, self.over = stage, time.monotonic() + seconds
        #: Short, where each kind would otherwise not have its turn.
        self.turn = min(8.0, (seconds - SETTLING) / len(KINDS))
        self.all: list[Fault] = []

    def run(self) -> None:
        generator = self.stage.generator
        while True:
            for kind in generator.sample(KINDS, len(KINDS)):
                length = self.turn * generator.uniform(0.1, 0.35)
                if not self._sleep(self.turn - length):
                    return
                started = time.time()
                with kind(self.stage):
                    self._sleep(length)
                self.all.append(Fault(kind, started, time.time()))

    def _sleep(self, seconds: float) -> bool:
        """Sleep, at most to the end; whether there is time left."""
        time.sleep(max(0, min(seconds, self.over - time.monotonic())))
        return time.monotonic() < self.over


class Answers:
    """What the site without the middleware answers where nothing is wrong."""

    def __init__(self, twin: Web, people: list[Person], leaver: Person) -> None:
        everyone = [None, *people]
        requests = [(path, person) for path in PAGES for person in everyone] + [(DELETE, leaver)]
        with ThreadPoolExecutor(CLIENTS) as clients:
            visits = clients.map(lambda request: visit(twin, *request, cookies=COOKIES), requests)
            self.known = {self._key(visit): comparable(visit) for visit in visits}

    def equal(self, visit: Visit) -> bool:
        return self.known[self._key(visit)] == comparable(visit)

    def _key(self, visit: Visit) -> tuple[str, int | None]:
        # Whoever deletes themselves does so once, and all with the same answer.
        return visit.path, None if visit.path == DELETE else visit.user


def comparable(visit: Visit) -> tuple[object, ...]:
    """What has to be the same each time."""
    headers = []
    for name, value in visit.headers:
        if name.lower() == "set-cookie":
            value = re.sub(r" expires=[^;]*;", "", value)
            value = re.sub(r"^(sessionid=[^:;]*):[^;]*", r"\1", value)
        if name.lower() != "date":
            headers.append((name, value))
    return visit.status, visit.body, headers


class Report:
    """What came of it."""

    def __init__(
        self,
        visits: list[Visit],
        faults: list[Fault],
        answers: Answers,
        souvenirs: list[tuple[int, int]],
    ) -> None:
        self.visits, self.faults = visits, faults
        self.souvenirs = souvenirs
        self.calm = [visit for visit in visits if not _any(faults, Fault.disturbs, visit)]
        self.silent = [visit for visit in visits if visit.status is None]
        kills = [fault for fault in faults if fault.kind is worker_killed]
        #: When a worker that was killed may have taken something with it.
        losses = [
            fault._replace(started=before.started)
            for before, fault in zip(faults[:1] + faults, faults, strict=False)
            if fault.kind is worker_killed
        ]
        outages = [fault for fault in faults if fault.kind in OF_THE_DATABASE]
        self.unexplained = [
            visit for visit in self.silent if not _any(kills, Fault.overlaps, visit)
        ]
        self.compared = [
            visit
            for visit in visits
            if visit.status is not None
            and not (visit.path in NEED_DATABASE and _any(outages, Fault.overlaps, visit))
        ]
        self.different = [visit for visit in self.compared if not answers.equal(visit)]
        owed = {
            (visit.user, window)
            for visit in visits
            if visit.user is not None
            and visit.status is not None
            and not _any(losses, Fault.disturbs, visit)
            and (window := visit.window(WINDOW)) is not None
        }
        possible = {
            (visit.user, window)
            for visit in visits
            for window in range(int(visit.started // WINDOW), int(visit.ended // WINDOW) + 1)
        }
        self.owed = owed
        self.missing = sorted(owed - set(souvenirs))
        self.made_up = sorted(set(souvenirs) - possible)

    @property
    def is_good(self) -> bool:
        bad = self.different or self.unexplained or self.missing or self.made_up
        # A run that shows nothing is not a good one.
        return not bad and bool(self.owed) and len({fault.kind for fault in self.faults}) > 0

    def lines(self) -> Iterator[str]:
        injected = Counter(fault.kind.__name__ for fault in self.faults)
        yield f"faults: {len(self.faults)}"
        yield from (f"  {kind.__name__}: {injected[kind.__name__]}" for kind in KINDS)
        yield f"requests: {len(self.visits)}, {len(self.calm)} of them calm"
        without = [visit for visit in self.visits if visit.path not in NEED_DATABASE]
        calm = set(self.calm)
        yield f"slowest in calm: {_slowest(self.calm)}"
        yield f"slowest under a fault: {_slowest(visit for visit in without if visit not in calm)}"
        yield f"answers compared: {len(self.compared)}, different: {len(self.different)}"
        yield from (f"  {visit}" for visit in self.different[:5])
        yield f"without an answer: {len(self.silent)}, unexplained: {len(self.unexplained)}"
        yield from (f"  {visit}" for visit in self.unexplained[:5])
        found = set(self.souvenirs)
        yield f"souvenirs: {len(self.souvenirs)} of {len(found)} users and windows"
        yield f"users and windows owed: {len(self.owed)}, missing: {len(self.missing)}"
        yield from (f"  {self._story(*pair)}" for pair in self.missing[:5])
        yield f"souvenirs without a request: {len(self.made_up)}"
        yield from (f"  {self._story(*pair)}" for pair in self.made_up[:5])

    def _story(self, user: int, window: int) -> str:
        start = window * WINDOW
        near = range(window - 1, window + 2)
        asked = [
            f"{visit.path} {visit.status} at {visit.started - start:.2f}-{visit.ended - start:.2f}"
            for visit in self.visits
            if visit.user == user and window in (visit.started // WINDOW, visit.ended // WINDOW)
        ]
        broken = [
            f"{fault.kind.__name__} at {fault.started - start:.2f}-{fault.ended - start:.2f}"
            for fault in self.faults
            if fault.started // WINDOW in near or fault.ended // WINDOW in near
        ]
        return f"user {user}, window of {start}: asked {asked}, broken {broken}"


def _any(faults: list[Fault], how: Callable[[Fault, Visit], bool], visit: Visit) -> bool:
    return any(how(fault, visit) for fault in faults)


def _slowest(visits) -> str:
    slowest = max(visits, key=lambda visit: visit.seconds, default=None)
    return f"{slowest.seconds:.3f} s, {slowest.path}" if slowest else "none"


def soak(seconds: float, seed: int, stack: ExitStack) -> tuple[Report, str]:
    """Run for so long and return what came of it, and the log of the site."""
    postgresql, redis = stack.enter_context(PostgreSQL()), stack.enter_context(Redis())
    settings = {"RATELIMIT_SECONDS": WINDOW, "BREAKER_SECONDS": BREAKER, "TIMEOUT": TIMEOUT}
    environment = {
        "DJANGO_SETTINGS_MODULE": "tests.faults.site",
        "SITE_DATABASE": postgresql.database("site"),
        "SITE_CACHE": redis.url,
        "SITE_SESSIONS": "signed_cookies",
        "SITE_SETTINGS": json.dumps({f"SOUVENIRS_{name}": settings[name] for name in settings}),
    }
    postgresql.execute("CREATE DATABASE site")
    everyone = make_people(environment, PEOPLE + LEAVERS)
    people, leavers = everyone[:PEOPLE], everyone[PEOPLE:]
    postgresql.execute("CREATE DATABASE twin TEMPLATE site")
    without = {"SITE_DATABASE": postgresql.database("twin"), "SITE_WITHOUT_SOUVENIRS": "1"}
    with Web({**environment, **without}, "gthread", workers=2, threads=4) as twin:
        answers = Answers(twin, people, leavers[-1])

    def choose(generator: random.Random) -> tuple[Person | None, str]:
        chance = generator.random()
        if chance < 0.005 and leavers:
            return leavers.pop(), DELETE
        person = None if chance > 0.95 else generator.choice(people)
        return person, generator.choice(PAGES)

    web = stack.enter_context(Web(environment, "gthread", workers=2, threads=4))
    faults = Faults(Stage(postgresql, redis, web, random.Random(seed)), seconds)
    with Load(web, choose, CLIENTS, PAUSE, seed, COOKIES) as load:
        faults.run()
    web.stop()  # which writes what is left
    rows = postgresql.execute('SELECT user_id, "when" FROM souvenirs_souvenir', "site")
    souvenirs = [(user, int(when.timestamp() // WINDOW)) for user, when in rows]
    return Report(load.visits, faults.all, answers, souvenirs), web.log


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description="Break everything.")
    parser.add_argument("--seconds", type=float, default=600, help="how long (default: 600)")
    parser.add_argument("--seed", type=int, default=0, help="of the faults and the requests")
    options = parser.parse_args(arguments)
    if options.seconds < 20:
        parser.error("--seconds must be 20 or more, so that every kind of fault has its turn.")

    def give_up(number: int, frame: object) -> None:
        raise SystemExit(f"{signal.Signals(number).name}: gave up.")

    # Whatever hangs, this ends.
    signal.signal(signal.SIGALRM, give_up)
    signal.signal(signal.SIGTERM, give_up)
    signal.alarm(int(options.seconds) + 120)
    try:
        with ExitStack() as stack:
            report, log = soak(options.seconds, options.seed, stack)
    except (pytest.skip.Exception, pytest.fail.Exception) as missing:
        print(f"Cannot run: {missing}.")
        return 1
    print("\n".join(report.lines()))
    if not report.is_good:
        print(f"The log of the site ends:\n{log[-20_000:]}")
    print("Everything held." if report.is_good else "FAILED.")
    return not report.is_good


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
