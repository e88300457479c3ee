"""How far digesting has come, and what digests take up."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from django.db import models, router

from ..calendar import BUCKETS, DAY_LEVEL, HOUR_LEVEL, MONTH_LEVEL, Cell, moment_of
from ..models import Digest, Souvenir
from ..stores import get_store

NAMES = {DAY_LEVEL: "day", MONTH_LEVEL: "month"}


class _Length(models.Func):
    function = "LENGTH"
    output_field = models.BigIntegerField()


class Level(NamedTuple):
    """What the digests of one level take up: ``sightings`` are the users in them, added up."""

    name: str
    rows: int
    stale: int
    sightings: int
    size: int


class Status(NamedTuple):
    """How far digesting has come; moments are in UTC, None where there is none."""

    souvenirs_waiting: int
    oldest_waiting: datetime | None
    digested_until: datetime | None
    pruned_until: datetime | None
    levels: list[Level]


def status() -> Status:
    """Return how far digesting has come."""
    alias = router.db_for_write(Souvenir)
    digests = Digest.objects.using(alias).filter(kind=Digest.ACTIVE)
    buckets = digests.filter(level__lte=HOUR_LEVEL)
    return Status(
        souvenirs_waiting=_waiting(alias).count(),
        oldest_waiting=get_store().oldest_undigested(),
        digested_until=_end_of_last(buckets),
        pruned_until=_end_of_last(buckets.filter(is_pruned=True)),
        levels=_levels(digests),
    )


def _waiting(alias: str) -> models.QuerySet[Souvenir]:
    return Souvenir.objects.using(alias).filter(digested=False).order_by()


def _end_of_last(digests: models.QuerySet[Digest]) -> datetime | None:
    # Not the rows: they would be sorted with all their users.
    last = digests.order_by("-start", "-level").values_list("level", "start").first()
    return None if last is None else moment_of(Cell(*last).end)


def _levels(digests: models.QuerySet[Digest]) -> list[Level]:
    totals = {
        each["level"]: each
        for each in digests.values("level").annotate(
            rows=models.Count("pk"),
            stale=models.Count("pk", filter=models.Q(is_stale=True)),
            sightings=models.Sum("count"),
            size=models.Sum(_Length("body")),
        )
    }
    return [
        Level(
            name=NAMES.get(level, f"bucket of {level} s"),
            rows=totals[level]["rows"],
            stale=totals[level]["stale"] if level >= DAY_LEVEL else 0,
            sightings=int(totals[level]["sightings"]),
            size=int(totals[level]["size"]),
        )
        for level in (*BUCKETS, DAY_LEVEL, MONTH_LEVEL)
        if level in totals
    ]
