"""The grants of the guide to Metabase open the views to a user of the server, and nothing else."""

import os
import re
from contextlib import closing
from pathlib import Path

import pytest
from django.contrib.auth import get_user_model
from django.db import connection

from souvenirs.publishing import Publication, Publisher
from tests.conftest import at, pk_of
from tests.digesting import digest
from tests.publishing.test_guide import QUERIES

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.thorough,
    pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite has no users"),
]

GUIDE = (Path(__file__).parents[2] / "docs/how-to/metabase.md").read_text()
TITLES = {"postgresql": "PostgreSQL", "mysql": "MariaDB"}

#: Users belong to the server, where other runs have theirs.
NAME = f"metabase_{os.getpid()}"
PASSWORD = "a long password"

VIEWS = [f"souvenirs_{name}" for name in ("daily", "weekly", "monthly", "quarterly", "yearly")]


@pytest.fixture(autouse=True)
def _published(settings, set_now, leave):
    set_now(at(2026, 11, 20, 15))
    settings.SOUVENIRS_SEGMENTS = {"one": lambda: [pk_of(1)]}
    leave(*((number, at(2026, month, 3 * number)) for month in (8, 9, 10) for number in (1, 2)))
    digest()
    intervals = ("day", "week", "month", "quarter", "year")
    list(Publisher(Publication(intervals, ("UTC",), ("one",))).run())


@pytest.fixture
def reader():
    """The rows of a statement, as the user of the guide."""
    title = re.escape(TITLES[connection.vendor])
    [script] = re.findall(rf"## {title}\n.*?```sql\n(.*?)```", GUIDE, re.DOTALL)
    script = script.replace("metabase", NAME)
    script = script.replace("mysite", connection.settings_dict["NAME"])
    drop()
    with connection.cursor() as cursor:
        for statement in filter(str.strip, script.split(";")):
            cursor.execute(statement)
    try:
        with closing(connected()) as own:

            def execute(statement):
                with closing(own.cursor()) as cursor:
                    cursor.execute(statement)
                    return cursor.fetchall()

            yield execute
    finally:
        drop()


def drop():
    with connection.cursor() as cursor:
        if connection.vendor == "mysql":
            cursor.execute(f"DROP USER IF EXISTS '{NAME}'@'%'")
            return
        cursor.execute("SELECT FROM pg_roles WHERE rolname = %s", [NAME])
        if cursor.fetchall():
            cursor.execute(f"DROP OWNED BY {NAME}")
            cursor.execute(f"DROP ROLE {NAME}")


def connected():
    """A connection of the driver, in which each statement stands alone."""
    server = connection.settings_dict
    place = {"host": server["HOST"], "user": NAME, "password": PASSWORD}
    if connection.vendor == "postgresql":
        import psycopg

        place["port"] = server["PORT"] or 5432
        return psycopg.connect(**place, dbname=server["NAME"], autocommit=True)
    import pymysql

    port = int(server["PORT"] or 3306)
    return pymysql.connect(**place, port=port, database=server["NAME"], autocommit=True)


def test_five_questions_have_the_answers_of_the_site(reader):
    assert len(QUERIES) == 5
    for query in QUERIES:
        with connection.cursor() as cursor:
            cursor.execute(query)
            expected = list(cursor.fetchall())
        assert expected
        assert list(reader(query)) == expected


def test_every_view_can_be_read(reader):
    assert all(reader(f"SELECT count(*) FROM {view}")[0][0] > 0 for view in VIEWS)


def test_no_table_can_be_read(reader):
    tables = [f"souvenirs_{name}" for name in ("souvenir", "digest", "usernumber", "figure")]
    for table in (*tables, "django_session", get_user_model()._meta.db_table):
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT count(*) FROM {table}")  # it is there
        with pytest.raises(Exception, match="denied"):
            reader(f"SELECT count(*) FROM {table}")


def test_nothing_can_be_written(reader):
    for statement in (
        "UPDATE souvenirs_daily SET active = 0",
        "DELETE FROM souvenirs_daily",
        "DROP VIEW souvenirs_daily",
        "CREATE TABLE uploaded (id integer)",
    ):
        with pytest.raises(Exception, match=r"denied|must be owner|not updatable|cannot"):
            reader(statement)
