"""The progress of digesting, and the size of digests."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any, NamedTuple

from django.db import models

from ..calendar import BUCKETS, DAY_LEVEL, LOCAL_LEVEL, MONTH_LEVEL, GridCell, moment_of, stored
from ..sets import CorruptDigest
from ..stores import DigestTable, get_store

NAMES = {
    **{seconds: f"bucket of {seconds} s" for seconds in BUCKETS},
    DAY_LEVEL: "day",
    LOCAL_LEVEL: "local day",
    MONTH_LEVEL: "month",
}


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

    @property
    def has_digests(self) -> bool:
        """Whether there are digests of souvenirs."""
        return any(level.kind is None for level in self.levels)


def status() -> Status:
    """Return the progress of digesting, and the size of the digests of all kinds."""
    store = get_store()
    waiting = store.souvenirs.undigested().aggregate(
        count=models.Count("*"), oldest=models.Min("when")
    )
    oldest = waiting["oldest"]
    totals = store.digests.totals()
    own = [each for each in totals if each["kind"] == store.digests.kind]
    buckets = [each for each in own if each["level"] in BUCKETS]
    return Status(
        souvenirs_waiting=waiting["count"],
        oldest_waiting=None if oldest is None else stored(oldest),
        digested_until=_end_of_last(buckets, "last"),
        pruned_until=_end_of_last(buckets, "last_pruned"),
        levels=list(_levels(totals, store.alias)),
    )


def faults() -> list[str]:
    """Describe the months whose two tables do not agree, and the digests that are gone."""
    return get_store().digests.faults()


def corrupt_digests(among: int) -> list[str]:
    """Describe the corrupt digests among the latest ones of each level."""
    digests = get_store().digests.all()
    found = []
    for level in NAMES:
        for digest in digests.filter(level=level).order_by("-start")[:among]:
            try:
                digest.users()
            except CorruptDigest as error:
                if not (digest.is_stale and level >= DAY_LEVEL):  # one that is not read
                    found.append(str(error))
    return found


def _end_of_last(totals: list[dict[str, Any]], name: str) -> datetime | None:
    ends = [GridCell(each["level"], each[name]).end for each in totals if each[name] is not None]
    return moment_of(max(ends)) if ends else None


def _levels(totals: list[dict[str, Any]], alias: str) -> Iterator[Level]:
    for each in totals:
        digests, level = DigestTable(alias, each["kind"]), each["level"]
        yield Level(
            name=digests.describe(NAMES[level]),
            level=level,
            kind=None if digests.is_of_souvenirs else digests.kind,
            rows=each["rows"],
            stale=each["stale"] if level >= DAY_LEVEL else 0,
            members=int(each["members"]),
            size=int(each["size"]),
        )
