"""The private names of other packages that we depend on; see docs/architecture.md."""

import ast
import inspect
import re
from io import StringIO
from pathlib import Path

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.middleware import auser, get_user
from django.contrib.sessions.backends import cache, cached_db, db, file, signed_cookies
from django.core.cache import BaseCache
from django.core.management.base import OutputWrapper
from django.db import OperationalError, connection, transaction
from django.db.models import Count, FloatField, Value
from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject, empty

import souvenirs
from souvenirs.resilience import timeouts
from tests.conftest import vendor_is

PACKAGE = Path(souvenirs.__file__).parent
DOCUMENT = Path(__file__).parents[2] / "docs/architecture.md"

#: Documented in spite of the underscore: of Django's models, and of ``typing.NamedTuple``.
DOCUMENTED = {"_asdict", "_base_manager", "_default_manager", "_meta", "_replace"}


def names_defined(tree):
    """The names that a module gives to something of its own."""
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                yield name
            case ast.ClassDef(name=name) | ast.Name(id=name, ctx=ast.Store()):
                yield name
            case ast.Attribute(value=ast.Name(id="self" | "cls"), attr=name, ctx=ast.Store()):
                yield name


def names_used(tree):
    """The private names that a module reaches for: attributes, and text that is such a name."""
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(value=ast.Name(id="self" | "cls")):
                continue
            case ast.Attribute(attr=name) | ast.Constant(value=str(name)):
                if re.fullmatch(r"_[a-z]\w*", name) and not name.startswith("_souvenirs_"):
                    yield name


def private_names():
    trees = [ast.parse(path.read_text()) for path in PACKAGE.rglob("*.py")]
    slots = {"_bitmap", "_change", "_report", "_seen", "_usage", "_users"}  # text of other kinds
    own = {name for tree in trees for name in names_defined(tree)} - {"_cache"}
    return {name for tree in trees for name in names_used(tree)} - own - slots - DOCUMENTED


def section(heading):
    text = DOCUMENT.read_text().partition(f"### {heading}\n")[2].partition("\n### ")[0]
    rows = re.findall(r"^\| (`.*?) \| .*? \| `(.*?)` \|", text, re.M)
    return {name: path for names, path in rows for name in re.findall(r"`(\w+)`", names)}


UNDERSCORED, UNDOCUMENTED = section("Names with an underscore"), section("Undocumented names")


def test_every_private_name_is_listed():
    assert private_names() == set(UNDERSCORED)


@pytest.mark.parametrize("name", [*UNDERSCORED, *UNDOCUMENTED])
def test_every_name_is_used_where_the_list_says(name):
    path = (UNDERSCORED | UNDOCUMENTED)[name]
    assert re.search(rf"\b{name}\b", (PACKAGE / path).read_text())


@pytest.mark.parametrize("name", [*UNDERSCORED, *UNDOCUMENTED])
def test_every_name_has_a_test(name):
    assert f"test_{name.strip('_').lower()}" in globals()


def request_of_a_session():
    request = HttpRequest()
    request.session = signed_cookies.SessionStore()
    return request


def test_cached_user():
    request = request_of_a_session()
    user = get_user(request)
    assert vars(request)["_cached_user"] is user


async def test_acached_user():
    request = request_of_a_session()
    user = await auser(request)
    assert vars(request)["_acached_user"] is user


def test_wrapped():
    lazy = SimpleLazyObject(lambda: [1])
    assert object.__getattribute__(lazy, "_wrapped") is empty
    loaded = lazy[:] and object.__getattribute__(lazy, "_wrapped")
    assert loaded == [1]


@pytest.mark.django_db
@pytest.mark.parametrize("engine", [cache, cached_db, db, file, signed_cookies])
def test_session_cache(engine):
    session = engine.SessionStore()
    assert not hasattr(session, "_session_cache")
    session["key"] = 1
    assert session._session_cache == {"key": 1}


@pytest.mark.parametrize("engine", [cache, cached_db])
def test_cache(engine):
    assert isinstance(engine.SessionStore()._cache, BaseCache)


@pytest.mark.django_db
def test_from_testcase():
    with transaction.atomic():
        marks = [block._from_testcase for block in connection.atomic_blocks]
    assert marks == [True, False]


@pytest.mark.django_db
def test_atomic_blocks():
    before = list(connection.atomic_blocks)
    with transaction.atomic() as _:
        assert connection.atomic_blocks[:-1] == before
        assert isinstance(connection.atomic_blocks[-1], transaction.Atomic)


def query(build=lambda users: users):
    return build(get_user_model().objects.all()).query


def test_alias_map():
    joined = query(lambda users: users.filter(logentry__action_flag=1))
    one_table = query(lambda users: users.filter(password="").order_by("pk"))
    assert (len(joined.alias_map), len(one_table.alias_map)) == (2, 1)
    assert len(query().alias_map) < 2


def test_combinator():
    assert query(lambda users: users.union(users)).combinator == "union"
    assert query().combinator is None


def test_distinct():
    assert query(lambda users: users.distinct()).distinct
    assert not query().distinct


def test_distinct_fields():
    assert query(lambda users: users.distinct("pk")).distinct_fields == ("pk",)
    assert not query().distinct_fields


def test_extra_tables():
    assert query(lambda users: users.extra(tables=["django_session"])).extra_tables
    assert not query().extra_tables


