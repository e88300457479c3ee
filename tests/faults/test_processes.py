"""The site under test and its servers as real processes, and what breaks in them."""

import socket
import threading
import time
from contextlib import contextmanager

import pytest

from tests.faults.load import Load, visit
from tests.processes import BlackHole, Memcached, Redis, Web, module, wait_until

pytestmark = [pytest.mark.faults, pytest.mark.thorough]

DJANGO_REDIS = "django.core.cache.backends.redis.RedisCache"
PYMEMCACHE = "django.core.cache.backends.memcached.PyMemcacheCache"

#: Of a site whose server hangs: it waits a second, and then leaves the server alone for a while.
LIMITS = {"TIMEOUT": 1, "BREAKER_SECONDS": 600}


def anyone(people, *paths):
    """Choose someone who asks for one of these pages."""
    return lambda generator: (generator.choice(people), generator.choice(paths))


def visit_all(web, people, path="/plain/"):
    """Visits one after the other, up to the first that has to be given up."""
    visits = []
    for person in people:
        visits.append(visit(web, path, person, timeout=5))
        if visits[-1].status is None:
            break
    return visits


def statuses(visits):
    return {visit.status for visit in visits}


def keys(people):
    return [person.pk for person in people]


def waited_once(visits, seconds=LIMITS["TIMEOUT"]):
    """Whether most of the visits cannot have waited as long as the first."""
    return sum(visit.seconds for visit in visits) < seconds * len(visits) / 2


# Caches


def test_redis_stopped_and_started_under_load_costs_no_page_and_no_souvenir(site, redis):
    environment = site.environment(RATELIMIT_SECONDS=2, BREAKER_SECONDS=0.5)
    choose = anyone(site.people, "/plain/", "/asks/")
    with Web(environment, workers=2) as web, Load(web, choose, clients=3) as load:
        time.sleep(1.5)
        redis.stop()
        time.sleep(2)
        redis.start()
        time.sleep(2.5)
    assert statuses(load.visits) == {200}
    assert site.missing(load.visits, 2) == set()


@pytest.mark.parametrize(
    ("server", "backend"),
    [(Redis, DJANGO_REDIS), (Redis, "django_redis.cache.RedisCache"), (Memcached, PYMEMCACHE)],
    ids=["redis", "django-redis", "pymemcache"],
)
def test_a_cache_that_hangs_makes_one_request_wait(site, server, backend):
    module(backend.split(".")[0])
    first, *others = site.people
    with (
        server() as cache,
        Web(site.environment(cache_backend=backend, cache=cache.url, **LIMITS)) as web,
    ):
        visit(web, "/plain/", first)  # leaves a connection open, where the cache keeps one
        cache.suspend()
        visits = visit_all(web, others)
        cache.resume()
    assert statuses(visits) == {200}
    assert waited_once(visits)
    assert site.recorded() == keys(site.people)


@pytest.mark.parametrize("accepts", [True, False], ids=["never answers", "never accepts"])
def test_a_cache_that_never_answered_makes_one_request_wait(site, accepts):
    with (
        BlackHole(accepts) as hole,
        Web(site.environment(cache=f"redis://{hole.address}/0", **LIMITS)) as web,
    ):
        visits = visit_all(web, site.people)
    assert statuses(visits) == {200}
    assert waited_once(visits)
    assert site.recorded() == keys(site.people)


# Databases


def test_postgresql_stopped_under_load_costs_no_page_that_does_without(site, postgresql):
    environment = site.environment(RATELIMIT_SECONDS=2, BREAKER_SECONDS=0.5)
    choose = anyone(site.people, "/plain/", "/stream/")
    with Web(environment, workers=2) as web, Load(web, choose, clients=3) as load:
        time.sleep(1)
        postgresql.stop()
        time.sleep(2)
        postgresql.start()
        time.sleep(1)
    assert statuses(load.visits) == {200}


def all_are_recorded(site, web, somebody):
    """Whether all people are recorded in the end, of whom only one still makes requests."""
    with Load(web, lambda _: (somebody, "/plain/"), clients=4, pause=0.05):
        return wait_until(lambda: site.recorded() == keys(site.people), 30, every=0.2)


def test_users_are_recorded_once_postgresql_is_back(site, postgresql):
    before, after = site.people[:20], site.people[20:]
    with Web(site.environment(BREAKER_SECONDS=0.5), workers=2) as web:
        visit_all(web, before)
        postgresql.stop()
        outage = visit_all(web, after)
        postgresql.start()
        assert all_are_recorded(site, web, before[0])
    assert statuses(outage) == {200}
    assert site.users() == keys(site.people)


