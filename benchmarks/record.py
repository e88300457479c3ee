"""What a request pays: version 2 beside the algorithm of version 1.0.2, in one process.

And beside other apps that keep track of users, where they are installed: see requirements.txt.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from statistics import median
from typing import NamedTuple
from unittest.mock import patch

import _others
from _common import (
    ENGINES,
    NAME,
    TITLES,
    WEEK,
    alternate_calls,
    alternate_quick,
    answering,
    machine,
    print_table,
    say,
    scratch,
    times,
    us,
)
from _version1 import Middleware as OldMiddleware
from _version1 import OldSouvenir
from _version1 import souvenez as old_souvenez
from django.contrib import auth
from django.contrib.auth.middleware import AuthenticationMiddleware
from django.contrib.auth.models import User
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.middleware import SessionMiddleware
from django.core.cache import caches
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory, override_settings
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from django.utils.module_loading import import_string

from souvenirs.conf import conf
from souvenirs.control import souvenez
from souvenirs.middleware import SouvenirsMiddleware
from souvenirs.models import Souvenir
from souvenirs.recording.ratelimit import rate_limiter, window_now

CACHES = ["locmem", "redis"]
#: A small site and a larger one.
SITES = [("sqlite", "locmem"), ("postgresql", "redis")]
USERS = 300
REQUESTS = 500
ROUNDS = 7
#: The others write to the database in every request: of them, so many fewer requests.
OTHERS_SHARE = 12
OTHER_ROUNDS = 3

Handler = Callable[[HttpRequest], HttpResponse]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--engines", type=lambda names: names.split(","), default=ENGINES)
    parser.add_argument("--requests", type=int, default=REQUESTS, help="of each page in a round")
    options = parser.parse_args()
    engines, stores = answering(options.engines), answering(CACHES)
    limited: list[list[str]] = []
    pages: list[list[str]] = []
    beside: list[list[str]] = []
    first: list[list[str]] = []
    try:
        for engine in engines:
            with scratch(engine) as connection:
                say(f"Recording on {TITLES[engine]}...")
                with connection.schema_editor() as editor:
                    editor.create_model(OldSouvenir)
                names = [f"user{number}" for number in range(USERS)]
                users = User.objects.bulk_create([User(username=name) for name in names])
                for cache in stores:
                    with caching_in(cache, prefix=engine):
                        first.append(first_souvenir(connection, cache, users))
                        if engine == "sqlite":
                            with sole_database(connection):
                                limited += rate_limited(connection, cache, users[0])
                        if (engine, cache) in SITES:
                            with sole_database(connection):
                                pages += middleware(connection, cache, users[0], options.requests)
                            if _others.installed():
                                say("The other apps...")
                                beside += others(connection, cache, users[0], options.requests)
    finally:
        if "redis" in stores:
            forget_keys()

    print(f"## Recording\n\n{machine([*engines, *stores])}.\n")
    print("A request of a user who already has a souvenir in this window:\n")
    headers = ["rate-limited", "one `cache.get`", "1.0.2", "version 2"]
    print_table([*headers, "times faster than 1.0.2", "than `cache.get`"], limited)
    print(
        "What the middleware adds to such a request, compared with a middleware that does "
        "nothing. A page that asks for the user loads it itself:\n"
    )
    headers = ["page", "1.0.2 adds", "version 2 adds", "times less"]
    print_table(headers, pages)
    print(f"What other apps add, each with its default settings. {_others.left_out()}\n")
    if beside:
        print_table(["page", "version 2", *map(_others.titled, _others.installed())], beside)
    print(
        "A user's first request in a window, compared with one bare `cache.add` and one bare "
        "INSERT:\n"
    )
    headers = ["first souvenir", "bare", "1.0.2", "version 2", "version 2 / bare", "1.0.2 / bare"]
    print_table(headers, first)


def caching_in(cache: str, prefix: str) -> override_settings:
    """Both algorithms use that cache, and know nothing of the users of other databases."""
    return override_settings(SOUVENIRS_CACHE_NAME=cache, SOUVENIRS_CACHE_PREFIX=f"{prefix}.")


@contextmanager
def sole_database(connection: BaseDatabaseWrapper) -> Iterator[None]:
    """The site has no other database, and no router that would have to be asked for one."""
    connections["default"] = connection
    try:
        with override_settings(DATABASE_ROUTERS=[]):
            yield
    finally:
        del connections["default"]


def rate_limited(connection: BaseDatabaseWrapper, cache: str, user: User) -> list[list[str]]:
    key = user.pk
    get = partial(caches[cache].get, "key")

    def gate_alone() -> bool:
        return rate_limiter.remembers(key, window_now(conf.RATELIMIT_SECONDS))

    old_souvenez(user)
    assert old_souvenez(user) == "rate-limited"
    caches[cache].set("key", 1, timeout=WEEK)
    # Most sites have a single database, and no router to ask for the one of the tenant.
    with override_settings(DATABASE_ROUTERS=[]):
        rate_limiter.remember(key, window_now(conf.RATELIMIT_SECONDS))
        with asks_nobody(connection):
            assert souvenez(user) == "rate-limited"
            assert gate_alone()
        old, new, alone, bare = alternate_quick(
            [partial(old_souvenez, user), partial(souvenez, user), gate_alone, get]
        )
    rows = [("`souvenez()`", new), ("the rate limiter alone", alone)]
    return [
        [
            f"{title}, {TITLES[cache]}",
            us(bare),
            us(old),
            us(ours),
            times(old, ours),
            times(bare, ours),
        ]
        for title, ours in rows
    ]


@contextmanager
def asks_nobody(connection: BaseDatabaseWrapper) -> Iterator[None]:
    """Assert that neither the database nor the cache is asked."""
    with (
        CaptureQueriesContext(connection) as queries,
        patch("souvenirs.recording.ratelimit.time_limited_cache") as cache,
    ):
        yield
    assert not queries.captured_queries
    cache.assert_not_called()


class DoNothing:
    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)


def page(request: HttpRequest) -> HttpResponse:
    return HttpResponse("page")


def page_for_user(request: HttpRequest) -> HttpResponse:
    return HttpResponse(f"page for {request.user.pk}")


class Page(NamedTuple):
    """A kind of page, and how a request for it arrives."""

    title: str
    view: Handler
    arrive: Callable[[], HttpRequest]


def pages_of(user: User) -> list[Page]:
    key = session_of(user)
    return [
        Page("signed in, never asks for the user", page, lambda: arrived(key)),
        Page("signed in, asks for the user", page_for_user, lambda: arrived(key, user)),
        Page("anonymous", page, lambda: arrived(None)),
    ]


def middleware(
    connection: BaseDatabaseWrapper, cache: str, user: User, requests: int
) -> list[list[str]]:
    rows = []
    for one in pages_of(user):
        old = added(connection, OldMiddleware, one, requests)
        new = added(connection, SouvenirsMiddleware, one, requests)
        assert new.queries == 0
        assert not new.varies
        title = f"{one.title}; {TITLES[connection.alias]}, {TITLES[cache]}"
        rows.append([title, str(old), str(new), times(old.seconds, new.seconds)])
    return rows


def others(
    connection: BaseDatabaseWrapper, cache: str, user: User, requests: int
) -> list[list[str]]:
    found = [import_string(_others.OTHERS[name][1]) for name in _others.installed()]
    # They name the default database in their transactions, and the default cache.
    connections["default"], caches["default"] = connection, caches[cache]
    try:
        return [
            [
                f"{one.title}; {TITLES[connection.alias]}",
                *(
                    str(added(connection, kind, one, requests // OTHERS_SHARE, OTHER_ROUNDS))
                    for kind in [SouvenirsMiddleware, *found]
                ),
            ]
            for one in pages_of(user)
        ]
    finally:
        del connections["default"], caches["default"]


def session_of(user: User) -> str:
    session = SessionStore()
    session[auth.SESSION_KEY] = str(user.pk)
    session[auth.BACKEND_SESSION_KEY] = "django.contrib.auth.backends.ModelBackend"
    session[auth.HASH_SESSION_KEY] = user.get_session_auth_hash()
    session.create()
    return session.session_key


def arrived(cookie: str | None, known: User | None = None) -> HttpRequest:
    """A request on its way through Django's middleware; ``known`` where its user is loaded."""
    headers = {} if cookie is None else {"cookie": f"sessionid={cookie}"}
    request = RequestFactory().get("/", headers=headers)
    SessionMiddleware(page).process_request(request)
    AuthenticationMiddleware(page).process_request(request)
    if known is not None:
        request._cached_user = known
        assert request.user.pk == known.pk
    return request


