from __future__ import annotations

import fcntl
import inspect
import os
import tempfile
import time
import uuid
from collections import defaultdict
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from asgiref.sync import async_to_sync
from coverage import Coverage
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.core.cache.backends.redis import RedisCache
from django.db import connection, transaction
from hypothesis import settings as hypothesis

import souvenirs.testing
from souvenirs.models import Souvenir
from souvenirs.resilience.caches import close_caches
from tests import missing, servers

#: The first run of ``python -m tests`` covers everything; the others, what touches the database.
FIRST_RUN = (
    os.environ.get("SOUVENIRS_TEST_DATABASE", "sqlite") == "sqlite"
    and servers.USER_MODEL == "auth.User"
)

ON_A_SERVER = os.environ.get("SOUVENIRS_TEST_DATABASE", "sqlite") != "sqlite"

#: Which of the sessions of nox that CI has this is, see ``.ci/session``: "newest", "between" or
#: "lowest".
VERSIONS = os.environ.get("SOUVENIRS_TEST_BRIEF", "")

#: Where what has passed in full elsewhere is left to the thorough tests: on servers, with other
#: user models, and with other versions of Django.
IS_BRIEF = not FIRST_RUN or VERSIONS != ""

#: The server on which tests go through the store, and the others.
IS_THOROUGH_SERVER = (
    os.environ.get("SOUVENIRS_TEST_DATABASE") == "postgresql" and servers.USER_MODEL == "auth.User"
)
IS_BRIEF_SERVER = ON_A_SERVER and not IS_THOROUGH_SERVER

#: Where keys are numbers, and where they are UUIDs, the second kind to which SQLite gives numbers.
HAS_KEYS_LIKE_OTHERS = not ON_A_SERVER and servers.USER_MODEL in (
    "users.BareUser",
    "users.UUIDUser",
)

#: Measuring takes as long again as the tests themselves. These folders and files reach the lines
#: that only a server needs.
MEASURED_ON_SERVERS = {
    "counting",
    "doctor",
    "resilience",
    "sets",
    "sql",
    "stores",
    "test_checks.py",
    "test_manual_transactions.py",
    "test_migrations.py",
}

#: Folders and files that see of a user only the key.
SEE_ONLY_KEYS = {
    "resilience",
    "sets",
    "sql",
    "stores",
    "test_catchup.py",
    "test_digest_souvenirs.py",
    "test_folding.py",
    "test_kinds.py",
    "test_never_wrong.py",
    "test_prune_souvenirs.py",
    "test_publisher.py",
    "test_ratelimit.py",
    "test_reading.py",
    "test_repairing.py",
    "test_replica.py",
    "test_seenorder.py",
    "test_expectation.py",
    "test_forecast.py",
    "test_insights.py",
    "test_mostactive.py",
    "test_powercurve.py",
    "test_reports.py",
    "test_series.py",
    "test_setting_values.py",
    "test_stickiness.py",
    "test_verifying.py",
}

#: These reach no lines of their own with another user model.
MEASURED_ONCE = {
    "api",
    "digests",
    "integrations",
    "recording",
    "test_compatibility.py",
    "test_setting_values.py",
    "test_truth.py",
}

#: The first run measures few parameters of what takes longest, whose lines are reached by any.
MEASURED_IN_PART = {
    "concurrency",
    "test_backtest.py",
    "test_benchmarks.py",
    "test_downloads.py",
    "test_localdays.py",
    "test_never_wrong.py",
    "test_periods.py",
    "test_processes.py",
    "test_published.py",
    "test_publisher.py",
    "test_reading.py",
    "test_settling.py",
    "test_site.py",
    "test_tenants.py",
    "test_truth.py",
}

#: Of the parameters of a test, as many run where all of them have passed elsewhere: the first, the
#: last, which differs from it in each of several arguments, and one between them.
ENOUGH = 3

#: Whether a test is one of them.
IS_ONE_OF_FEW = pytest.StashKey[bool]()


