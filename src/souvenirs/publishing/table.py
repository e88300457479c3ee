"""The table of figures, and how a figure becomes final.

The rows of a period exist before its figures are computed. Whoever changes souvenirs that a final
figure depends on marks it, under a lock, and the lock counts such marks. A figure becomes final
under the same lock, and only if nobody has marked any since before it was computed. A souvenir left
since then is undigested: a figure that depends on a day with one is not final.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Any, NamedTuple, TypeAlias

from django.db import connections, models

from ..calendar import Span, moment_of, outward, stored, utc
from ..conf import conf
from ..models import Figure, FigureLock
from ..stores import FINAL_AFTER, Store, lock_figures, locking, mark_figures, retried
from .publication import Publication

#: The rows in a statement.
BATCH = 500

#: Of everyone, the name of a segment.
EVERYONE = ""


class Series(NamedTuple):
    """Figures of one time zone, one interval, and of everyone or a segment."""

    time_zone: str
    interval: str
    segment: str = EVERYONE


#: A series, a metric, and the first day of a period.
Place: TypeAlias = tuple[Series, str, date]


class Row(NamedTuple):
    """A figure as it is stored, and as it was read."""

    pk: int
    value: float | None
    is_final: bool
    since: int | None
    until: int

    def depends_on(self, span: Span) -> bool:
        start, end = span
        return start < self.until and (self.since is None or self.since < end)


class LatestFigure(NamedTuple):
    """A figure of a day, and when it was computed, in UTC."""

    metric: str
    segment: str
    day: date
    value: float
    computed: datetime


class FigureTable:
    """The published figures in the database of the souvenirs, or in a replica of it."""

    def __init__(self, store: Store, alias: str | None = None) -> None:
        self.store = store
        self.alias = alias or store.alias

    def all(self) -> models.QuerySet[Figure]:
        return Figure.objects.using(self.alias)

    def of(self, series: Series, metrics: Collection[str]) -> models.QuerySet[Figure]:
        return self.all().filter(**series._asdict(), metric__in=metrics)

    def lay_out_for(
        self,
        publication: Publication,
        offsets: Mapping[str, int],
    ) -> None:
        """Delete the figures of other intervals, time zones and segments.

        All of them if what periods begin with is another: the first day of a week, or the offsets
        of a time zone, given as a number by name. That is looked at once after a change.
        """
        layout = {"week_start": conf.WEEK_START, "offsets": dict(offsets)}
        wanted = {"publication": [list(names) for names in publication], **layout}
        locks = FigureLock.objects.using(self.alias).filter(pk=FigureLock.ONLY)
        before = self._layout()
        if before == wanted:
            return

        def work() -> None:
            with locking(self.alias):
                lock_figures(self.alias)
                others = self.all()
                if not before or all(before[name] == layout[name] for name in layout):
                    others = others.filter(~publication_of(publication))
                others.delete()
                locks.update(laid_out_for=json.dumps(wanted))

        retried(work)

    def _layout(self) -> dict[str, Any]:
        locks = FigureLock.objects.using(self.alias).filter(pk=FigureLock.ONLY)
        found: dict[str, Any] = json.loads(
            locks.values_list("laid_out_for", flat=True).first() or "{}"
        )
        return found

    def is_laid_out_for(self, time_zone: str, offsets: int) -> bool:
        """Whether periods begin as the figures of a time zone suppose: see :meth:`lay_out_for`."""
        layout = self._layout()
        return (
            layout.get("week_start") == conf.WEEK_START
            and layout.get("offsets", {}).get(time_zone) == offsets
        )

    def final(
        self, series: Series, metrics: Collection[str], days: tuple[date, date], until: int
    ) -> dict[tuple[str, date], float | None]:
        """Return final values by metric and first day, of periods that end by this second.

        The first days are from one to another, both inclusive.
        """
        within = self.of(series, metrics).filter(first_day__range=days)
        rows = within.filter(is_final=True, until__lte=until)
        return {
            (metric, day): value
            for metric, day, value in rows.values_list("metric", "first_day", "value")
        }

    def reopen(self, now: datetime) -> None:
        """Make figures not final that cannot be yet: they are from a clock that was ahead."""
        last = utc(now).timestamp() - FINAL_AFTER
        early = self.all().filter(until__gt=last, is_final=True)

        def work() -> None:
            with locking(self.alias):
                lock_figures(self.alias)
                early.update(is_final=False)

        if early.exists():
            retried(work)

    def marks(self) -> int:
        """Return how many times figures have been marked."""
        locks = FigureLock.objects.using(self.alias)
        return locks.values_list("marks", flat=True).first() or 0

    def extent(self, series: Series, metric: str) -> tuple[date, date] | None:
        """Return the first days of the first and the last period; None if there is none."""
        ends = models.Min("first_day"), models.Max("first_day")
        first, last = self.of(series, [metric]).aggregate(first=ends[0], last=ends[1]).values()
        return None if first is None else (first, last)

    def unfinished(self, series: Series, metrics: Collection[str]) -> list[date]:
        """Return the first days of the periods with a figure that is not final, in order."""
        open_ = self.of(series, metrics).filter(is_final=False).order_by("first_day")
        return list(open_.values_list("first_day", flat=True).distinct())

    def last_computed(self, series: Series, metric: str) -> datetime | None:
        """Return when the figure of the last period, which always changes, was computed."""
        rows = self.of(series, [metric]).order_by("-first_day")
        return rows.values_list("computed", flat=True).first()

    def latest_days(
        self,
        time_zone: str,
        segments: Collection[str],
        metrics: Collection[str],
        days: tuple[date, date],
    ) -> list[LatestFigure]:
        """Return each metric of each segment on the latest day of which it is known.

        Days are from one to another, both inclusive.
        """
        recent = self.all().filter(
            segment__in=segments,
            time_zone=time_zone,
            interval="day",
            metric__in=metrics,
            first_day__range=days,
            value__isnull=False,
        )
        fields = ("metric", "segment", "first_day", "value", "computed")
        rows = recent.order_by("segment", "metric", "first_day").values_list(*fields)
        latest = {
            (metric, segment): LatestFigure(metric, segment, day, value, stored(computed))
            for metric, segment, day, value, computed in rows
        }
        return list(latest.values())

    def create(self, series: Series, figures: Iterable[Mapping[str, Any]]) -> None:
        """Create figures, given by their other fields, unless another process just has."""
        place = series._asdict()
        new = [Figure(**place, **fields) for fields in figures]
        retried(lambda: self.all().bulk_create(new, batch_size=BATCH, ignore_conflicts=True))

    def delete(self, rows: models.QuerySet[Figure]) -> None:
        retried(rows.delete)

    def rows(
        self, series: Series, metrics: Collection[str], first: date, last: date
    ) -> dict[Place, Row]:
        """Return the rows of the periods that start from one day to another, both inclusive."""
        fields = ("metric", "first_day", "pk", "value", "is_final", "since", "until")
        within = self.of(series, metrics).filter(first_day__range=(first, last))
        return {
            (series, metric, day): Row(*row) for metric, day, *row in within.values_list(*fields)
        }

    def settle(
        self,
        rows: Mapping[Place, Row],
        values: Mapping[Place, float | None],
        *,
        now: datetime,
        marks: int,
    ) -> int | None:
        """Write figures of everyone that were computed at ``now``, after rows and marks were read.

        Returns how many were written; None if figures have been marked since. Then only those of
        periods under way have been written.
        """
        present = utc(now).timestamp()
        computed = {place: row for place, row in rows.items() if place in values}
        running = [place for place, row in computed.items() if row.until > present]
        over = [place for place, row in computed.items() if row.until <= present]

        def work() -> int | None:
            with locking(self.alias):
                lock_figures(self.alias)
                self._write([(values[place], computed[place].pk) for place in running], now)
                if self.marks() != marks:
                    return None
                changed = [place for place in over if values[place] != computed[place].value]
                self._write([(values[place], computed[place].pk) for place in changed], now)
                # As late as possible: until the commit, those who mark wait for a short time only.
                final = [computed[place] for place in over if not computed[place].is_final]
                self._finish(self._settled(final, present))
                return len(running) + len(changed)

        if not computed:
            return 0
        written = retried(work)
        self._mark_undigested([computed[place] for place in over])
        return written

    def _settled(self, rows: Collection[Row], present: float) -> list[Row]:
        """Return those that are over for long enough and depend on no undigested souvenir."""
        ended = [row for row in rows if row.until + FINAL_AFTER <= present]
        undigested = self._undigested(ended)
        return [row for row in ended if not any(map(row.depends_on, undigested))]

    def _undigested(self, rows: Collection[Row]) -> list[Span]:
        """Return the days with an undigested souvenir that these rows may depend on."""
        last = max((row.until for row in rows), default=None)
        return [] if last is None else self.store.undigested_days(moment_of(last))

    def _finish(self, rows: Sequence[Row]) -> None:
        for first in range(0, len(rows), BATCH):
            keys = [row.pk for row in rows[first : first + BATCH]]
            self.all().filter(pk__in=keys).update(is_final=True)

    def _mark_undigested(self, rows: Collection[Row]) -> None:
        """Mark for those who could not: their souvenirs are committed, but waited for the lock."""

        def work() -> None:
            with locking(self.alias):
                mark_figures(self.alias, spans)

        if spans := self._undigested(rows):
            retried(work)

    def put(
        self,
        series: Series,
        values: Mapping[Place, float | None],
        last_days: Mapping[date, date],
        now: datetime,
    ) -> int:
        """Write figures that are never final, those that have changed; return how many."""
        if not values:
            return 0
        metrics = {metric for _, metric, _ in values}
        today = max(last_days)
        rows = self.rows(series, metrics, min(last_days), today)
        self.create(
            series,
            (
                {
                    "metric": metric,
                    "first_day": day,
                    "last_day": last_days[day],
                    "value": value,
                    "computed": outward(now),
                }
                for (_, metric, day), value in values.items()
                if (series, metric, day) not in rows
            ),
        )
        changed = [
            (values[place], row.pk)
            for place, row in rows.items()
            if place in values and (row.value != values[place] or place[2] == today)
        ]
        retried(lambda: self._write(changed, now))
        return len(values) - len(rows.keys() & values.keys()) + len(changed)

    def _write(self, values: list[tuple[float | None, int]], now: datetime) -> None:
        """Write values by primary key; they are not final yet."""
        connection = connections[self.alias]
        quoted = connection.ops.quote_name
        columns = ", ".join(f"{quoted(name)} = %s" for name in ("value", "is_final", "computed"))
        field = Figure._meta.get_field("computed")
        moment = field.get_db_prep_save(outward(now), connection)
        rows = [(value, False, moment, pk) for value, pk in values]
        if rows:
            table = quoted(Figure._meta.db_table)
            with connection.cursor() as cursor:
                cursor.executemany(f"UPDATE {table} SET {columns} WHERE id = %s", rows)


def publication_of(publication: Publication) -> models.Q:
    """Return the condition that a figure is published."""
    return models.Q(
        interval__in=publication.intervals,
        time_zone__in=publication.time_zones,
        segment__in=[EVERYONE, *publication.segments],
    )
