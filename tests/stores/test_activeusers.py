"""Sets of users before and after they are given numbers."""

import random
from datetime import timedelta
from operator import and_, or_, sub, xor

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth import get_user_model
from django.db.models import Count

from souvenirs.control import active_users, count_active_users
from souvenirs.digests import erase_user
from souvenirs.insights import retention
from souvenirs.models import Souvenir
from souvenirs.stores import (
    ActiveUsers,
    common_users,
    get_store,
    give_numbers,
    members_among,
    members_by,
    queryset_of,
    reading,
)
from souvenirs.stores.numbers import keys_of
from tests.conftest import at, pk_of
from tests.digesting import digest

pytestmark = pytest.mark.django_db(transaction=True)

NOON = at(2025, 2, 3, 12)
HAS_NUMBERS = type(pk_of(1)) is int
OPERATORS = [and_, or_, sub, xor]


def key(number):
    """Every third key is stored as it is, if there are such keys; the others need a number."""
    return pk_of(number) if not HAS_NUMBERS or number % 3 == 0 else -number


def keys(*numbers):
    return frozenset(map(key, numbers))


def give(*numbers):
    give_numbers([key(number) for number in numbers], "default")


def leave(*numbers, when=NOON):
    Souvenir.objects.bulk_create(Souvenir(user_id=key(number), when=when) for number in numbers)


def assert_as_frozensets(one, two, one_keys, two_keys):
    for operator in OPERATORS:
        found = operator(one, two)
        assert set(found) == operator(one_keys, two_keys)
        assert len(found) == len(operator(one_keys, two_keys))
    assert one.count_common(two) == len(one_keys & two_keys)
    assert one.count_common_each([two, one]) == [len(one_keys & two_keys), len(one_keys)]
    assert one.count_union(two) == len(one_keys | two_keys)
    assert set(ActiveUsers.union([one, two])) == one_keys | two_keys
    assert one.isdisjoint(two) == one_keys.isdisjoint(two_keys)
    for other in (two, two_keys):
        assert (one == other) == (one_keys == two_keys)
        assert (one <= other) == (one_keys <= two_keys)
        assert (one < other) == (one_keys < two_keys)
        assert (one >= other) == (one_keys >= two_keys)
        assert (one > other) == (one_keys > two_keys)


def test_algebra_is_that_of_keys_whenever_users_got_their_numbers():
    """Sets made at any time, combined with each other and with what came of combining them."""
    chance = random.Random(3)
    everyone = list(range(1, 13))
    sets = []
    for _ in range(8):
        members = keys(*chance.sample(everyone, chance.randint(0, 9)))
        sets.append((ActiveUsers(members), members))
        (one, one_keys), (two, two_keys) = chance.choices(sets, k=2)
        operator = chance.choice(OPERATORS)
        sets.append((operator(one, two), operator(one_keys, two_keys)))
        give(chance.choice(everyone))
    for one, one_keys in sets:
        assert set(one) == one_keys
        assert one.pks == one_keys
        assert hash(one) == hash(ActiveUsers(one_keys))
        for number in everyone:
            assert (key(number) in one) == (key(number) in one_keys)
    for one, one_keys in sets[::2]:
        for two, two_keys in sets[1::3]:
            assert_as_frozensets(one, two, one_keys, two_keys)


def test_sets_read_before_and_after_users_got_their_numbers():
    leave(1, 2, 3)
    before = active_users()
    digest()
    leave(2, 4, 5)
    after = active_users()
    assert_as_frozensets(before, after, keys(1, 2, 3), keys(1, 2, 3, 4, 5))
    digest()
    assert_as_frozensets(before, after, keys(1, 2, 3), keys(1, 2, 3, 4, 5))
    assert_as_frozensets(before, active_users(), keys(1, 2, 3), keys(1, 2, 3, 4, 5))


def test_sets_of_one_reading_are_combined_without_a_query(django_assert_num_queries):
    leave(1, 2, 3)
    leave(2, 4, when=at(2025, 2, 4))
    found = retention(interval="day", tz="UTC", end=at(2025, 2, 6))
    with django_assert_num_queries(0):
        assert len(found.users(0) & found.users(1)) == 0
        assert len(found.users(0) | found.users(1)) == 4


