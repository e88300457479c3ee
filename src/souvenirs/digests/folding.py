"""Fold souvenirs into the digests of their buckets.

Each function is one transaction, which any number of processes may run at once and which may be
killed at any moment. A committed souvenir is always either undigested or in the digest of its
bucket.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterator
from typing import Any, NamedTuple, TypeVar

from django.db import connections, models

from ..calendar import DAY_LEVEL, GridCell, cell_of, moment_of, second_of, stored
from ..conf import conf
from ..resilience import ThrottledLogger
from ..sets import CorruptDigest, UserSet, is_number
from ..stores import (
    Digest,
    Store,
    get_store,
    give_numbers,
    mark_digested,
    numbers_of,
    retried,
    undigested_in,
)
from .verifying import stray_sentence

logger = ThrottledLogger(__name__)

T = TypeVar("T")

#: Largest number of souvenirs folded in by a transaction, to limit its memory.
ROWS = 200_000


class NumbersMissing(Exception):
    """Some users have no number yet; numbers are given in a transaction of their own."""

    def __init__(self, keys: Collection[Hashable]) -> None:
        super().__init__(f"{len(keys)} users have no number.")
        self.keys = keys


class Folded(NamedTuple):
    """The number of souvenirs that were folded in, 0 if none are left.

    ``unrecoverable`` has the errors of corrupt digests whose souvenirs have been deleted. New
    souvenirs of their buckets stay undigested.
    """

    souvenirs: int
    unrecoverable: list[CorruptDigest]


def fold(cell: GridCell) -> Folded:
    """Fold undigested souvenirs of a day or a month into its buckets, about ``ROWS`` at a time."""
    store = get_store()

    def work() -> Folded:
        unrecoverable: list[CorruptDigest] = []
        ids: list[int] = []
        changed: set[GridCell] = set()
        with store.digests.locked(cell):
            found = _undigested(cell, store)
            digests = store.digests.buckets(found)
            for bucket, souvenirs in found.items():
                try:
                    if _add(digests[bucket], [user for _, user in souvenirs], store):
                        changed.add(cell_of(DAY_LEVEL, bucket.start))
                except CorruptDigest as error:
                    unrecoverable.append(error)
                else:
                    ids += [number for number, _ in souvenirs]
            store.digests.create([digest for digest in digests.values() if digest.pk is None])
            store.digests.mark_stale(changed)
            mark_digested(ids, store.alias)
        return Folded(len(ids), unrecoverable)

    return _with_numbers(work, store)


def rebuild(day: GridCell) -> list[CorruptDigest]:
    """Rebuild the digests of the buckets of a day from their souvenirs.

    A digest whose souvenirs have been deleted keeps its users. Returns the errors of the corrupt
    ones among these. Souvenirs whose digest is missing become undigested, to be folded in again. A
    digest whose level does not exist is deleted.
    """
    store = get_store()
    digests = store.digests

    def work() -> list[CorruptDigest]:
        unrecoverable = []
        with digests.locked(day):
            buckets = []
            for digest in digests.buckets_in(day).iterator():
                buckets.append(digest.cell)
                users = _numbered(store.souvenirs.in_cell(digest.cell).users(), store)
                try:
                    if digest.is_pruned:
                        users |= digest.users()
                    digests.write(digest, users)
                except CorruptDigest as error:
                    unrecoverable.append(error)
            for gap in _gaps(day, buckets):
                store.souvenirs.in_cell(gap).digested().update(digested=False)
            digests.mark_stale([day])
            strays = digests.strays_in(day)
            pruned = strays.filter(is_pruned=True)
            unrecoverable += [CorruptDigest(stray_sentence(each)) for each in pruned]
            strays.filter(is_pruned=False).delete()
        return unrecoverable

    return _with_numbers(work, store)


def _with_numbers(work: Callable[[], T], store: Store) -> T:
    while True:
        try:
            return retried(work)
        except NumbersMissing as missing:
            give_numbers(missing.keys, store.alias)


def _numbered(keys: Collection[Any], store: Store) -> UserSet:
    """Return the set of these users; raises NumbersMissing."""
    if all(map(is_number, keys)):
        return UserSet.from_ids(keys)
    numbers = numbers_of(keys, store.alias)
    missing = {key for key in keys if key not in numbers}
    if missing:
        raise NumbersMissing(missing)
    return UserSet.from_ids(numbers.values())


def _undigested(cell: GridCell, store: Store) -> dict[GridCell, list[tuple[int, Hashable]]]:
    """The ids and users of at most ``ROWS`` undigested souvenirs of a cell, by bucket."""
    waiting = store.souvenirs.in_cell(cell).undigested()
    ends = waiting.aggregate(first=models.Min("when"), last=models.Max("when"))
    if ends["first"] is None:
        return {}
    first, last = (second_of(stored(end)) for end in ends.values())
    level = conf.BUCKET_SECONDS
    starts = range(cell_of(level, first).start, last + 1, level)
    buckets = [GridCell(level, start) for start in starts]
    ranges = [(moment_of(bucket.start), moment_of(bucket.end)) for bucket in buckets]
    found: dict[GridCell, list[tuple[int, Hashable]]] = {}
    for position, number, user in undigested_in(connections[store.alias], ranges, ROWS):
        found.setdefault(buckets[position], []).append((number, user))
    return found


def _gaps(day: GridCell, buckets: list[GridCell]) -> Iterator[GridCell]:
    """Generate the parts of a day between these buckets, which are in order."""
    at = day.start
    for bucket in [*buckets, GridCell(0, day.end)]:
        if at < bucket.start:
            yield GridCell(bucket.start - at, at)
        at = max(at, bucket.end)


def _add(digest: Digest, keys: Collection[Hashable], store: Store) -> bool:
    """Add users to a digest, and return whether it changed; a new digest is not written."""
    new = _numbered(keys, store)
    try:
        old = digest.users()
    except CorruptDigest:
        if digest.is_pruned:
            raise
        # The souvenirs that were digested before have not been deleted.
        old, new = UserSet(), _numbered(store.souvenirs.in_cell(digest.cell).users(), store)
        logger.exception("A digest was corrupt; it has been rebuilt from its souvenirs.")
    users = old | new
    if len(users) == len(old):
        return False
    if digest.pk is None:
        digest.put(users)
    else:
        store.digests.write(digest, users)
    return True
