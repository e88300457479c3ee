"""Whether digests hold what the souvenirs do."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from functools import cached_property, partial
from typing import NamedTuple

from django.db import router

from ..calendar import DAY_LEVEL, HOUR_LEVEL, MONTH_LEVEL, Cell, cell_of
from ..models import Digest, Souvenir
from ..sets import CorruptDigest, UserSet, checksum_of
from ..stores import label_of
from .comparison import compare
from .folding import souvenirs_in
from .refreshing import parts_of
from .rows import (
    buckets_in,
    cells_of,
    days_in_use,
    digests_of,
    locked,
    retried,
    stray_in_words,
    strays_in,
    users_in,
)


class Verified(NamedTuple):
    """A day or a month that was looked at, and a sentence for each difference in it."""

    cell: Cell
    differences: list[str]


class Verifier:
    """Compares digests with the souvenirs, where these have not been deleted, and with each other.

    Looks at the days and months that overlap ``[since, until)``, aware moments; None leaves an end
    open. Changes nothing. Raises RuntimeError inside a transaction.
    """

    def __init__(self, since: datetime | None = None, until: datetime | None = None) -> None:
        self.alias = router.db_for_write(Souvenir)
        self.since, self.until = since, until

    @cached_property
    def cells(self) -> list[Cell]:
        """The days and months to look at."""
        days = days_in_use(self.alias, self.since, self.until)
        months = Digest.objects.using(self.alias).filter(kind=Digest.ACTIVE, level=MONTH_LEVEL)
        cells = {Cell(MONTH_LEVEL, start) for start in months.values_list("start", flat=True)}
        cells = {cell for cell in cells if cell.overlaps(self.since, self.until)}
        return sorted({*days, *cells, *(cell_of(MONTH_LEVEL, day.start) for day in days)})

    def run(self) -> Iterator[Verified]:
        """Look at one day or month after the other, each under the lock of those who change it."""
        for cell in self.cells:
            yield Verified(cell, retried(partial(self._look_at, cell)))

    def _look_at(self, cell: Cell) -> list[str]:
        if not digests_of(cell, self.alias).exists():
            return [f"{cell}: the digest is missing."]
        if not digests_of(cell_of(MONTH_LEVEL, cell.start), self.alias).exists():
            return []  # it is told of, and without it there is no lock to hold
        with locked(cell, self.alias) as digest:
            found: list[str] = []
            if cell.level == DAY_LEVEL:
                found += map(stray_in_words, strays_in(cell, self.alias))
                for hour in self._hours_in(cell):
                    found += self._look_at_hour(hour)
            return found + self._look_at_whole(digest)

    def _hours_in(self, day: Cell) -> list[Cell]:
        """Return the hours of a day with a digest or a digested souvenir."""
        starts = buckets_in(day, self.alias).values_list("start", flat=True)
        hours = {cell_of(HOUR_LEVEL, start) for start in starts}
        hours.update(cells_of(HOUR_LEVEL, souvenirs_in(day, self.alias).filter(digested=True)))
        return sorted(hours)

    def _look_at_hour(self, hour: Cell) -> list[str]:
        found = [text for digest in buckets_in(hour, self.alias) for text in _flaws(digest)]
        if found:
            return found
        missing, extra = compare(hour, self.alias)
        if missing:
            found.append(f"{hour}: users with a souvenir who are not in the digest: {missing}.")
        if extra:
            found.append(f"{hour}: users in the digest without a souvenir: {extra}.")
        return found

    def _look_at_whole(self, digest: Digest) -> list[str]:
        """Look at a day or a month beside its parts, unless it is stale anyway."""
        cell = Cell(digest.level, digest.start)
        if digest.is_stale:
            return []
        if found := _flaws(digest):
            return found
        try:
            if users_in(digest) == UserSet.union(parts_of(cell, self.alias)):
                return []
        except CorruptDigest:
            return []  # the part has been told of
        return [f"{cell}: the digest is not what its parts make up."]


def _flaws(digest: Digest) -> list[str]:
    cell = Cell(digest.level, digest.start)
    label = label_of(cell, digest.version)
    try:
        users = users_in(digest)
    except CorruptDigest as error:
        return [str(error)]
    stored = digest.count, digest.checksum
    if digest.version and stored != (len(users), checksum_of(label, len(users))):
        return [f"{cell}: the stored count is not that of the digest."]
    return []
