import random
from datetime import timedelta
from itertools import pairwise

import pytest
from django.db import connection, transaction
from django.db.utils import Error

from souvenirs.calendar import HOUR_LEVEL, second_of
from souvenirs.digests import Pruner
from souvenirs.models import Digest, Souvenir
from souvenirs.stores import Sighting, UserRange, get_store, souvenirs
from souvenirs.stores.queries import undigested_in
from tests.conftest import INSTANT, at, pk_of
from tests.digesting import digest

pytestmark = pytest.mark.django_db

MONDAY = at(2016, 1, 4)
TUESDAY = at(2016, 1, 5)


def naive_count(rows, start, end):
    return len({user for user, when in rows if start <= when < end})


@pytest.mark.parametrize(
    ("when", "expected"),
    [(MONDAY - INSTANT, 0), (MONDAY, 1), (TUESDAY - INSTANT, 1), (TUESDAY, 0)],
)
def test_count_each_is_half_open(leave, when, expected):
    leave((1, when))
    assert get_store().count_each([(MONDAY, TUESDAY)]).counts == [expected]


def test_count_each_equals_brute_force_over_any_ranges(leave):
    """Overlapping, nested, empty and out of order: each range gets its own answer."""
    chance = random.Random(5)
    rows = [
        (chance.randint(1, 40), MONDAY + timedelta(seconds=chance.randint(0, 10**6)))
        for _ in range(800)
    ]
    leave(*rows)
    edges = [when for _, when in rows] + [when + INSTANT for _, when in rows]
    ranges = [tuple(sorted(chance.sample(edges, 2))) for _ in range(300)]
    ranges.append((MONDAY, MONDAY))
    assert get_store().count_each(ranges).counts == [naive_count(rows, *each) for each in ranges]


def test_count_each_of_nothing_is_nothing():
    assert get_store().count_each([]).counts == []


def test_count_each_takes_three_queries(django_assert_num_queries):
    days = [(MONDAY + timedelta(days=n), MONDAY + timedelta(days=n + 1)) for n in range(3_000)]
    with django_assert_num_queries(3):
        assert get_store().count_each(days).counts == [0] * 3_000


def test_first_is_none_without_souvenirs():
    assert get_store().first() is None


def test_digesting_does_not_move_the_first(leave):
    leave((1, MONDAY + timedelta(minutes=20)), (2, MONDAY + timedelta(days=40)))
    digest()
    assert get_store().first() == MONDAY + timedelta(minutes=20)
    list(Pruner(MONDAY + timedelta(days=1)).run())
    assert get_store().first() == MONDAY


def test_first_is_the_earliest(leave):
    leave((1, TUESDAY), (2, MONDAY))
    assert get_store().first() == MONDAY


def test_how_far_digests_hold_what_has_been_seen(leave):
    assert get_store().digested() == ("default", None, True, False)
    leave((1, TUESDAY), (2, MONDAY), (2, MONDAY + timedelta(days=9)))
    assert get_store().digested().until == MONDAY
    digest()
    leave((3, TUESDAY + INSTANT))
    assert get_store().digested() == ("default", TUESDAY + INSTANT, True, False)
    list(Pruner(TUESDAY).run())
    assert get_store().digested() == ("default", TUESDAY + INSTANT, True, True)
    Digest.objects.all().delete()
    assert not get_store().digested().agree


def test_occupied_tells_the_positions_of_spans_that_hold_a_souvenir(leave):
    leave((1, MONDAY), (2, TUESDAY))
    spans = [
        UserRange(pk_of(1), MONDAY, TUESDAY),
        UserRange(pk_of(1), MONDAY + INSTANT, TUESDAY + INSTANT),
        UserRange(pk_of(2), MONDAY, TUESDAY),
        UserRange(pk_of(2), TUESDAY, TUESDAY + INSTANT),
        UserRange(pk_of(3), MONDAY, TUESDAY),
    ]
    assert get_store().occupied(spans) == {0, 3}


@pytest.mark.parametrize(
    ("number", "when", "expected"),
    [
        (1, MONDAY - INSTANT, False),
        (1, MONDAY, True),
        (1, TUESDAY - INSTANT, True),
        (1, TUESDAY, False),
        (2, MONDAY, False),
    ],
)
def test_has_within_is_of_one_user_and_half_open(leave, number, when, expected):
    leave((number, when))
    assert get_store().has_within(UserRange(pk_of(1), MONDAY, TUESDAY)) is expected


def test_first_and_last_of_each_user(leave):
    leave((1, TUESDAY), (1, MONDAY), (1, MONDAY + INSTANT), (2, TUESDAY), (3, MONDAY))
    one, two, missing = pk_of(1), pk_of(2), pk_of(9)
    assert get_store().first_each([one, two, missing]) == {one: MONDAY, two: TUESDAY}
    assert get_store().last_each([one, two, missing]) == {one: TUESDAY, two: TUESDAY}


def test_add_many_is_all_or_nothing():
    with pytest.raises(Error), transaction.atomic():
        get_store().add_many([Sighting(pk_of(1), MONDAY), Sighting(None, MONDAY)])
    assert not Souvenir.objects.exists()


def test_can_write_in_a_healthy_transaction():
    assert get_store().can_write()


def test_cannot_write_in_a_transaction_marked_for_rollback():
    with transaction.atomic():
        transaction.set_rollback(True)
        assert not get_store().can_write()


def test_cannot_write_after_an_error_that_the_host_swallowed():
    """Only PostgreSQL refuses the rest of such a transaction; the others go on."""
    with transaction.atomic():
        with pytest.raises(Error), connection.cursor() as cursor:
            cursor.execute("SELECT * FROM no_such_table")
        assert get_store().can_write() == (connection.vendor != "postgresql")
        transaction.set_rollback(True)


@pytest.mark.skipif(connection.vendor != "mysql", reason="counts what this engine reads")
def test_undigested_souvenirs_are_read_once_whatever_the_number_of_spans(leave):
    rows = [(n % 50 + 1, MONDAY + n * timedelta(minutes=1)) for n in range(4_800)]
    leave(*rows)
    hours = [MONDAY + n * timedelta(hours=1) for n in range(81)]
    spans = list(pairwise(hours))
    before = _rows_read()
    assert len(list(undigested_in(connection, spans, 100_000))) == len(rows)
    assert _rows_read() - before < 2 * len(rows)


def _rows_read():
    with connection.cursor() as cursor:
        cursor.execute("SHOW SESSION STATUS LIKE 'Handler_read_next'")
        return int(cursor.fetchone()[1])


@pytest.mark.parametrize("moments", [1, 2, 3, 500])
def test_cells_are_those_of_all_souvenirs_however_many_are_read_at_once(
    leave, monkeypatch, moments
):
    monkeypatch.setattr(souvenirs, "MOMENTS", moments)
    hours = [0, 0, 0, 1, 5, 5, 30, 31]
    leave(*((n + 1, MONDAY + timedelta(hours=hour)) for n, hour in enumerate(hours)))
    first = second_of(MONDAY)
    found = list(get_store().souvenirs.cells(HOUR_LEVEL))
    assert [(cell.start - first) // 3_600 for cell in found] == [0, 1, 5, 30, 31]
    assert list(get_store().souvenirs.undigested().cells(HOUR_LEVEL)) == found
    assert list(get_store().souvenirs.digested().cells(HOUR_LEVEL)) == []
