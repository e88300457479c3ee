"""What the processes of a stress run do, each of them until the deadline.

Each takes the :class:`Stage`, a number of its own, and a ``Counter`` for the summary.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from unittest.mock import patch

from django.db import DatabaseError, OperationalError, transaction
from django.test import override_settings
from django.utils import timezone

from souvenirs.calendar.grid import (
    DAY_LEVEL,
    HOUR_LEVEL,
    LOCAL_LEVELS,
    MONTH_LEVEL,
    cell_of,
    moment_of,
    second_of,
)
from souvenirs.control import active_users, souvenez
from souvenirs.digests.digester import Digester
from souvenirs.digests.erasing import erase_user
from souvenirs.digests.pruning import Pruner
from souvenirs.insights.timeline import timeline_of
from souvenirs.models import Figure
from souvenirs.publishing import Publication, Publisher, known_counts, reading
from souvenirs.sets.usersets import UserSet
from souvenirs.stores import Contended, Sighting, get_store, usable
from souvenirs.stores.reading import PrunedSpan
from tests.concurrency.ledger import GRAIN, Ledger, Log, Numbers

#: Of the hundred sightings of a writer: those in past buckets, and those of users seen before.
LATE, REPEATED = 10, 30

#: Everybody is seen once or, below this number, any number of times.
REGULARS = 300

#: Figures of the days and months that souvenirs are left in.
PUBLISHED = Publication(("day", "month"), ("America/New_York",), ())

#: How long the past buckets of one month change, then those of the other one, then none: time for
#: their digests to be rebuilt, and read.
PHASE = 3.0

#: Numbers of users that one process may use.
SHARE = 20_000_000


class Loss(AssertionError):
    """An answer lacks somebody who was acknowledged, or has somebody who was not seen."""


@dataclass
class Stage:
    folder: Path
    deadline: float
    engine: str

    def is_on(self) -> bool:
        return time.monotonic() < self.deadline


def months() -> list[int]:
    """The starts of the two months before this one, the older first."""
    this = cell_of(MONTH_LEVEL, int(time.time())).start
    last = cell_of(MONTH_LEVEL, this - 1).start
    return [cell_of(MONTH_LEVEL, last - 1).start, last]


def pruned_until() -> datetime:
    """The older of the two months is pruned, the other one never."""
    return moment_of(months()[1])


def places() -> list[list[int]]:
    """The starts of the quarters of an hour in each month in which anybody is seen."""
    return [
        [
            month + day * DAY_LEVEL + hour * HOUR_LEVEL + quarter * GRAIN
            for day in (2, 3, 17)
            for hour in (4, 5, 23)
            for quarter in range(4)
        ]
        for month in months()
    ]


class Chance:
    """Who is seen next, and when."""

    def __init__(self, number: int) -> None:
        self.random = random.Random()
        self.fresh = count(REGULARS + number * SHARE)
        self.places = places()

    def user(self) -> int:
        if self.random.randrange(100) < REPEATED:
            return self.random.randrange(1, REGULARS)
        return next(self.fresh)

    def when(self, late: int = LATE) -> datetime:
        phase = int(time.monotonic() / PHASE) % 3
        if phase == 2 or self.random.randrange(100) >= late:
            return datetime.now(UTC)
        return self.within(self.random.choice(self.places[phase]))

    def within(self, start: int) -> datetime:
        return moment_of(start) + timedelta(seconds=self.random.randrange(GRAIN))


def write(stage: Stage, number: int, tally: Counter) -> None:
    """Leave souvenirs one by one, and some in a transaction that commits long after."""
    chance = Chance(number)
    tried, kept = Log.tried(stage.folder, number), Log.acknowledged(stage.folder, number)
    is_slow = number % 4 == 0
    longest = 0.2 if stage.engine == "sqlite" else 3
    while stage.is_on():
        if is_slow:
            batch = [Sighting(chance.user(), chance.when(late=60)) for _ in range(5)]
        else:
            batch = [Sighting(chance.user(), chance.when())]
        tried.write(batch)
        try:
            if is_slow:
                with transaction.atomic():
                    for user, when in batch:
                        souvenez(user, when=when, ratelimit=False)
                    time.sleep(chance.random.uniform(0, longest))
                tally["long transactions"] += 1
            else:
                souvenez(*batch[0], ratelimit=False)
        except DatabaseError:
            tally["souvenirs refused"] += len(batch)
        else:
            kept.write(batch)
            tally["acknowledged"] += len(batch)
        time.sleep(chance.random.uniform(0, 0.03))


def load(stage: Stage, number: int, tally: Counter) -> None:
    """Import late souvenirs in bulk."""
    chance = Chance(number)
    tried, kept = Log.tried(stage.folder, number), Log.acknowledged(stage.folder, number)
    while stage.is_on():
        size = chance.random.choice([20, 300, 2_000])
        batch = [Sighting(chance.user(), chance.when(late=100)) for _ in range(size)]
        tried.write(batch)
        try:
            get_store().add_many(batch)
        except DatabaseError:
            tally["imports refused"] += 1
        else:
            kept.write(batch)
            tally["acknowledged"] += size
            tally["imported"] += size
        time.sleep(chance.random.uniform(0.05, 0.4))


def digest(stage: Stage, number: int, tally: Counter) -> None:
    """Digest without end; this one is killed at any moment."""
    while stage.is_on():
        try:
            digester = Digester()
            # Now and then without waiting for all of those who record to have had their turn.
            if random.random() < 0.5:
                digester.lay_out()
                steps = digester.refresh()
            else:
                steps = digester.run()
            for _ in steps:
                pass
        except (OperationalError, Contended) as error:
            Log.note(stage.folder, f"gave up digesting: {type(error).__name__} {error}")
        time.sleep(random.uniform(0, 0.05))


def publish(stage: Stage, number: int, tally: Counter) -> None:
    """Publish figures without end; this one is killed at any moment, too."""
    while stage.is_on():
        try:
            for step in Publisher(PUBLISHED).run():
                tally["figures published"] += step.figures
        except (OperationalError, Contended):
            tally["publishing given up"] += 1
        time.sleep(random.uniform(0, 0.1))


def read_figures(stage: Stage, number: int, tally: Counter) -> None:
    """Everybody acknowledged before has to be in each figure that says that it is final."""
    low, high = Ledger(stage.folder, "acknowledged"), Ledger(stage.folder, "tried")
    begun, done = Numbers(stage.folder / "erasing"), Numbers(stage.folder / "erased")
    while stage.is_on():
        low.catch_up()
        gone = done.read()
        try:
            ask, title = random.choice(
                ((final_figures, "final figures"), (figures_of_pages, "figures of pages"))
            )
            figures = ask()
        except OperationalError:
            tally["readings given up"] += 1
            continue
        high.catch_up()
        going = begun.read()
        for (start, end), value in figures:
            lowest, highest = low.users(start, end) - going, high.users(start, end) - gone
            compare(lowest, value, highest, start, end)
        tally[f"{title} read"] += len(figures)
        time.sleep(random.uniform(0, 0.05))


def final_figures():
    """The ranges and the values of final figures of users who were active."""
    found = Figure.objects.filter(is_final=True, metric="active", value__gt=0)
    return [
        ((moment_of(since), moment_of(until)), int(value))
        for since, until, value in found.values_list("since", "until", "value")
    ]


def figures_of_pages():
    """The ranges and the values of days that a page would read, however few."""
    days = timeline_of(None, None, "day", PUBLISHED.time_zones[0])
    names = {"intervals": PUBLISHED.intervals, "time_zones": PUBLISHED.time_zones}
    with override_settings(SOUVENIRS_PUBLISH=names), patch.object(reading, "FEWEST", 1):
        values = known_counts(days, ["active"]).get("active", ())
    ranges = [(period.start, period.end) for period in days.periods]
    return [each for each in zip(ranges, values, strict=False) if each[1]]


def prune(stage: Stage, number: int, tally: Counter) -> None:
    while stage.is_on():
        try:
            for step in Pruner(pruned_until()).run():
                tally["pruned"] += step.souvenirs
                if not stage.is_on():
                    break
        except (OperationalError, Contended):
            tally["pruning given up"] += 1
        time.sleep(random.uniform(0.1, 0.5))


def erase(stage: Stage, number: int, tally: Counter) -> None:
    """Have somebody seen here and there, and erase them a moment later."""
    chance = Chance(number)
    tried, kept = Log.tried(stage.folder, number), Log.acknowledged(stage.folder, number)
    begun, done = Numbers(stage.folder / "erasing"), Numbers(stage.folder / "erased")
    while stage.is_on():
        user = next(chance.fresh)
        batch = [Sighting(user, chance.when(late=80)) for _ in range(6)]
        tried.write(batch)
        get_store().add_many(batch)
        kept.write(batch)
        tally["acknowledged"] += len(batch)
        time.sleep(chance.random.uniform(0, 0.6))
        begun.write(user)
        while True:
            try:
                erase_user(user)
                break
            except (OperationalError, Contended):
                tally["erasing given up"] += 1
        done.write(user)
        tally["erased"] += 1


def read(stage: Stage, number: int, tally: Counter) -> None:
    """Ask for everything in turn; all users acknowledged before have to be in the answer."""
    low, high = Ledger(stage.folder, "acknowledged"), Ledger(stage.folder, "tried")
    begun, done = Numbers(stage.folder / "erasing"), Numbers(stage.folder / "erased")
    chance = Chance(number)
    watch(tally)
    while stage.is_on():
        ranges = ranges_of(chance.random)
        is_counting = chance.random.random() < 0.3
        in_transaction = chance.random.random() < 0.1
        low.catch_up()
        gone = done.read()
        try:
            if in_transaction:
                with transaction.atomic():
                    answers = ask(ranges, is_counting)
            else:
                answers = ask(ranges, is_counting)
        except PrunedSpan:
            if not any(map(is_odd, ranges)):
                raise
            tally["readings of what was pruned"] += 1
            continue
        except OperationalError:
            tally["readings given up"] += 1
            continue
        high.catch_up()
        going = begun.read()
        for (start, end), answer in zip(ranges, answers, strict=True):
            compare(
                low.users(start, end) - going, answer, high.users(start, end) - gone, start, end
            )
        tally["readings"] += 1
        tally["answers"] += len(ranges)


def is_odd(bounds) -> bool:
    """Whether a range begins or ends within a bucket that may have been pruned."""
    return any(
        moment is not None and moment < pruned_until() and second_of(moment) % HOUR_LEVEL
        for moment in bounds
    )


def ask(ranges, is_counting):
    if is_counting:
        return get_store().count_each(ranges).counts
    if len(ranges) == 1:
        return [UserSet.from_ids(active_users(*ranges[0]))]
    return get_store().users_each(ranges)


def compare(low, answer, high, start, end) -> None:
    if isinstance(answer, int):
        if not len(low) <= answer <= len(high):
            raise Loss(f"{start} to {end}: {answer}, not {len(low)} to {len(high)}")
        return
    missing, extra = low - answer, answer - high
    if missing or extra:
        raise Loss(
            f"{start} to {end}: {len(missing)} users are missing, like {sorted(missing)[:5]}, and "
            f"{len(extra)} too many, like {sorted(extra)[:5]}."
        )


def ranges_of(chance: random.Random):
    """Some of everything: buckets, days, months, odd instants, all."""
    month, beside = chance.sample(months(), 2)
    day = month + chance.choice([2, 3, 17]) * DAY_LEVEL
    hour = day + chance.choice([4, 5, 23]) * HOUR_LEVEL
    quarter = hour + chance.randrange(4) * GRAIN
    other = cell_of(DAY_LEVEL, int(time.time())).start
    choices = [
        (None, None),
        (moment_of(hour), moment_of(hour + HOUR_LEVEL)),
        (moment_of(day), moment_of(day + DAY_LEVEL)),
        (moment_of(month), moment_of(cell_of(MONTH_LEVEL, month).end)),
        (moment_of(beside), moment_of(other)),
        (moment_of(day), moment_of(other + DAY_LEVEL)),
        (moment_of(other), None),
        (moment_of(quarter), moment_of(quarter + chance.randrange(1, 8) * GRAIN)),
        (moment_of(quarter), moment_of(other + GRAIN)),
        (None, moment_of(quarter)),
        (local_midnight(day), local_midnight(day + DAY_LEVEL)),
        (local_midnight(day - DAY_LEVEL), local_midnight(day + 2 * DAY_LEVEL)),
        (local_midnight(month), local_midnight(other)),
    ]
    return chance.sample(choices, chance.choice([1, 1, 2, 5, len(choices)]))


def local_midnight(day: int) -> datetime:
    """The instant at which the date of a day of UTC begins where the site is."""
    date = moment_of(day).replace(tzinfo=None)
    return date.replace(tzinfo=timezone.get_default_timezone()).astimezone(UTC)


def watch(tally: Counter) -> None:
    """Count the days, local days and months that are read instead of their parts."""
    digests_in, seen = usable.digests_in, usable.catalog

    def counted(connection, kind, cells, *arguments):
        for cell in cells:
            if cell.level in LOCAL_LEVELS:
                tally["local days read"] += 1
            else:
                tally["days read" if cell.level == DAY_LEVEL else "months read"] += 1
        return digests_in(connection, kind, cells, *arguments)

    def counted_catalog(*arguments):
        found = seen(*arguments)
        tally["readings with a fresh month"] += bool(found.months)
        tally["readings with a fresh day"] += bool(found.days)
        tally["readings with a fresh local day"] += bool(found.local_days)
        return found

    usable.digests_in, usable.catalog = counted, counted_catalog