class Added(NamedTuple):
    """What a middleware adds to a page."""

    seconds: float
    queries: int
    varies: bool

    def __str__(self) -> str:
        queries = "1 query" if self.queries == 1 else f"{self.queries} queries"
        return f"{us(self.seconds)}, {queries}" + (", `Vary: Cookie`" if self.varies else "")


def added(
    connection: BaseDatabaseWrapper,
    kind: Callable[[Handler], Handler],
    one: Page,
    requests: int,
    rounds: int = ROUNDS,
) -> Added:
    nothing, handler = DoNothing(one.view), kind(one.view)
    queries, varies = facts(connection, handler, one.arrive)
    found = []
    for _ in range(rounds):
        # Each request arrives just before it is timed, as it does behind a server.
        arguments = [(one.arrive() for _ in range(requests)) for _ in range(2)]
        base, more = alternate_calls([nothing, handler], arguments)
        found.append(more - base)
    return Added(median(found), queries, varies)


def facts(
    connection: BaseDatabaseWrapper, handler: Handler, arrive: Callable[[], HttpRequest]
) -> tuple[int, bool]:
    """How many queries a request makes, and whether its session was touched: then pages vary."""
    handler(arrive())
    handler(arrive())
    request = arrive()
    request.session.accessed = False
    with CaptureQueriesContext(connection) as queries:
        handler(request)
    return len(queries), request.session.accessed


def first_souvenir(connection: BaseDatabaseWrapper, cache: str, users: list[User]) -> list[str]:
    quote = connection.ops.quote_name
    insert = (
        f"INSERT INTO {quote(Souvenir._meta.db_table)} (user_id, {quote('when')}) VALUES (%s, %s)"
    )
    backend = caches[cache]

    def bare(user: User) -> None:
        backend.add(f"bare.{connection.alias}.{user.pk}", 1, timeout=WEEK)
        now = connection.ops.adapt_datetimefield_value(timezone.now())
        with connection.cursor() as cursor:
            cursor.execute(insert, [user.pk, now])

    made = OldSouvenir.objects.count(), Souvenir.objects.count()
    base, old, new = alternate_calls([bare, old_souvenez, souvenez], [users] * 3)
    assert OldSouvenir.objects.count() == made[0] + len(users)
    assert Souvenir.objects.count() == made[1] + 2 * len(users)
    where = f"{TITLES[connection.alias]}, {TITLES[cache]}"
    return [where, us(base), us(old), us(new), times(new, base), times(old, base)]


def forget_keys() -> None:
    client = caches["redis"]._cache.get_client(write=True)
    for key in client.scan_iter(f"{NAME}:*"):
        client.delete(key)


if __name__ == "__main__":
    main()
