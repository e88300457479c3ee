"""The verbs of a store: where souvenirs are left and read back.

Users are primary keys, moments are aware datetimes, ranges are half-open.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Hashable, Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple, TypeAlias

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Subquery

from ..calendar import Bounds
from ..sets import Keys
from .digesttable import DigestTable
from .souvenirs import SouvenirQuerySet


class Sighting(NamedTuple):
    """One user at one moment."""

    user: Any
    when: datetime


class UserRange(NamedTuple):
    """One user in ``[start, end)``."""

    user: Any
    start: datetime
    end: datetime


#: ``[start, end)``; None leaves an end open.
Range: TypeAlias = tuple[datetime | None, datetime | None]

#: Primary keys of the users to count; None for everybody.
Group: TypeAlias = Collection[Hashable] | None


class Counted(NamedTuple):
    """How many users were seen in each range, and the earliest moment that is known."""

    counts: list[int]
    first: datetime | None


class Store(ABC):
    """What a place that keeps souvenirs can do."""

    @property
    @abstractmethod
    def alias(self) -> str:
        """The database in which souvenirs are left, by its name in ``DATABASES``."""

    @property
    @abstractmethod
    def souvenirs(self) -> SouvenirQuerySet:
        """The souvenirs, which any store leaves in the site's own database."""

    @property
    @abstractmethod
    def digests(self) -> DigestTable:
        """The digests of this kind, for :mod:`souvenirs.digests` to keep up to date."""

    @abstractmethod
    def souvenir_size(self) -> float | None:
        """Return the bytes of an average souvenir; None without any, or if that is unknown."""

    @abstractmethod
    def add(self, sighting: Sighting) -> None:
        """Leave a souvenir; once this returns, it is as durable as the caller's transaction."""

    @abstractmethod
    def add_many(self, sightings: Iterable[Sighting]) -> None:
        """Leave all of these souvenirs or, where one fails, none."""

    @abstractmethod
    def can_write(self) -> bool:
        """Whether a souvenir can be left now; False in a host transaction that is broken."""

    @abstractmethod
    def can_be_undone(self) -> bool:
        """Whether a host transaction is under way, with which a souvenir may be rolled back."""

    @abstractmethod
    def on_commit(self, promise: Callable[[], object]) -> None:
        """Call ``promise`` when that transaction has been committed; now where there is none.

        It is dropped with the transaction, or the part of it, that is rolled back.
        """

    @abstractmethod
    def has_promised(self, promise: Callable[[], object]) -> bool:
        """Whether an equal promise waits for a commit on this connection."""

    @abstractmethod
    def has(self, sighting: Sighting) -> bool:
        """Whether a souvenir of that user at exactly that moment is there."""

    @abstractmethod
    def has_within(self, span: UserRange) -> bool:
        """Whether a souvenir of that user in that time is there and not deleted since."""

    @abstractmethod
    def occupied(self, spans: Sequence[UserRange]) -> set[int]:
        """Return the positions of the spans that hold a souvenir."""

    @abstractmethod
    def first(self) -> datetime | None:
        """Return the earliest moment that is known to have a souvenir; None where there is none.

        Where the earliest souvenirs have been deleted, that is the start of their bucket.
        """

    @abstractmethod
    def moments(self, user: Any, start: datetime, end: datetime) -> list[datetime]:
        """Return the moments, in order, of a user's souvenirs that have not been deleted."""

    @abstractmethod
    def first_each(self, users: Collection[Hashable]) -> dict[Hashable, datetime]:
        """Return the moment of each user's first souvenir that has not been deleted.

        A user without one is left out.
        """

    @abstractmethod
    def last_each(self, users: Collection[Hashable]) -> dict[Hashable, datetime]:
        """Return the moment of each user's last one; see :meth:`first_each`."""

    @abstractmethod
    def pruned(self, start: datetime | None, end: datetime | None) -> Bounds | None:
        """Return where buckets whose souvenirs have been deleted start in ``[start, end)``.

        That is from the start of the first to the end of the last; None where there is none.
        """

    @abstractmethod
    def oldest_undigested(self) -> datetime | None:
        """Return the moment of the earliest undigested souvenir; None if there is none."""

    @abstractmethod
    def has_digests(self) -> bool:
        """Whether anything has been digested."""

    @abstractmethod
    def can_join(self, alias: str) -> bool:
        """Whether a query in that database can read the table of souvenirs."""

    @abstractmethod
    def seen_sql(
        self, connection: BaseDatabaseWrapper, column: str, seen: Range
    ) -> tuple[str, list[Any]]:
        """Return SQL, and its parameters, that says whether a user has a souvenir in a range.

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
        self, ranges: Sequence[Range], among: Group = None, *, rounded: bool = False
    ) -> list[Keys]:
        """Return the users seen in each range, or those of the group, in one reading of them all.

        Ranges may overlap and come in any order. With ``rounded``, whoever was seen in a bucket
        whose souvenirs have been deleted counts as seen where it starts, and any range is answered.
        """

    @abstractmethod
    def count_each(self, ranges: Sequence[Range], among: Group = None) -> Counted:
        """Return how many users that are; see :meth:`users_each`."""
