"""Brute force over plain sets of users by local date, for the tests of insights."""

import random
from datetime import timedelta
from itertools import groupby
from zoneinfo import ZoneInfo

from souvenirs.insights import (
    Cohort,
    DayNRetention,
    Growth,
    PowerCurve,
    PowerCurves,
    Retention,
    Series,
    Stickiness,
    active_series,
    day_n_retention,
    growth,
    power_curve,
    power_curves,
    retention,
    stickiness,
)
from tests.conftest import INSTANT, at, pk_of

DAY = timedelta(days=1)

START, END = at(2017, 9, 4), at(2017, 11, 20, 15)
NOW = END

#: The first date of the calendar unit of a date.
UNITS = {
    "day": lambda day: day,
    "week": lambda day: day - day.weekday() * DAY,
    "month": lambda day: day.replace(day=1),
    "quarter": lambda day: day.replace(month=day.month - (day.month - 1) % 3, day=1),
    "year": lambda day: day.replace(month=1, day=1),
}

#: Whole hours from UTC, half an hour, and midnights that the clock skips or repeats.
ZONES = ["UTC", "America/New_York", "Asia/Kolkata", "America/Sao_Paulo", "America/Havana"]

#: Every insight of a range, with default arguments.
INSIGHTS = {
    "series": active_series,
    "wau": lambda *args, **keywords: active_series(*args, window="wau", **keywords),
    "stickiness": stickiness,
    "power_curve": lambda start=None, end=None, **keywords: power_curve(end, **keywords),
    "power_curves": power_curves,
    "growth": growth,
    "retention": retention,
    "day_n": day_n_retention,
}


def sightings(seed=1, count=300, users=12, start=START - 20 * DAY, days=97):
    """Sightings ``(user number, when)``: some users often, others hardly ever."""
    chance = random.Random(seed)
    numbers = range(1, users + 1)
    weights = [1 / number for number in numbers]
    return [
        (
            *chance.choices(numbers, weights),
            start + timedelta(minutes=chance.randrange(days * 24 * 60)),
        )
        for _ in range(count)
    ]


