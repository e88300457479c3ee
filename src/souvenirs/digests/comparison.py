"""Compare digests with the souvenirs that were folded into them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable
from typing import NamedTuple

from ..calendar import HOUR_LEVEL, GridCell, cell_of, second_of, stored
from ..sets import CorruptDigest, UserSet
from ..stores import get_store, numbers_of

#: Largest number of souvenirs that are compared at once, to limit the memory for them.
AT_ONCE = 20_000


class Difference(NamedTuple):
    """Numbers of users with a digested souvenir but in no digest, and vice versa."""

    missing: int
    extra: int


NO_DIFFERENCE = Difference(0, 0)


def is_small(cell: GridCell) -> bool:
    """Return whether a day or a month has few enough souvenirs to compare them at once."""
    return not get_store().souvenirs.in_cell(cell)[AT_ONCE:].exists()


def is_alike(cell: GridCell) -> bool:
    """Return whether a day or a month has no difference; False if it is too large to tell at once.

    Its hours tell where the difference is.
    """
    try:
        return is_small(cell) and compare(cell) == NO_DIFFERENCE
    except CorruptDigest:
        return False


def compare(cell: GridCell) -> Difference:
    """Return how the digests of a cell, a month at most, differ from its souvenirs.

    Users in a digest whose souvenirs have been deleted are never extra. Raises CorruptDigest.
    """
    store = get_store()
    buckets = store.digests.buckets_in(cell)
    there = list(buckets.values_list("pk", "level", "start", "is_pruned"))
    length = min((level for _, level, _, _ in there), default=HOUR_LEVEL)
    keys: dict[int, set[Hashable]] = defaultdict(set)
    digested: dict[int, set[Hashable]] = defaultdict(set)
    souvenirs = store.souvenirs.in_cell(cell).values_list("when", "user_id", "digested")
    for when, key, is_digested in souvenirs.iterator():
        start = cell_of(length, second_of(stored(when))).start
        keys[start].add(key)
        if is_digested:
            digested[start].add(key)
    numbers = numbers_of(set().union(*keys.values()), store.alias)

    def numbered(users: set[Hashable]) -> UserSet:
        return UserSet.from_ids(numbers[key] for key in users if key in numbers)

    def seen_in(bucket: GridCell) -> list[int]:
        return [start for start in range(bucket.start, bucket.end, length) if start in keys]

    missing = {start: numbered(users) for start, users in digested.items()}
    without_number = sum(len(users) - len(missing[start]) for start, users in digested.items())
    extra = 0
    # A pruned digest may have millions of users: without souvenirs it is not even read.
    compared = [pk for pk, *bucket, pruned in there if not pruned or seen_in(GridCell(*bucket))]
    for digest in buckets.filter(pk__in=compared).iterator(chunk_size=100):
        users, starts = digest.users(), seen_in(digest.cell)
        for start in missing.keys() & starts:
            missing[start] -= users
        if not digest.is_pruned:
            extra += len(users - numbered(set().union(*(keys[start] for start in starts))))
    return Difference(without_number + sum(map(len, missing.values())), extra)
