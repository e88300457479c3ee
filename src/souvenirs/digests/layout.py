"""Which local days have a digest: those of the site's time zone, and no others."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from time import time

from django.utils import timezone

from ..calendar import DAY_LEVEL, MONTH_LEVEL, GridCell, cell_of, is_split, local_days
from ..conf import conf
from ..stores import DigestTable


def lay_out(digests: DigestTable, since: datetime | None, until: datetime | None) -> None:
    """Create the digests of local days that are missing, and delete those of another time zone.

    In the days and local days that overlap ``[since, until)``. Needs no lock: the new ones are
    stale, and no reading depends on any of them.
    """
    there = {
        GridCell(level, start): pk
        for pk, level, start in digests.local_days().values_list("pk", "level", "start")
    }
    wanted = set(wanted_local_days(digests, digests.starts_of(DAY_LEVEL)))
    unused = [there[cell] for cell in there.keys() - wanted if cell.overlaps(since, until)]
    if unused:
        digests.all().filter(pk__in=unused).delete()
    missing = [cell for cell in wanted - there.keys() if cell.overlaps(since, until)]
    # The current day would be stale until it is over.
    over = sorted(cell for cell in missing if cell.end <= time())
    digests.create_missing([digests.new(cell) for cell in over])


def wanted_local_days(digests: DigestTable, days: Iterable[int]) -> list[GridCell]:
    """Return the local days that have a part in a day of UTC, given by its start, and no part
    of a bucket.
    """
    starts = set(days)
    zone, bucket = timezone.get_default_timezone(), conf.BUCKET_SECONDS
    cells = [
        cell
        for month in {cell_of(MONTH_LEVEL, start) for start in starts}
        for cell in local_days(month, zone, bucket)
        if starts.intersection(range(cell_of(DAY_LEVEL, cell.start).start, cell.end, DAY_LEVEL))
    ]
    eras = digests.longer_eras(bucket).items() if cells else ()
    return [
        cell
        for cell in cells
        if not any(is_split((cell.start, cell.end), level, era) for level, era in eras)
    ]
