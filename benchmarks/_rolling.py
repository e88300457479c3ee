"""Real activity, judged and forecast day by day from what was before."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from random import Random
from typing import NamedTuple

from souvenirs.insights.expectation import WEEK, expected
from souvenirs.insights.forecast import HISTORIES, Growing, forecasted

#: The hours up to which a day is judged.
HOURS = (6, 12, 18, 24)

#: The fractions of a period after which its end is forecast, in turn.
POINTS = (0.1, 0.25, 0.5, 0.75, 0.9)

WEEKS = 8
LOSS = 0.3
DAY = 24 * 3600

#: Users of a period, and the second of it at which each was first seen.
Firsts = dict[int, int]


class Alerts(NamedTuple):
    days: int
    #: Alerts on consecutive days are one.
    alerts: int
    #: Days on which an alert is raised when some of the users are missing.
    found: int


def read(path: Path) -> list[tuple[datetime, int]]:
    with gzip.open(path, "rt") as file:
        rows = [
            (datetime.fromisoformat(row["when"]).astimezone(UTC), int(row["user_id"]))
            for row in csv.DictReader(file)
        ]
    return sorted(rows)


def firsts(
    seen: Sequence[tuple[datetime, int]], start_of: Callable[[date], date]
) -> dict[date, Firsts]:
    """The users of each period that has any."""
    found: dict[date, Firsts] = {}
    for when, user in seen:
        start = start_of(when.date())
        second = when - datetime(start.year, start.month, start.day, tzinfo=UTC)
        found.setdefault(start, {}).setdefault(user, int(second.total_seconds()))
    return found


def days_of(seen: Sequence[tuple[datetime, int]]) -> list[Firsts]:
    """The users of each whole day: without the first one and the last one."""
    by_day = firsts(seen, lambda day: day)
    first, last = min(by_day), max(by_day)
    return [by_day.get(first + timedelta(n), {}) for n in range(1, (last - first).days)]


def made_up(users: int, days: int = 730, seed: int = 1) -> list[Firsts]:
    """Days of a site on whose weekends half as many come, each user or not by chance."""
    chance = Random(seed)
    shares = [0.2 if n % WEEK < 5 else 0.1 for n in range(days)]
    return [
        {user: chance.randrange(DAY) for user in range(5 * users) if chance.random() < share}
        for share in shares
    ]


def alerts_of(days: Sequence[Firsts]) -> Alerts:
    """Judge each day at each hour, as it was and without some of its users."""
    chance = Random(1)
    alarmed: set[int] = set()
    found: set[int] = set()
    judged: set[int] = set()
    kept = [sorted(day) for day in days]
    kept = [[user for user in day if chance.random() >= LOSS] for day in kept]
    for hour in HOURS:
        counts = [sum(second < hour * 3600 for second in day.values()) for day in days]
        for n, day in enumerate(days):
            range_of_day = expected(counts[max(0, n - WEEK * (WEEKS + 1)) : n], WEEKS)
            if range_of_day is None:
                continue
            judged.add(n)
            if not range_of_day.low <= counts[n] <= range_of_day.high:
                alarmed.add(n)
            if sum(day[user] < hour * 3600 for user in kept[n]) < range_of_day.low:
                found.add(n)
    return Alerts(len(judged), sum(n - 1 not in alarmed for n in alarmed), len(found))


def coverage(seen: Sequence[tuple[datetime, int]], interval: str) -> list[tuple[bool, bool]]:
    """Whether what came is between each forecast's limits, and whether these are one number."""
    size = HISTORIES[interval]
    periods = list(_periods(seen, interval))
    found = []
    for n, (users, length) in enumerate(periods):
        # Not the same point of the same weekdays only.
        share = POINTS[(n + n // WEEK) % len(POINTS)]
        past = [_grown(*each, share) for each in periods[max(0, n - size.basis - size.most) : n]]
        so_far, whole = _grown(users, length, share)
        made = forecasted(size, past, so_far)
        if made is not None:
            found.append((made.low <= whole <= made.high, made.low == made.high))
    return found


def _grown(users: Firsts, length: int, share: float) -> Growing:
    # Up to the whole hour, as a bucket is.
    point = int(share * length) // 3600 * 3600
    return Growing(sum(second < point for second in users.values()), len(users))


def _periods(seen: Sequence[tuple[datetime, int]], interval: str) -> Iterator[tuple[Firsts, int]]:
    """The users and the length in seconds of each whole period."""

    def start_of(day: date) -> date:
        if interval == "month":
            return day.replace(day=1)
        return day - timedelta(days=day.weekday() if interval == "week" else 0)

    found = firsts(seen, start_of)
    start, last = min(found), max(found)
    step = timedelta(days={"day": 1, "week": 7, "month": 31}[interval])
    while (following := start_of(start + step)) < last:
        after = start_of(following + step)
        yield found.get(following, {}), (after - following).days * DAY
        start = following
