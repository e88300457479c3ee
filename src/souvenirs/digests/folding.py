"""Souvenirs folded into the digests of their buckets.

Each function is one transaction, which any number of processes may run at once and which may be
killed at any moment. A souvenir that has been committed is at every moment either not digested, or
in the digest of its bucket.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterator
from typing import Any, NamedTuple, TypeVar

from django.db import connections, models

from ..calendar import DAY_LEVEL, Cell, bound, cell_of, moment_of, second_of, stored
from ..conf import conf
from ..models import Digest, Souvenir
from ..resilience import RareLog
from ..sets import CorruptDigest, UserSet, give_numbers, is_number, numbers_of
from ..stores import undigested_in
from .rows import (
    buckets_in,
    claim,
    filled,
    locked,
    mark_stale,
    retried,
    stray_in_words,
    strays_in,
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


class Folded(NamedTuple):
    """How many souvenirs were folded in, 0 where there are no more; and what could not be.

    That is in ``lost``, which tells of digests that are corrupt and whose souvenirs have been
    deleted: what is new stays undigested, beside them.
    """

    souvenirs: int
    lost: list[CorruptDigest]


def fold(cell: Cell, alias: str) -> Folded:
    """Fold undigested souvenirs of a day or a month into its buckets, about ``ROWS`` at a time."""

    def work() -> Folded:
        lost: list[CorruptDigest] = []
        ids: list[int] = []
        changed: set[Cell] = set()
        with locked(cell, alias):
            found = _undigested(cell, alias)
            digests = _digests_of(found, alias)
            for bucket, souvenirs in found.items():
                try:
                    if _add(digests[bucket], [user for _, user in souvenirs], alias):
                        changed.add(cell_of(DAY_LEVEL, bucket.start))
                except CorruptDigest as error:
                    lost.append(error)
                else:
                    ids += [number for number, _ in souvenirs]
            Digest.objects.using(alias).bulk_create(
                [digest for digest in digests.values() if digest.pk is None]
            )
            mark_stale(changed, alias)
            claim(ids, alias)
        return Folded(len(ids), lost)

    return _with_numbers(work, alias)


def rebuild(day: Cell, alias: str) -> list[CorruptDigest]:
    """Make the digests of the buckets of a day anew from their souvenirs.

    A digest whose souvenirs have been deleted keeps what it holds; returned is what is wrong with
    those of them that are corrupt. Souvenirs whose digest is gone are left to be folded in again;
    a digest of no level that there is, is gone.
    """

    def work() -> list[CorruptDigest]:
        lost = []
        with locked(day, alias):
            buckets = []
            for digest in buckets_in(day, alias).iterator():
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
            mark_stale([day], alias)
            strays = strays_in(day, alias)
            lost += [
                CorruptDigest(stray_in_words(stray)) for stray in strays.filter(is_pruned=True)
            ]
            strays.filter(is_pruned=False).delete()
        return lost

    return _with_numbers(work, alias)


def souvenirs_in(cell: Cell, alias: str) -> models.QuerySet[Souvenir]:
    """Return the souvenirs of a cell."""
    start, end = (bound(moment_of(second)) for second in (cell.start, cell.end))
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


def _undigested(cell: Cell, alias: str) -> dict[Cell, list[tuple[int, Hashable]]]:
    """The ids and users of at most ``ROWS`` undigested souvenirs of a cell, by bucket."""
    waiting = souvenirs_in(cell, alias).filter(digested=False)
    ends = waiting.aggregate(first=models.Min("when"), last=models.Max("when"))
    if ends["first"] is None:
        return {}
    first, last = (second_of(stored(end)) for end in ends.values())
    level = conf.BUCKET_SECONDS
    starts = range(cell_of(level, first).start, last + 1, level)
    buckets = [Cell(level, start) for start in starts]
    spans = [(moment_of(bucket.start), moment_of(bucket.end)) for bucket in buckets]
    found: dict[Cell, list[tuple[int, Hashable]]] = {}
    for position, number, user in undigested_in(connections[alias], spans, ROWS):
        found.setdefault(buckets[position], []).append((number, user))
    return found


def _gaps(day: Cell, buckets: list[Cell]) -> Iterator[Cell]:
    """Generate the stretches of a day that none of these buckets, which are in order, covers."""
    at = day.start
    for bucket in [*buckets, Cell(0, day.end)]:
        if at < bucket.start:
            yield Cell(bucket.start - at, at)
        at = max(at, bucket.end)


def _digests_of(buckets: Collection[Cell], alias: str) -> dict[Cell, Digest]:
    """The digests of buckets, whose month is held; new ones where there are none."""
    if not buckets:
        return {}
    first, last = min(buckets), max(buckets)
    level = first.level
    digests = Digest.objects.using(alias).filter(kind=Digest.ACTIVE, level=level)
    there = digests.filter(start__gte=first.start, start__lte=last.start)
    known = {Cell(level, digest.start): digest for digest in there.iterator()}
    return {
        bucket: known.get(bucket) or Digest(level=level, start=bucket.start) for bucket in buckets
    }


def _add(digest: Digest, keys: Collection[Hashable], alias: str) -> bool:
    """Add users to a digest and return whether that changed it; a new one is not written yet."""
    new = numbered(keys, alias)
    try:
        old = users_in(digest)
    except CorruptDigest:
        if digest.is_pruned:
            raise
        # The souvenirs that were digested before are still there.
        bucket = Cell(digest.level, digest.start)
        old, new = UserSet(), numbered(all_users_in(bucket, alias), alias)
        logger.exception("A digest was corrupt; it has been made anew from its souvenirs.")
    users = old | new
    if len(users) == len(old):
        return False
    if digest.pk is None:
        filled(digest, users)
    else:
        write(digest, users, alias)
    return True
