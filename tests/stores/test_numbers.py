"""Users of a queryset as numbers, which the database joins, and keys without a number."""

import pytest
from django.contrib.auth import get_user_model
from django.db import connection
from django.db.models import BigAutoField, Case, CharField, IntegerField, TextField, Value, When
from django.db.models.functions import Collate, Length

from souvenirs.sets import keys as keysets
from souvenirs.sets.keys import is_number, is_whole
from souvenirs.stores import numbers as numbering
from souvenirs.stores.numbers import give_numbers, keys_of, numbered, numbered_by
from tests.conftest import pk_of
from tests.organizations import ONE, found_organizations, name_of
from tests.users.models import Organization

pytestmark = pytest.mark.django_db

HAS_NUMBERS = isinstance(get_user_model()._meta.pk, IntegerField)


def numbered_key(number):
    """A primary key that is stored under a number of its own."""
    return -number if HAS_NUMBERS else pk_of(number)


def others_in(found):
    return {found.convert(key) for key in found.stored}


def keys_in(found):
    """The keys of all of these users, each of whom is found in one way only."""
    keys = [*keys_of(found.numbers, "default").values(), *others_in(found), *found.lent]
    assert len(set(keys)) == len(keys)
    return set(keys)


@pytest.fixture(params=["joined", "row by row", "fetched"])
def alias(request, monkeypatch):
    """The database with the numbers: the one with the users, or another one."""
    if request.param == "row by row":
        monkeypatch.setattr(numbering, "PACKED", {})
    if request.param == "fetched":
        numbers_of = numbering.numbers_of
        monkeypatch.setattr(numbering, "numbers_of", lambda keys, _: numbers_of(keys, "default"))
        return "elsewhere"
    return "default"


@pytest.fixture
def users(make_user):
    """Five users, of whom the first two have numbers, unless none needs one."""
    for number in range(1, 6):
        make_user(number=number, pk=numbered_key(number))
    give_numbers([numbered_key(1), numbered_key(2)], "default")
    return get_user_model().objects.order_by("pk")


def test_users_of_a_queryset(users, alias, django_assert_num_queries):
    pks = [user.pk for user in users]
    assert keys_in(numbered(users, alias)) == set(pks)
    assert others_in(numbered(users, alias)) == {numbered_key(number) for number in (3, 4, 5)}
    assert keys_in(numbered(users.filter(pk=pks[1]), alias)) == {pks[1]}
    assert keys_in(numbered(users.all()[1:3], alias)) == set(pks[1:3])
    assert keys_in(numbered(users.distinct(), alias)) == set(pks)
    assert keys_in(numbered(users.none(), alias)) == set()
    nobody = users.filter(pk=pks[0]).exclude(pk=pks[0])
    assert keys_in(numbered(nobody, alias)) == set()


def test_users_of_a_queryset_take_one_query(users, django_assert_num_queries):
    with django_assert_num_queries(1):
        numbered(users, "default")
    with django_assert_num_queries(1):
        numbered(users, "default", {numbered_key(2), numbered_key(3)}, has_others=False)


def test_users_who_have_been_lent_a_number(users, alias):
    """They keep it, even if they have been given one since."""
    lent = {numbered_key(2), numbered_key(3), numbered_key(9)}
    for has_others in (True, False):
        found = numbered(users, alias, lent, has_others=has_others)
        assert found.lent == {numbered_key(2), numbered_key(3)}
        assert set(keys_of(found.numbers, "default").values()) == {numbered_key(1)}
        assert others_in(found) == ({numbered_key(4), numbered_key(5)} if has_others else set())
        by_key = numbered_by(users, "pk", alias, lent, has_others=has_others)
        assert set().union(*map(keys_in, by_key.values())) == keys_in(found)
    assert keys_in(numbered(users, alias, has_others=False)) == {numbered_key(1), numbered_key(2)}


def test_order_of_distinct_or_combined_rows(users, alias):
    """Its columns are in their SQL beside the keys."""
    pks = [user.pk for user in users]
    name = get_user_model().USERNAME_FIELD
    distinct = users.order_by(name).distinct()
    assert keys_in(numbered(distinct, alias)) == set(pks)
    assert keys_in(numbered(distinct[1:3], alias)) == {user.pk for user in distinct[1:3]}
    either = users.order_by().filter(pk=pks[0]).union(users.order_by().filter(pk=pks[1]))
    assert keys_in(numbered(either, alias)) == set(pks[:2])
    assert keys_in(numbered(either.order_by(name), alias)) == set(pks[:2])
    names = {user.pk: user.get_username() for user in users}
    last = max(pks[:2], key=names.get)
    assert keys_in(numbered(either.order_by(f"-{name}")[:1], alias)) == {last}


