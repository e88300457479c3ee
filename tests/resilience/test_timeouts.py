"""What we send to a database gives up in time, and the site's own statements are as before."""

import time
from contextlib import closing, contextmanager, suppress
from types import SimpleNamespace

import pytest
from django.contrib.auth import get_user_model
from django.db import OperationalError, connection, connections, transaction

from souvenirs.control import souvenez
from souvenirs.models import Souvenir
from souvenirs.resilience.timeouts import time_limited
from tests.conftest import FOREVER, pk_of, vendor_is
from tests.processes import BlackHole, MariaDB, PostgreSQL

pytestmark = pytest.mark.django_db(transaction=True)


@contextmanager
def held():
    """Another connection that lets nobody else write souvenirs."""
    other = connections.create_connection("default")
    table = connection.ops.quote_name(Souvenir._meta.db_table)
    lock = {
        "postgresql": f"BEGIN; LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE",
        "mysql": f"LOCK TABLES {table} WRITE",
        "sqlite": "BEGIN IMMEDIATE",
    }[connection.vendor]
    with closing(other):
        with other.cursor() as cursor:
            cursor.execute(lock)
        yield


def needs_two_connections():
    if connection.vendor == "sqlite" and connection.is_in_memory_db():
        pytest.skip("a database in memory has no second connection that waits; see below")


def test_lock_is_not_waited_for_longer_than_the_limit():
    needs_two_connections()
    with held():
        began = time.monotonic()
        with pytest.raises(OperationalError):
            souvenez(pk_of(1))
        assert 0.09 < time.monotonic() - began < FOREVER
    assert souvenez(pk_of(1)) == "added"


def test_limit_is_the_settings(settings):
    needs_two_connections()
    settings.SOUVENIRS_TIMEOUT = 0.4
    with held():
        began = time.monotonic()
        with pytest.raises(OperationalError):
            souvenez(pk_of(1))
        assert 0.39 < time.monotonic() - began < FOREVER


@pytest.mark.parametrize("journal", ["delete", "wal"])
def test_another_writer_of_sqlite(tmp_path, journal):
    """In a database of its own, since the one of the suite is in memory."""
    if not vendor_is("sqlite"):
        pytest.skip("SQLite's own lock")
    with site_in(tmp_path / "site.sqlite3") as (one, other):
        with one.cursor() as cursor:
            cursor.execute(f"PRAGMA journal_mode = {journal}")
            cursor.execute("CREATE TABLE seen (id integer primary key)")
        one.connection.execute(f"PRAGMA busy_timeout = {2_000 * FOREVER}")  # the site's own
        with other.cursor() as cursor:
            cursor.execute("BEGIN IMMEDIATE")
        began = time.monotonic()
        with pytest.raises(OperationalError, match="locked"), time_limited(one):
            one.cursor().execute("INSERT INTO seen VALUES (1)")
        assert 0.09 < time.monotonic() - began < FOREVER


def test_patience_of_sqlite_is_given_back(tmp_path):
    if not vendor_is("sqlite"):
        pytest.skip("SQLite's own setting")
    with site_in(tmp_path / "site.sqlite3") as (one, _):
        with suppress(RuntimeError), time_limited(one):
            assert busy_timeout(one) == 100
            raise RuntimeError
        assert busy_timeout(one) == 5000


def test_shorter_patience_of_the_site_stays(tmp_path):
    if not vendor_is("sqlite"):
        pytest.skip("SQLite's own setting")
    with site_in(tmp_path / "site.sqlite3") as (one, _):
        one.connection.execute("PRAGMA busy_timeout = 20")
        with time_limited(one):
            assert busy_timeout(one) == 20


def busy_timeout(wrapper):
    return wrapper.connection.execute("PRAGMA busy_timeout").fetchone()[0]


@contextmanager
def site_in(path):
    """Two connections to a database in a file."""
    found = [connections.create_connection("default") for _ in range(2)]
    for wrapper in found:
        wrapper.settings_dict = {**wrapper.settings_dict, "NAME": str(path)}
        wrapper.ensure_connection()
    with closing(found[0]), closing(found[1]):
        yield found


