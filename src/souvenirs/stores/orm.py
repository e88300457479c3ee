"""Souvenirs in the site's own database, through the ORM."""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from functools import cache, cached_property, partial
from time import monotonic
from typing import Any

from django.db import DatabaseError, connections, models, router, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import OuterRef, Subquery
from django.db.models.signals import post_save, pre_save

from ..calendar import DAY_LEVEL, Bounds, Span, bound, outward
from ..models import Souvenir
from ..resilience import ThrottledLogger, time_limited
from .activeusers import ActiveUsers
from .base import Counted, Digested, Range, Sighting, Store, UserRange
from .digesttable import DigestTable
from .figures import late_spans, mark_figures, spans_of
from .manual import is_manual, may_be_in_transaction
from .measures import Measures
from .queries import USER, WHEN, Names, add_many, ends_of, occupied, pruned
from .reading import Reading
from .seals import HAS_PRUNED, apart
from .sizes import souvenir_size
from .souvenirs import SouvenirQuerySet, souvenirs_in
from .transactions import locking, retried
from .usable import catalog

logger = ThrottledLogger(__name__)

#: PQTRANS_INERROR of libpq.
POSTGRESQL_IN_ERROR = 3


class OrmStore(Store):
    """Souvenirs and digests in the database that the router names for them."""

    def __init__(self, kind: str, *, is_primary: bool = False) -> None:
        self.kind = kind
        self.is_primary = is_primary

    def primary(self) -> OrmStore:
        return OrmStore(self.kind, is_primary=True)

    @cached_property
    def writer(self) -> BaseDatabaseWrapper:
        """The connection that souvenirs are written on."""
        return connections[router.db_for_write(Souvenir)]

    @cached_property
    def reader(self) -> BaseDatabaseWrapper:
        """The connection that souvenirs and digests are read on."""
        return self.writer if self.is_primary else connections[router.db_for_read(Souvenir)]

    @property
    def alias(self) -> str:
        return self.writer.alias

    @property
    def database(self) -> str:
        return str(self.writer.settings_dict["NAME"])

    @property
    def souvenirs(self) -> SouvenirQuerySet:
        return souvenirs_in(self.alias)

    @property
    def digests(self) -> DigestTable:
        return DigestTable(self.alias, self.kind)

    def souvenir_size(self) -> float | None:
        return souvenir_size(self.writer)

    def measures(self) -> Measures:
        return Measures(self.alias, self.kind)

    def replica(self) -> Measures | None:
        alias = self.reader.alias
        return None if alias == self.alias else Measures(alias, self.kind)

    def add(self, sighting: Sighting) -> None:
        connection = self.writer
        with time_limited(connection):
            if connection.in_atomic_block:
                # A savepoint of our own: a failed INSERT must not break the site's transaction.
                with transaction.atomic(using=connection.alias):
                    _insert(connection, sighting)
            else:
                _insert(connection, sighting)
        if spans := late_spans(spans_of([sighting.when])):
            self.on_commit(partial(self._mark_late, spans))

    def add_missing(self, late: Sequence[tuple[Sighting, UserRange]], seconds: float) -> set[int]:
        ranges = [user_range for _, user_range in late]
        end = monotonic() + seconds
        with time_limited(self.writer, seconds=seconds):
            found = occupied(self.writer, ranges)
        missing = [each for position, (each, _) in enumerate(late) if position not in found]
        if missing:
            with time_limited(self.writer, seconds=max(end - monotonic(), seconds / 10)):
                _insert(self.writer, *missing)
            if spans := late_spans(spans_of(each.when for each in missing)):
                self._mark_late(spans)
        return found

    def add_many(self, sightings: Collection[Sighting]) -> None:
        spans = late_spans(spans_of(each.when for each in sightings))
        if self.writer.in_atomic_block:
            add_many(self.writer, sightings)
            if spans:
                self.on_commit(partial(self._mark_late, spans))
            return

        def work() -> None:
            with locking(self.alias):
                add_many(self.writer, sightings)
                mark_figures(self.alias, spans)

        retried(work)

    def _mark_late(self, spans: Collection[Span]) -> None:
        """Mark figures on the path of a request; if that fails, the next digester does."""
        is_own = not (self.writer.in_atomic_block or is_manual(self.writer))
        transactions = locking if is_own else transaction.atomic
        try:
            with time_limited(self.writer), transactions(self.alias):
                mark_figures(self.alias, spans)
        except DatabaseError:
            logger.exception("Could not mark published figures that a late souvenir changes.")

    def can_write(self) -> bool:
        return not (self.writer.in_atomic_block and _is_broken(self.writer))

    def can_be_undone(self) -> bool:
        # As in Django itself, the transaction of a TestCase does not count.
        blocks: list[Any] = self.writer.atomic_blocks
        return not all(block._from_testcase for block in blocks)

    def in_manual_transaction(self) -> bool:
        connection: Any = self.writer
        if connection.connection is not None and connection.in_atomic_block:
            return not connection.commit_on_exit
        if not is_manual(connection):
            return False
        # A rollback of ours would drop what the site wants to be done after its commit.
        return bool(connection.run_on_commit) or may_be_in_transaction(connection)

    def own_transaction(self) -> AbstractContextManager[None]:
        return _OwnTransaction(self.writer)

    def on_commit(self, callback: Callable[[], object]) -> None:
        if self.can_be_undone():
            transaction.on_commit(callback, using=self.writer.alias)
        else:
            callback()

    def is_waiting(self, callback: Callable[[], object]) -> bool:
        waiting: list[Any] = self.writer.run_on_commit
        return any(entry[1] == callback for entry in waiting)

    def has(self, sighting: Sighting) -> bool:
        return self.souvenirs.of_user(sighting.user).filter(when=outward(sighting.when)).exists()

    def has_within(self, user_range: UserRange) -> bool:
        user, start, end = user_range
        with time_limited(self.writer):
            of_user = self.souvenirs.of_user(user)
            return of_user.filter(when__gte=outward(start), when__lt=outward(end)).exists()

    def occupied(self, user_ranges: Sequence[UserRange]) -> set[int]:
        return occupied(self.writer, user_ranges)

    def first(self) -> datetime | None:
        return catalog(self.reader, self.kind).first

    def moments(self, user: Any, start: datetime, end: datetime) -> list[datetime]:
        return souvenirs_in(self.reader.alias).of_user(user).between(start, end).moments()

    def first_each(self, users: Collection[Hashable]) -> dict[Hashable, datetime]:
        return dict(ends_of(self.reader, list(users), is_last=False))

    def last_each(self, users: Collection[Hashable]) -> dict[Hashable, datetime]:
        return dict(ends_of(self.reader, list(users), is_last=True))

    def pruned(self, start: datetime | None, end: datetime | None) -> Bounds | None:
        return pruned(self.reader, self.kind, start, end)

    def oldest_undigested(self) -> datetime | None:
        return self.souvenirs.undigested().first_moment()

    def digested(self) -> Digested:
        alias = self.reader.alias
        until = souvenirs_in(alias).undigested().first_moment()
        found = catalog(self.reader, self.kind)
        return Digested(
            alias,
            until,
            agree=not apart(found.inventories, found.seals),
            has_pruned=any(seal & HAS_PRUNED for seal in found.inventories.values()),
        )

    def undigested_days(self, until: datetime) -> list[Span]:
        waiting = self.souvenirs.undigested().between(None, until)
        return [(day.start, day.end) for day in waiting.cells(DAY_LEVEL)]

    def has_digests(self) -> bool:
        return self.digests.all().exists()

    def can_join(self, alias: str) -> bool:
        return alias == self.reader.alias

    def seen_sql(
        self, connection: BaseDatabaseWrapper, column: str, seen: Range
    ) -> tuple[str, list[Any]]:
        names = Names(connection)
        table = connection.ops.quote_name(f"{Souvenir._meta.db_table}_seen")
        conditions, params = [f"{table}.{names.user} = {column}"], []
        for sign, moment in zip((">=", "<"), seen, strict=True):
            if moment is not None:
                conditions.append(f"{table}.{names.when} {sign} %s")
                params.append(WHEN.get_db_prep_value(bound(moment), connection))
        within = " AND ".join(conditions)
        return f"EXISTS (SELECT 1 FROM {names.souvenirs} {table} WHERE {within})", params

    def last_moment(self, key: str) -> Subquery[Any]:
        souvenirs = Souvenir.objects.filter(user_id=OuterRef(key)).order_by("-when")
        return Subquery(souvenirs.values("when")[:1])

    def users_each(
        self, ranges: Sequence[Range], among: Any = None, *, rounded: bool = False
    ) -> list[ActiveUsers]:
        return Reading(self.reader, self.kind, ranges, among, rounded=rounded).sets()

    def count_each(self, ranges: Sequence[Range], among: Any = None) -> Counted:
        return Reading(self.reader, self.kind, ranges, among).counts()


