"""Digests beside the souvenirs they were made of."""

from __future__ import annotations

from typing import NamedTuple

from ..calendar import HOUR_LEVEL, Cell
from ..sets import UserSet, numbers_of
from .folding import souvenirs_in
from .rows import buckets_in, users_in


class Difference(NamedTuple):
    """How many users of digested souvenirs are not in their digest, and the other way round."""

    missing: int
    extra: int


def compare(hour: Cell, alias: str) -> Difference:
    """Return in what the digests of an hour and its souvenirs differ; raises CorruptDigest.

    Nobody is extra in a digest whose souvenirs have been deleted.
    """
    digests = [
        (Cell(digest.level, digest.start), digest.is_pruned, users_in(digest))
        for digest in buckets_in(hour, alias)
    ]
    length = min((bucket.level for bucket, _, _ in digests), default=HOUR_LEVEL)
    missing = 0
    seen: dict[int, UserSet] = {}
    for start in range(hour.start, hour.end, length):
        rows = souvenirs_in(Cell(length, start), alias).values_list("user_id", "digested")
        found = set(rows.distinct())
        numbers = numbers_of({key for key, _ in found}, alias)
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
