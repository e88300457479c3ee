"""Fields by which readers may group and filter."""

import uuid
from datetime import date

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.core.checks import run_checks
from django.core.exceptions import ImproperlyConfigured
from django.utils.text import capfirst

from souvenirs.counting import (
    active_users,
    field_labels,
    is_group,
    listed_fields,
    most_active,
    restricted,
    segment,
)
from tests.conftest import at, pk_of
from tests.counting.test_segments import only_django_users
from tests.organizations import MEMBERS, found_organizations
from tests.users.models import Organization, Profile

pytestmark = pytest.mark.django_db

NAME, PLAN = "membership__organization__name", "profile__organization__plan"
SEATS, KEY = "profile__organization__seats", "profile__organization"
JOINED = "groups__name"

User = get_user_model()


def keys(numbers):
    return {pk_of(number) for number in numbers}


@pytest.fixture
def organizations(settings):
    settings.SOUVENIRS_GROUP_BY = [NAME, PLAN, SEATS, KEY]
    return found_organizations()


def test_users_with_a_value_through_many(organizations):
    with_two = [number for number, groups in MEMBERS.items() if 2 in groups]
    assert segment(f"{NAME}:Organization 2").pks == keys(with_two)


def test_users_with_a_value_through_one(organizations):
    free = [number for number, groups in MEMBERS.items() if groups and groups[0] % 2]
    assert segment(f"{PLAN}:free").pks == keys(free)


def test_users_of_a_related_object_by_its_key(organizations):
    assert segment(f"{KEY}:{organizations[4].pk}").pks == keys([7, 8])


def test_users_with_an_integer(organizations):
    Organization.objects.filter(pk=organizations[4].pk).update(seats=12)
    assert segment(f"{SEATS}:12").pks == keys([7, 8])


def test_empty_value_is_null_or_the_empty_text(organizations):
    Organization.objects.filter(pk=organizations[4].pk).update(plan="")
    assert segment(f"{PLAN}:").pks == keys([6, 7, 8, 11])


def test_empty_value_of_a_number_is_null(organizations):
    Organization.objects.exclude(pk=organizations[4].pk).update(seats=0)
    assert segment(f"{SEATS}:").pks == keys([6, 7, 8, 11])


@pytest.mark.parametrize("name", ["a:b", ":", " Acme", "Acme ", "a%b_c", "\u00e9", "'\"\\", "ACME"])
def test_value_may_be_any_text(organizations, name):
    Organization.objects.filter(pk=organizations[4].pk).update(plan=name)
    assert segment(f"{PLAN}:{name}").pks == keys([7, 8])


@pytest.mark.parametrize("other", ["Acme", "acme ", "acm\u00e9", "acme\t"])
def test_text_is_compared_exactly(organizations, other):
    Organization.objects.filter(pk=organizations[4].pk).update(plan="acme")
    Organization.objects.filter(pk=organizations[3].pk).update(plan=other)
    assert segment(f"{PLAN}:acme").pks == keys([7, 8])
    assert segment(f"{PLAN}:{other}").pks == keys([4])


def test_blanks_are_not_the_empty_text(organizations):
    Organization.objects.filter(pk=organizations[4].pk).update(plan="  ")
    assert segment(f"{PLAN}:").pks == keys([6, 11])
    assert segment(f"{PLAN}:  ").pks == keys([7, 8])


@pytest.mark.parametrize(
    "name",
    [
        f"{PLAN}:gold",
        f"{PLAN}:FREE",
        f"{PLAN}:a\0b",
        f"{SEATS}:many",
        f"{SEATS}:1.5",
        f"{SEATS}:{10**30}",
        f"{SEATS}:{-(10**30)}",
        f"{KEY}:none",
        f"{KEY}:{uuid.UUID(int=5)}",
        "password:secret",
        "profile__organization__id:1",
        PLAN,
        "",
    ],
)
def test_value_that_nobody_has_is_unknown(organizations, name):
    assert not is_group(name)
    with pytest.raises(ValueError, match="is not a segment"):
        restricted(None, name)


def test_segment_of_that_name_comes_first(organizations, settings):
    settings.SOUVENIRS_SEGMENTS = {f"{PLAN}:free": [pk_of(6)]}
    assert segment(f"{PLAN}:free").pks == keys([6])


def test_value_is_unknown_among_others(organizations):
    among = User._default_manager.filter(pk__in=keys([4]))
    assert is_group(f"{PLAN}:free", among)
    assert not is_group(f"{PLAN}:pro", among)


