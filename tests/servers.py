"""The servers that the suite uses where they answer, each named by a URL in the environment."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from urllib.parse import urlsplit

import dj_database_url

SQLITE = os.environ.get("SQLITE_URL", "sqlite:///:memory:")
POSTGRES = os.environ.get("POSTGRES_URL", "postgres://postgres@127.0.0.1:5432/souvenirs")
MARIADB = os.environ.get("MARIADB_URL", "mysql://root@127.0.0.1:3306/souvenirs")
REDIS = os.environ.get("REDIS_URL", "redis://127.0.0.1:6379/1")
MEMCACHED = os.environ.get("MEMCACHED_URL", "memcached://127.0.0.1:11211")

#: Runs with different user models go on side by side, each in a database of its own.
USER_MODEL = os.environ.get("SOUVENIRS_TEST_USER", "auth.User")

DATABASES = {"sqlite": SQLITE, "postgresql": POSTGRES, "mariadb": MARIADB}
CACHES = {"redis": REDIS, "memcached": MEMCACHED}

MEMCACHED_ADDRESS = urlsplit(MEMCACHED).netloc


def database(name: str) -> dict:
    """Django's settings of a database by its short name."""
    if name == "mariadb":
        import pymysql

        # Django asks the driver for the version of mysqlclient, whose interface this one has.
        pymysql.version_info = (2, 2, 7, "final", 0)
        pymysql.install_as_MySQLdb()
    settings = dj_database_url.parse(DATABASES[name])
    if name != "sqlite":
        settings["TEST"] = {"NAME": f"test_{settings['NAME']}_{USER_MODEL.lower().split('.')[1]}"}
    if name == "mariadb":
        settings["TEST"]["CHARSET"] = "utf8mb4"
    return settings


def name_of_another(name: str) -> str | None:
    """The name of a second database on the same server; None where each has its own memory."""
    return None if name == "sqlite" else f"{database(name)['TEST']['NAME']}_elsewhere"


def version(name: str) -> str | None:
    """The version of a server, or None where it does not answer."""
    try:
        return VERSIONS[name]()
    except Exception:
        return None


@contextmanager
def new_database(name: str, database: str) -> Iterator[str]:
    """Make an empty database on a server, yield its URL, and drop it."""
    drop = f"DROP DATABASE IF EXISTS {database}"
    if name == "postgresql":
        url, execute, drop = POSTGRES, _execute_on_postgresql, f"{drop} WITH (FORCE)"
    else:
        url, execute = MARIADB, _execute_on_mariadb
    execute(drop)
    execute(f"CREATE DATABASE {database}")
    try:
        yield urlsplit(url)._replace(path=f"/{database}").geturl()
    finally:
        execute(drop)


def _postgresql() -> str:
    with _connected_to_postgresql() as connection:
        return connection.execute("SHOW server_version").fetchone()[0]


def _execute_on_postgresql(sql: str) -> None:
    with _connected_to_postgresql() as connection:
        connection.execute(sql)


def _connected_to_postgresql():
    import psycopg

    url = urlsplit(POSTGRES)._replace(path="/postgres").geturl()
    return psycopg.connect(url, connect_timeout=2, autocommit=True)


def _mariadb() -> str:
    with closing(_connected_to_mariadb()) as connection:
        return connection.get_server_info()


def _execute_on_mariadb(sql: str) -> None:
    with closing(_connected_to_mariadb()) as connection, connection.cursor() as cursor:
        cursor.execute(sql)


def _connected_to_mariadb():
    import pymysql

    url = urlsplit(MARIADB)
    return pymysql.connect(
        host=url.hostname,
        port=url.port or 3306,
        user=url.username,
        password=url.password or "",
        charset="utf8mb4",
        connect_timeout=2,
    )


def _redis() -> str:
    import redis

    with redis.Redis.from_url(REDIS, socket_connect_timeout=2, socket_timeout=2) as client:
        return client.info("server")["redis_version"]


def _memcached() -> str:
    from pymemcache.client.base import Client

    client = Client(MEMCACHED_ADDRESS, connect_timeout=2, timeout=2)
    try:
        return client.version().decode()
    finally:
        client.close()


VERSIONS = {
    "sqlite": lambda: sqlite3.sqlite_version,
    "postgresql": _postgresql,
    "mariadb": _mariadb,
    "redis": _redis,
    "memcached": _memcached,
}
