"""Whether digests hold what the souvenirs do."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from functools import partial
from typing import NamedTuple

from django.db import router

from ..buckets import DAY, HOUR, Cell
from ..models import Digest, Souvenir
from ..stores.numbers import numbers_of
from ..stores.reading import label_of, words
from ..usersets import CorruptDigest, UserSet, checksum_of
from .folding import souvenirs_in
from .refreshing import parts_of
from .rows import buckets_in, locked, retried, users_in


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

    def cells(self) -> list[Cell]:
        """Return the days and months to look at."""
        digests = Digest.objects.using(self.alias).filter(kind=Digest.ACTIVE, level__gte=DAY)
        found = digests.order_by("level", "start").values_list("level", "start")
        cells = [Cell(level, start) for level, start in found]
        return [cell for cell in cells if cell.overlaps(self.since, self.until)]

    def run(self) -> Iterator[Verified]:
        """Look at one day or month after the other, each under the lock of those who change it."""
        for cell in self.cells():
            look = self._look_at_day if cell.level == DAY else self._look_at_month
            yield Verified(cell, retried(partial(look, cell)))

    def _look_at_day(self, day: Cell) -> list[str]:
        with locked(day, self.alias) as digest:
            found = []
            for start in range(day.start, day.end, HOUR):
                found += self._look_at_hour(Cell(HOUR, start))
            return found + self._look_at_whole(digest)

    def _look_at_month(self, month: Cell) -> list[str]:
        with locked(month, self.alias) as digest:
            return self._look_at_whole(digest)

    def _look_at_hour(self, hour: Cell) -> list[str]:
        digests = list(buckets_in(hour, self.alias))
        found = [text for digest in digests for text in _flaws(digest)]
        if found:
            return found
        users = UserSet.union(map(users_in, digests))
        digested = souvenirs_in(hour, self.alias).filter(digested=True)
        keys = set(digested.values_list("user_id", flat=True).distinct())
        numbers = numbers_of(keys, self.alias)
        seen = UserSet.from_ids(numbers.values())
        if missing := len(seen - users) + len(keys) - len(numbers):
            found.append(f"{words(hour)}: {missing} users of souvenirs are not in the digest.")
        if not any(digest.is_pruned for digest in digests) and (extra := len(users - seen)):
            found.append(f"{words(hour)}: {extra} users in the digest have no souvenir.")
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
        return [f"{words(cell)}: the digest is not what its parts make up."]


def _flaws(digest: Digest) -> list[str]:
    cell = Cell(digest.level, digest.start)
    label = label_of(cell, digest.version)
    try:
        users = users_in(digest)
    except CorruptDigest as error:
        return [str(error)]
    stored = digest.count, digest.checksum
    if digest.version and stored != (len(users), checksum_of(label, len(users))):
        return [f"{words(cell)}: the stored count is not that of the digest."]
    return []
