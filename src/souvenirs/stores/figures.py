"""Which published figures a change makes out of date.

Whoever changes the users of a bucket, or leaves a souvenir late, marks the figures that depend on
it: they are no longer final. Digesters, erasures and imports mark at the end of the transaction of
the change. What is recorded on a request's path marks after its commit, because the site's
transaction would keep the lock.

A figure becomes final ``FINAL_AFTER`` seconds after its period. So whatever concerns only the last
``LATE`` seconds marks nothing, and needs no lock.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable
from datetime import datetime

from django.db import models

from ..calendar import Span, second_of
from ..models import Figure, FigureLock

#: Seconds from the end of a period until its figures may be final.
FINAL_AFTER = 3600

#: The age in seconds from which a souvenir is late when it is left. The clocks of two machines may
#: differ by the rest.
LATE = FINAL_AFTER - 600


def lock_figures(alias: str, *, marks: int = 0) -> None:
    """Lock all figures until the transaction ends, and count these marks."""
    lock = FigureLock.objects.using(alias).filter(pk=FigureLock.ONLY)
    counted = models.F("marks") + marks
    if not lock.update(marks=counted):
        FigureLock.objects.using(alias).bulk_create(
            [FigureLock(pk=FigureLock.ONLY)], ignore_conflicts=True
        )
        lock.update(marks=counted)


def mark_figures(alias: str, spans: Collection[Span]) -> None:
    """Mark the figures that depend on souvenirs from the first to the last of these spans.

    Needs a transaction, at the end of which nobody else waits for long.
    """
    if not spans:
        return
    first, last = min(start for start, _ in spans), max(end for _, end in spans)
    begun = models.Q(since=None) | models.Q(since__lt=last)
    depending = Figure.objects.using(alias).filter(begun, until__gt=first, is_final=True)
    # None depends on the last minutes, unless the clock of a publisher was ahead.
    if not late_spans(spans) and not depending.exists():
        return
    lock_figures(alias, marks=1)
    depending.update(is_final=False)


def late_spans(spans: Iterable[Span]) -> list[Span]:
    """Return the spans that begin so long ago that a final figure may depend on them."""
    limit = time.time() - LATE
    return [span for span in spans if span[0] < limit]


def spans_of(moments: Iterable[datetime]) -> list[Span]:
    """Return the second of each moment as a span."""
    return [(second, second + 1) for second in {second_of(moment) for moment in moments}]
