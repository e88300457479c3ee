"""The periods whose figures are published."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta, tzinfo
from functools import cache
from typing import Any, NamedTuple
from zlib import crc32

from ..calendar import (
    INTERVALS,
    MICROSECOND,
    Timeline,
    calendar_boundaries,
    checked,
    interval_named,
    local,
    second_of,
    utc,
    zone_named,
)
from .metrics import LONGEST, Periods

#: The most periods whose figures are created or computed in a step.
PERIODS = 100

#: The most periods of an interval: a souvenir from year 1 is a mistake, not history.
MOST = 10_000


class WholePeriod(NamedTuple):
    """A whole period: its local days, both inclusive, and its first and last second."""

    first_day: date
    last_day: date
    start: int
    end: int


class Calendar:
    """The periods of an interval in a time zone, from that of the first souvenir up to now."""

    def __init__(
        self, zone_name: str, interval: str, first: datetime | None, now: datetime
    ) -> None:
        self.zone_name, self.interval = zone_name, interval
        self.zone: tzinfo = zone_named(zone_name)
        self.first, self.now = first, now
        #: From which moment, and from which day on figures are published; None: nothing is known.
        self.begin = None if first is None else self._begin(first)
        self.first_day = None if self.begin is None else self._start_of(self.begin)
        #: The first day of the period under way.
        self.last_day = self._start_of(now)

    def timeline(self, first: date | None, last: date | None) -> Timeline:
        """Return the periods from the one of a day to the one of another; None: all there are."""
        end = None
        if last is not None:
            boundaries = calendar_boundaries(self._midnight(last), self._step, self.zone)
            end = min(boundaries.boundary(1), self.now, key=utc)
        start = self.begin if first is None else self._midnight(first)
        return Timeline.of(
            interval_named(self.interval),
            start,
            end,
            self.zone,
            now=self.now,
            first_souvenir=self.first,
        )

    def periods(self, places: Sequence[WholePeriod]) -> Periods:
        """Return consecutive periods, up to now, for their metrics."""
        timeline = self.timeline(places[0].first_day, places[-1].first_day)
        return Periods(timeline, [each.start for each in places])

    def places(self, timeline: Timeline) -> list[WholePeriod]:
        """Return the periods of a timeline as whole ones."""
        return [
            self._whole(
                checked(period.start, "start"), checked(timeline.start_of(place + 1), "end")
            )
            for place, period in zip(timeline.offsets, timeline.periods, strict=True)
        ]

    def between(self, first: date | None, last: date | None) -> tuple[WholePeriod, ...]:
        """Return the periods of :meth:`timeline` as whole ones."""
        return tuple(self.places(self.timeline(first, last)))

    def runs(self, days: Sequence[date]) -> Iterator[tuple[date, date]]:
        """Generate the first and the last of days in runs without long gaps, of limited length."""
        longest = timedelta(days=2 * LONGEST[self.interval])
        run: list[date] = []
        for day in days:
            if run and (day - run[-1] > longest or len(run) == PERIODS):
                yield run[0], run[-1]
                run = []
            run.append(day)
        if run:
            yield run[0], run[-1]

    def _begin(self, first: datetime) -> datetime:
        earliest = calendar_boundaries(self.now, self._step, self.zone).boundary(1 - MOST)
        return max(first, earliest, key=utc)

    @property
    def _step(self) -> Any:
        return INTERVALS[self.interval].step

    def _start_of(self, moment: datetime) -> date:
        return calendar_boundaries(moment, self._step, self.zone).wall(0).date()

    def _midnight(self, day: date) -> datetime:
        return datetime(day.year, day.month, day.day, tzinfo=self.zone)

    def _whole(self, start: datetime, end: datetime) -> WholePeriod:
        last = local(utc(end) - MICROSECOND, self.zone).date()
        return WholePeriod(self._start_of(start), last, second_of(start), second_of(end))


def chunks(places: Sequence[WholePeriod]) -> Iterator[Sequence[WholePeriod]]:
    """Generate consecutive periods in parts of a limited length."""
    for first in range(0, len(places), PERIODS):
        yield places[first : first + PERIODS]


@cache
def offsets_of(zone_name: str) -> int:
    """Return a checksum of the offsets of a time zone, which a new version of it changes."""
    noon = datetime(1990, 1, 1, 12, tzinfo=zone_named(zone_name))
    offsets = (str((noon + timedelta(days=day)).utcoffset()) for day in range(50 * 366))
    return crc32(" ".join(offsets).encode())
