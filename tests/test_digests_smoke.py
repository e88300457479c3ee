import random
from datetime import timedelta

import pytest

from souvenirs.control import active_users, count_active_users
from souvenirs.digests.digester import Digester
from souvenirs.models import Souvenir
from tests.conftest import at, pk_of


@pytest.mark.django_db(transaction=True)
def test_same_numbers(leave):
    chance = random.Random(5)
    rows = [
        (
            chance.randrange(1, 60),
            at(2025, 1, 1) + timedelta(minutes=chance.randrange(60 * 24 * 100)),
        )
        for _ in range(4000)
    ]
    leave(*rows)
    ranges = []
    for _ in range(60):
        a = at(2025, 1, 1) + timedelta(minutes=chance.randrange(60 * 24 * 100))
        b = a + timedelta(minutes=chance.choice([0, 1, 30, 60, 120, 1440, 1440 * 3, 1440 * 40]))
        if chance.random() < 0.5:
            a = a.replace(minute=0)
            b = b.replace(minute=0)
        if chance.random() < 0.3:
            a = a.replace(hour=0, minute=0)
            b = b.replace(hour=0, minute=0)
        ranges.append((a, max(a, b)))

    def naive(a, b):
        return {pk_of(u) for u, w in rows if a <= w < b}

    def check():
        from souvenirs.stores import get_store

        counted = get_store().count_each(ranges).counts
        assert counted == [len(naive(*r)) for r in ranges]
        for r in ranges:
            assert set(active_users(*r)) == naive(*r)
            assert count_active_users(*r) == len(naive(*r))
        assert count_active_users() == len({u for u, _ in rows})
        group = [pk_of(n) for n in range(10)]
        assert get_store().count_each(ranges, group).counts == [
            len(naive(*r) & set(group)) for r in ranges
        ]

    check()
    d = Digester()
    for n, _ in enumerate(d.fold()):
        if n == 40:
            break
    check()
    list(d.run())
    assert not Souvenir.objects.filter(digested=False).exists()
    check()
    leave((3, at(2025, 2, 3, 4)))
    rows.append((3, at(2025, 2, 3, 4)))
    check()
    list(Digester().fold())
    check()
