"""When organizations were last active, which are the most active, and their seats."""

from datetime import timedelta
from importlib import import_module

import pytest
from django.contrib.auth import get_user_model

from souvenirs.counting import is_active_field
from souvenirs.digests.pruning import Pruner
from souvenirs.insights import (
    MostActiveGroup,
    SeatsOfGroup,
    inactive_groups,
    last_seen_groups,
    last_seen_many,
    most_active_groups,
    seats,
    slipping_away,
    slipping_groups,
)
from souvenirs.models import Souvenir
from tests.conftest import INSTANT, at, pk_of
from tests.digesting import digest
from tests.oracle import DAY, END, NOW, START, ZONES, Oracle, sightings
from tests.organizations import (
    MANY,
    MEMBERS,
    ONE,
    as_organizations,
    name_of,
    names_of,
)
from tests.users.models import Organization

pytestmark = [pytest.mark.django_db, pytest.mark.through_the_store]


@pytest.fixture(autouse=True)
def _now(set_now):
    set_now(NOW)


def test_inactive_on_both_sides_of_the_cutoff(leave, organizations):
    cutoff = NOW - 30 * DAY
    leave((1, cutoff - INSTANT), (3, cutoff), (7, cutoff - DAY), (8, NOW), (12, at(2010, 1, 1)))
    assert inactive_groups(MANY, 30 * DAY) == names_of({1, 6})


def test_inactive_equals_brute_force(leave, organizations):
    rows = sightings()
    leave(*rows)
    for days in (1, 3, 10, 40):
        seen = as_organizations(rows)
        recent = {group for group, when in seen if when >= NOW - days * DAY}
        expected = {group for group, _ in seen} - recent
        assert inactive_groups(MANY, days * DAY) == names_of(expected)


def test_inactive_among_users(leave, organizations):
    leave((1, at(2017, 1, 1)), (2, NOW - DAY))
    assert inactive_groups(MANY, 30 * DAY) == set()
    assert inactive_groups(MANY, 30 * DAY, users=[pk_of(1)]) == names_of({1})


@pytest.mark.parametrize(
    ("length", "error"), [(timedelta(), ValueError), (30, TypeError), (-DAY, ValueError)]
)
def test_invalid_length(organizations, length, error):
    with pytest.raises(error, match="for_ must be"):
        inactive_groups(MANY, length)


def test_slipping_counts_as_if_organizations_were_the_users(leave, organizations):
    rows = [row for row in sightings(count=600) if row[0] in {1, 3, 10} or row[1] < NOW - 15 * DAY]
    leave(*as_organizations(rows))
    expected = {number for number in range(1, 7) if pk_of(number) in slipping_away()}
    assert expected
    Souvenir.objects.all().delete()
    leave(*rows)
    assert slipping_groups(MANY) == names_of(expected)


@pytest.mark.parametrize("state", ["raw", "digested", "pruned"])
def test_last_seen_is_that_of_the_last_user(leave, organizations, state):
    leave(*sightings(), (4, at(2016, 2, 3, 4, 5)))
    if state != "raw":
        digest()
    if state == "pruned":
        list(Pruner(NOW - 10 * DAY).run())
    seen = last_seen_many([pk_of(user) for user in MEMBERS])
    expected = {}
    for user, groups in MEMBERS.items():
        for group in groups:
            moment = seen[pk_of(user)]
            if moment is not None:
                known = expected.get(name_of(group), moment)
                expected[name_of(group)] = max(known, moment)
    found = last_seen_groups(MANY)
    assert {group: moment for group, moment in found.items() if moment} == expected
    assert list(found) == sorted(names_of(range(1, 7)))


def test_last_seen_never_and_in_the_future(leave, organizations):
    assert set(last_seen_groups(MANY).values()) == {None}
    leave((4, NOW + DAY), (7, NOW - INSTANT))
    found = last_seen_groups(MANY)
    assert found[name_of(3)] == NOW + DAY
    assert found[name_of(4)] == NOW - INSTANT
    assert found[name_of(1)] is None


