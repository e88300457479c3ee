"""Published figures in place of a computation, where they are the same numbers."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import date, datetime, tzinfo
from itertools import takewhile
from operator import itemgetter
from typing import Any, TypeAlias
from zoneinfo import ZoneInfo

from django.core.exceptions import ImproperlyConfigured

from ..calendar import HOUR_LEVEL, Period, Timeline, checked, local, second_of, utc
from ..counting import By
from ..insights import (
    TRAILING_WINDOWS,
    Growth,
    Segmented,
    TrailingWindow,
    active_series,
    growth,
    plan_growth,
    plan_series,
    results_of,
    timeline_of,
)
from ..insights import Series as ActiveSeries
from ..stores import FINAL_AFTER, get_store
from .calendars import offsets_of
from .metrics import ACTIVE, GROWTH, TRAILING, metrics_of
from .publication import publication
from .table import FigureTable, Series

#: The fewest periods for which figures are read: to compute a few takes no longer.
FEWEST = 100

#: The numbers of the first periods of a timeline, by metric; None of an unknown period.
Known: TypeAlias = Mapping[str, Sequence[int | None]]


def known_counts(timeline: Timeline, metrics: Collection[str]) -> Known:
    """Return the counts of everyone in the first periods of a timeline, from final figures.

    They equal what a computation gives at the time of the query. The periods that they are of are
    over for an hour, and end before the earliest undigested souvenir. There are none of a metric,
    an interval or a time zone that is not published, none of fewer than :data:`FEWEST` periods,
    and none at all if

    * the weeks, or the offsets of the time zone, are others than when figures were published;
    * digests and souvenirs do not belong together, as after only one table was restored;
    * a period begins within an hour of UTC, and souvenirs have been pruned: a computation may raise
      PrunedSpan.

    Nothing is written. Four statements are sent, and none if figures cannot be used.
    """
    known = list(takewhile(lambda period: period.complete, timeline.periods))
    published = [metric for metric in metrics if metric in metrics_of(timeline.interval.name)]
    zone_name = timeline.zone.key if isinstance(timeline.zone, ZoneInfo) else None
    series = Series(str(zone_name), timeline.interval.name)
    if not published or sum(period.known for period in known) < FEWEST:
        return {}
    if not _is_published(series):
        return {}
    # Before the figures: what is digested in between marks them in the same transaction.
    store = get_store()
    digested = store.digested()
    if not digested.agree or (digested.has_pruned and not _is_on_the_hour(timeline)):
        return {}
    until = second_of(utc(timeline.now)) - FINAL_AFTER
    if digested.until is not None:
        until = min(until, second_of(digested.until))
    table = FigureTable(store, digested.alias)
    days = [_first_day(period, timeline) for period in known]
    final = table.final(series, published, (days[0], days[-1]), until)
    # After them: whoever lays figures out anew deletes them in the same transaction.
    if not table.is_laid_out_for(series.time_zone, offsets_of(series.time_zone)):
        return {}
    return {
        metric: _counts(
            [(each, final.get((metric, day))) for each, day in zip(known, days, strict=True)]
        )
        for metric in published
    }


def _is_published(series: Series) -> bool:
    try:
        intervals, time_zones, _ = publication()
    except ImproperlyConfigured:
        return False  # a system check says so
    return series.interval in intervals and series.time_zone in time_zones


def _is_on_the_hour(timeline: Timeline) -> bool:
    """Whether known periods, and windows up to their ends, begin and end on an hour of UTC."""
    known = timeline.known()
    moments = [known.start_of(-max(TRAILING.values())), *map(itemgetter(0), known.ranges)]
    return not any(second_of(checked(moment, "moment")) % HOUR_LEVEL for moment in moments)


def _first_day(period: Period, timeline: Timeline) -> date:
    return local(checked(period.start, "start"), timeline.zone).date()


def _counts(figures: Sequence[tuple[Period, float | None]]) -> list[int | None]:
    """Return the counts of the first periods; a known one without a figure ends them.

    An unknown one may have a figure, if it was known until the first user was erased.
    """
    first = takewhile(lambda each: each[1] is not None or not each[0].known, figures)
    return [int(value) if value is not None and each.known else None for each, value in first]


def growth_counts(known: Known) -> list[tuple[int | None, ...]]:
    """Return the counts of growth accounting of the first periods, in the order of its parts."""
    return list(zip(*(known.get(metric, ()) for metric in GROWTH), strict=False))


def metric_of(window: TrailingWindow) -> str | None:
    """Return the metric of users active in a trailing window; None if there is none."""
    days = TRAILING_WINDOWS.get(window) if isinstance(window, str) else window
    if days is None:
        return ACTIVE
    names: dict[TrailingWindow, str] = {length: name for name, length in TRAILING.items()}
    return names.get(days)


def series_of(
    start: datetime | None,
    end: datetime | None,
    *,
    interval: str,
    tz: tzinfo,
    window: TrailingWindow,
    users: Any,
    by: By | None,
    of: str | None,
    exclusive: bool,
) -> ActiveSeries | Segmented[ActiveSeries]:
    """Return :func:`souvenirs.insights.active_series`, of everyone with what is published.

    The first periods may have no users then, see :func:`souvenirs.insights.plan_series`.
    """
    if any(each is not None for each in (users, by, of)):
        options = {"interval": interval, "tz": tz, "users": users, "exclusive": exclusive}
        return active_series(start, end, window=window, by=by, of=of, **options)
    timeline = timeline_of(start, end, interval, tz)
    metric = metric_of(window)
    known = known_counts(timeline, [metric]) if metric else {}
    plan = plan_series(timeline, window, known.get(metric, ()) if metric else ())
    found: ActiveSeries
    [found] = results_of([plan])
    return found


def growth_of(
    start: datetime | None,
    end: datetime | None,
    *,
    interval: str,
    tz: tzinfo,
    users: Any,
    by: By | None,
    of: str | None,
    exclusive: bool,
) -> Growth | Segmented[Growth]:
    """Return :func:`souvenirs.insights.growth`, of everyone with what is published.

    The first periods may have no users then, see :func:`souvenirs.insights.plan_growth`.
    """
    if any(each is not None for each in (users, by, of)):
        options = {"interval": interval, "tz": tz, "users": users, "exclusive": exclusive}
        return growth(start, end, by=by, of=of, **options)
    timeline = timeline_of(start, end, interval, tz)
    found: Growth
    [found] = results_of([plan_growth(timeline, growth_counts(known_counts(timeline, GROWTH)))])
    return found
