"""Designs that lose souvenirs, so that we know that what looks for losses can see them."""

from __future__ import annotations

import time
from contextlib import contextmanager
from unittest.mock import patch

from souvenirs.buckets import MONTH, cell_of
from souvenirs.digests import folding
from souvenirs.digests.rows import digests_of
from souvenirs.stores import orm
from souvenirs.stores.reading import Reading

#: Seconds after its end from which the bucket of a control is sealed.
GRACE = 2


class DigestsFirst(Reading):
    """Reads digests before souvenirs: what is digested in between is in neither."""

    def _sets(self):
        overview = self._overview()
        plans = self._plans(overview)
        read = list(self._digests(plans, overview, ()))
        keys = self._keys()
        with patch.object(self, "_digests", lambda *arguments: read):
            return self._named(self._united(keys, plans, overview))


@contextmanager
def digests_first():
    with patch.object(orm, "Reading", DigestsFirst):
        yield


@contextmanager
def sealed():
    """A bucket that ended a while ago is digested once: whatever comes later is not looked at."""
    waiting, add = folding._waiting, folding._add

    def ended(day, alias):
        for bucket in waiting(day, alias):
            if bucket.end + GRACE <= time.time():
                yield bucket

    def add_once(bucket, keys, alias):
        if digests_of(bucket, alias).exists():
            return False
        return add(bucket, keys, alias)

    with patch.object(folding, "_waiting", ended), patch.object(folding, "_add", add_once):
        yield


@contextmanager
def claimed_by_bucket():
    """All undigested souvenirs of a bucket are claimed, and not those that have been read."""
    add = folding._add
    buckets = []

    def remember(bucket, keys, alias):
        buckets.append(bucket)
        return add(bucket, keys, alias)

    def claim(ids, alias):
        found = folding.souvenirs_in(buckets.pop(), alias).filter(digested=False)
        return found.update(digested=True)

    with patch.object(folding, "_add", remember), patch.object(folding, "claim", claim):
        yield


@contextmanager
def marked_once():
    """A day or a month is marked as stale only where it is not: without waiting for its lock."""

    def mark_stale(day, alias):
        for cell in (day, cell_of(MONTH, day.start)):
            digests_of(cell, alias).filter(is_stale=False).update(is_stale=True)

    with patch.object(folding, "mark_stale", mark_stale):
        yield


CONTROLS = {
    control.__name__.replace("_", "-"): control
    for control in (digests_first, sealed, claimed_by_bucket, marked_once)
}