#: Folders and files that another version of Django, other dependencies or a user model may change
#: in any of their parameters: what is made of Django itself, what the dependencies are for, and
#: what asks for the fields of a user or reaches lines only where these are missing.
MADE_OF_DJANGO = {
    "admin",
    "integrations",
    "resilience",
    "test_checks.py",
    "test_migrations.py",
    "test_tasks.py",
}
MADE_OF_DEPENDENCIES = {"digests", "resilience", "sets", "stores"}
ASKS_FOR_USERS = {
    "admin",
    "counting",
    "doctor",
    "resilience",
    "sets",
    "stores",
    "test_checks.py",
    "test_migrations.py",
    "test_reports_of_groups.py",
    "test_retention.py",
    "test_users.py",
}


def with_all_parameters():
    """Folders and files whose tests keep all their parameters, though this run is brief.

    Of the other tests the first run has each parameter, and these differ in nothing that the
    engine, the key or the version changes. What may be the only one to reach a line is whole.
    """
    if VERSIONS == "newest":
        return MADE_OF_DJANGO
    if VERSIONS == "lowest":
        return MADE_OF_DEPENDENCIES
    if VERSIONS == "between":
        return {"counting", "resilience", "sets", "stores"}
    return MEASURED_ON_SERVERS if ON_A_SERVER else ASKS_FOR_USERS


hypothesis.register_profile("tests", deadline=None, print_blob=True)
hypothesis.load_profile("tests")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config, items):
    """Leave out what another run has shown for this one too."""
    few = set(few_of_each(needed(items)))
    for item in few:
        item.stash[IS_ONE_OF_FEW] = True
    kept = few if IS_BRIEF else set(items)
    config.hook.pytest_deselected(items=[item for item in items if item not in kept])
    items[:] = [item for item in items if item in kept]


def few_of_each(items):
    """Of each test with many parameters, those that are evenly spread from the first to the last.

    Parameters with other marks are another test here: a run may leave them out.
    """
    whole = with_all_parameters()
    of_test = defaultdict(list)
    for item in items:
        name = item.nodeid if whole.intersection(parts_of(item)) else item.nodeid.split("[")[0]
        of_test[name, frozenset(mark.name for mark in item.iter_markers())].append(item)
    for each in of_test.values():
        places = {n * (len(each) - 1) // (ENOUGH - 1) for n in range(ENOUGH)}
        yield from (item for place, item in enumerate(each) if place in places)


def needed(items):
    """What this database or user model may change, where it is not that of the first run.

    That goes for the examples of the documentation too, which are of one site, and on servers for
    what is done with the users that are read; that these are right is shown by the truth there.
    What is marked ``through_the_store`` runs on one server, among the thorough tests, and with
    other user models on SQLite. What sees only keys is left out where these are like others.
    """
    if FIRST_RUN:
        return items
    database_fixtures = {"db", "transactional_db", "django_db_setup"}
    chosen = [
        item
        for item in items
        if item.path.name != "test_readme.py"
        and not (ON_A_SERVER and item.get_closest_marker("above_the_store"))
        and not (IS_BRIEF_SERVER and item.get_closest_marker("through_the_store"))
        and not (HAS_KEYS_LIKE_OTHERS and SEE_ONLY_KEYS.intersection(parts_of(item)))
        and (
            database_fixtures.intersection(item.fixturenames)
            or item.get_closest_marker("django_db")
        )
    ]
    if IS_THOROUGH_SERVER:
        for item in chosen:
            if item.get_closest_marker("through_the_store"):
                item.add_marker("thorough")
    return chosen


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item):
    """Measure coverage where it may reach lines of its own."""
    measuring = Coverage.current()
    if not measuring or is_measured(item):
        return (yield)
    measuring.stop()
    # Nor are the processes that it starts.
    settings = os.environ.pop("COVERAGE_PROCESS_CONFIG", None)
    try:
        return (yield)
    finally:
        if settings is not None:
            os.environ["COVERAGE_PROCESS_CONFIG"] = settings
        measuring.start()