LIMIT = {
    "postgresql": "SHOW statement_timeout",
    "mysql": "SELECT @@max_statement_time",
    "sqlite": "PRAGMA busy_timeout",
}


def test_statements_of_the_site_are_as_before():
    before = limit_of_statements()
    souvenez(pk_of(1))
    assert limit_of_statements() == before


@pytest.mark.parametrize("binding", [False, True])
def test_limit_ends_with_the_block_however_values_are_sent(monkeypatch, binding):
    """Bound by the server, one statement is sent at a time."""
    options = connection.settings_dict.get("OPTIONS", {})
    monkeypatch.setitem(
        connection.settings_dict, "OPTIONS", options | {"server_side_binding": binding}
    )
    if not vendor_is("postgresql"):
        pytest.skip("PostgreSQL's own option")
    connection.close()
    before = limit_of_statements()
    assert souvenez(pk_of(1)) == "added"
    assert limit_of_statements() == before
    with held(), pytest.raises(OperationalError, match="statement timeout"):
        souvenez(pk_of(2))
    assert limit_of_statements() == before
    connection.close()


def test_transaction_of_the_site_is_as_before():
    with transaction.atomic():
        before = limit_of_statements()
        souvenez(pk_of(1))
        assert limit_of_statements() == before


def test_transactions_without_autocommit_are_as_before():
    transaction.set_autocommit(False)
    try:
        before = limit_of_statements()
        with time_limited(connection):
            get_user_model().objects.count()
        assert limit_of_statements() == before
    finally:
        transaction.rollback()
        transaction.set_autocommit(True)


def limit_of_statements():
    with connection.cursor() as cursor:
        cursor.execute(LIMIT[connection.vendor])
        return cursor.fetchone()


def test_rows_are_those_of_the_statement(make_user):
    """Not of what is sent before it."""
    user = make_user()
    with time_limited(connection):
        assert get_user_model().objects.get(pk=user.pk) == user
        assert list(get_user_model().objects.values_list("pk", flat=True)) == [user.pk]


def test_other_statements_are_sent_as_they_are():
    with time_limited(connection), transaction.atomic():
        get_user_model().objects.update(password="x")
    with time_limited(connection):
        get_user_model().objects.update(password="y")


def test_first_souvenir_is_one_round_trip(django_assert_num_queries):
    connection.ensure_connection()
    with django_assert_num_queries(1) as queries:
        souvenez(pk_of(1))
    assert "INSERT" in queries[0]["sql"]


def test_connection_is_made_where_there_is_none():
    needs_two_connections()
    connection.close()
    assert souvenez(pk_of(1)) == "added"


def test_time_to_connect_is_bounded():
    """By the shortest time that the clients of these engines know."""
    if vendor_is("sqlite"):
        pytest.skip("SQLite connects to nobody")
    with BlackHole() as hole:
        wrapper = connections.create_connection("default")
        settings = {**wrapper.settings_dict, "HOST": "127.0.0.1", "PORT": hole.port}
        wrapper.settings_dict = settings
        began = time.monotonic()
        with pytest.raises(OperationalError), time_limited(wrapper):
            pass
        assert time.monotonic() - began < FOREVER
        assert wrapper.settings_dict is settings


def test_time_to_connect_of_the_site_stays():
    if vendor_is("sqlite"):
        pytest.skip("SQLite connects to nobody")
    wrapper = connections.create_connection("default")
    options = {**wrapper.settings_dict.get("OPTIONS", {}), "connect_timeout": 7}
    wrapper.settings_dict = {**wrapper.settings_dict, "OPTIONS": options}
    with closing(wrapper), time_limited(wrapper):
        assert wrapper.get_connection_params()["connect_timeout"] == 7


def test_time_to_read_of_the_site_stays():
    if not vendor_is("mysql"):
        pytest.skip("PyMySQL's own option")
    wrapper = connections.create_connection("default")
    options = {**wrapper.settings_dict.get("OPTIONS", {}), "read_timeout": 7}
    wrapper.settings_dict = {**wrapper.settings_dict, "OPTIONS": options}
    with closing(wrapper):
        with time_limited(wrapper):
            assert wrapper.connection._read_timeout == 0.2
        assert wrapper.connection._read_timeout == 7


