"""Expressions for querysets of users."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper

from ..stores import ActiveUsers, Store, get_store


class WasSeen(models.Func):
    """A condition: the user was seen in ``[start, end)``, aware datetimes; None leaves an end open.

    It uses the index on users and moments, user by user, so the cost of a page depends only on the
    users on that page. Pruned souvenirs and those in another database are replaced by a set of
    users, read just before the query is sent; a bucket that is pruned in between is missed. The
    users of a pruned bucket count as seen at its start.
    """

    output_field = models.BooleanField()
    conditional = True

    def __init__(self, start: datetime | None, end: datetime | None) -> None:
        super().__init__(models.F("pk"))
        self.start, self.end = start, end

    def as_sql(  # type: ignore[override]
        self, compiler: Any, connection: BaseDatabaseWrapper, **context: Any
    ) -> tuple[str, list[Any]]:
        column, _ = compiler.compile(self.source_expressions[0])
        store = get_store()
        if not store.can_join(connection.alias):
            return self._users(store, self.start, self.end).condition(connection, column)
        sql, params = store.seen_sql(connection, column, (self.start, self.end))
        pruned = store.pruned(self.start, self.end)
        if pruned is None:
            return sql, params
        # Souvenirs that remain in that range are matched twice, which changes nothing.
        start, end = pruned
        if self.end is not None:
            end = min(self.end, end)
        among, values = self._users(store, start, end).condition(connection, column)
        return f"({sql} OR {among})", [*params, *values]

    @staticmethod
    def _users(store: Store, start: datetime | None, end: datetime | None) -> ActiveUsers:
        [users] = store.users_each([(start, end)], rounded=True)
        return users
