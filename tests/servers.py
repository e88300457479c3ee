"""The servers that the suite uses where they answer, each named by a URL in the environment."""

from __future__ import annotations

import os
import sqlite3
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


def _postgresql() -> str:
    import psycopg

    url = urlsplit(POSTGRES)._replace(path="/postgres").geturl()
    with psycopg.connect(url, connect_timeout=2) as connection:
        return connection.execute("SHOW server_version").fetchone()[0]


def _mariadb() -> str:
    import pymysql

    url = urlsplit(MARIADB)
    connection = pymysql.connect(
        host=url.hostname,
        port=url.port or 3306,
        user=url.username,
        password=url.password or "",
        connect_timeout=2,
    )
    try:
        return connection.get_server_info()
    finally:
        connection.close()


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
