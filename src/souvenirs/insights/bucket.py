"""Moments at the start of a bucket, which may bound a range once it is pruned."""

from __future__ import annotations

from datetime import datetime

from ..calendar import moment_of, second_of, utc
from ..conf import conf
from ..stores import get_store


def bucket_start(moment: datetime) -> datetime:
    """Return the start of the bucket of an aware moment, in UTC."""
    length = conf.BUCKET_SECONDS
    return moment_of(second_of(utc(moment)) // length * length)


def first_bucket() -> datetime | None:
    """Return the start of the bucket of the first souvenir, in UTC; None if there is none.

    History is whole from then on. It is the same when souvenirs are pruned.
    """
    first = get_store().first()
    return None if first is None else bucket_start(first)
