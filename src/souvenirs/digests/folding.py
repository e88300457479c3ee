"""Fold souvenirs into the digests of their buckets.

Each function is one transaction, which any number of processes may run at once and which may be
killed at any moment. A committed souvenir is always either undigested or in the digest of its
bucket.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import datetime
from functools import partial
from typing import NamedTuple

from django.db import connections

from ..calendar import (
    DAY_LEVEL,
    MICROSECOND,
    Bounds,
    GridCell,
    cell_of,
    moment_of,
    second_of,
    stored,
)
from ..conf import conf
from ..resilience import ThrottledLogger
from ..sets import CorruptDigest, UserSet
from ..stores import (
    Agreement,
    Contended,
    Digest,
    Store,
    get_store,
    give_numbers,
    mark_digested,
    missing_sentence,
    number_undigested,
    numbers_of,
    retried,
    undigested_in,
)
from .verifying import stray_sentence

logger = ThrottledLogger(__name__)

#: Largest number of souvenirs folded in by a transaction, to limit its memory.
ROWS = 200_000


class Folded(NamedTuple):
    """The number of souvenirs that were folded in, and the moment up to which none are left.

    ``unrecoverable`` has the errors of corrupt digests whose souvenirs have been deleted. New
    souvenirs of their buckets stay undigested.
    """

    souvenirs: int
    until: datetime
    unrecoverable: list[CorruptDigest]


def fold(cell: GridCell, since: datetime | None = None, rows: int = ROWS) -> Folded:
    """Fold undigested souvenirs of a day or a month into its buckets, about ``rows`` of them.

    They are the earliest from ``since`` on. Their users are given numbers first, all at once. A
    souvenir that is left meanwhile, by a user without a number, waits for the next call.
    """
    store = get_store()
    span = _next(cell, since, rows, store)
    if span is None:
        return Folded(0, moment_of(cell.end), [])
    # In a transaction of its own, so that digesters of different months do not wait for each other.
    retried(partial(number_undigested, connections[store.alias], span))

    def work() -> Folded:
        unrecoverable: list[CorruptDigest] = []
        ids: list[int] = []
        changed: list[tuple[Digest, UserSet]] = []
        with store.digests.locked(cell):
            if store.digests.agreement(cell) is not Agreement.AGREED:
                return Folded(0, moment_of(cell.end), [])  # its month has to be repaired first
            found = _undigested(span, store)
            digests = store.digests.buckets(found) if found else {}
            for bucket, souvenirs in found.items():
                digest = digests[bucket]
                try:
                    users = _added(digest, [number for _, number in souvenirs], store)
                except CorruptDigest as error:
                    unrecoverable.append(error)
                    continue
                if users is not None:
                    changed.append((digest, users))
                ids += [ident for ident, _ in souvenirs]
            _write(changed, store)
            buckets = [each.cell for each, _ in changed]
            days = {cell_of(DAY_LEVEL, bucket.start) for bucket in buckets}
            store.digests.mark_stale(days, buckets)
            if ids:
                mark_digested(ids, store.alias)
                store.digests.seal(cell, changed=buckets, sealed=ids[0])
            store.digests.mark_figures(buckets)
        # A moment may have more souvenirs than a transaction takes.
        is_cut = ids and sum(map(len, found.values())) == ROWS
        return Folded(len(ids), span[0] if is_cut else span[1], unrecoverable)

    return retried(work)


def _next(cell: GridCell, since: datetime | None, rows: int, store: Store) -> Bounds | None:
    """Return the range of about this many undigested souvenirs of a cell; None if none are left."""
    start, end = since or moment_of(cell.start), moment_of(cell.end)
    waiting = store.souvenirs.between(start, end).undigested()
    first = waiting.first_moment()
    if first is None:
        return None
    last = waiting.order_by("when").values_list("when", flat=True)[rows - 1 : rows].first()
    return first, end if last is None else min(end, stored(last) + MICROSECOND)


def _write(changed: list[tuple[Digest, UserSet]], store: Store) -> None:
    store.digests.write_many([(digest, users) for digest, users in changed if digest.pk])
    new = [(digest, users) for digest, users in changed if digest.pk is None]
    for digest, users in new:
        digest.put(users)
    store.digests.create([digest for digest, _ in new])


def rebuild(cell: GridCell) -> list[CorruptDigest]:
    """Rebuild the digests of the buckets of a day or a month from their souvenirs.

    A digest whose souvenirs have been deleted keeps its users. Returns the errors of the corrupt
    ones among these, and of those that are gone. Souvenirs whose digest is missing become
    undigested, to be folded in again. A digest without users is deleted, and one whose level does
    not exist.
    """
    store = get_store()

    def work() -> list[CorruptDigest]:
        with store.digests.locked(cell):
            return rebuild_locked(cell, store)

    return retried(work)


def rebuild_locked(cell: GridCell, store: Store, *, keep: bool = False) -> list[CorruptDigest]:
    """Do what :func:`rebuild` does, under the lock of the month.

    With ``keep``, every digest keeps its users and is marked as pruned.
    """
    digests = store.digests
    missing = digests.missing_in(cell)
    lost = [bucket for bucket, is_pruned in missing.items() if is_pruned]
    unrecoverable = [CorruptDigest(missing_sentence(bucket)) for bucket in lost]
    digests.mark_pruned(cell, None if keep else digests.pruned_in(cell))
    days = {day.cell for day in digests.days_in(cell).defer("body")}
    buckets, empty = [], []
    for digest in digests.buckets_in(cell).iterator():
        days.add(cell_of(DAY_LEVEL, digest.start))
        users = _users_of(digest.cell, store)
        try:
            if digest.is_pruned:
                users |= digest.users()
        except CorruptDigest as error:
            unrecoverable.append(error)
        else:
            if not users:
                digests.of(digest.cell).delete()
                empty.append(digest.cell)
                continue
            digests.write(digest, users)
        buckets.append(digest.cell)
    for gap in _gaps(cell, buckets):
        store.souvenirs.in_cell(gap).digested().update(digested=False)
    digests.mark_stale(days, [cell])
    strays = digests.strays_in(cell)
    pruned = strays.filter(is_pruned=True)
    unrecoverable += [CorruptDigest(stray_sentence(each)) for each in pruned]
    strays.filter(is_pruned=False).delete()
    gone = [bucket for bucket, is_pruned in missing.items() if not is_pruned]
    digests.seal(cell, changed=[*gone, *empty, *buckets])
    digests.mark_figures([cell])
    return unrecoverable


def _users_of(cell: GridCell, store: Store) -> UserSet:
    """Return the users of the souvenirs of a cell; those without a number are given one."""
    keys = store.souvenirs.in_cell(cell).users()
    numbers = numbers_of(keys, store.alias)
    if missing := {key for key in keys if key not in numbers}:
        give_numbers(missing, store.alias)
        numbers = numbers_of(keys, store.alias)
        if len(numbers) < len(keys):
            raise Contended("Another process has given a number, which this transaction cannot see")
    return UserSet.from_ids(numbers.values())


def _undigested(span: Bounds, store: Store) -> dict[GridCell, list[tuple[int, int]]]:
    """The ids, and the numbers of the users, of undigested souvenirs in a range, by bucket."""
    first, end = span
    level = conf.BUCKET_SECONDS
    last = second_of(end - MICROSECOND)
    starts = range(cell_of(level, second_of(first)).start, last + 1, level)
    buckets = [GridCell(level, start) for start in starts]
    ranges = [
        (max(first, moment_of(bucket.start)), min(end, moment_of(bucket.end))) for bucket in buckets
    ]
    found: dict[GridCell, list[tuple[int, int]]] = {}
    for position, ident, number in undigested_in(connections[store.alias], ranges, ROWS):
        if number is not None:
            found.setdefault(buckets[position], []).append((ident, number))
    return found


def _gaps(day: GridCell, buckets: list[GridCell]) -> Iterator[GridCell]:
    """Generate the parts of a day between these buckets, which are in order."""
    at = day.start
    for bucket in [*buckets, GridCell(0, day.end)]:
        if at < bucket.start:
            yield GridCell(bucket.start - at, at)
        at = max(at, bucket.end)


def _added(digest: Digest, numbers: Collection[int], store: Store) -> UserSet | None:
    """Return the users of a digest and these; None if it has them all."""
    new = UserSet.from_ids(numbers)
    try:
        old = digest.users()
    except CorruptDigest:
        if digest.is_pruned:
            raise
        # The souvenirs that were digested before have not been deleted.
        logger.exception("A digest was corrupt; it has been rebuilt from its souvenirs.")
        return _users_of(digest.cell, store)
    users = old | new
    return None if len(users) == len(old) else users