@pytest.mark.parametrize(
    ("kind", "options"),
    [("gthread", {"workers": 2, "threads": 4}), ("gevent", {"workers": 2}), ("uvicorn", {})],
)
def test_users_are_recorded_once_postgresql_goes_on(site, postgresql, kind, options):
    first, *others = site.people
    with Web(site.environment(TIMEOUT=0.5, BREAKER_SECONDS=8), kind, **options) as web:
        visit(web, "/plain/", first)
        postgresql.suspend()
        try:
            outage = visit_all(web, others)
        finally:
            postgresql.resume()
        assert all_are_recorded(site, web, first)
    assert statuses(outage) == {200}


@pytest.mark.parametrize("slow", ["random() < 0.1", "NEW.user_id % 10 = 0"])
def test_slow_inserts_cost_nobody(site, postgresql, slow):
    """One in ten takes longer than the limit: now and then, or always for some users."""
    postgresql.execute(
        "CREATE FUNCTION dawdle() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN IF {slow} THEN PERFORM pg_sleep(0.75); END IF; RETURN NEW; END $$;"
        "CREATE TRIGGER dawdle BEFORE INSERT ON souvenirs_souvenir"
        " FOR EACH ROW EXECUTE FUNCTION dawdle()",
        site.name,
    )
    environment = site.environment(TIMEOUT=0.5)
    with Web(environment, "gthread", workers=2, threads=4) as web:
        visits = visit_all(web, site.people)
        assert all_are_recorded(site, web, site.people[0])
    assert statuses(visits) == {200}


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("sync", {}),
        ("gthread", {"threads": 4}),
        ("gevent", {}),
        ("uvicorn", {"asgi": "tests.faults.asgi:application"}),
        ("daphne", {}),
    ],
)
def test_server_that_is_stopped_writes_what_it_remembers(site, kind, options):
    with Web(site.environment(**LIMITS), kind, **options) as web:
        with table_locked(site):
            visit_all(web, site.people)
        assert site.users() == []
        web.stop()
    assert site.users() == keys(site.people)


def test_postgresql_that_hangs_makes_one_request_wait_for_its_connection(site, postgresql):
    first, *others = site.people
    with Web(site.environment(**LIMITS)) as web:
        visit(web, "/plain/", first)
        postgresql.suspend()
        try:
            visits = visit_all(web, others)
        finally:
            postgresql.resume()
    assert statuses(visits) == {200}
    assert waited_once(visits, 2)  # the shortest time that its client knows


def test_postgresql_that_hangs_makes_one_request_wait_on_an_open_connection(site, postgresql):
    first, *others = site.people
    with Web({**site.environment(**LIMITS), "SITE_KEEPS_CONNECTIONS": "1"}) as web:
        visit(web, "/plain/", first)
        postgresql.suspend()
        try:
            visits = visit_all(web, others)
        finally:
            postgresql.resume()
    assert statuses(visits) == {200}
    assert waited_once(visits)


def test_a_read_only_database_costs_no_page(site, postgresql):
    postgresql.execute(f"ALTER DATABASE {site.name} SET default_transaction_read_only = on")
    with Web(site.environment()) as web:
        visits = visit_all(web, site.people)
    assert statuses(visits) == {200}
    assert site.users() == []


def test_users_are_recorded_once_the_database_is_not_read_only_any_more(site, postgresql):
    postgresql.execute(f"ALTER DATABASE {site.name} SET default_transaction_read_only = on")
    with Web(site.environment()) as web:
        visit_all(web, site.people)
        postgresql.execute(f"ALTER DATABASE {site.name} RESET default_transaction_read_only")
        assert all_are_recorded(site, web, site.people[0])


@contextmanager
def table_locked(site):
    """Someone else keeps the table of the souvenirs to themselves, as a migration does."""
    with site.server.connect(site.name) as connection, connection.cursor() as cursor:
        if site.server.url.startswith("postgres"):
            cursor.execute("BEGIN")
            cursor.execute("LOCK TABLE souvenirs_souvenir IN ACCESS EXCLUSIVE MODE")
            yield
            cursor.execute("COMMIT")
        else:
            cursor.execute("LOCK TABLES souvenirs_souvenir WRITE")
            yield
            cursor.execute("UNLOCK TABLES")