def is_measured(item):
    if item.get_closest_marker("thorough"):
        return False
    if FIRST_RUN:
        return IS_ONE_OF_FEW in item.stash or not MEASURED_IN_PART.intersection(parts_of(item))
    if ON_A_SERVER:
        return bool(MEASURED_ON_SERVERS.intersection(parts_of(item)))
    return not MEASURED_ONCE.intersection(parts_of(item))


def parts_of(item):
    """The folder and the file of a test."""
    return item.path.relative_to(Path(__file__).parent).parts


def pytest_terminal_summary(terminalreporter, config):
    """Say what was not there, and how many tests that left out."""
    if hasattr(config, "workerinput"):  # of pytest-xdist, whose controller reports for all workers
        return
    found = missing.left_out(terminalreporter.stats.get("skipped", []))
    missing.record(found)
    for sentence in missing.sentences(found):
        terminalreporter.write_line(sentence)


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem):
    """Run coroutine tests on the thread, and so in the transaction, of their fixtures."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    names = pyfuncitem._fixtureinfo.argnames
    async_to_sync(pyfuncitem.obj)(**{name: pyfuncitem.funcargs[name] for name in names})
    return True


@pytest.fixture(autouse=True)
def _fresh_souvenirs():
    souvenirs.testing.reset()


def pk_of(number):
    """The primary key of user ``number`` under whatever user model the suite runs with."""
    kind = get_user_model()._meta.pk.get_internal_type()
    if kind == "UUIDField":
        return uuid.UUID(int=number)
    if kind == "CharField":
        return f"user {number:06d}"
    return number


def build_user(number, **fields):
    """User ``number``, not saved. ``joined`` and ``active`` mean what the model calls them."""
    user_model = get_user_model()
    names = {field.name for field in user_model._meta.get_fields()}
    joined, active = fields.pop("joined", None), fields.pop("active", None)
    values = {"pk": pk_of(number), **fields}
    if user_model.USERNAME_FIELD not in {"code", *fields}:
        values[user_model.USERNAME_FIELD] = f"user{number}@example.com"
    for value, candidates in (
        (joined, ("date_joined", "signed_up")),
        (active, ("is_active", "enabled")),
    ):
        name = next((name for name in candidates if name in names), None)
        if value is not None and name is not None:
            values[name] = value
    return user_model(**values)


@pytest.fixture
def make_user(db):
    """Create user number 1, 2, 3... or a given number."""
    made = iter(range(1, 1_000_000))

    def make(number=None, **fields):
        user = build_user(next(made) if number is None else number, **fields)
        user.save(force_insert=True)
        return user

    return make


@pytest.fixture
def make_holder(make_user, monkeypatch):
    """Create a user with some permissions, also where the user model knows of none."""
    granted = {}

    def make(*permissions, **fields):
        user = make_user(**fields)
        if hasattr(user, "user_permissions"):
            codes = [permission.removeprefix("souvenirs.") for permission in permissions]
            found = Permission.objects.filter(codename__in=codes)
            user.user_permissions.set(found)
        else:
            granted[user.pk] = permissions
            monkeypatch.setattr(
                type(user), "has_perm", lambda self, name: name in granted[self.pk], raising=False
            )
        return user

    return make


def write_souvenirs(*sightings):
    """Write souvenirs ``(user number, when)`` straight into the table."""
    Souvenir.objects.bulk_create(
        [Souvenir(user_id=pk_of(number), when=when) for number, when in sightings],
        batch_size=5_000,
    )


@pytest.fixture
def leave(db):
    """``write_souvenirs``, for one test."""
    return write_souvenirs


@contextmanager
def rows_of_a_module(blocker):
    """Write what the tests of a module read, once: to be undone when all of them are over.

    Each test is a transaction within this one, so that what it changes is undone before the next.
    """
    block = transaction.atomic()
    block._from_testcase = True  # durable blocks are allowed within, as in Django's TestCase
    with blocker.unblock(), block:
        yield
        transaction.set_rollback(True)


@pytest.fixture
def clock(monkeypatch):
    """The machine's clock as recording sees it: ``set()`` sets it, and then it stands still."""

    class Clock(datetime):
        @classmethod
        def set(cls, moment):
            cls.moment = moment

        @classmethod
        def now(cls, tz):
            return cls.moment.astimezone(tz)

    monkeypatch.setattr("souvenirs.recording.recorder.datetime", Clock)
    monkeypatch.setattr("souvenirs.recording.ratelimit.time.time", lambda: Clock.moment.timestamp())
    return Clock


