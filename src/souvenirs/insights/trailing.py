"""Active users in trailing windows, with a few set operations per window."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from ..sets import UserSet
from ..stores import ActiveSet, kind_of


def trailing_counts(
    days: Sequence[ActiveSet[Any]], windows: Iterable[tuple[int, int]]
) -> Iterator[int]:
    """Generate the number of users active in each window ``[first, last)`` of the days.

    Neither end of a window may be before that of the previous window. A window is the union of a
    *head*, the days up to a pivot, and a *tail*, the days after it. Heads are built once per pivot,
    backwards from it, and the tail grows as windows advance. So a window of thirty days takes about
    two unions per day instead of thirty, and a window of one day takes none.
    """
    sets, _ = kind_of(days).comparable(days)
    pivot = 0
    heads: dict[int, UserSet] = {}
    tail, reached = UserSet(), 0
    for first, last in windows:
        if last - first == 1:
            yield len(sets[first])
            continue
        if first >= pivot:
            pivot = reached = last
            tail = head = UserSet()
            heads = {last: head}
            for position in range(last - 1, first - 1, -1):
                head |= sets[position]
                heads[position] = head
        elif last > reached:
            tail = UserSet.union([tail, *sets[reached:last]])
            reached = last
        yield heads[first].count_union(tail)