class Recorder:
    """A site's connection that keeps what its wrappers send."""

    def __init__(self, driver, vendor, **attributes):
        self.Database = SimpleNamespace(__name__=driver)
        self.alias = self.vendor = vendor
        self.connection = SimpleNamespace(info=SimpleNamespace(transaction_status=0))
        self.in_atomic_block = False
        self.wrappers = []
        vars(self).update(attributes)

    def get_autocommit(self):
        return True

    @contextmanager
    def execute_wrapper(self, wrapper):
        self.wrappers.append(wrapper)
        yield
        self.wrappers.pop()


def test_psycopg2_is_sent_the_limit_of_the_server():
    """It has no timeout of its own, and returns the result of the last statement."""
    site = Recorder("psycopg2", "postgresql")
    before = dict(vars(site.connection))
    with time_limited(site):
        [send] = site.wrappers
        arguments = (None, False, {"cursor": None})
        assert send(lambda sql, *_: sql, "SELECT 1", *arguments) == (
            "SET LOCAL statement_timeout = 100; SELECT 1"
        )
        assert send(lambda sql, *_: sql, "SAVEPOINT a", *arguments) == "SAVEPOINT a"
    assert (site.wrappers, vars(site.connection)) == ([], before)


def test_mysql_with_mysqlclient_is_left_as_it_is():
    """The server has no limit for what writes, and the driver none that can be changed."""
    site = Recorder("MySQLdb", "mysql", mysql_is_mariadb=False)
    before = dict(vars(site.connection))
    with time_limited(site):
        assert (site.wrappers, vars(site.connection)) == ([], before)
    assert (site.wrappers, vars(site.connection)) == ([], before)


def test_objects_of_the_site_are_left_as_they_are():
    """No method of the connection or its driver is replaced, within the block and after it."""
    connection.ensure_connection()
    driver = connection.connection
    before = methods_of(connection), methods_of(driver)
    with time_limited(connection):
        assert (methods_of(connection), methods_of(driver)) == before
        connection.cursor().execute("SELECT 1")
    assert (methods_of(connection), methods_of(driver)) == before


def methods_of(thing):
    """The functions among an object's own attributes, where a patched method would be."""
    return {name for name, value in getattr(thing, "__dict__", {}).items() if callable(value)}


@pytest.mark.parametrize("binding", [False, True])
def test_server_that_falls_silent_is_given_up(binding):
    """A server that does not even say that time is up; its connection is closed."""
    if vendor_is("sqlite") or (binding and not vendor_is("postgresql")):
        pytest.skip("SQLite is no server, and binding by the server is PostgreSQL's option")
    kind = PostgreSQL if vendor_is("postgresql") else MariaDB
    with kind() as server:
        wrapper = connections.create_connection("default")
        own = {"HOST": "127.0.0.1", "PORT": server.port, **OWN[connection.vendor]}
        if binding:
            own["OPTIONS"] = {"server_side_binding": True}
        wrapper.settings_dict = {**wrapper.settings_dict, **own}
        with time_limited(wrapper), wrapper.cursor() as cursor:
            cursor.execute("SELECT 1")
        driver = wrapper.connection
        before = getattr(driver, "_read_timeout", None)
        server.suspend()
        try:
            began = time.monotonic()
            with pytest.raises(OperationalError), time_limited(wrapper):
                wrapper.cursor().execute("SELECT 1")
            assert 0.19 < time.monotonic() - began < FOREVER
        finally:
            server.resume()
        assert getattr(driver, "_read_timeout", None) == before
        wrapper.close()
        with closing(wrapper), time_limited(wrapper), wrapper.cursor() as cursor:
            cursor.execute("SELECT 1")
            assert cursor.fetchone() == (1,)


OWN = {
    "postgresql": {"NAME": "postgres", "USER": "postgres"},
    "mysql": {"NAME": "mysql", "USER": "root"},
}
