"""Bring the published figures up to date."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date, timedelta
from functools import cache
from itertools import zip_longest
from time import perf_counter
from typing import NamedTuple

from django.utils import timezone

from ..calendar import checked
from ..counting import GROUP, InvalidSegment, date_joined_field, segment
from ..stores import ActiveUsers, get_store
from .activity import ActivityReader, Run
from .calendars import Calendar, WholePeriod, chunks, offsets_of
from .metrics import ACCOUNTS, ACTIVE, accounts, metrics_of, since
from .publication import Publication, publication
from .table import FigureTable, Place, Series

#: How often figures are computed if others mark some at the same time.
TRIES = 3

#: How often figures that depend on the table of users are computed.
USERS_EVERY = timedelta(hours=1)


class Published(NamedTuple):
    """A step: how many figures it wrote, and how long it took."""

    figures: int
    seconds: float


class Publisher:
    """Publishes the figures that have changed, in short steps.

    Figures of everyone's activity are computed where they are missing, marked as changed, or not
    final yet; accounts and segments once an hour. What cannot be computed is left as it is, and
    the rest goes on.
    """

    def __init__(self, wanted: Publication | None = None) -> None:
        self.publication = publication() if wanted is None else wanted
        self.store = get_store().primary()
        self.table = FigureTable(self.store)
        self.reader = ActivityReader(self.store)
        self.now = checked(timezone.now(), "now")
        self.first = self.store.first()
        self._broken: list[str] = []

    @property
    def failed(self) -> list[str]:
        """Sentences about what could not be computed."""
        return [*self.reader.failed, *self._broken]

    def run(self) -> Iterator[Published]:
        """Publish step by step; each is committed when it is generated."""
        began = perf_counter()
        for figures in self._steps():
            yield Published(figures, perf_counter() - began)
            began = perf_counter()

    def _steps(self) -> Iterator[int]:
        intervals, zones, segments = self.publication
        self.table.lay_out_for(self.publication, {name: offsets_of(name) for name in zones})
        self.table.reopen(self.now)
        calendars = [
            Calendar(zone, interval, self.first, self.now)
            for zone in zones
            for interval in intervals
        ]
        for calendar in calendars:
            yield from self._lay_out(calendar)
        # Usually one run of each, whose periods overlap: they share a reading.
        for runs in zip_longest(*map(self._unfinished, calendars)):
            yield self._settle([run for run in runs if run is not None])
        if date_joined_field() is not None:
            for calendar in calendars:
                yield from self._accounts(calendar)
        for name in segments:
            yield from self._segment(name, calendars)

    def _unfinished(self, calendar: Calendar) -> list[Run]:
        """Return the periods with a figure of everyone that is not final."""
        series = Series(calendar.zone_name, calendar.interval)
        days = self.table.unfinished(series, metrics_of(calendar.interval))
        return [Run(calendar, series, calendar.between(*ends)) for ends in calendar.runs(days)]

    def _lay_out(self, calendar: Calendar) -> Iterator[int]:
        """Create the rows of periods that are missing, some at a time, and delete others.

        Those that are there have no gaps: new ones are created next to them.
        """
        series = Series(calendar.zone_name, calendar.interval)
        metrics = metrics_of(calendar.interval)
        extent = self._extent(calendar, series, metrics, ACTIVE)
        if calendar.first_day is None:
            return
        if extent is None:
            yield from self._create(series, metrics, chunks(calendar.between(None, None)))
            return
        later = [each for each in calendar.between(extent[1], None) if each.first_day > extent[1]]
        yield from self._create(series, metrics, chunks(later))
        if calendar.first_day < extent[0]:
            earlier = calendar.between(None, extent[0])
            missing = [each for each in earlier if each.first_day < extent[0]]
            yield from self._create(series, metrics, reversed(list(chunks(missing))))

    def _create(
        self, series: Series, metrics: Sequence[str], parts: Iterable[Sequence[WholePeriod]]
    ) -> Iterator[int]:
        for places in parts:
            self.table.create(
                series,
                (
                    {
                        "metric": metric,
                        "first_day": each.first_day,
                        "last_day": each.last_day,
                        "since": since(metric, series.interval, each.start),
                        "until": each.end,
                    }
                    for each in places
                    for metric in metrics
                ),
            )
            yield 0

    def _extent(
        self, calendar: Calendar, series: Series, metrics: Sequence[str], metric: str
    ) -> tuple[date, date] | None:
        """Return the first days of the first and last period, now that others are deleted.

        Later ones than today's are from a clock that was ahead.
        """
        rows = self.table.of(series, metrics)
        extent = self.table.extent(series, metric)
        if extent is None or calendar.first_day is None:
            self.table.delete(rows)
            return None
        if extent[0] < calendar.first_day:
            self.table.delete(rows.filter(first_day__lt=calendar.first_day))
        if extent[1] > calendar.last_day:
            self.table.delete(rows.filter(first_day__gt=calendar.last_day))
            return self.table.extent(series, metric)
        return extent

    def _settle(self, runs: Sequence[Run]) -> int:
        """Compute the figures of these periods, and write them; return how many.

        Again if others have marked figures meanwhile; after a few times the next run does it.
        """
        for _ in range(TRIES):
            marks = self.table.marks()
            rows = {
                place: row
                for run in runs
                for place, row in self.table.rows(
                    run.series,
                    metrics_of(run.calendar.interval),
                    run.places[0].first_day,
                    run.places[-1].first_day,
                ).items()
            }
            values = self.reader.values(runs)
            written = self.table.settle(rows, values, now=self.now, marks=marks)
            if written is not None:
                return written
        return 0

    def _accounts(self, calendar: Calendar) -> Iterator[int]:
        series = Series(calendar.zone_name, calendar.interval)
        yield from self._recomputed(calendar, series, ACCOUNTS, _accounts_of(None))

    def _segment(self, name: str, calendars: Sequence[Calendar]) -> Iterator[int]:
        try:
            group = segment(name)
        except InvalidSegment as error:
            self._broken.append(str(error))
            return
        except ValueError:
            self._broken.append(
                f"SOUVENIRS_PUBLISH has the segment {name!r}, but no "
                f"{'group of users' if name.startswith(GROUP) else 'segment'} has that name: "
                "rename or remove it."
            )
            return
        for calendar in calendars:
            yield from self._of_group(calendar, name, group)

    def _of_group(self, calendar: Calendar, name: str, group: ActiveUsers) -> Iterator[int]:
        metrics = metrics_of(calendar.interval)
        compute_accounts = None
        if date_joined_field() is not None:
            metrics += ACCOUNTS
            compute_accounts = _accounts_of(group)

        def compute(part: Run, whole: Run) -> Mapping[Place, float | None]:
            values = self.reader.values([part], group)
            return {**values, **compute_accounts(part, whole)} if compute_accounts else values

        series = Series(calendar.zone_name, calendar.interval, name)
        yield from self._recomputed(calendar, series, metrics, compute)

    def _recomputed(
        self,
        calendar: Calendar,
        series: Series,
        metrics: Sequence[str],
        compute: Callable[[Run, Run], Mapping[Place, float | None]],
    ) -> Iterator[int]:
        """Compute all figures that depend on the table of users, unless they are recent.

        ``compute`` returns those of a part of the run that it is also given.
        """
        extent = self._extent(calendar, series, metrics, metrics[-1])
        if calendar.first_day is None:
            return
        last = self.table.last_computed(series, metrics[-1])
        since = self.now - USERS_EVERY
        is_recent = last is not None and since < checked(last, "computed") <= self.now
        if is_recent and extent and extent[0] == calendar.first_day:
            return
        whole = Run(calendar, series, calendar.between(None, None))
        # The latest first: a run that is stopped leaves no gap, and the next one fills the rest.
        for part in reversed(list(chunks(whole.places))):
            if is_recent and extent and extent[0] <= part[0].first_day:
                continue
            values = compute(whole._replace(places=part), whole)
            last_days = {each.first_day: each.last_day for each in part}
            yield self.table.put(series, values, last_days, self.now)


def _accounts_of(group: ActiveUsers | None) -> Callable[[Run, Run], Mapping[Place, float | None]]:
    """Return a function that computes accounts, of all periods at once: that reads all users."""

    @cache
    def of_all(whole: Run) -> Mapping[Place, float | None]:
        return whole.named(accounts(whole.calendar.periods(whole.places), group))

    def compute(part: Run, whole: Run) -> Mapping[Place, float | None]:
        values = of_all(whole)
        return {
            (part.series, metric, each.first_day): values[part.series, metric, each.first_day]
            for each in part.places
            for metric in ACCOUNTS
        }

    return compute