@only_django_users
def test_users_with_a_boolean(make_user, settings):
    settings.SOUVENIRS_GROUP_BY = ["is_staff"]
    make_user(1, is_staff=True)
    make_user(2)
    assert segment("is_staff:True").pks == keys([1])
    assert segment("is_staff:False").pks == keys([2])


@only_django_users
def test_groups_come_before_a_field_of_their_name(make_user, settings):
    settings.SOUVENIRS_GROUP_BY = ["groups__name"]
    make_user(1).groups.add(Group.objects.create(name="Acme"))
    assert segment("group:Acme").pks == segment("groups__name:Acme").pks == keys([1])


def test_most_active_first_and_ties_in_order(make_user, leave):
    for number in (1, 2, 3):
        make_user(number)
    leave((1, at(2016, 1, 1)), (2, at(2016, 1, 1)))
    users = active_users()
    groups = {"a": users - users, "b": users & keys([1]), "c": users, "d": users & keys([2])}
    assert list(most_active(groups, users, None)) == ["c", "b", "d", "a"]
    assert list(most_active(groups, users, 2)) == ["c", "b"]
    assert most_active({}, users, 2) == {}


def errors(settings, *paths):
    settings.SOUVENIRS_GROUP_BY = paths
    return [
        (message.id, message.msg)
        for message in run_checks()
        if message.id in ("souvenirs.E030", "souvenirs.W017")
    ]


@pytest.mark.parametrize("path", [NAME, PLAN, SEATS, KEY, "profile__organization__name", "profile"])
def test_field_that_can_be_listed(settings, path):
    settings.SOUVENIRS_GROUP_BY = [path]
    assert listed_fields() == [path]


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        ("organisation", "'organisation' is not a field of"),
        ("profile__nothing", "'profile__nothing' is not a field of"),
        ("last_login__year", "'last_login__year' is not a field of"),
        ("password", "'password' is a password, which nobody may see."),
        ("last_login", "'last_login' is a DateTimeField: list fields of text, integers, booleans"),
    ],
)
def test_field_that_cannot_be_listed(settings, path, sentence):
    [(id, message)] = errors(settings, PLAN, path)
    assert id == "souvenirs.E030"
    assert message.startswith(f"SOUVENIRS_GROUP_BY: {sentence}")
    with pytest.raises(ImproperlyConfigured, match=path):
        listed_fields()


@pytest.mark.parametrize("path", ["pk", User._meta.pk.name, "profile", "profile__id", "membership"])
def test_field_that_identifies_users_is_warned_of(settings, path):
    [(id, message)] = errors(settings, PLAN, path)
    assert id == "souvenirs.W017"
    assert repr(path) in message


@pytest.mark.parametrize(
    "path", [NAME, "profile__organization__name", KEY, "membership__organization"]
)
def test_field_that_is_unique_among_others_is_fine(settings, path):
    assert errors(settings, path) == []


def test_date_is_parsed():
    from souvenirs.counting.listed import ListedField
    from souvenirs.models import Annotation

    day = ListedField("day", Annotation._meta.get_field("day"))
    assert day.having("2016-02-29").children == [("day", date(2016, 2, 29))]
    assert day.having("2016-02-30") is None


def test_profile_is_needed_for_no_value(organizations):
    Profile.objects.filter(user_id=pk_of(7)).delete()
    assert segment(f"{PLAN}:").pks == keys([6, 7, 11])


@only_django_users
def test_email_address_is_warned_of_even_if_it_is_not_unique(settings):
    [(id, _)] = errors(settings, "email")
    assert id == "souvenirs.W017"


def test_labels_are_the_names_of_fields_after_those_of_their_models(settings):
    settings.SOUVENIRS_GROUP_BY = [NAME, KEY, "membership", "pk"]
    assert field_labels() == {
        NAME: "Organization name",
        KEY: "Profile organization",
        "membership": "Membership",
        "pk": capfirst(User._meta.pk.verbose_name),
    }


def test_fields_with_the_same_label_have_their_paths(settings):
    same = "profile__organization__name"
    settings.SOUVENIRS_GROUP_BY = [NAME, same, PLAN]
    assert field_labels() == {NAME: NAME, same: same, PLAN: "Organization plan"}


def test_invalid_setting_has_no_labels(settings):
    settings.SOUVENIRS_GROUP_BY = [NAME, "no_such_field"]
    assert field_labels() == {}
