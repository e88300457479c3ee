"""The progress of digesting, and the size of digests."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from django.db import models

from ..calendar import BUCKETS, DAY_LEVEL, HOUR_LEVEL, MONTH_LEVEL, GridCell, moment_of, stored
from ..stores import Digest, DigestTable, get_store

NAMES = {DAY_LEVEL: "day", MONTH_LEVEL: "month"}


class _Length(models.Func):
    function = "LENGTH"
    output_field = models.BigIntegerField()


class Level(NamedTuple):
    """The digests of one kind and level.

    ``kind`` is None for those of souvenirs. ``rows`` is their number, ``stale`` the number of stale
    ones, ``members`` the sum of their numbers of users, and ``size`` the total size of their sets
    in bytes.
    """

    name: str
    level: int
    kind: str | None
    rows: int
    stale: int
    members: int
    size: int


class Status(NamedTuple):
    """The progress of digesting; moments are in UTC, None if there is none."""

    souvenirs_waiting: int
    oldest_waiting: datetime | None
    digested_until: datetime | None
    pruned_until: datetime | None
    levels: list[Level]


def status() -> Status:
    """Return the progress of digesting, and the size of the digests of all kinds."""
    store = get_store()
    buckets = store.digests.all().filter(level__lte=HOUR_LEVEL)
    waiting = store.souvenirs.undigested().aggregate(
        count=models.Count("*"), oldest=models.Min("when")
    )
    oldest = waiting["oldest"]
    return Status(
        souvenirs_waiting=waiting["count"],
        oldest_waiting=None if oldest is None else stored(oldest),
        digested_until=_end_of_last(buckets),
        pruned_until=_end_of_last(buckets.filter(is_pruned=True)),
        levels=[level for digests in store.digests.kinds() for level in _levels(digests)],
    )


def faults() -> list[str]:
    """Describe the months whose two tables do not agree, and the digests that are gone."""
    return get_store().digests.faults()


def _end_of_last(digests: models.QuerySet[Digest]) -> datetime | None:
    # Not whole rows, which would be sorted together with their sets of users.
    last = digests.order_by("-start", "-level").values_list("level", "start").first()
    return None if last is None else moment_of(GridCell(*last).end)


def _levels(digests: DigestTable) -> list[Level]:
    totals = {
        each["level"]: each
        for each in digests.all()
        .values("level")
        .annotate(
            rows=models.Count("pk"),
            stale=models.Count("pk", filter=models.Q(is_stale=True)),
            members=models.Sum("count"),
            size=models.Sum(_Length("body")),
        )
    }
    return [
        Level(
            name=digests.describe(NAMES.get(level, f"bucket of {level} s")),
            level=level,
            kind=None if digests.is_of_souvenirs else digests.kind,
            rows=totals[level]["rows"],
            stale=totals[level]["stale"] if level >= DAY_LEVEL else 0,
            members=int(totals[level]["members"]),
            size=int(totals[level]["size"]),
        )
        for level in (*BUCKETS, DAY_LEVEL, MONTH_LEVEL)
        if level in totals
    ]
