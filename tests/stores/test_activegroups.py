from operator import and_, ge, gt, le, lt, or_, sub, xor

import pytest
from django.contrib.auth import get_user_model

from souvenirs.control import active_groups, active_users
from souvenirs.stores import Memberships, activegroups
from souvenirs.stores.activegroups import ActiveGroups, in_order
from tests.conftest import pk_of
from tests.oracle import END, START
from tests.organizations import MANY, MEMBERS, ONE, found_organizations, name_of
from tests.users.models import Organization

pytestmark = [pytest.mark.django_db, pytest.mark.through_the_store]


@pytest.fixture
def organizations(db):
    return found_organizations()


@pytest.fixture
def groups(leave, organizations):
    """The organizations of some users, by their keys."""

    def of_users(*numbers, of=ONE):
        return active_groups(of, users=[pk_of(number) for number in numbers])

    leave(*((number, START) for number in range(1, 13)))
    return of_users


def test_keys_of_a_relation_are_those_that_it_refers_to(groups, organizations):
    assert set(groups(1, 3)) == {organizations[1].pk, organizations[2].pk}
    assert set(groups(1, 3, of=MANY)) == {name_of(1), name_of(2)}


@pytest.mark.parametrize("of", [ONE, MANY])
def test_objects(groups, organizations, of):
    found = groups(2, 4, of=of).objects().filter(name__gt=name_of(1))
    expected = [organizations[3]] if of == ONE else [organizations[2], organizations[3]]
    assert list(found.order_by("name")) == expected


def test_objects_of_a_related_key(groups):
    found = groups(1, 2, of="membership").objects()
    assert found.model.__name__ == "Membership"
    assert found.count() == 3


def test_values_are_no_objects(groups):
    found = groups(1, 2, of="membership__organization__plan")
    assert list(found) == ["free", "pro"]
    with pytest.raises(TypeError, match="the values of a field"):
        found.objects()


def test_empty_values_are_no_groups(groups):
    Organization.objects.filter(name=name_of(1)).update(plan="")
    assert set(groups(1, 6, of="profile__organization__plan")) == set()
    assert set(groups(1, 4, of="profile__organization__plan")) == {"free"}


def test_part_of_a_value(groups):
    moment = {"auth.User": "date_joined", "users.UUIDUser": "signed_up"}.get(
        get_user_model()._meta.label, "last_login"
    )
    get_user_model()._default_manager.update(**{moment: END})
    assert list(groups(1, 2, of=f"{moment}__year")) == [END.year]


def test_contains_objects_and_keys(groups, organizations):
    found = groups(1)
    assert organizations[1] in found
    assert organizations[1].pk in found
    assert organizations[2] not in found
    assert [] not in found


def test_objects_of_a_relation_to_another_field_than_the_primary_key(groups, organizations):
    found = groups(1, 3, of=MANY)
    assert organizations[1] in found
    assert organizations[3] not in found
    assert found & [organizations[1], organizations[3]] == {name_of(1)}
    assert Organization.objects.filter(name=name_of(2)) - found == set()


def test_objects_of_another_model(groups):
    user = get_user_model()._default_manager.get(pk=pk_of(1))
    assert user not in groups(1)
    with pytest.raises(ValueError, match=r"'profile__organization' are objects of users\.Org"):
        groups(1) | [user]
    with pytest.raises(ValueError, match="'membership__organization__plan' are values of a field"):
        groups(1, of="membership__organization__plan") | [user]


def test_users_are_not_groups(groups):
    users = active_users()
    for operator in (and_, or_, sub, xor, lt, le, gt, ge):
        for one, two in ((users, groups(1)), (groups(1), users)):
            with pytest.raises(TypeError, match=r"not supported between|unsupported operand"):
                operator(one, two)
    assert groups() != users
    with pytest.raises(TypeError, match=r"Groups must be an iterable .*, not <ActiveUsers: 12>"):
        ActiveGroups(users)
    with pytest.raises(TypeError, match=r"users must be .*, not <ActiveGroups: 1>"):
        active_users(users=groups(1))


