"""How much room souvenirs take."""

from __future__ import annotations

from django.db import DatabaseError, connections, router
from django.db.backends.base.base import BaseDatabaseWrapper

from ..models import Souvenir

#: The bytes of a table with its indexes, by the engine's own figures.
SIZES = {
    "postgresql": "SELECT pg_total_relation_size(quote_ident(%s)::regclass)",
    "mysql": "SELECT data_length + index_length FROM information_schema.tables"
    " WHERE table_schema = DATABASE() AND table_name = %s",
    "sqlite": "SELECT SUM(pgsize) FROM dbstat WHERE name IN"
    " (SELECT name FROM sqlite_master WHERE tbl_name = %s)",
}


def bytes_of_souvenir() -> float | None:
    """Return about how many bytes a souvenir takes, with its share of the indexes.

    None where the engine does not tell, as an SQLite made without ``dbstat``, or there is none.
    """
    alias = router.db_for_write(Souvenir)
    rows = Souvenir.objects.using(alias).count()
    size = _size_of_table(connections[alias]) if rows else None
    return size / rows if size else None


def _size_of_table(connection: BaseDatabaseWrapper) -> int | None:
    try:
        with connection.cursor() as cursor:
            cursor.execute(SIZES[connection.vendor], [Souvenir._meta.db_table])
            [size] = cursor.fetchone()
    except DatabaseError:
        return None
    return None if size is None else int(size)
