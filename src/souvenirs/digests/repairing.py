"""Repair what a restored backup or a deleted digest has left, where souvenirs still exist."""

from __future__ import annotations

from functools import partial

from ..calendar import MONTH_LEVEL, GridCell, cell_of
from ..sets import CorruptDigest
from ..stores import Agreement, Store, apart_sentence, get_store, missing_sentence, retried
from .folding import rebuild_locked


class Apart(Exception):
    """The digests of a month may lack users whose souvenirs are gone."""


def months_to_repair(store: Store) -> list[GridCell]:
    """Return the months whose digests and souvenirs do not agree, or that lack a digest."""
    months = {cell_of(MONTH_LEVEL, bucket.start) for bucket in store.digests.missing()}
    return sorted(months.union(store.digests.apart()))


def repair(month: GridCell, *, accept: bool = False) -> list[CorruptDigest]:
    """Rebuild the digests of a month where they are older than its souvenirs.

    Where souvenirs are older, the digests keep their users, and are marked as pruned. Raises
    Apart where it is unknown whether users are missing; with ``accept``, the digests keep the
    users that they have. Returns the errors of digests that are lost.
    """
    store = get_store()
    return retried(partial(_repair, month, store, accept))


def _repair(month: GridCell, store: Store, accept: bool) -> list[CorruptDigest]:
    with store.digests.locked(month):
        how = store.digests.agreement(month)
        if how is Agreement.UNKNOWN and not accept:
            raise Apart(apart_sentence(month, how))
        if how is not Agreement.AGREED:
            return rebuild_locked(month, store, keep=how is not Agreement.DIGESTS_OLDER)
        missing = store.digests.missing_in(month)
        gone = [bucket for bucket, is_pruned in missing.items() if not is_pruned]
        for bucket in gone:
            store.souvenirs.in_cell(bucket).digested().update(digested=False)
        store.digests.seal(month, changed=gone)
        lost = [bucket for bucket, is_pruned in missing.items() if is_pruned]
        return [CorruptDigest(missing_sentence(bucket)) for bucket in lost]
