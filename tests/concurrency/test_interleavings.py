"""All who change or read souvenirs and digests, two or three at a time, in scripted orders.

One actor is stopped after each of its statements in turn, also inside its transaction, for another
one to do all of its work or, where a lock keeps it from that, as much as it can; with three of
them, the second is stopped as well. On servers, every second order is run under REPEATABLE READ.
``SOUVENIRS_TEST_PLACES=10`` stops each of them at more places.
"""

from __future__ import annotations

import os
import random
from contextlib import ExitStack
from functools import cache, partial
from itertools import count, product

import pytest
from django.db import OperationalError, connections, transaction
from django.test import override_settings

from souvenirs.calendar.grid import DAY_LEVEL, INVENTORY_LEVEL, cell_of, second_of
from souvenirs.control import souvenez
from souvenirs.digests.digester import Digester
from souvenirs.digests.erasing import erase_user
from souvenirs.digests.pruning import Pruner
from souvenirs.digests.verifying import Verifier
from souvenirs.models import Digest, Souvenir
from souvenirs.stores import Sighting, get_store
from souvenirs.stores.reading import PrunedSpan
from tests import settings
from tests.concurrency import controls
from tests.concurrency.databases import MODELS, own_database
from tests.concurrency.interleaving import EVER, Actor
from tests.conftest import at

pytestmark = pytest.mark.thorough

#: At how many places, at most, an actor is stopped for a given other one.
PLACES = int(os.environ.get("SOUVENIRS_TEST_PLACES", 2))

ERASED = 9
PRUNED_UNTIL = at(2024, 1, 12)

EARLY, LATER = at(2024, 1, 10, 4, 10), at(2024, 1, 10, 5, 40)
NEXT_DAY, LAST_DAY = at(2024, 1, 11, 7), at(2024, 1, 12, 8, 59)
NEXT_MONTH = at(2024, 2, 3, 9)

OLD = [
    *((user, EARLY) for user in (1, 2, 3, ERASED)),
    *((user, LATER) for user in (2, 4)),
    *((user, NEXT_DAY) for user in (5, ERASED)),
    (6, NEXT_MONTH),
]
WAITING = [(2, EARLY), (11, EARLY), (12, NEXT_DAY), (ERASED, LATER)]

#: Ranges that are answered from each level and, at the end, from souvenirs themselves.
WHOLE = [
    (None, None),
    (at(2024, 1, 1), at(2024, 2, 1)),
    (at(2024, 1, 10), at(2024, 1, 11)),
    (at(2024, 1, 11), at(2024, 1, 13)),
    (at(2024, 1, 10, 4), at(2024, 1, 10, 5)),
    (at(2024, 1, 10, 5), at(2024, 2, 4)),
    *((at(2024, 1, day, 5), at(2024, 1, day + 1, 5)) for day in (9, 10, 11, 12)),
    (at(2024, 1, 9, 5), at(2024, 1, 13, 5)),
]
ODD = [(at(2024, 1, 10, 4, 5), at(2024, 1, 10, 5, 45)), (at(2024, 1, 12, 8, 30), None)]


class Lost(AssertionError):
    """Somebody is not in an answer, or should not be."""


