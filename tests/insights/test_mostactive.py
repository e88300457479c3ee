from datetime import date

import pytest

from souvenirs.control import erase_user
from souvenirs.digests.pruning import Pruner
from souvenirs.insights import ActiveUser, most_active
from tests.conftest import INSTANT, at, pk_of
from tests.digesting import digest
from tests.oracle import DAY, END, NOW, START, ZONES, Oracle, sightings

pytestmark = [pytest.mark.django_db, pytest.mark.through_the_store]

MONDAY = at(2017, 9, 4, 9)


@pytest.fixture(autouse=True)
def _now(set_now):
    set_now(NOW)


def numbers(found):
    """The numbers of the users, with their days."""
    named = {pk_of(number): number for number in range(1, 100)}
    return [(named[user], days) for user, days in found.users]


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("is_digested", [False, True])
def test_days_equal_brute_force(leave, zone, is_digested):
    rows = sightings()
    leave(*rows)
    if is_digested:
        digest()
    oracle = Oracle(rows, zone=zone)
    [length] = {len(oracle.periods)}
    [use] = Oracle(rows, END - INSTANT, zone=zone).days_of_use(length)
    found = most_active(START, END, tz=zone, limit=None)
    assert dict(numbers(found)) == use
    assert [days for _, days in found.users] == sorted(use.values(), reverse=True)
    assert (found.days, found.total) == (length, len(use))
    for limit in range(1, len(use) + 2):
        assert most_active(START, END, tz=zone, limit=limit).users == found.users[:limit]


@pytest.fixture
def week(leave):
    """User 2 on three days, users 1, 3 and 4 on one; user 4 twice on that day."""
    leave((2, MONDAY), (2, MONDAY + DAY), (2, MONDAY + 2 * DAY))
    leave((3, MONDAY), (1, MONDAY), (4, MONDAY + DAY), (4, MONDAY + DAY + DAY / 8))


@pytest.mark.usefixtures("week")
def test_rows():
    found = most_active(MONDAY, MONDAY + 2 * DAY, limit=1)
    assert found.rows() == [{"user": pk_of(2), "days": 2}]
    assert found.users == (ActiveUser(pk_of(2), 2),)
    assert found.to_dict() == {
        "insight": "MostActive",
        "start": at(2017, 9, 4),
        "end": MONDAY + 2 * DAY,
        "tz": "UTC",
        "days": 3,
        "total": 4,
        "rows": found.rows(),
    }


@pytest.mark.usefixtures("week")
@pytest.mark.skipif(pk_of(1) != 1, reason="other keys come in the order of digesting")
def test_users_with_as_many_days_are_in_order_of_their_keys():
    assert numbers(most_active(MONDAY, MONDAY + 3 * DAY)) == [(2, 3), (1, 1), (3, 1), (4, 1)]


@pytest.mark.usefixtures("week")
def test_the_range_is_half_open():
    found = most_active(MONDAY + DAY, MONDAY + 2 * DAY)
    assert sorted(numbers(found)) == [(2, 1), (4, 1)]
    found = most_active(MONDAY + DAY, MONDAY + 2 * DAY + INSTANT)
    assert sorted(numbers(found)) == [(2, 2), (4, 1)]


@pytest.mark.usefixtures("week")
def test_by_default_it_is_all_of_history():
    found = most_active()
    assert (found.start, found.end, found.total) == (at(2017, 9, 4), NOW, 4)


@pytest.mark.usefixtures("week")
def test_only_some_users():
    found = most_active(users=[pk_of(1), pk_of(2)])
    assert numbers(found) == [(2, 3), (1, 1)]


@pytest.mark.usefixtures("week")
def test_by_segment():
    groups = {"one": [pk_of(1), pk_of(2)], "both": [pk_of(2)], "none": []}
    found = most_active(by=groups, exclusive=True, limit=1)
    assert {name: numbers(each) for name, each in found.items()} == {
        "one": [(2, 3)],
        "both": [],
        "none": [],
    }
    assert numbers(found.everyone) == [(2, 3)]


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("week")
def test_days_of_pruned_souvenirs_count():
    digest()
    list(Pruner(MONDAY + 30 * DAY).run())
    assert numbers(most_active(limit=1)) == [(2, 3)]


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("week")
def test_erased_users_are_left_out():
    digest()
    erase_user(pk_of(2))
    assert sorted(numbers(most_active())) == [(1, 1), (3, 1), (4, 1)]


def test_before_the_first_souvenir_nobody_was_active():
    found = most_active(START, END)
    assert (found.users, found.total, found.days) == (
        (),
        0,
        (END.date() - date(2017, 9, 4)).days + 1,
    )


def test_empty_range():
    found = most_active(START, START)
    assert (found.start, found.end, found.days, found.users) == (None, None, 0, ())


@pytest.mark.usefixtures("week")
def test_a_fixed_number_of_queries(django_assert_max_num_queries):
    for limit in (1, None):
        with django_assert_max_num_queries(6):
            most_active(limit=limit)


@pytest.mark.parametrize("limit", [0, -1, 1.5, True, "10"])
def test_invalid_limit_is_refused(limit):
    with pytest.raises(ValueError, match="limit must be a whole number, 1 or more, or None, not"):
        most_active(limit=limit)
