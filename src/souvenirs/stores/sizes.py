"""The size of the table of souvenirs."""

from __future__ import annotations

from django.db import DatabaseError
from django.db.backends.base.base import BaseDatabaseWrapper

from ..models import Souvenir

#: SQL for the bytes of a table and its indexes, as the engine reports them.
SIZES = {
    "postgresql": "SELECT pg_total_relation_size(quote_ident(%s)::regclass)",
    "mysql": "SELECT data_length + index_length FROM information_schema.tables"
    " WHERE table_schema = DATABASE() AND table_name = %s",
    "sqlite": "SELECT SUM(pgsize) FROM dbstat WHERE name IN"
    " (SELECT name FROM sqlite_master WHERE tbl_name = %s)",
}


def souvenir_size(connection: BaseDatabaseWrapper) -> float | None:
    """Return the bytes of an average souvenir, with its share of the indexes.

    None without souvenirs, or if the engine does not report it, like SQLite without ``dbstat``.
    """
    rows = Souvenir.objects.using(connection.alias).count()
    if not rows:
        return None
    try:
        with connection.cursor() as cursor:
            cursor.execute(SIZES[connection.vendor], [Souvenir._meta.db_table])
            [size] = cursor.fetchone()
    except DatabaseError:
        return None
    return int(size) / rows if size else None