class Script:
    """What is known of one order: what was acknowledged, and what was at least tried."""

    def __init__(self, cast):
        self.acknowledged = set()
        self.tried = set()
        self.is_erasing = "erase" in cast
        self.is_erased = False

    def known(self, *sightings):
        self.acknowledged.update(sightings)

    def leave(self, *sightings):
        """Leave souvenirs as often as it takes: a request gives up where it would have to wait."""
        self.tried.update(sightings)
        for user, when in sightings:
            for attempt in count():
                try:
                    with transaction.atomic(savepoint=False):
                        souvenez(user, when=when, ratelimit=False)
                    break
                except OperationalError:
                    if attempt > 100:
                        raise

    def write(self, actor):
        for sighting in ((21, EARLY), (22, NEXT_DAY), (1, NEXT_MONTH)):
            self.leave(sighting)
            self.known(sighting)

    def write_long(self, actor):
        sightings = [(31, LATER), (4, EARLY), (32, LAST_DAY)]
        self.tried.update(sightings)
        for attempt in count():
            try:
                with transaction.atomic():
                    for user, when in sightings:
                        souvenez(user, when=when, ratelimit=False)
                break
            except OperationalError:
                if attempt > 100:
                    raise
        self.known(*sightings)

    def load(self, actor):
        sightings = [(41, EARLY), (42, NEXT_DAY), (43, LAST_DAY), (41, at(2024, 2, 20))]
        self.tried.update(sightings)
        get_store().add_many([Sighting(user, when) for user, when in sightings])
        self.known(*sightings)

    def digest(self, actor):
        list(Digester().run())

    def begin(self, actor):
        next(Digester().run())

    def refresh(self, actor):
        list(Digester().refresh())

    def rebuild(self, actor):
        list(Digester().rebuild())

    def prune(self, actor):
        list(Pruner(PRUNED_UNTIL).run())

    def erase(self, actor):
        erase_user(ERASED)
        self.is_erased = True

    def read(self, actor):
        self.check(lambda ranges: list(map(set, get_store().users_each(ranges))))

    def count(self, actor):
        self.check(lambda ranges: get_store().count_each(ranges).counts)

    def check(self, ask, is_over=False):
        acknowledged, is_erased = set(self.acknowledged), self.is_erased
        for ranges in (WHOLE, [*ODD, *WHOLE]):
            try:
                answers = ask(ranges)
            except PrunedSpan:
                assert ranges is not WHOLE
                continue
            for (start, end), answer in zip(ranges, answers, strict=True):
                low, high = (
                    {
                        user
                        for user, when in sightings
                        if (start is None or start <= when) and (end is None or when < end)
                    }
                    for sightings in (acknowledged, acknowledged if is_over else self.tried)
                )
                if self.is_erasing:
                    low.discard(ERASED)
                if is_erased:
                    high.discard(ERASED)
                if isinstance(answer, int):
                    if not len(low) <= answer <= len(high):
                        raise Lost(f"{start} to {end}: {answer}, not {len(low)} to {len(high)}")
                elif not low <= answer <= high:
                    raise Lost(f"{start} to {end}: lacks {low - answer}, has {answer - high}")


@pytest.fixture(scope="module")
def alias(django_db_setup, django_db_blocker):
    """A database that threads can share, which one in memory is not."""
    # Where there are digests of local days.
    elsewhere = override_settings(TIME_ZONE="America/New_York")
    with django_db_blocker.unblock(), own_database(settings.DATABASE), elsewhere:
        yield "default"


def clear():
    for model in MODELS:
        model.objects.all().delete()


class Scene:
    """What there is before the first act."""

    def __init__(self, alias, state):
        self.alias, self.state = alias, state
        clear()
        script = Script(())
        script.leave(*OLD)
        if state in ("stale", "fresh"):
            list(Digester().fold())
            Digester().lay_out()
        if state == "fresh":
            list(Digester().refresh())
        script.leave(*WAITING)
        if state == "digested":
            list(Digester().run())
        if state == "begun":
            list(Digester(until=at(2024, 1, 11)).fold())
            script.leave((13, EARLY))
        self.sightings = script.tried
        self.stored = {model: list(model.objects.all()) for model in MODELS}

    def put_back(self, cast):
        clear()
        for model, rows in self.stored.items():
            model.objects.bulk_create(rows)
        script = Script(cast)
        script.tried.update(self.sightings)
        script.known(*self.sightings)
        return script


@pytest.fixture(scope="module")
def scene_of(alias):
    return cache(partial(Scene, alias))


@pytest.fixture(autouse=True)
def _empty(alias):
    yield
    clear()


def perform(scene, cast, stops, repeatable=False, forwards=False):
    """Run the first to its stop, the next one to its, ... and then all to their ends, backwards.

    The last one needs no stop. With ``forwards``, they then go on in the order of the cast, each of
    them to its end or to a lock before the next one does.
    """
    script = scene.put_back(cast)
    actors = []
    try:
        for name, stop in zip(cast, [*stops, EVER], strict=False):
            actors.append(Actor(getattr(script, name), scene.alias, repeatable))
            actors[-1].advance(stop)
        for actor in actors if forwards else reversed(actors):
            actor.advance()
    finally:
        with ExitStack() as stack:
            for actor in actors:
                stack.callback(actor.finish)
    settle(script)


def settle(script):
    """Compare all there is with the truth, before and after what is left has been digested."""
    assert get_store().digests.apart() == {}
    script.check(lambda ranges: list(map(set, get_store().users_each(ranges))), is_over=True)
    digester = Digester()
    list(digester.run())
    assert not Souvenir.objects.filter(digested=False).exists()
    assert digester.failed == []
    script.check(lambda ranges: list(map(set, get_store().users_each(ranges))), is_over=True)
    script.check(lambda ranges: get_store().count_each(ranges).counts, is_over=True)
    for digest in Digest.objects.exclude(level=INVENTORY_LEVEL):
        cell = digest.cell
        users = {
            user for user, when in script.acknowledged if cell.start <= second_of(when) < cell.end
        }
        if script.is_erased:
            users.discard(ERASED)
        if set(digest.users()) != users:
            raise Lost(f"{cell}: {set(digest.users())} and not {users}")
        assert digest.level < DAY_LEVEL or not digest.is_stale
    if script.is_erased:
        assert not Souvenir.objects.filter(user_id=ERASED).exists()


