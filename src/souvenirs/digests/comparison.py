"""Compare digests with the souvenirs that were folded into them."""

from __future__ import annotations

from typing import NamedTuple

from ..calendar import HOUR_LEVEL, GridCell
from ..sets import UserSet
from ..stores import get_store, numbers_of


class Difference(NamedTuple):
    """Numbers of users with a digested souvenir but in no digest, and vice versa."""

    missing: int
    extra: int


def compare(hour: GridCell) -> Difference:
    """Return how the digests of an hour differ from its souvenirs; raises CorruptDigest.

    Users in a digest whose souvenirs have been deleted are never extra.
    """
    store = get_store()
    digests = [
        (digest.cell, digest.is_pruned, digest.users()) for digest in store.digests.buckets_in(hour)
    ]
    length = min((bucket.level for bucket, _, _ in digests), default=HOUR_LEVEL)
    missing = 0
    seen: dict[int, UserSet] = {}
    for start in range(hour.start, hour.end, length):
        souvenirs = store.souvenirs.in_cell(GridCell(length, start))
        found = set(souvenirs.values_list("user_id", "digested").distinct())
        numbers = numbers_of({key for key, _ in found}, store.alias)
        seen[start] = UserSet.from_ids(numbers.values())
        digested = {key for key, is_digested in found if is_digested}
        known = UserSet.from_ids(numbers[key] for key in digested if key in numbers)
        kept = UserSet.union(
            users for bucket, _, users in digests if bucket.start <= start < bucket.end
        )
        missing += len(digested) - len(known & kept)
    extra = 0
    for bucket, is_pruned, users in digests:
        if not is_pruned:
            starts = range(bucket.start, bucket.end, length)
            extra += len(users - UserSet.union(seen[start] for start in starts))
    return Difference(missing, extra)