def test_last_seen_of_only_future_souvenirs(leave, organizations):
    leave((4, NOW + 400 * DAY))
    assert last_seen_groups(MANY)[name_of(3)] == NOW + 400 * DAY


def test_last_seen_among_users(leave, organizations):
    leave((1, START), (2, START + DAY), (3, START))
    assert last_seen_groups(MANY, users=[pk_of(1)]) == {name_of(1): START}
    assert last_seen_groups(MANY, users=[]) == {}


def test_last_seen_of_a_user_in_a_group_and_in_none(leave, organizations):
    Organization.objects.filter(name=name_of(1)).update(plan="")
    leave((2, START))
    assert last_seen_groups("membership__organization__plan") == {"free": None, "pro": START}


@pytest.mark.parametrize("zone", ZONES)
def test_most_active_equals_brute_force(leave, organizations, zone):
    rows = sightings()
    leave(*rows)
    oracle = Oracle(as_organizations(rows), zone=zone)
    [use] = Oracle(as_organizations(rows), END - INSTANT, zone=zone).days_of_use(
        len(oracle.periods)
    )
    found = most_active_groups(MANY, START, END, tz=zone)
    expected = sorted(((name_of(group), days) for group, days in use.items()), key=by_days)
    assert list(found.groups) == expected
    assert found.total == len(expected)
    assert most_active_groups(MANY, START, END, tz=zone, limit=2).groups == tuple(expected[:2])


def by_days(pair):
    return -pair[1], pair[0]


def test_most_active_rows_and_dict(leave, organizations):
    leave((4, START), (4, START + DAY))
    found = most_active_groups(MANY, START, END)
    assert found.groups == (MostActiveGroup(name_of(3), 2),)
    assert found.rows() == [{"group": name_of(3), "days": 2}]
    assert found.to_dict()["of"] == MANY


def test_most_active_on_a_site_without_souvenirs(organizations):
    assert most_active_groups(MANY).groups == ()
    with pytest.raises(ValueError, match="limit must be a whole number, 1 or more, or None, not 0"):
        most_active_groups(MANY, limit=0)


@pytest.mark.parametrize("zone", ZONES)
def test_seats_equal_brute_force(leave, organizations, zone):
    rows = sightings()
    leave(*rows)
    oracle = Oracle(rows, zone=zone)
    first, last = oracle.periods[0][0], oracle.periods[-1][-1]
    found = seats(MANY, START, END, tz=zone)
    assert [each.group for each in found.groups] == sorted(names_of(range(1, 7)))
    for number, each in enumerate(found.groups, 1):
        members = {user for user, groups in MEMBERS.items() if number in groups}
        active = oracle.active(first, last) & members
        days = sum(user in members for day, user in oracle.seen if first <= day <= last)
        assert each == SeatsOfGroup(name_of(number), len(members), len(active), days)
        assert found.users(each.group).pks == {pk_of(user) for user in active}


def test_seats_without_activity(organizations):
    found = seats(MANY, START, END)
    assert [each.provisioned for each in found.groups] == [3, 4, 1, 3, 2, 1]
    assert {(each.active, each.days, each.share, each.days_per_seat) for each in found.groups} == {
        (0, 0, 0, None)
    }
    assert (found.start, found.end, found.incomplete) == (START, END, "running")


def test_seats_are_those_of_active_accounts(leave, organizations):
    active = is_active_field()
    if active is None:
        pytest.skip("the user model does not say which accounts are active")
    get_user_model()._default_manager.filter(pk=pk_of(1)).update(**{active.name: False})
    leave((1, START), (2, START + DAY), (2, START + 2 * DAY))
    [first, *_] = seats(MANY, START, END).groups
    assert (first.provisioned, first.active, first.days) == (2, 2, 3)
    assert (first.share, first.days_per_seat) == (1, 1.5)


def test_all_accounts_have_seats_if_none_says_that_it_is_active(organizations, monkeypatch):
    if active := is_active_field():
        get_user_model()._default_manager.update(**{active.name: False})
    monkeypatch.setattr(import_module("souvenirs.insights.seats"), "is_active_field", lambda: None)
    assert [each.provisioned for each in seats(MANY, START, END).groups] == [3, 4, 1, 3, 2, 1]


