"""The figures of the latest day, as they were last published."""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta

from django.utils import timezone

from ..calendar import checked, local, zone_named
from ..stores import get_store
from .metrics import ACTIVE
from .publication import publication
from .table import EVERYONE, FigureTable, LatestFigure

#: Figures of an earlier day are history, not the latest.
RECENT = timedelta(days=7)


def latest_figures(metrics: Collection[str]) -> list[LatestFigure]:
    """Return the figures of the latest published day, of everyone and each published segment.

    They are of the site's time zone, or of the first published one. There are none if days are not
    published, nor of a day more than a week ago; the users active on a day are those of today or
    none. Today's are of the day so far, as of when they were computed. Nothing is computed or
    written, and one statement is sent.
    """
    published = publication()
    if "day" not in published.intervals or not published.time_zones:
        return []
    zone = timezone.get_default_timezone_name()
    if zone not in published.time_zones:
        zone = published.time_zones[0]
    today = local(checked(timezone.now(), "now"), zone_named(zone)).date()
    segments = [EVERYONE, *published.segments]
    table = FigureTable(get_store().primary())
    found = table.latest_days(zone, segments, metrics, (today - RECENT, today))
    return [each for each in found if each.metric != ACTIVE or each.day == today]
