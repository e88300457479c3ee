"""Digests that are damaged, deleted, moved or restored from a backup give no wrong number."""

import os
import random
from contextlib import suppress
from datetime import timedelta
from itertools import islice

import pytest
from django.core.management import CommandError
from django.db import IntegrityError, transaction

from souvenirs.calendar.grid import DAY_LEVEL, INVENTORY_LEVEL
from souvenirs.control import CorruptDigest, PrunedSpan, count_active_users
from souvenirs.digests import Digester, Pruner, status
from souvenirs.models import Digest, Souvenir
from souvenirs.stores import get_store
from souvenirs.web.health import failed_checks
from tests.conftest import fewer_where_brief, mostly_thorough
from tests.digesting import MINUTE, START, digest, naive, ranges, run, sightings

pytestmark = pytest.mark.django_db

HOUR = timedelta(hours=1)
DAYS = timedelta(days=1)

#: Days in New York.
LOCAL_DAYS = [
    (START + n * DAYS + 4 * HOUR, START + (n + 1) * DAYS + 4 * HOUR) for n in range(-1, 4)
]

#: Refused, rather than wrong.
REFUSED = (CorruptDigest, PrunedSpan)


def answered(asked):
    """What is found in each range; None if it is refused."""
    try:
        sets = [frozenset(users) for users in get_store().users_each(asked)]
        assert get_store().count_each(asked).counts == list(map(len, sets))
        return sets
    except REFUSED:
        return [None] if len(asked) == 1 else [answered([each])[0] for each in asked]


def wrong(rows, asked, *, low=False):
    """The ranges with a wrong answer, or one that is too low; a refusal is not wrong."""
    found = []
    for each, users in zip(asked, answered(asked), strict=True):
        expected = naive(rows, *each)
        if users is not None and users != expected and not (low and users > expected):
            found.append((each, users))
    return found


def refused(asked):
    return sum(found is None for found in answered(asked))


# One bit