def test_users_by_a_value(users, alias):
    found = numbered_by(users, Value(7), alias)
    assert {value: keys_in(members) for value, members in found.items()} == {
        7: {user.pk for user in users}
    }
    assert numbered_by(users.none(), Value(7), alias) == {}
    lengths = numbered_by(users, Length(get_user_model().USERNAME_FIELD), alias)
    for user in users:
        assert user.pk in keys_in(lengths[len(user.get_username())])
    by_key = numbered_by(users, "pk", alias)
    assert {key: keys_in(members) for key, members in by_key.items()} == {
        user.pk: {user.pk} for user in users
    }


class Lowered(CharField):
    """Texts whose case only the database knows."""

    def from_db_value(self, value, expression, connection):
        return value.lower()


def plan(field):
    """``Pro`` for the first and the third user, ``pro`` for the others."""
    firsts = [numbered_key(1), numbered_key(3)]
    return Case(When(pk__in=firsts, then=Value("Pro")), default=Value("pro"), output_field=field)


def test_users_by_values_that_only_the_database_tells_apart(users, alias):
    found = numbered_by(users, plan(Lowered(max_length=3)), alias)
    assert {value: keys_in(members) for value, members in found.items()} == {
        "pro": {user.pk for user in users}
    }


@pytest.fixture
def caseless():
    """A collation to which upper and lower case are the same."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(
                "CREATE COLLATION caseless"
                " (provider = icu, locale = 'und-u-ks-level2', deterministic = false)"
            )
    return {"postgresql": "caseless", "sqlite": "NOCASE"}.get(
        connection.vendor, "utf8mb4_general_ci"
    )


def test_users_by_texts_that_a_collation_takes_for_the_same(users, alias, caseless):
    give_numbers([numbered_key(3)], "default")
    found = numbered_by(users, Collate(plan(TextField()), caseless), alias)
    assert {value: keys_in(members) for value, members in found.items()} == {
        "Pro": {numbered_key(1), numbered_key(3)},
        "pro": {numbered_key(2), numbered_key(4), numbered_key(5)},
    }


@pytest.mark.skipif(not HAS_NUMBERS, reason="keys are no numbers")
def test_keys_that_are_numbers(make_user, alias):
    keys = {0 if connection.vendor != "mysql" else 4, 5, 2**31 - 1}
    for key in keys:
        make_user(number=key)
    found = numbered(get_user_model().objects.all(), alias)
    assert not found.stored
    assert set(found.numbers) == keys


class Spelt(BigAutoField):
    """Whole numbers in the database, and something else in Python."""

    def from_db_value(self, value, expression, connection):
        raise NotImplementedError


def test_numbers_that_are_something_else_in_python_are_not_packed():
    assert keysets.packing(BigAutoField(), connection) == keysets.PACKED.get(connection.vendor)
    assert keysets.packing(Spelt(), connection) is None
    assert not is_whole(Spelt(), connection)


@pytest.mark.parametrize("key", [-1, 2**31, 2**32, 2**40])
def test_a_key_that_is_no_number_in_sets_leaves_them_as_they_are(key):
    assert keysets.keys_of_integers([5, key]) == {5, key}
    assert not is_number(key)


@pytest.mark.parametrize("value", [["free"], {"tier": "free"}])
def test_values_that_are_not_hashable(alias, value):
    found_organizations({1: (1,)})
    Organization.objects.update(details=value)
    users = get_user_model()._default_manager.all()
    with pytest.raises(ValueError, match=r"grouped by .*free.*: name a field with single values"):
        numbered_by(users, f"{ONE}__details", alias)


def test_values_within_json(alias):
    found_organizations({1: (1,), 2: (2,), 3: ()})
    Organization.objects.filter(name=name_of(1)).update(details={"tier": "free"})
    users = get_user_model()._default_manager.all()
    assert set(numbered_by(users, f"{ONE}__details__tier", alias)) == {"free", None}
