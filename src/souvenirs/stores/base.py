"""The interface of a store: where souvenirs are kept and read back.

Users are primary keys, moments are aware datetimes, ranges are half-open.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Hashable, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Any, NamedTuple, TypeAlias

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Subquery

from ..calendar import Bounds, Span
from .activeusers import ActiveUsers
from .digesttable import DigestTable
from .measures import Measures
from .souvenirs import SouvenirQuerySet


class Sighting(NamedTuple):
    """A user at a moment."""

    user: Any
    when: datetime


class UserRange(NamedTuple):
    """A user in ``[start, end)``."""

    user: Any
    start: datetime
    end: datetime


#: ``[start, end)``; None leaves an end open.
Range: TypeAlias = tuple[datetime | None, datetime | None]


class Counted(NamedTuple):
    """The number of users seen in each range, and the earliest known moment."""

    counts: list[int]
    first: datetime | None


class Digested(NamedTuple):
    """How far the digests of a database hold what has been seen."""

    #: The database, by its name in ``DATABASES``.
    alias: str
    #: The moment of the earliest undigested souvenir; None if there is none.
    until: datetime | None
    #: Whether digests and souvenirs belong together in all months.
    agree: bool
    #: Whether any bucket is pruned.
    has_pruned: bool


class Store(ABC):
    """Keeps souvenirs, and reads them back through digests of one kind."""

    @abstractmethod
    def primary(self) -> Store:
        """Return this store, reading from the database in which souvenirs are left.

        Others may read from a replica, which lags behind.
        """

    @property
    @abstractmethod
    def alias(self) -> str:
        """The database in which souvenirs are left, by its name in ``DATABASES``."""

    @property
    @abstractmethod
    def database(self) -> str:
        """The name of that database on its server."""

    @property
    @abstractmethod
    def souvenirs(self) -> SouvenirQuerySet:
        """All souvenirs, for :mod:`souvenirs.digests`; every store keeps them in a database."""

    @property
    @abstractmethod
    def digests(self) -> DigestTable:
        """The digests of this kind, for :mod:`souvenirs.digests` to keep up to date."""

    @abstractmethod
    def add(self, sighting: Sighting) -> None:
        """Leave a souvenir; once this returns, it is as durable as the caller's transaction."""

    @abstractmethod
    def add_missing(self, late: Sequence[tuple[Sighting, UserRange]], seconds: float) -> set[int]:
        """Leave those without a souvenir in their range, within that time; see :meth:`occupied`.

        Returns the positions of the others.
        """

    @abstractmethod
    def add_many(self, sightings: Collection[Sighting]) -> None:
        """Leave all of these souvenirs or, if one fails, none."""

    @abstractmethod
    def can_write(self) -> bool:
        """Whether a souvenir can be left now; False in a broken transaction of the site."""

    @abstractmethod
    def can_be_undone(self) -> bool:
        """Whether a souvenir left now would be rolled back with a transaction of the site."""

    @abstractmethod
    def in_manual_transaction(self) -> bool:
        """Whether the site, with autocommit off, may have a transaction open.

        Nobody announces whether it is committed.
        """

    @abstractmethod
    def own_transaction(self) -> AbstractContextManager[None]:
        """Return a block that is committed where autocommit is off.

        That must not be :meth:`in_manual_transaction`.
        """

    @abstractmethod
    def on_commit(self, callback: Callable[[], object]) -> None:
        """Call ``callback`` once that transaction is committed; now, if there is none.

        It is dropped if the transaction, or the savepoint it was registered in, is rolled back.
        """

    @abstractmethod
    def is_waiting(self, callback: Callable[[], object]) -> bool:
        """Whether an equal callback is waiting for a commit on this connection."""

    @abstractmethod
    def has(self, sighting: Sighting) -> bool:
        """Whether there is a souvenir of that user at exactly that moment."""

    @abstractmethod
    def has_within(self, user_range: UserRange) -> bool:
        """Whether there is a souvenir of that user in that range that has not been deleted."""

    @abstractmethod
    def occupied(self, user_ranges: Sequence[UserRange]) -> set[int]:
        """Return the positions of the ranges with a souvenir; see :meth:`has_within`."""

    @abstractmethod
    def first(self) -> datetime | None:
        """Return the moment of the earliest souvenir; None if there is none.

        If the earliest souvenirs have been deleted, return the start of their bucket.
        """

    @abstractmethod
    def moments(self, user: Any, start: datetime, end: datetime) -> list[datetime]:
        """Return the moments of a user's souvenirs that have not been deleted, in order."""

    @abstractmethod
    def first_each(self, users: Collection[Hashable]) -> dict[Hashable, datetime]:
        """Return the moment of each user's first souvenir that has not been deleted.

        Users without one are left out.
        """

    @abstractmethod
    def last_each(self, users: Collection[Hashable]) -> dict[Hashable, datetime]:
        """Return the moment of each user's last souvenir; see :meth:`first_each`."""

    @abstractmethod
    def pruned(self, start: datetime | None, end: datetime | None) -> Bounds | None:
        """Return the range of the pruned buckets that start in ``[start, end)``.

        It is from the start of the first to the end of the last; None if there is none.
        """

    @abstractmethod
    def oldest_undigested(self) -> datetime | None:
        """Return the moment of the earliest undigested souvenir; None if there is none."""

    @abstractmethod
    def digested(self) -> Digested:
        """Return how far the digests that this store reads hold what has been seen.

        What is read later from that database, on the same connection, is no older.
        """

    @abstractmethod
    def undigested_days(self, until: datetime) -> list[Span]:
        """Return the days of UTC with an undigested souvenir before a moment, in order."""

    @abstractmethod
    def has_digests(self) -> bool:
        """Whether there are digests of this kind."""

    @abstractmethod
    def souvenir_size(self) -> float | None:
        """Return the bytes of an average souvenir, with its share of the indexes.

        None if there is none, or if the engine does not report it.
        """

    @abstractmethod
    def measures(self) -> Measures:
        """Return what the database says about the tables that souvenirs are left in."""

    @abstractmethod
    def replica(self) -> Measures | None:
        """Return the same of the database that reports read, if it is another one."""

    @abstractmethod
    def can_join(self, alias: str) -> bool:
        """Whether a query in that database can read the table of souvenirs."""

    @abstractmethod
    def seen_sql(
        self, connection: BaseDatabaseWrapper, column: str, seen: Range
    ) -> tuple[str, list[Any]]:
        """Return an SQL condition, and its parameters: the user has a souvenir in a range.

        ``column`` is SQL for the user's primary key. Needs :meth:`can_join`.
        """

    @abstractmethod
    def last_moment(self, key: str) -> Subquery[Any]:
        """Return a subquery for the moment of a user's last souvenir, null without any.

        ``key`` names the field, in the query around it, with the user's primary key. Needs
        :meth:`can_join`.
        """

    @abstractmethod
    def users_each(
        self, ranges: Sequence[Range], among: Any = None, *, rounded: bool = False
    ) -> list[ActiveUsers]:
        """Return the users seen in each range, or those of a group among them, from one reading.

        A group is a queryset or an iterable of users or primary keys; None means all users.

        Ranges may overlap and come in any order. Raises CorruptDigest for an unreadable digest
        whose souvenirs have been deleted, and PrunedSpan for a range that begins or ends inside a
        bucket of which only the digest is left. With ``rounded``, the users of such a bucket count
        as seen at its start, and PrunedSpan is never raised.
        """

    @abstractmethod
    def count_each(self, ranges: Sequence[Range], among: Any = None) -> Counted:
        """Return the number of these users; see :meth:`users_each`."""
