"""Primary keys read in one piece are those that the rows have."""

import pytest
from django.contrib.auth import get_user_model
from django.db import connection
from django.db.models import BigAutoField, IntegerField, Value
from django.db.models.functions import Length

from souvenirs.models import Digest
from souvenirs.sets import keys as keysets
from souvenirs.sets.keys import keys_by, keys_in
from souvenirs.sets.usersets import UserSet

pytestmark = pytest.mark.django_db

HAS_NUMBERS = isinstance(get_user_model()._meta.pk, IntegerField)


@pytest.fixture(params=[True, False], ids=["packed", "row by row"])
def users(request, make_user, monkeypatch):
    if not request.param:
        monkeypatch.setattr(keysets, "PACKED", {})
    for _ in range(5):
        make_user()
    return get_user_model().objects.order_by("pk")


def test_keys_are_those_of_the_rows(users, django_assert_num_queries):
    pks = [user.pk for user in users]
    with django_assert_num_queries(1):
        assert set(keys_in(users)) == set(pks)
    assert set(keys_in(users.filter(pk=pks[1]))) == {pks[1]}
    assert set(keys_in(users.all()[1:3])) == set(pks[1:3])
    assert set(keys_in(users.distinct())) == set(pks)
    assert not keys_in(users.none())
    assert not keys_in(users.filter(pk=pks[0]).exclude(pk=pks[0]))


def test_order_of_distinct_or_combined_rows(users):
    """Its columns are in their SQL beside the keys."""
    pks = [user.pk for user in users]
    name = get_user_model().USERNAME_FIELD
    distinct = users.order_by(name).distinct()
    assert set(keys_in(distinct)) == set(pks)
    assert set(keys_in(distinct[1:3])) == {user.pk for user in distinct[1:3]}
    either = users.order_by().filter(pk=pks[0]).union(users.order_by().filter(pk=pks[1]))
    assert set(keys_in(either)) == set(pks[:2])
    assert set(keys_in(either.order_by(name))) == set(pks[:2])
    assert set(keys_in(either.order_by(f"-{name}")[:1])) == {pks[1]}


def test_keys_by_a_value(users, django_assert_num_queries):
    with django_assert_num_queries(1):
        found = keys_by(users, Value(7))
    assert {value: set(keys) for value, keys in found.items()} == {7: {user.pk for user in users}}
    assert keys_by(users.none(), Value(7)) == {}
    name = get_user_model().USERNAME_FIELD
    lengths = keys_by(users, Length(name))
    assert sum(map(len, lengths.values())) == 5
    for user in users:
        assert user.pk in lengths[len(user.get_username())]


@pytest.mark.skipif(not HAS_NUMBERS, reason="keys are no numbers")
def test_numbers_are_a_set_of_numbers(users):
    if connection.vendor in keysets.PACKED:
        assert isinstance(keys_in(users), UserSet)


class Spelt(BigAutoField):
    """Whole numbers in the database, and something else in Python."""

    def from_db_value(self, value, expression, connection):
        raise NotImplementedError


def test_numbers_that_are_something_else_in_python_are_not_packed():
    assert keysets.packing(BigAutoField(), connection) == keysets.PACKED.get(connection.vendor)
    assert keysets.packing(Spelt(), connection) is None


@pytest.mark.parametrize("key", [-1, 2**31, 2**32, 2**40])
def test_a_key_that_is_no_number_in_sets_leaves_them_as_they_are(db, key):
    Digest.objects.bulk_create(Digest(pk=number, level=1, start=number) for number in (5, key))
    found = keys_in(Digest.objects.all())
    assert type(found) is frozenset
    assert found == {5, key}
