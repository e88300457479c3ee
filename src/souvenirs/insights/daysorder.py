"""On how many days users were active, and pages of users in that order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from datetime import datetime, tzinfo

from django.utils import timezone

from ..calendar import Bounds, Timeline, checked, checked_range, interval_named
from ..counting import ActiveUsers
from .mostactive import by_days
from .powercurve import bit_slices


def days_of(start: datetime, end: datetime, tz: tzinfo) -> Sequence[Bounds]:
    """Return the days of a range, as :func:`souvenirs.insights.most_active` counts them."""
    now = checked(timezone.now(), "now")
    bounds = checked_range(start, end)
    return Timeline.of(interval_named("day"), *bounds, tz, now=now, first_souvenir=None).ranges


def count_active_days(
    days: Sequence[ActiveUsers], among: ActiveUsers | None = None
) -> Mapping[Hashable, int]:
    """Return on how many of these days each user, or each of a group, was active, by key."""
    counts: Counter[Hashable] = Counter()
    for position, digit in enumerate(bit_slices(days, among)):
        counts.update(dict.fromkeys(digit, 1 << position))
    return counts


def page_by_active_days(
    first: int,
    last: int,
    days: Sequence[ActiveUsers],
    *,
    among: ActiveUsers,
    is_descending: bool = False,
) -> list[tuple[Hashable, int]]:
    """Return the users at positions ``[first, last)`` of a group, and their numbers of active days.

    The group is in the order of these numbers, see :func:`count_active_days`; users active on the
    same number of days are in the order of :meth:`ActiveUsers.page`. Deleted users are included.
    """
    *days, among = ActiveUsers.aligned([*days, among])
    slices = bit_slices(days, among)
    found: list[tuple[int, ActiveUsers]] = []
    skipped = size = 0
    for number, users in by_days(slices, among, is_descending):
        if not found and skipped + len(users) <= first:
            skipped += len(users)
            continue
        found.append((number, users))
        size += len(users)
        if skipped + size >= last:
            break
    keys = ActiveUsers.first_keys([users for _, users in found], last - first, first - skipped)
    return [(key, found[place][0]) for place, key in keys]