@pytest.mark.parametrize("database", ["site", "mariadb_site"], ids=["postgresql", "mariadb"])
def test_a_locked_table_makes_one_request_wait(request, database):
    site = request.getfixturevalue(database)
    with Web(site.environment(**LIMITS)) as web:
        with table_locked(site):
            visits = visit_all(web, site.people)
        assert statuses(visits) == {200}
        assert waited_once(visits)


@pytest.mark.parametrize("database", ["site", "mariadb_site"], ids=["postgresql", "mariadb"])
def test_users_are_recorded_once_the_table_is_free(request, database):
    site = request.getfixturevalue(database)
    with Web(site.environment(TIMEOUT=1, BREAKER_SECONDS=1)) as web:
        with table_locked(site):
            visit_all(web, site.people)
        assert all_are_recorded(site, web, site.people[0])


def test_a_view_that_deletes_its_own_user_commits(site, postgresql):
    leaver = site.people[0]
    with Web(site.environment()) as web:
        answer = visit(web, "/delete/", leaver)
    assert (answer.status, answer.body) == (200, b"deleted 1")
    assert site.users() == [leaver.pk]
    sql = f"SELECT 1 FROM auth_user WHERE id = {leaver.pk}"
    assert postgresql.execute(sql, site.name) == []


# Workers


def test_workers_killed_under_load_keep_nobody_from_being_recorded(site):
    with (
        Web(site.environment(), workers=2) as web,
        Load(web, anyone(site.people, "/plain/"), clients=3, pause=0.02),
    ):
        for _ in range(3):
            time.sleep(0.3)
            web.kill()
            wait_until(lambda: len(web.workers) == 2)
        assert wait_until(lambda: site.recorded() == keys(site.people), 12)


def test_a_souvenir_outlives_the_worker_that_left_it(site):
    with Web(site.environment(), workers=2) as web:
        answered = visit_all(web, site.people)
        for worker in web.workers:
            web.kill(pid=worker)
    assert statuses(answered) == {200}
    assert site.recorded() == keys(site.people)


def test_a_user_whose_worker_died_before_the_insert_is_recorded_by_a_later_request(
    site, postgresql, redis
):
    person = site.people[0]
    with Web(site.environment()) as web:
        with table_locked(site):
            lost = threading.Thread(target=visit, args=(web, "/plain/", person))
            lost.start()
            assert wait_until(lambda: waiting_for_a_lock(site))
            web.kill()
            lost.join()
            # The server would insert for a client who is gone.
            postgresql.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                f" WHERE datname = '{site.name}' AND wait_event_type = 'Lock'"
            )
            assert wait_until(lambda: not waiting_for_a_lock(site))
        assert site.users() == []
        with redis.client() as client:
            assert client.dbsize() == 1  # the claim of the worker that died

        def recorded():
            visit(web, "/plain/", person)
            return site.users()

        assert wait_until(recorded, 13, every=0.2) == [person.pk]


def waiting_for_a_lock(site):
    return site.server.execute(
        "SELECT pid FROM pg_stat_activity"
        f" WHERE datname = '{site.name}' AND wait_event_type = 'Lock'"
    )


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("sync", {"workers": 2, "preload": True}),
        ("gthread", {"workers": 2, "threads": 4}),
        ("gevent", {"workers": 2}),
        ("uvicorn", {}),
    ],
    ids=["forked after the import", "threads", "gevent", "uvicorn"],
)
def test_processes_that_share_a_cache_leave_one_souvenir_per_user(site, kind, options):
    with (
        Web(site.environment(), kind, **options) as web,
        Load(web, anyone(site.people, "/plain/", "/asks/", "/api/"), clients=8) as load,
    ):
        time.sleep(3)
    assert statuses(load.visits) == {200}
    assert site.users() == sorted({visit.user for visit in load.visits})


@pytest.mark.parametrize("path", ["/slow/", "/async_slow/"], ids=["sync view", "async view"])
def test_a_client_who_goes_away_in_mid_view_is_recorded(site, path):
    person = site.people[0]
    with Web(site.environment(), "uvicorn") as web:
        with socket.create_connection(("127.0.0.1", web.port)) as client:
            request = f"GET {path}?seconds=1 HTTP/1.1\r\nHost: 127.0.0.1\r\n"
            client.sendall(f"{request}Cookie: {person.cookie}\r\n\r\n".encode())
            time.sleep(0.3)
        assert wait_until(site.users, 5) == [person.pk]
