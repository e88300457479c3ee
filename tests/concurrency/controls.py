"""Designs that lose souvenirs, so that we know that what looks for losses can see them."""

from __future__ import annotations

import time
from contextlib import contextmanager
from unittest.mock import patch

from souvenirs.digests import folding
from souvenirs.publishing.table import FigureTable
from souvenirs.stores import DigestTable, get_store, orm
from souvenirs.stores.reading import Reading

#: Seconds after its end from which the bucket of a control is sealed.
GRACE = 2


class DigestsFirst(Reading):
    """Reads digests before souvenirs: what is digested in between is in neither."""

    def _sets(self):
        catalog = self._catalog()
        covers = self._covers(catalog)
        read = list(self._digests(covers, catalog, ()))
        found = self._found()
        with patch.object(self, "_digests", lambda *arguments: read):
            return self._united(found, covers, catalog)


@contextmanager
def digests_first():
    with patch.object(orm, "Reading", DigestsFirst):
        yield


@contextmanager
def sealed():
    """A bucket that ended a while ago is digested once: whatever comes later is not looked at."""
    undigested, add = folding._undigested, folding._added

    def ended(span, store):
        found = undigested(span, store)
        return {bucket: found[bucket] for bucket in found if bucket.end + GRACE <= time.time()}

    def add_once(digest, numbers, store):
        return add(digest, numbers, store) if digest.pk is None else None

    with patch.object(folding, "_undigested", ended), patch.object(folding, "_added", add_once):
        yield


@contextmanager
def marked_by_bucket():
    """All undigested souvenirs of a bucket are marked as digested, not those that were read."""
    undigested = folding._undigested
    buckets = []

    def remember(span, store):
        found = undigested(span, store)
        buckets[:] = found
        return found

    def mark(ids, alias):
        for bucket in buckets:
            get_store().souvenirs.in_cell(bucket).undigested().update(digested=True)

    with patch.multiple(folding, _undigested=remember, mark_digested=mark):
        yield


@contextmanager
def local_days_unmarked():
    """A local day whose bucket changes stays as it is, as if it were of the past for good."""
    with patch.object(DigestTable, "_mark_local_days", lambda *arguments: None):
        yield


class AnyNumber(int):
    """However often figures have been marked."""

    def __eq__(self, other):
        return True

    def __ne__(self, other):
        return False

    __hash__ = int.__hash__


@contextmanager
def figures_unlocked():
    """A figure becomes final without a look, under the lock, at whether any have been marked."""
    with (
        patch.object(FigureTable, "marks", lambda table: AnyNumber()),
        patch.object(orm.OrmStore, "undigested_days", lambda *arguments: []),
    ):
        yield


CONTROLS = {
    control.__name__.replace("_", "-"): control
    for control in (
        digests_first,
        sealed,
        marked_by_bucket,
        local_days_unmarked,
        figures_unlocked,
    )
}