def flipped(value):
    """Generate every value that differs from one by a bit."""
    if isinstance(value, bool):
        yield not value
    elif isinstance(value, int):
        yield from (value ^ 1 << bit for bit in range(63 if abs(value) > 2**31 else 31))
    elif isinstance(value, str):
        for place in range(len(value)):
            for bit in range(7):
                if changed := ord(value[place]) ^ 1 << bit:
                    yield value[:place] + chr(changed) + value[place + 1 :]
    else:
        data = bytes(value)
        for place in range(len(data) * 8):
            changed = bytearray(data)
            changed[place // 8] ^= 1 << place % 8
            yield bytes(changed)


#: The thorough test flips every seventeenth bit, or all of them, which takes ten minutes.
STEP = 1 if os.environ.get("SOUVENIRS_TEST_EVERY_BIT") == "1" else 17

COLUMNS = [field.name for field in Digest._meta.fields if not field.primary_key]


@pytest.mark.parametrize("pruned", [False, True])
@pytest.mark.parametrize("stale", [False, True])
@pytest.mark.parametrize(
    ("zone", "step"),
    [
        ("America/New_York", 41),
        pytest.param("America/New_York", STEP, marks=pytest.mark.thorough),
        pytest.param("UTC", STEP, marks=pytest.mark.thorough),
    ],
)
@pytest.mark.above_the_store
def test_any_flipped_bit_is_found_or_harmless(leave, settings, zone, pruned, stale, step):
    settings.TIME_ZONE = zone
    rows = [(1, START + HOUR), (2, START + HOUR), (2, START + 3 * HOUR)]
    rows += [(4, START + 2 * DAYS + HOUR)]
    leave(*rows)
    digest()
    if stale:
        late = [(5, START + HOUR + MINUTE), (6, START + 7 * HOUR)]
        leave(*late)
        rows += late
        list(Digester().fold())
    if pruned:
        list(Pruner(START + DAYS).run())
    asked = [
        (START, START + DAYS),
        (START + HOUR, START + 4 * HOUR),
        (START + 7 * HOUR, START + 8 * HOUR),
        (START - 40 * DAYS, START + 40 * DAYS),
        (START + 3 * HOUR, START + 49 * HOUR + 30 * MINUTE),
        *LOCAL_DAYS,
    ]
    asked += [] if pruned else [(START + HOUR, START + HOUR + MINUTE)]
    assert wrong(rows, asked) == []
    assert refused(asked) == 0
    first = get_store().first()
    flips = 0
    for row in Digest.objects.all():
        for column in COLUMNS:
            value = getattr(row, column)
            is_flag = isinstance(value, bool)
            for changed in islice(flipped(value), 0, None, 1 if is_flag else step):
                try:
                    with transaction.atomic():
                        Digest.objects.filter(pk=row.pk).update(**{column: changed})
                except Exception:  # the engine refuses it
                    continue
                flips += 1
                found = wrong(rows, asked)
                assert found == [], (row, column, value, changed)
                Digest.objects.filter(pk=row.pk).update(**{column: value})
    assert flips > 50
    assert get_store().first() == first


# A row


def some_of_each_level(rows, *, count=4):
    """Digests of some hours, days and months, and what else there is a row for, by chance."""
    chance = random.Random(3)
    for level in sorted({row["level"] for row in rows}):
        of_level = [row for row in rows if row["level"] == level]
        yield from chance.sample(of_level, min(count, len(of_level)))


@pytest.mark.parametrize("pruned", mostly_thorough([False, True], kept=[True]))
@pytest.mark.above_the_store
def test_deleted_or_moved_row_is_found_or_harmless(leave, settings, pruned):
    settings.TIME_ZONE = "America/New_York"
    rows = sightings()
    leave(*rows)
    digest()
    if pruned:
        list(Pruner(START + 3 * DAYS).run())
    asked = ranges(900 if not pruned else 3_600, count=20) + LOCAL_DAYS
    assert wrong(rows, asked) == []
    for row in some_of_each_level(list(Digest.objects.values())):
        of_row = Digest.objects.filter(pk=row["id"])
        of_row.delete()
        assert wrong(rows, asked) == [], row
        Digest.objects.create(**row)
        for offset in (3_600, -DAY_LEVEL, 40 * DAY_LEVEL):
            try:
                with transaction.atomic():
                    of_row.update(start=row["start"] + offset)
            except IntegrityError:
                continue
            assert wrong(rows, asked) == [], (row, offset)
        of_row.update(start=row["start"])


@pytest.mark.parametrize(
    "level", fewer_where_brief([3_600, INVENTORY_LEVEL], kept=[INVENTORY_LEVEL])
)
def test_deleted_row_is_found_and_repaired(leave, level):
    rows = sightings()
    leave(*rows)
    digest()
    Digest.objects.filter(level=level).delete()
    with pytest.raises(CommandError):
        run("digest_souvenirs", "--verify")
    run("digest_souvenirs")
    assert "found 0 differences" in run("digest_souvenirs", "--verify")
    assert wrong(rows, ranges(900)) == []


def test_deleted_digest_whose_souvenirs_are_pruned_is_named(leave):
    leave((1, START + HOUR), (2, START + 5 * HOUR))
    digest()
    list(Pruner(START + DAYS).run())
    Digest.objects.filter(level=3_600).order_by("start").first().delete()
    leave((3, START + 5 * HOUR))
    with pytest.raises(CommandError, match=r"The digest of 2025-03-30 01:00 .* is gone\. Its souv"):
        run("digest_souvenirs")
    with pytest.raises(CorruptDigest, match="is gone"):
        count_active_users(START, START + DAYS)
    assert count_active_users(START + 5 * HOUR, START + DAYS) == 2


# A table restored from a backup


class Table:
    """The rows of a table, to be restored later."""

    def __init__(self, model):
        self.model = model
        self.rows = list(model._base_manager.values())

    def restore(self):
        self.model._base_manager.all().delete()
        self.model._base_manager.bulk_create([self.model(**row) for row in self.rows])


def later(seed):
    """More sightings, of the same days, of the month after and of a later one."""
    more = sightings(seed, count=60, users=30)
    for offset in (20, 70):
        others = sightings(seed + offset, count=40)
        more += [(number, when + offset * DAYS) for number, when in others]
    return more


def disagreements():
    """What the checks of the site say of its tables."""
    return [str(each.msg) for each in failed_checks(status()) if each.id == "souvenirs.W016"]


@pytest.mark.parametrize("seed", [0, pytest.param(1, marks=pytest.mark.thorough)])
@pytest.mark.parametrize("model", [Digest, Souvenir])
@pytest.mark.parametrize("pruned", mostly_thorough([3, None, 40], kept=[3]))
def test_restored_table_gives_no_low_number(leave, settings, seed, model, pruned):
    settings.TIME_ZONE = "America/New_York"
    rows = sightings(seed)
    leave(*rows)
    digest()
    backup = Table(model)
    more = later(seed + 10)
    leave(*more)
    rows += more
    digest()
    if pruned:
        list(Pruner(START + pruned * DAYS).run())
    asked = ranges(1_800, seed, count=25, days=80) + LOCAL_DAYS
    assert wrong(rows, asked) == []
    backup.restore()
    assert wrong(rows, asked, low=True) == []
    for said in (run("digest_souvenirs", "--status"), *disagreements()):
        assert "do not belong together in 2025-0" in said
    assert disagreements()
    if pruned is None:
        # Of the souvenirs that the older table has.
        assert refused(asked) == 0 or model is Souvenir
        assert wrong(rows, asked) == [] or model is Souvenir
        run("digest_souvenirs")
        assert "found 0 differences" in run("digest_souvenirs", "--verify")
        assert "belong together" not in run("digest_souvenirs", "--status")
        assert not disagreements()
    else:
        with suppress(CommandError):
            run("digest_souvenirs")
    assert wrong(rows, asked, low=True) == []


@pytest.mark.parametrize("apart", [HOUR, 5 * DAYS])
def test_restored_digests_lack_nobody_beside_an_hour_that_was_kept(leave, apart):
    hours = [START - 20 * DAYS + n * apart for n in range(3)]
    rows = [(n, hour) for n, hour in enumerate(hours, 1)]
    leave(*rows)
    digest()
    backup = Table(Digest)
    late = [(4, hours[0]), (5, hours[2])]
    leave(*late)
    digest()
    undigested = (6, hours[1])
    leave(undigested)
    list(Pruner(START).run())
    backup.restore()
    asked = [(hour, hour + HOUR) for hour in hours]
    assert wrong([*rows, *late, undigested], asked, low=True) == []