class Oracle:
    """The expected insights of a range for these sightings."""

    def __init__(self, rows, start=START, end=END, interval="day", zone="UTC", now=NOW):
        self.zone, self.unit, self.now, self.end = ZoneInfo(zone), UNITS[interval], now, end
        self.seen = {(self.date(when), number) for number, when in rows if when < end}
        self.first = min((when for _, when in rows), default=None)
        day, last = self.unit(self.date(start)), self.date(end - INSTANT)
        dates = [day + n * DAY for n in range((last - day).days + 1)]
        #: The dates of each period.
        self.periods = [list(days) for _, days in groupby(dates, self.unit)]

    def date(self, moment):
        return moment.astimezone(self.zone).date()

    def active(self, first, last):
        return {number for day, number in self.seen if first <= day <= last}

    def before(self, day):
        return {number for seen, number in self.seen if seen < day}

    def is_over(self, days):
        return self.unit(self.date(self.now)) > self.unit(days[0])

    def incomplete(self, days):
        if not self.is_over(days):
            return "running"
        return None if self.unit(self.date(self.end)) > self.unit(days[0]) else "cut"

    def is_known(self, days):
        return (
            self.first is not None and self.first < self.end and self.date(self.first) <= days[-1]
        )

    def actives(self):
        return [self.active(days[0], days[-1]) for days in self.periods]

    def trailing(self, length):
        return [self.active(days[-1] - (length - 1) * DAY, days[-1]) for days in self.periods]

    def series(self, length=None):
        found = self.actives() if length is None else self.trailing(length)
        return tuple(
            len(users) if self.is_known(days) else None
            for days, users in zip(self.periods, found, strict=True)
        )

    def complete(self, days):
        return [day for day in days if day < self.date(min(self.now, self.end))]

    def mean_dau(self, days):
        complete = self.complete(days)
        if not self.is_known(days) or not complete:
            return None
        return sum(len(self.active(day, day)) for day in complete) / len(complete)

    def mean_ratio(self, days):
        mean, complete = self.mean_dau(days), self.complete(days)
        users = complete and self.active(complete[0], complete[-1])
        return mean / len(users) if mean and users else None

    def days_of_use(self, length):
        """For each period, how many of the last days up to its end each user was active on."""
        for days in self.periods:
            last = [days[-1] - n * DAY for n in range(length)]
            used = [number for day, number in self.seen if day in last]
            yield {number: used.count(number) for number in used}

    def growth(self):
        for days in self.periods:
            now, before = self.active(days[0], days[-1]), self.before(days[0])
            previous_last = days[0] - DAY
            previous = self.active(self.unit(previous_last), previous_last)
            yield {
                "active": now,
                "new": now - before,
                "retained": now & previous,
                "resurrected": now & before - previous,
                "churned": previous - now,
            }

    def first_seen(self):
        return [self.active(days[0], days[-1]) - self.before(days[0]) for days in self.periods]

    def joined(self, moments):
        """Cohorts of users by number with these dates of registration."""
        return [
            {number for number, moment in moments.items() if self.date(moment) in days}
            for days in self.periods
        ]

    def cells(self, cohorts, mode="in", knows_size=False):
        """The cells of each cohort as sets of users, or None."""
        active = self.actives()
        for n, members in enumerate(cohorts):
            row = []
            for m in range(n, len(active)):
                days = self.periods[m]
                later = set().union(*active[m:]) if mode == "in_or_later" else active[m]
                is_known = self.is_known(days) and (knows_size or self.is_known(self.periods[n]))
                row.append(members & later if self.is_over(days) and is_known else None)
            yield row

    def day_n(self, length):
        """Users who can have come back on day n after their first, who did, and who did later."""
        over = [days for days in self.periods if self.is_over(days)]
        if not over:
            return set(), set(), set()
        last = over[-1][0]
        eligible, returned, later = set(), set(), set()
        for (day,), members in zip(self.periods, self.first_seen(), strict=True):
            due = day + length * DAY
            if due <= last:
                eligible |= members
                returned |= members & self.active(due, due)
                later |= members & self.active(due, last)
        return eligible, returned, later


def keys(numbers):
    return {pk_of(number) for number in numbers}


def behind(insight):
    """Every known number of an insight, and the users that it returns for that number."""
    return [(number, users) for number, users in _behind(insight) if number is not None]


def _behind(insight):
    match insight:
        case Series():
            for n, value in enumerate(insight.values):
                yield value, insight.users(n)
        case Stickiness():
            for each in insight.periods:
                for part in ("active", "dau", "wau", "mau"):
                    yield getattr(each, part), insight.users(each.period, part)
        case PowerCurve():
            for n in range(insight.days if insight.exactly is not None else 0):
                yield insight.exactly[n], insight.users(n + 1)
                yield insight.at_least[n], insight.users(n + 1, at_least=True)
        case PowerCurves():
            for curve in insight.curves:
                yield from _behind(curve)
        case Growth():
            for each in insight.periods:
                for part in ("active", "new", "retained", "resurrected", "churned"):
                    yield getattr(each, part), insight.users(each.period, part)
        case Retention():
            for cohort in insight.cohorts:
                assert isinstance(cohort, Cohort)
                yield cohort.size, insight.users(cohort.period)
                for offset, cell in enumerate(cohort.cells):
                    if cell is not None:
                        yield cell, insight.users(cohort.period, offset)
        case DayNRetention():
            for each in insight.days:
                for part in ("eligible", "returned", "returned_or_later"):
                    yield getattr(each, part), insight.users(each.days, part)


def gives_its_users(insight):
    """Whether the list behind every number has that number of users."""
    pairs = behind(insight)
    return bool(pairs) and all(number == len(users.pks) for number, users in pairs)