@pytest.fixture
def stopwatch(monkeypatch):
    """What breakers and rare log lines measure time with: it stands still until it is advanced."""

    class Stopwatch:
        seconds = 1_000.0

        def advance(self, seconds):
            self.seconds += seconds

    watch = Stopwatch()
    for module in ("breaker", "logs"):
        monkeypatch.setattr(f"souvenirs.resilience.{module}.monotonic", lambda: watch.seconds)
    return watch


@pytest.fixture
def asked_of_redis(monkeypatch):
    """The verbs with which Django's Redis backend has been asked, in their order."""
    verbs = []

    def note(verb):
        method = getattr(RedisCache, verb)

        def noted(*args, **kwargs):
            verbs.append(verb)
            return method(*args, **kwargs)

        monkeypatch.setattr(RedisCache, verb, noted)

    for verb in ("add", "get", "set", "delete"):
        note(verb)
    return verbs


def duration(function, *arguments):
    began = time.monotonic()
    function(*arguments)
    return time.monotonic() - began


#: Seconds, many times each limit under test, so that a slow machine does not matter. What does not
#: give up waits longer: PyMySQL 10 s to connect, and most of the others as long as it takes.
FOREVER = 8


@pytest.fixture
def set_now(monkeypatch):
    """Set what Django takes for the present."""

    def set_to(moment):
        monkeypatch.setattr("django.utils.timezone.now", lambda: moment)

    return set_to


def at(*parts, **keywords):
    """A moment in UTC."""
    return datetime(*parts, **keywords, tzinfo=UTC)


INSTANT = timedelta(microseconds=1)


def require_server(name):
    """Leave the test out if a server does not answer."""
    if name in os.environ.get("SOUVENIRS_TEST_MISSING", "").split(",") or not servers.version(name):
        missing.leave_out(f"{name}, no server answered")


def fewer_where_brief(values, *, kept):
    """Parameters all of which run on SQLite; what is not kept shows nothing of another engine."""
    return mostly_thorough(values, kept=kept) if IS_BRIEF else values


def mostly_thorough(values, *, kept):
    """Parameters all but some of which are left to the thorough tests on SQLite."""
    marks = (pytest.mark.thorough, pytest.mark.above_the_store)
    return [pytest.param(value, marks=() if value in kept else marks) for value in values]


def vendor_is(*names):
    return connection.vendor in names


CACHES = {
    "locmem": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "LOCATION": "tests"},
    "redis": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": servers.REDIS},
    "memcached": {
        "BACKEND": "django.core.cache.backends.memcached.PyMemcacheCache",
        "LOCATION": servers.MEMCACHED_ADDRESS,
    },
    "dummy": {"BACKEND": "django.core.cache.backends.dummy.DummyCache"},
}


@contextmanager
def server_to_ourselves(name):
    """Keep the suite's other runs from a cache: its ``clear`` is for everybody's keys."""
    require_server(name)
    with Path(tempfile.gettempdir(), f"souvenirs-tests-{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@pytest.fixture(params=["locmem", "redis", "memcached"])
def shared_cache(request, settings):
    """Django's default cache on every backend whose ``add`` lets exactly one caller win."""
    with nullcontext() if request.param == "locmem" else server_to_ourselves(request.param):
        settings.CACHES = {"default": CACHES[request.param]}
        from django.core.cache import cache

        cache.clear()
        yield cache
        close_caches()
        cache.close()
