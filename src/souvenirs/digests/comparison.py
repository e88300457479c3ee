"""Compare digests with the souvenirs that were folded into them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable
from typing import NamedTuple

from ..calendar import HOUR_LEVEL, GridCell, cell_of, second_of, stored
from ..sets import CorruptDigest, UserSet
from ..stores import get_store, numbers_of

#: Largest number of souvenirs of a day that are compared at once, to limit the memory for them.
AT_ONCE = 20_000


class Difference(NamedTuple):
    """Numbers of users with a digested souvenir but in no digest, and vice versa."""

    missing: int
    extra: int


NO_DIFFERENCE = Difference(0, 0)


def is_alike(day: GridCell) -> bool:
    """Return whether a day has no difference; False if it has too many souvenirs to tell at once.

    Its hours tell where the difference is.
    """
    if get_store().souvenirs.in_cell(day)[AT_ONCE:].exists():
        return False
    try:
        return compare(day) == NO_DIFFERENCE
    except CorruptDigest:
        return False


def compare(cell: GridCell) -> Difference:
    """Return how the digests of an hour or a day differ from its souvenirs; raises CorruptDigest.

    Users in a digest whose souvenirs have been deleted are never extra.
    """
    store = get_store()
    digests = [
        (digest.cell, digest.is_pruned, digest.users()) for digest in store.digests.buckets_in(cell)
    ]
    length = min((bucket.level for bucket, _, _ in digests), default=HOUR_LEVEL)
    keys: dict[int, set[Hashable]] = defaultdict(set)
    digested: dict[int, set[Hashable]] = defaultdict(set)
    souvenirs = store.souvenirs.in_cell(cell).values_list("when", "user_id", "digested")
    for when, key, is_digested in souvenirs.iterator():
        start = cell_of(length, second_of(stored(when))).start
        keys[start].add(key)
        if is_digested:
            digested[start].add(key)
    numbers = numbers_of(set().union(*keys.values()), store.alias)
    missing = 0
    for start, there in digested.items():
        known = UserSet.from_ids(numbers[key] for key in there if key in numbers)
        kept = UserSet.union(
            users for bucket, _, users in digests if bucket.start <= start < bucket.end
        )
        missing += len(there) - len(known & kept)
    extra = 0
    for bucket, is_pruned, users in digests:
        if not is_pruned:
            starts = range(bucket.start, bucket.end, length)
            seen = set().union(*(keys[start] for start in starts if start in keys))
            extra += len(users - UserSet.from_ids(numbers[key] for key in seen if key in numbers))
    return Difference(missing, extra)