def test_seats_among_users(leave, organizations):
    leave((1, START), (2, START))
    found = seats(MANY, START, END, users=[pk_of(2), pk_of(4)]).groups
    assert [(each.group, each.provisioned, each.active) for each in found] == [
        (name_of(1), 1, 1),
        (name_of(2), 1, 1),
        (name_of(3), 1, 0),
    ]


def test_provisioned_by_a_field_of_the_group(leave, organizations):
    Organization.objects.filter(name=name_of(1)).update(seats=10)
    leave((1, START))
    found = seats(MANY, START, END, provisioned="membership__organization__seats")
    assert [each.provisioned for each in found.groups] == [10, *[None] * 5]
    assert [each.share for each in found.groups] == [0.1, *[None] * 5]


def test_provisioned_of_users_without_a_group(organizations):
    Organization.objects.update(seats=3)
    Organization.objects.filter(name__in=[name_of(1), name_of(2)]).update(plan="")
    Organization.objects.filter(name=name_of(1)).update(seats=1)
    found = seats(f"{ONE}__plan", START, END, provisioned=f"{ONE}__seats")
    assert [(each.group, each.provisioned) for each in found.groups] == [("free", 3), ("pro", 3)]


def test_provisioned_by_a_dict(leave, organizations):
    given = {organizations[1].name: 4, organizations[2].name: 0}
    leave((2, START))
    found = seats(MANY, START, END, provisioned=given)
    assert [each.share for each in found.groups][:3] == [0.25, None, None]
    by_object = seats(ONE, START, END, provisioned={organizations[1]: 4})
    assert {each.group: each.provisioned for each in by_object.groups if each.provisioned} == {
        organizations[1].pk: 4
    }
    by_object = seats(MANY, START, END, provisioned={organizations[1]: 4})
    assert by_object.groups[0].provisioned == 4
    with pytest.raises(ValueError, match=r"are objects of users\.Organization, not <Prof"):
        seats(ONE, START, END, provisioned={organizations[1].profile_set.first(): 4})


def test_seats_that_differ_within_a_group(organizations):
    Organization.objects.filter(name=name_of(1)).update(seats=10)
    Organization.objects.filter(name=name_of(3)).update(seats=1000)
    with pytest.raises(ValueError, match=r"users of 'free' have different .* and 1,000|1,000 and"):
        seats(f"{ONE}__plan", provisioned=f"{ONE}__seats")


@pytest.mark.parametrize("number", [True, 1.5, -1, "3"])
def test_invalid_seats(organizations, number):
    with pytest.raises(ValueError, match=r"The seats of 'Acme' must be a whole number, not "):
        seats(MANY, provisioned={"Acme": number})


@pytest.mark.parametrize("provisioned", ["membership__nothing", 5, "password", ONE])
def test_provisioned_by_no_field(organizations, provisioned):
    with pytest.raises(ValueError, match="provisioned must be a dict of numbers by group, or an i"):
        seats(MANY, provisioned=provisioned)


def test_users_of_a_group(leave, organizations):
    leave((1, START), (4, START))
    found = seats(ONE, START, END)
    assert found.users(organizations[1]) == {pk_of(1)}
    assert found.users(organizations[3].pk) == {pk_of(4)}
    assert seats(MANY, START, END).users(organizations[3]) == {pk_of(4)}
    with pytest.raises(KeyError):
        found.users("Nobody")


def test_seats_as_rows(leave, organizations):
    leave((12, START))
    found = seats(MANY, START, END)
    assert found.rows()[-1] == {
        "group": name_of(6),
        "provisioned": 1,
        "active": 1,
        "share": 1,
        "days": 1,
        "days_per_seat": 1,
    }
    assert found.to_dict()["of"] == MANY


def test_seats_of_an_empty_range(leave, organizations):
    leave((12, START))
    found = seats(MANY, START, START)
    assert (found.start, found.end, found.incomplete) == (None, None, None)
    assert {each.active for each in found.groups} == {0}