def _insert(connection: BaseDatabaseWrapper, *sightings: Sighting) -> None:
    if pre_save.has_listeners(Souvenir) or post_save.has_listeners(Souvenir):
        for user, when in sightings:
            souvenir = Souvenir(user_id=user, when=outward(when))
            souvenir.save(using=connection.alias, force_insert=True)
        return
    # Without listeners, plain SQL: saving an object costs as much again as the INSERT itself. One
    # statement is all or nothing without a transaction, whose COMMIT could not be limited.
    values: list[Any] = []
    for user, when in sightings:
        values.append(_key_field().get_db_prep_save(user, connection))
        values.append(WHEN.get_db_prep_save(outward(when), connection))
    with connection.cursor() as cursor:
        cursor.execute(_insert_sql(connection.alias, len(sightings)), values)


@cache
def _insert_sql(alias: str, rows: int) -> str:
    names = Names(connections[alias])
    columns = f"{names.souvenirs} ({names.user}, {names.when})"
    return f"INSERT INTO {columns} VALUES {', '.join(['(%s, %s)'] * rows)}"


@cache
def _key_field() -> models.Field[Any, Any]:
    """The primary key of the user model, which Django would look up for each value."""
    return USER.target_field  # type: ignore[no-any-return,attr-defined]


class _OwnTransaction:
    """See :meth:`Store.own_transaction`. A class is faster than a generator."""

    def __init__(self, connection: BaseDatabaseWrapper) -> None:
        self.connection = connection

    def __enter__(self) -> None:
        pass

    def __exit__(self, error: object, *_: object) -> None:
        if is_manual(self.connection):
            if error is None:
                self.connection.commit()
            else:
                self.connection.rollback()


def _is_broken(connection: BaseDatabaseWrapper) -> bool:
    """Whether the current transaction can only be rolled back."""
    if connection.needs_rollback:
        return True
    if connection.vendor != "postgresql":
        return False
    # The server refuses everything after an error that was caught without a savepoint.
    return bool(connection.connection.info.transaction_status == POSTGRESQL_IN_ERROR)