def test_a_set_that_is_empty_meets_any_other_without_a_query(django_assert_num_queries):
    members = ActiveUsers(keys(1, 2))
    with django_assert_num_queries(0):
        assert len(members | ActiveUsers()) == 2


def test_sets_of_two_readings_with_numbers_meet_without_a_query(django_assert_num_queries):
    """Although somebody else in each of the readings had none."""
    day = timedelta(days=1)
    leave(1, 2)
    digest()
    leave(4, when=NOON + day)
    ranges = [(NOON, NOON + day), (NOON + day, NOON + 2 * day)]
    (one, _), (two, _) = (get_store().users_each(ranges) for _ in range(2))
    with django_assert_num_queries(0):
        both = one & two
    assert set(both) == keys(1, 2)


@pytest.mark.parametrize("operator", OPERATORS)
def test_a_frozenset_meets_a_set_in_one_query(operator, django_assert_num_queries):
    leave(1, 2, 3)
    digest()
    users, others = active_users(), keys(2, 4, 5)
    with django_assert_num_queries(1):
        found = operator(others, users)
    assert set(found) == operator(others, keys(1, 2, 3))
    with pytest.raises(TypeError, match="unsupported operand"):
        operator(1, users)


def test_aligned_sets_take_one_query(django_assert_num_queries):
    sets = [ActiveUsers(keys(number, number + 1)) for number in (1, 4, 7)]
    give(1, 7)
    with django_assert_num_queries(1):
        sets = ActiveUsers.aligned(sets)
        assert [len(one | two) for one in sets for two in sets] == [2, 4, 4, 4, 2, 4, 4, 4, 2]


@pytest.fixture
def users(make_user):
    for number in range(1, 7):
        make_user(number=number, pk=key(number))
    give(1, 2)
    return get_user_model().objects.all()


def test_a_set_as_a_queryset(users):
    members = ActiveUsers(keys(1, 3, 4, 9))
    give(4)
    assert {user.pk for user in members.users()} == keys(1, 3, 4)
    assert {user.pk for user in members.without(users)} == keys(2, 5, 6)
    assert {user.pk for user in ActiveUsers(keys(5)).among(users)} == keys(5)
    assert not ActiveUsers().users().exists()


def test_a_queryset_of_users_in_another_database_than_the_numbers(users, monkeypatch):
    members = ActiveUsers(keys(1, 3, 4))
    monkeypatch.setattr("souvenirs.stores.activeusers.numbers_alias", lambda: "elsewhere")
    monkeypatch.setattr(
        "souvenirs.stores.activeusers.keys_of", lambda numbers, _: keys_of(numbers, "default")
    )
    assert {user.pk for user in members.users()} == keys(1, 3, 4)


def test_members_of_a_queryset_are_found_among_sets_that_were_read_before(users):
    before = ActiveUsers(keys(2, 3, 5))
    give(5)
    sets, members = members_among([before], users.exclude(pk=key(2)))
    assert set(sets[0] & members) == keys(3, 5)
    sets, by_key = members_by([before], users, "pk")
    assert {value: set(sets[0] & each) for value, each in by_key.items() if sets[0] & each} == {
        each: {each} for each in keys(2, 3, 5)
    }


def test_members_are_all_of_a_queryset_with_or_without_a_number(users):
    """Sets read before some of them were given a number, and after they were lent one."""
    leave(2, 3, 5, 9)
    before = active_users()
    leave(6)
    give(5)
    sets, by_key = members_by([before], users, "pk", has_others=True)
    give(4, 6)
    members = {value: each for value, each in by_key.items() if value != key(1)}
    own = ActiveUsers.union(members.values())
    assert len(own) == 5
    assert set(own) == keys(2, 3, 4, 5, 6)
    assert sorted(map(len, by_key.values())) == [1] * 6
    for other, other_keys in [(sets[0], keys(2, 3, 5, 9)), (active_users(), keys(2, 3, 5, 6, 9))]:
        assert_as_frozensets(own, other, keys(2, 3, 4, 5, 6), other_keys)


