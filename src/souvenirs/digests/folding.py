"""Souvenirs folded into the digests of their buckets, and these into days and months.

Each function is one transaction, which any number of processes may run at once and which may be
killed at any moment. A souvenir that has been committed is at every moment either not digested, or
in the digest of its bucket.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterator
from typing import Any, TypeVar

from django.db import models

from ..buckets import DAY, Cell, moment_of
from ..conf import conf
from ..instants import outward
from ..logs import RareLog
from ..models import Digest, Souvenir
from ..stores.numbers import give_numbers, is_number, numbers_of
from ..usersets import CorruptDigest, UserSet
from .rows import (
    buckets_in,
    cells_of,
    claim,
    create_missing,
    digests_of,
    locked,
    mark_stale,
    retried,
    users_in,
    write,
)

logger = RareLog(__name__)

T = TypeVar("T")

#: As many souvenirs as one transaction folds in, or a bucket's more: what bounds its memory.
ROWS = 200_000


class NumbersMissing(Exception):
    """Some users have no number yet, which only a transaction before this one can give them."""

    def __init__(self, keys: Collection[Hashable]) -> None:
        super().__init__(f"{len(keys)} users have no number.")
        self.keys = keys


def fold(day: Cell, alias: str) -> int:
    """Fold undigested souvenirs of a day into its buckets and return how many they were.

    Returns 0 where there are no more. Raises CorruptDigest where a digest is corrupt and its
    souvenirs have been deleted.
    """

    def work() -> int:
        folded = 0
        changed = False
        with locked(day, alias):
            for bucket in _waiting(day, alias):
                souvenirs = souvenirs_in(bucket, alias).filter(digested=False)
                found = list(souvenirs.values_list("pk", "user_id")[:ROWS])
                changed |= _add(bucket, [user for _, user in found], alias)
                claim([number for number, _ in found], alias)
                folded += len(found)
                if folded >= ROWS:
                    break
            if changed:
                mark_stale(day, alias)
        return folded

    return _with_numbers(work, alias)


def rebuild(day: Cell, alias: str) -> list[CorruptDigest]:
    """Make the digests of the buckets of a day anew from their souvenirs.

    A digest whose souvenirs have been deleted keeps what it holds; returned is what is wrong with
    those of them that are corrupt. Souvenirs whose digest is gone are left to be folded in again.
    """

    def work() -> list[CorruptDigest]:
        lost = []
        with locked(day, alias):
            buckets = []
            for digest in buckets_in(day, alias):
                bucket = Cell(digest.level, digest.start)
                buckets.append(bucket)
                users = numbered(all_users_in(bucket, alias), alias)
                try:
                    if digest.is_pruned:
                        users |= users_in(digest)
                    write(digest, users, alias)
                except CorruptDigest as error:
                    lost.append(error)
            for gap in _gaps(day, buckets):
                souvenirs_in(gap, alias).filter(digested=True).update(digested=False)
            mark_stale(day, alias)
        return lost

    create_missing(day, alias)
    return _with_numbers(work, alias)


def refresh(cell: Cell, alias: str) -> bool:
    """Make a day or a month anew from its parts; False where one of them is corrupt."""

    def work() -> bool:
        with locked(cell, alias) as digest:
            try:
                users = UserSet.union(parts_of(cell, alias))
            except CorruptDigest as error:
                logger.exception("%s What it is part of stays stale.", error)
                return False
            write(digest, users, alias, is_stale=False)
            return True

    return retried(work)


def parts_of(cell: Cell, alias: str) -> Iterator[UserSet]:
    """Generate the sets that make up a day or a month: those of its days or of its buckets."""
    if cell.level == DAY:
        yield from map(users_in, buckets_in(cell, alias).iterator())
        return
    days = Digest.objects.using(alias).filter(kind=Digest.ACTIVE, level=DAY)
    for day in days.filter(start__gte=cell.start, start__lt=cell.end).iterator():
        try:
            if not day.is_stale:
                yield users_in(day)
                continue
        except CorruptDigest:
            logger.exception("The digest of a day is corrupt: those of its buckets are used.")
        yield from parts_of(Cell(DAY, day.start), alias)


def souvenirs_in(cell: Cell, alias: str) -> models.QuerySet[Souvenir]:
    """Return the souvenirs of a cell."""
    start, end = (outward(moment_of(second)) for second in (cell.start, cell.end))
    return Souvenir.objects.using(alias).filter(when__gte=start, when__lt=end).order_by()


def all_users_in(bucket: Cell, alias: str) -> list[Hashable]:
    """Return who has a souvenir in a bucket, digested or not."""
    return list(souvenirs_in(bucket, alias).values_list("user_id", flat=True).distinct())


def numbered(keys: Collection[Any], alias: str) -> UserSet:
    """Return these users by their numbers; raises NumbersMissing."""
    if all(map(is_number, keys)):
        return UserSet.from_ids(keys)
    numbers = numbers_of(keys, alias)
    missing = {key for key in keys if key not in numbers}
    if missing:
        raise NumbersMissing(missing)
    return UserSet.from_ids(numbers.values())


def _with_numbers(work: Callable[[], T], alias: str) -> T:
    while True:
        try:
            return retried(work)
        except NumbersMissing as missing:
            give_numbers(missing.keys, alias)


def _waiting(day: Cell, alias: str) -> Iterator[Cell]:
    """Generate the buckets of a day that have an undigested souvenir."""
    souvenirs = souvenirs_in(day, alias).filter(digested=False)
    return cells_of(conf.BUCKET_SECONDS, souvenirs)


def _gaps(day: Cell, buckets: list[Cell]) -> Iterator[Cell]:
    """Generate the stretches of a day that none of these buckets, which are in order, covers."""
    at = day.start
    for bucket in [*buckets, Cell(0, day.end)]:
        if at < bucket.start:
            yield Cell(bucket.start - at, at)
        at = max(at, bucket.end)


def _add(bucket: Cell, keys: list[Hashable], alias: str) -> bool:
    """Add users to the digest of a bucket, the lock of whose day is held.

    Returns whether that changed it.
    """
    digest = digests_of(bucket, alias).first() or Digest(level=bucket.level, start=bucket.start)
    new = numbered(keys, alias)
    try:
        old = users_in(digest)
    except CorruptDigest:
        if digest.is_pruned:
            raise
        # The souvenirs that were digested before are still there.
        old, new = UserSet(), numbered(all_users_in(bucket, alias), alias)
        logger.exception("A digest was corrupt; it has been made anew from its souvenirs.")
    users = old | new
    if len(users) == len(old):
        return False
    write(digest, users, alias)
    return True
