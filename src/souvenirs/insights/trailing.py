"""Unions of the days in windows that move forward, with a few operations for each window."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from ..counting import ActiveUsers


def trailing_counts(
    days: Sequence[ActiveUsers], windows: Iterable[tuple[int, int]]
) -> Iterator[int]:
    """Generate how many users were active in each window ``[first, last)`` of the days.

    Neither end of a window may be before that of the window before it. What reaches up to a pivot
    is united once, from there backwards, and what comes after it as it comes: a year of thirty days
    takes two unions a day, not thirty. A window of one day takes none.
    """
    pivot = 0
    heads: dict[int, ActiveUsers] = {}
    tail, reached = ActiveUsers(), 0
    for first, last in windows:
        if last - first == 1:
            yield len(days[first])
            continue
        if first >= pivot:
            pivot = reached = last
            tail = head = ActiveUsers()
            heads = {last: head}
            for position in range(last - 1, first - 1, -1):
                head |= days[position]
                heads[position] = head
        elif last > reached:
            tail = ActiveUsers.union([tail, *days[reached:last]])
            reached = last
        yield heads[first].count_union(tail)