FIRST = ["digest", "refresh", "read", "count", "prune", "erase", "write_long"]
SECOND = ["write", "load", "digest", "read", "count", "prune", "erase", "rebuild"]
PAIRS = list(product(FIRST, SECOND))
STATES = ["bare", "begun", "stale", "fresh", "digested"]


def length(scene, name):
    """How many statements the actor needs where nobody is in its way."""
    script = scene.put_back((name,))
    statements = 0

    def counted(execute, *arguments):
        nonlocal statements
        statements += 1
        return execute(*arguments)

    with connections[scene.alias].execute_wrapper(counted):
        getattr(script, name)(None)
    return statements


def perform_each(scene, orders, **options):
    for number, (cast, stops) in enumerate(orders):
        repeatable = number % 2 == 1 and connections[scene.alias].vendor != "sqlite"
        try:
            perform(scene, cast, stops, repeatable, **options)
        except Exception as error:
            level = "REPEATABLE READ" if repeatable else "the usual isolation"
            error.add_note(f"{scene.state}, {level}: {cast}, stopped after {stops}")
            raise
    assert [verified for verified in Verifier().run() if verified.differences] == []


@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_while_one_is_stopped_another_one_works(scene_of, first, second):
    chance = random.Random(f"{first} {second}")
    scene = scene_of(STATES[chance.randrange(len(STATES))])
    statements = length(scene, first)
    step = max(1, -(-statements // PLACES))
    stops = range(1 + chance.randrange(step), statements + 1, step)
    perform_each(scene, [((first, second), [stop]) for stop in stops])


@pytest.mark.parametrize("seed", range(12))
def test_while_two_are_stopped_a_third_one_works(scene_of, seed):
    chance = random.Random(seed)
    scene = scene_of(STATES[seed % len(STATES)])
    first, second = chance.choice(FIRST), chance.choice(FIRST)
    lengths = length(scene, first), length(scene, second)
    orders = [
        ((first, second, third), [chance.randint(1, length) for length in lengths])
        for third in chance.sample(SECOND, 2)
    ]
    perform_each(scene, orders)


@pytest.mark.parametrize("first", ["count", "read"])
def test_the_first_digest_of_all_hides_nobody(scene_of, first):
    """What is counted by the engine where nothing is digested is not left out once something is."""
    scene = scene_of("bare")
    perform_each(scene, [((first, "begin"), [stop]) for stop in range(1, length(scene, first) + 1)])


def test_who_comes_while_an_hour_is_looked_at_does_not_keep_it_from_being_pruned(scene_of):
    scene = scene_of("digested")
    perform_each(scene, [(("prune", "write"), [stop]) for stop in range(2, 10)])


def test_a_day_rebuilt_after_waiting_for_an_eraser_does_not_bring_anybody_back(scene_of):
    """What is read under a lock is what there is once the lock is given, at any isolation."""
    scene = scene_of("stale")
    stops = range(3, length(scene, "erase") + 1)
    orders = [(("erase", "refresh"), [stop, 4]) for stop in stops[:6] for _ in range(2)]
    perform_each(scene, orders, forwards=True)


def test_a_day_without_any_bucket_is_counted(scene_of):
    """As a digester leaves it that is killed in its very first transaction."""
    script = scene_of("bare").put_back(())
    with get_store().digests.locked(cell_of(DAY_LEVEL, second_of(EARLY))):
        pass
    script.count(None)


@pytest.mark.parametrize(
    ("control", "state", "cast", "engines"),
    [
        (controls.digests_first, "stale", ("read", "digest"), "sqlite postgresql mysql"),
        (controls.sealed, "fresh", ("digest", "load"), "sqlite postgresql mysql"),
        (controls.marked_by_bucket, "fresh", ("digest", "write"), "postgresql mysql"),
        (controls.local_days_unmarked, "fresh", ("digest", "read"), "sqlite postgresql mysql"),
    ],
)
def test_another_design_is_seen_to_lose(scene_of, control, state, cast, engines):
    scene = scene_of(state)
    if connections[scene.alias].vendor not in engines.split():
        pytest.skip("The locks of this engine do not let it lose.")
    stops = range(1, length(scene, cast[0]) + 1)
    with control(), pytest.raises(Lost):
        perform_each(scene, [(cast, [stop]) for stop in stops for _ in range(2)])
