"""Requests to a site under test, one by one or as a load."""

from __future__ import annotations

import http.client
import random
import threading
import time
from collections.abc import Callable
from contextlib import closing
from typing import NamedTuple
from urllib.parse import urlsplit

from tests.faults.people import Person
from tests.processes import Web


class Visit(NamedTuple):
    """A request and what came of it; ``status`` is None where no answer came."""

    user: int | None
    path: str
    started: float
    ended: float
    status: int | None
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""

    @property
    def seconds(self) -> float:
        return self.ended - self.started

    def window(self, seconds: float) -> int | None:
        """The number of the window that all of the visit was in, if it was in one."""
        first, last = int(self.started // seconds), int(self.ended // seconds)
        return first if first == last else None


def visit(
    web: Web, path: str, person: Person | None = None, timeout: float = 40, cookies: str = ""
) -> Visit:
    """Ask for a page on a connection of its own."""
    cookie = "; ".join(part for part in (person.cookie if person else "", cookies) if part)
    headers = {"Cookie": cookie} if cookie else {}
    user = person.pk if person else None
    started = time.time()
    with closing(http.client.HTTPConnection(urlsplit(web.url).netloc, timeout=timeout)) as link:
        try:
            link.request("GET", path, headers={**headers, "Connection": "close"})
            response = link.getresponse()
            body = response.read()
        except (OSError, http.client.HTTPException):
            return Visit(user, path, started, time.time(), None)
    fields = tuple(response.getheaders())
    return Visit(user, path, started, time.time(), response.status, fields, body)


class Load:
    """Clients who ask without a pause for as long as the block lasts.

    ``choose`` names, given a random number generator, the person and the path of a request.
    """

    def __init__(
        self,
        web: Web,
        choose: Callable[[random.Random], tuple[Person | None, str]],
        clients: int = 4,
        pause: float = 0.0,
        seed: int = 0,
        cookies: str = "",
    ) -> None:
        self.web, self.choose, self.pause, self.cookies = web, choose, pause, cookies
        self.visits: list[Visit] = []
        self.over = threading.Event()
        self.clients = [
            threading.Thread(target=self._ask, args=(random.Random(f"{seed} {number}"),))
            for number in range(clients)
        ]

    def __enter__(self):
        for client in self.clients:
            client.start()
        return self

    def __exit__(self, *exc_info) -> None:
        self.over.set()
        for client in self.clients:
            client.join()

    def _ask(self, generator: random.Random) -> None:
        while not self.over.is_set():
            person, path = self.choose(generator)
            self.visits.append(visit(self.web, path, person, cookies=self.cookies))
            self.over.wait(self.pause * generator.uniform(0.5, 1.5))