GROUPS = {
    "everyone": lambda users: None,
    "a queryset": lambda users: users.exclude(pk=key(2)),
    "distinct rows": lambda users: users.exclude(pk=key(2)).distinct(),
    "a number of rows": lambda users: users.exclude(pk=key(2)).annotate(rows=Count("pk")),
    "a join": lambda users: users.filter(logentry__action_flag=1),
    "a slice": lambda users: users.order_by("pk")[1:4],
    "a union": lambda users: users.filter(pk=key(1)).union(users.filter(pk=key(3))),
    "a set": lambda users: ActiveUsers(keys(1, 3, 9)),
}


@pytest.mark.parametrize("name", GROUPS)
def test_a_group_as_a_queryset(users, name):
    for _ in range(2):
        LogEntry.objects.create(user_id=key(4), action_flag=1)
    group = GROUPS[name](users)
    expected = {user.pk for user in users if group is None or user.pk in ActiveUsers(group)}
    assert {user.pk for user in queryset_of(group)} == expected
    found = queryset_of(group, to_count=True)
    assert {user.pk for user in found.filter(pk__in=keys(1, 3, 4))} == expected & keys(1, 3, 4)
    assert found.count() == len(expected)


@pytest.mark.parametrize("other", GROUPS)
@pytest.mark.parametrize("name", GROUPS)
def test_users_of_two_groups(users, name, other):
    LogEntry.objects.create(user_id=key(4), action_flag=1)
    one, another = GROUPS[name](users), GROUPS[other](users)
    expected = [
        user.pk
        for user in users
        if all(group is None or user.pk in ActiveUsers(group) for group in (one, another))
    ]
    assert sorted(user.pk for user in queryset_of(common_users(one, another))) == sorted(expected)


def test_rows_of_a_group_are_users(users):
    group = users.filter(pk=key(1)).values("pk")
    assert list(queryset_of(group)) == list(users.filter(pk=key(1)))
    assert queryset_of(group, to_count=True).count() == 1


def test_readings_of_a_queryset(users):
    leave(1, 2, 3, 9)
    some = users.exclude(pk=key(2))
    for _ in range(2):
        assert set(active_users(users=some)) == keys(1, 3)
        assert count_active_users(users=some) == 2
        assert count_active_users(by={"some": some})["some"] == 2
        found = active_users(by="pk")
        assert {value: set(members) for value, members in found.items() if members} == {
            str(each): {each} for each in keys(1, 2, 3)
        }
        digest()


def test_pages_are_in_a_fixed_order():
    leave(*range(1, 10))
    for _ in range(2):
        users = active_users()
        pages = [users.page(start, start + 4) for start in (0, 4, 8)]
        assert [key for page in pages for key in page] == list(users)
        digest()


def test_users_who_are_erased_are_left_out():
    leave(1, 2)
    digest()
    users = active_users()
    erase_user(key(2))
    assert set(users) == keys(1)
    assert key(2) not in users


def test_a_user_erased_while_digests_are_read_counts_once(monkeypatch):
    leave(1)
    digest()
    leave(1, 2, when=NOON + timedelta(days=2))
    read = reading.Reading._digests

    def read_and_erase(self, *args):
        yield from read(self, *args)
        erase_user(key(1))

    monkeypatch.setattr(reading.Reading, "_digests", read_and_erase)
    assert len(active_users()) == 2


def test_a_user_who_gets_a_number_while_digests_are_read_counts_once(monkeypatch):
    leave(3)
    digest()
    leave(1, 2, when=NOON + timedelta(days=2))
    read = reading.Reading._digests

    def digest_and_read(self, *args):
        digest()
        yield from read(self, *args)

    monkeypatch.setattr(reading.Reading, "_digests", digest_and_read)
    assert len(active_users()) == 3


@pytest.mark.parametrize("stranger", [None, "nobody at all " * 5, [], 1.5, object()])
def test_strangers_are_in_no_set(stranger):
    assert stranger not in ActiveUsers(keys(1, 3))
    assert (ActiveUsers(keys(1)) == stranger) is False
