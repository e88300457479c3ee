"""An empty database of our own, on the server of the suite or in a file."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from django.db import connections

from souvenirs.models import (
    Digest,
    Figure,
    FigureLock,
    Souvenir,
    Statement,
    StatementLeaf,
    StatementLock,
    UserNumber,
)
from tests import servers

MODELS = (
    *(Souvenir, Digest, UserNumber, Figure, FigureLock),
    *(Statement, StatementLeaf, StatementLock),
)

#: Readers do not keep a writer waiting, and nothing has to outlive the machine.
SQLITE_OPTIONS = {
    "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF",
    "timeout": 30,
}


def isolation_of(engine: str, isolation: str | None) -> dict[str, object]:
    """Options of Django for an isolation level like "repeatable read"."""
    if isolation is None:
        return {}
    if engine == "mariadb":
        return {"isolation_level": isolation}
    if engine == "postgresql":
        import psycopg

        return {"isolation_level": psycopg.IsolationLevel[isolation.upper().replace(" ", "_")]}
    raise ValueError("SQLite has one isolation level.")


@contextmanager
def own_database(engine: str, isolation: str | None = None) -> Iterator[None]:
    """Make Django's default database one of our own, with the tables of the app and no others."""
    settings = {**connections.settings["elsewhere"], **servers.database(engine)}
    settings["OPTIONS"] = {**settings.get("OPTIONS", {}), **isolation_of(engine, isolation)}
    # The suite has several workers.
    name = settings["NAME"] = f"{settings['NAME']}_concurrency_{os.getpid()}"
    with tempfile.TemporaryDirectory(prefix="souvenirs-") as folder:
        if engine == "sqlite":
            settings["NAME"] = str(Path(folder) / "db.sqlite3")
            settings["OPTIONS"] |= SQLITE_OPTIONS
        else:
            force = " WITH (FORCE)" if engine == "postgresql" else ""
            _execute(engine, f"DROP DATABASE IF EXISTS {name}{force}", f"CREATE DATABASE {name}")
        before, connection = connections.settings["default"], connections["default"]
        connections.settings["default"] = settings
        connections["default"] = connections.create_connection("default")
        try:
            with connections["default"].schema_editor() as editor:
                for model in MODELS:
                    editor.create_model(model)
            yield
        finally:
            connections["default"].close()
            connections.settings["default"] = before
            connections["default"] = connection
            if engine != "sqlite":
                _execute(engine, f"DROP DATABASE IF EXISTS {name}{force}")


def _execute(engine: str, *statements: str) -> None:
    if engine == "postgresql":
        import psycopg

        url = urlsplit(servers.POSTGRES)._replace(path="/postgres").geturl()
        connection = psycopg.connect(url, autocommit=True)
    else:
        import pymysql

        url = urlsplit(servers.MARIADB)
        connection = pymysql.connect(
            host=url.hostname,
            port=url.port or 3306,
            user=url.username,
            password=url.password or "",
        )
    with closing(connection), connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
