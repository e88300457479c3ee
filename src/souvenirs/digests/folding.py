"""Souvenirs folded into the digests of their buckets.

Each function is one transaction, which any number of processes may run at once and which may be
killed at any moment. A souvenir that has been committed is at every moment either not digested, or
in the digest of its bucket.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Mapping
from typing import Any, TypeVar

from django.db import connections, models

from ..buckets import DAY, Cell, cell_of, moment_of, second_of
from ..conf import conf
from ..instants import checked, outward, utc
from ..logs import RareLog
from ..models import Digest, Souvenir
from ..stores.numbers import give_numbers, is_number, numbers_of
from ..stores.queries import undigested_in
from ..usersets import CorruptDigest, UserSet
from .rows import (
    buckets_in,
    claim,
    filled,
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


def fold(cell: Cell, alias: str) -> int:
    """Fold undigested souvenirs of a day or a month into its buckets; return how many they were.

    Returns 0 where there are no more. Raises CorruptDigest where a digest is corrupt and its
    souvenirs have been deleted.
    """

    def work() -> int:
        with locked(cell, alias):
            found = _undigested(cell, alias)
            ids = [number for souvenirs in found.values() for number, _ in souvenirs]
            if not ids:
                return 0
            users = {bucket: [user for _, user in each] for bucket, each in found.items()}
            mark_stale(_add(users, alias), alias)
            claim(ids, alias)
        return len(ids)

    return _with_numbers(work, alias)


def rebuild(day: Cell, alias: str) -> list[Cell]:
    """Make the digests of the buckets of a day anew from their souvenirs.

    Returns the buckets whose souvenirs have been deleted: their digests keep what they hold. Raises
    CorruptDigest where one of these is corrupt.
    """

    def work() -> list[Cell]:
        pruned = []
        with locked(day, alias):
            for digest in buckets_in(day, alias).iterator():
                bucket = Cell(digest.level, digest.start)
                users = numbered(all_users_in(bucket, alias), alias)
                if digest.is_pruned:
                    users |= users_in(digest)
                    pruned.append(bucket)
                write(digest, users, alias)
            mark_stale([day], alias)
        return pruned

    return _with_numbers(work, alias)


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


def _undigested(cell: Cell, alias: str) -> dict[Cell, list[tuple[int, Hashable]]]:
    """The ids and users of at most ``ROWS`` undigested souvenirs of a cell, by bucket."""
    waiting = souvenirs_in(cell, alias).filter(digested=False)
    ends = waiting.aggregate(first=models.Min("when"), last=models.Max("when"))
    if ends["first"] is None:
        return {}
    first, last = (second_of(utc(checked(end, "when"))) for end in ends.values())
    level = conf.BUCKET_SECONDS
    starts = range(cell_of(level, first).start, last + 1, level)
    buckets = [Cell(level, start) for start in starts]
    spans = [(moment_of(bucket.start), moment_of(bucket.end)) for bucket in buckets]
    found: dict[Cell, list[tuple[int, Hashable]]] = {}
    for position, number, user in undigested_in(connections[alias], spans, ROWS):
        found.setdefault(buckets[position], []).append((number, user))
    return found


def _add(found: Mapping[Cell, Collection[Hashable]], alias: str) -> set[Cell]:
    """Add users to the digests of buckets in a month that is held; return the days that changed."""
    starts = [bucket.start for bucket in found]
    digests = Digest.objects.using(alias).filter(kind=Digest.ACTIVE, level=conf.BUCKET_SECONDS)
    there = digests.filter(start__gte=min(starts), start__lte=max(starts))
    known = {digest.start: digest for digest in there.iterator()}
    new = []
    days = set()
    for bucket, keys in found.items():
        digest = known.get(bucket.start)
        if digest is None:
            new.append(
                filled(Digest(level=bucket.level, start=bucket.start), numbered(keys, alias))
            )
        elif not _add_to(digest, bucket, keys, alias):
            continue
        days.add(cell_of(DAY, bucket.start))
    Digest.objects.using(alias).bulk_create(new)
    return days


def _add_to(digest: Digest, bucket: Cell, keys: Collection[Hashable], alias: str) -> bool:
    """Add users to a digest and return whether that changed it."""
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
