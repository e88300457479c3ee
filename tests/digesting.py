"""What the tests of digests have in common."""

import random
from datetime import timedelta
from io import StringIO

from django.core.management import call_command

from souvenirs.calendar.grid import DAY_LEVEL, MONTH_LEVEL, cell_of, second_of
from souvenirs.digests.digester import Digester
from souvenirs.models import Digest
from souvenirs.sets.usersets import UserSet
from souvenirs.stores import get_store, numbers_of
from tests.conftest import at, pk_of

START = at(2025, 3, 30)
MINUTE = timedelta(minutes=1)


def run(command, *arguments, **keywords):
    """Run a command and return what it prints to stdout."""
    out = StringIO()
    call_command(command, *arguments, stdout=out, stderr=StringIO(), **keywords)
    return out.getvalue()


def digest():
    digester = Digester()
    list(digester.run())
    assert (digester.failed, digester.unrecoverable) == ([], [])


def sightings(seed=1, count=300, users=20, days=4):
    """Sightings ``(user number, when)`` all over some days, across the end of a month."""
    chance = random.Random(seed)
    minutes = range(days * 24 * 60)
    return [
        (chance.randrange(1, users + 1), START + chance.choice(minutes) * MINUTE)
        for _ in range(count)
    ]


def ranges(grain, seed=2, count=40, days=4):
    """Random ranges around these days, on multiples of a number of seconds."""
    chance = random.Random(seed)
    steps = range(-2, days * DAY_LEVEL // grain + 2)
    pairs = (sorted(chance.choices(steps, k=2)) for _ in range(count))
    return [tuple(START + step * timedelta(seconds=grain) for step in pair) for pair in pairs]


def naive(rows, start, end):
    """The primary keys of those seen in ``[start, end)``, without any database."""
    numbers = {number for number, when in rows if start <= when < end}
    return {pk_of(number) for number in numbers}


def digest_of(level, when):
    return Digest.objects.get(level=level, start=cell_of(level, second_of(when)).start)


def bucket_of(when, level=3600):
    return digest_of(level, when)


def day_of(when):
    return digest_of(DAY_LEVEL, when)


def month_of(when):
    return digest_of(MONTH_LEVEL, when)


def flip_a_bit(digest):
    """Damage a digest as a disk does."""
    body = bytearray(digest.body)
    body[-1] ^= 1
    Digest.objects.filter(pk=digest.pk).update(body=bytes(body))


def put(digest, *users):
    """Put users in place of those in a digest, as only a fault in the app would."""
    keys = [pk_of(number) for number in users]
    numbers = numbers_of(keys, "default")
    get_store().digests.write(digest, UserSet.from_ids(numbers.values()))