def test_ascending_order_and_pages(groups, organizations):
    found = groups(1, 3, 4, 5, 7)
    keys = sorted({organizations[number].pk for number in (1, 2, 3, 4)})
    assert list(found) == keys
    assert found.page(1, 3) == keys[1:3]
    assert found.pks == frozenset(keys)


def test_operators_on_groups_of_one_reading_and_of_several(groups, organizations):
    one, two = groups(1, 3), groups(3, 4)
    key = {number: each.pk for number, each in organizations.items()}
    assert one & two == {key[2]}
    assert one | two == {key[1], key[2], key[3]}
    assert one - two == {key[1]}
    assert one ^ two == {key[1], key[3]}
    assert one.count_common(two) == 1
    assert one.count_union(two) == 3
    assert ActiveGroups.union([one, two, groups(10)]) == {key[1], key[2], key[3], key[5]}
    assert one != two
    assert groups(1) < one
    assert hash(one) == hash(groups(1, 3))
    assert one.isdisjoint(groups(4))
    assert repr(one) == "<ActiveGroups: 2>"


def test_ascending_order_of_groups_of_several_readings(groups):
    plan = "membership__organization__plan"
    Organization.objects.filter(name=name_of(1)).update(plan="pro")
    later = groups(1, of=plan)
    Organization.objects.filter(name=name_of(1)).update(plan="basic")
    assert list(later | groups(1, of=plan)) == ["basic", "pro"]
    assert list(ActiveGroups(["pro", "basic"])) == ["basic", "pro"]


def test_operands_may_be_objects_and_querysets(groups, organizations):
    found = groups(1, 3)
    assert found & [organizations[1]] == {organizations[1].pk}
    assert found - Organization.objects.filter(name=name_of(2)) == {organizations[1].pk}
    assert ActiveGroups(found) == found
    assert ActiveGroups() == set()
    assert len(found | []) == 2


def test_passwords_are_not_shown():
    with pytest.raises(ValueError, match="of is 'password', a password, which nobody may see"):
        active_groups("password")


def test_text_is_not_a_list_of_groups():
    with pytest.raises(TypeError, match="objects or keys, not 'Acme'"):
        ActiveGroups("Acme")
    with pytest.raises(TypeError, match="objects or keys, not 5"):
        ActiveGroups(5)


def test_groups_by_different_fields_cannot_be_combined(groups):
    with pytest.raises(ValueError, match=r"'profile__organization' and 'membership__organization'"):
        groups(1) | groups(1, of=MANY)


def test_groups_by_different_fields_are_equal_if_their_keys_are(groups):
    assert groups(1) != groups(1, of=MANY)
    assert groups(1, of="membership__organization__plan") == groups(1, of=f"{ONE}__plan")


def test_few_and_many_users_give_the_same_groups(groups, monkeypatch):
    found = [set(groups(*range(1, n), of=MANY)) for n in range(1, 13)]
    for few in (0, 1000):
        monkeypatch.setattr(activegroups, "FEW", few)
        assert [set(groups(*range(1, n), of=MANY)) for n in range(1, 13)] == found


def test_groups_are_the_same_however_often_they_are_asked_for(groups):
    sets = [active_users(users=[pk_of(number)]) for number in MEMBERS]
    sets, memberships = Memberships.read(sets, MANY)
    for _ in range(3):
        found = [set(memberships.groups_of(each)) for each in sets]
        assert found == [set(map(name_of, of_user)) for of_user in MEMBERS.values()]
    assert "_groups_of_each" in vars(memberships)


def test_keys_that_cannot_be_compared_are_ordered_as_text():
    assert in_order([2, "1", 10]) == ["1", 10, 2]
    assert in_order([10, 2]) == [2, 10]
