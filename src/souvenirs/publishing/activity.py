"""The activity of runs of periods, read together where that is possible."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from ..calendar import checked_range
from ..counting import group_of
from ..sets import CorruptDigest
from ..stores import ActiveUsers, PrunedSpan, Store
from .calendars import Calendar, WholePeriod
from .metrics import Values, activity, countable_activity
from .table import Place, Series


class Run(NamedTuple):
    """Consecutive periods of a series."""

    calendar: Calendar
    series: Series
    places: Sequence[WholePeriod]

    def named(self, values: Values) -> dict[Place, float | None]:
        """Return values by their places in the table."""
        days = {each.start: each.first_day for each in self.places}
        return {
            (self.series, metric, days[start]): value for (metric, start), value in values.items()
        }

    def halves(self) -> list[Run]:
        middle = len(self.places) // 2
        return [self._replace(places=part) for part in (self.places[:middle], self.places[middle:])]


class ActivityReader:
    """Reads the activity of everyone or of a group from the store.

    ``failed`` has a sentence about each digest that could not be read.
    """

    def __init__(self, store: Store) -> None:
        self.store = store
        self.failed: dict[str, None] = {}

    def values(
        self, runs: Sequence[Run], group: ActiveUsers | None = None
    ) -> Mapping[Place, float | None]:
        """Return the metrics of these runs: None where pruning left a number unknown.

        What a corrupt digest keeps from being known is left out.
        """
        try:
            found = activity([run.calendar.periods(run.places) for run in runs], group, self._read)
        except CorruptDigest as error:
            if len(runs) == 1:
                self.failed[str(error)] = None
                return {}
        except PrunedSpan:
            if len(runs) == 1 and len(runs[0].places) == 1:
                return self._countable(runs[0], group)
        else:
            named = [run.named(values) for run, values in zip(runs, found, strict=True)]
            return _merged(named)
        parts = runs if len(runs) > 1 else runs[0].halves()
        return _merged([self.values([part], group) for part in parts])

    def _countable(self, run: Run, group: ActiveUsers | None) -> Mapping[Place, float | None]:
        periods = run.calendar.periods(run.places)
        return run.named(countable_activity(periods, group, self._read, PrunedSpan))

    def _read(self, ranges: Any, users: Any) -> list[ActiveUsers]:
        return self.store.users_each([checked_range(*each) for each in ranges], group_of(users))


def _merged(parts: Sequence[Mapping[Place, float | None]]) -> dict[Place, float | None]:
    return {place: value for values in parts for place, value in values.items()}