def test_group_by():
    assert query(lambda users: users.annotate(number=Count("pk"))).group_by is not None
    assert query(lambda users: users.annotate(number=Value(1))).group_by is None


def test_is_sliced():
    assert query(lambda users: users[:3]).is_sliced
    assert not query().is_sliced


@pytest.mark.django_db
def test_get_compiler():
    users = get_user_model().objects.filter(**{get_user_model().USERNAME_FIELD: "%s"})
    sql, params = users.values_list("pk").query.get_compiler("default").as_sql()
    assert params == ("%s",)
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT * FROM ({sql}) q", params)
        assert not cursor.fetchall()


@pytest.mark.django_db
def test_select():
    values = get_user_model().objects.values_list(Value(1.5), "pk")
    compiler = values.query.get_compiler("default")
    compiler.as_sql()
    assert [each[0].output_field.name for each in compiler.select[1:]] == [
        get_user_model()._meta.pk.name
    ]
    assert isinstance(compiler.select[0][0].output_field, FloatField)


@pytest.mark.django_db
def test_run_on_commit():
    with transaction.atomic():
        transaction.on_commit(test_run_on_commit)
        assert connection.run_on_commit[-1][1] is test_run_on_commit


@pytest.mark.django_db(transaction=True)
def test_autocommit():
    assert connection.autocommit
    connection.set_autocommit(False)
    assert not connection.autocommit
    connection.set_autocommit(True)


@pytest.mark.django_db(transaction=True)
def test_commit_on_exit():
    with transaction.atomic():
        assert connection.commit_on_exit
    connection.set_autocommit(False)
    with transaction.atomic():
        assert not connection.commit_on_exit
    connection.rollback()
    connection.set_autocommit(True)


def test_settings_dict():
    """A connection reads its settings when it connects."""
    wrapper = connection.copy()
    wrapper.settings_dict = {**wrapper.settings_dict, "OPTIONS": {"anything": 1}}
    if vendor_is("postgresql"):
        wrapper.settings_dict["OPTIONS"] = {"connect_timeout": 1}
    elif vendor_is("mysql"):
        wrapper.settings_dict["OPTIONS"] = {"connect_timeout": 1, "read_timeout": 1}
    options = wrapper.settings_dict["OPTIONS"]
    assert options.items() <= wrapper.get_connection_params().items()


def test_database():
    drivers = {"sqlite": {"sqlite3.dbapi2"}, "postgresql": {"psycopg"}, "mysql": {"pymysql"}}
    assert connection.Database.__name__ in drivers[connection.vendor]


@pytest.mark.django_db
def test_cursor():
    """What Django hands to a wrapper of ``execute`` has the driver's cursor."""
    contexts = []

    def wrapper(execute, sql, params, many, context):
        contexts.append(context)
        return execute(sql, params, many, context)

    with connection.execute_wrapper(wrapper), connection.cursor() as cursor:
        cursor.execute("SELECT 7")
        assert contexts[0]["cursor"].cursor.fetchone()[0] == 7


@pytest.mark.django_db
def test_wrap_database_errors():
    with pytest.raises(OperationalError), connection.wrap_database_errors:
        raise connection.Database.OperationalError


@pytest.mark.django_db
def test_validate_no_broken_transaction():
    with transaction.atomic():
        connection.validate_no_broken_transaction()
        transaction.set_rollback(True)
        with pytest.raises(transaction.TransactionManagementError):
            connection.validate_no_broken_transaction()
        transaction.set_rollback(False)


def test_execute_gen():
    psycopg = pytest.importorskip("psycopg")
    for cursor in (psycopg.Cursor, psycopg.ClientCursor):
        parameters = inspect.signature(cursor._execute_gen).parameters
        assert [*parameters][:3] == ["self", "query", "params"]
        assert "prepare" in parameters


@pytest.mark.django_db(transaction=True)
def test_execute_gen_is_waited_for_no_longer_than_the_timeout():
    if not vendor_is("postgresql"):
        pytest.skip("psycopg's own generator")
    cursor = connection.cursor().cursor
    generator = cursor._execute_gen("SELECT pg_sleep(1)", None, prepare=False)
    with pytest.raises(connection.Database.OperationalError):
        connection.connection.wait(generator, timeout=0.05)
    connection.close()


@pytest.mark.django_db(transaction=True)
def test_wait_takes_a_timeout():
    if not vendor_is("postgresql"):
        pytest.skip("psycopg's own method")
    connection.ensure_connection()
    timeouts._can_give_up.cache_clear()
    assert timeouts._can_give_up(connection.connection)


def test_read_timeout():
    pymysql = pytest.importorskip("pymysql")
    driver = pymysql.connections.Connection(defer_connect=True, read_timeout=7)
    assert driver._read_timeout == 7


@pytest.mark.django_db(transaction=True)
def test_read_timeout_is_that_of_the_next_statement():
    if not vendor_is("mysql"):
        pytest.skip("PyMySQL's own attribute")
    connection.ensure_connection()
    connection.connection._read_timeout = 0.05
    with pytest.raises(OperationalError):
        connection.cursor().execute("SELECT SLEEP(1)")
    connection.close()


def test_request():
    framework = pytest.importorskip("rest_framework.request")
    request = HttpRequest()
    assert framework.Request(request)._request is request


def test_out():
    stream = StringIO()
    assert OutputWrapper(stream)._out is stream
