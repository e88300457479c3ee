"""Insights about groups of users, which are active when one of their users is."""

import pytest

from souvenirs.insights import (
    Segmented,
    active_series,
    day_n_retention,
    growth,
    power_curve,
    power_curves,
    retention,
)
from souvenirs.models import Souvenir
from tests.conftest import at, pk_of
from tests.digesting import digest
from tests.oracle import DAY, END, INSIGHTS, NOW, START, ZONES, Oracle, behind, sightings
from tests.organizations import (
    FIRST,
    MANY,
    MEMBERS,
    ONE,
    as_organizations,
    names_of,
)

pytestmark = [pytest.mark.django_db, pytest.mark.through_the_store]


@pytest.fixture(autouse=True)
def _now(set_now):
    set_now(NOW)


@pytest.mark.parametrize("insight", INSIGHTS.values(), ids=INSIGHTS)
@pytest.mark.parametrize("is_digested", [False, True])
@pytest.mark.parametrize(("of", "members"), [(MANY, MEMBERS), (ONE, FIRST)])
def test_counts_as_if_organizations_were_the_users(
    leave, organizations, insight, is_digested, of, members
):
    rows = sightings()
    leave(*as_organizations(rows, members))
    expected = insight(START, END).rows()
    Souvenir.objects.all().delete()
    leave(*rows)
    if is_digested:
        digest()
    assert insight(START, END, of=of).rows() == expected


@pytest.mark.parametrize("zone", ZONES)
def test_growth_equals_brute_force(leave, organizations, zone):
    rows = sightings()
    leave(*rows)
    found = growth(START, END, interval="week", tz=zone, of=MANY)
    oracle = Oracle(as_organizations(rows), interval="week", zone=zone)
    for each, expected in zip(found.periods, oracle.growth(), strict=True):
        for part, groups in expected.items():
            assert getattr(each, part) == len(groups)
            assert found.groups(each.period, part) == names_of(groups)


@pytest.mark.parametrize("insight", INSIGHTS.values(), ids=INSIGHTS)
def test_groups_behind_every_number(leave, organizations, insight, monkeypatch):
    leave(*sightings())
    found = insight(START, END, of=MANY)
    monkeypatch.setattr(type(found), "users", type(found).groups)
    if isinstance(getattr(found, "curves", None), tuple):
        monkeypatch.setattr(type(found.curves[0]), "users", type(found.curves[0]).groups)
    pairs = behind(found)
    assert pairs
    assert all(number == len(set(groups)) for number, groups in pairs)


def test_groups_behind_the_curves_of_periods(leave, organizations):
    leave((1, START), (2, START), (4, START), (4, START + DAY))
    found = power_curves(START, END, interval="week", of=MANY)
    assert found.groups(0, 1) == names_of({1, 2})
    assert found.groups(0, 1, at_least=True) == names_of({1, 2, 3})
    with pytest.raises(TypeError, match="call groups"):
        found.users(0, 1)


def test_restricted_to_users(leave, organizations):
    leave(*sightings())
    [expected] = {active_series(START, END, interval="year", of=MANY).values}
    [found] = {active_series(START, END, interval="year", of=MANY, users=[pk_of(3)]).values}
    assert (expected, found) == ((6,), (1,))


def test_by_segment_and_everyone(leave, organizations):
    leave((1, START), (3, START), (4, START), (6, START))
    by = {"first": [pk_of(1), pk_of(2)], "rest": [pk_of(3), pk_of(4), pk_of(6)]}
    found = growth(START, END, interval="year", of=MANY, by=by)
    assert isinstance(found, Segmented)
    assert found.everyone.groups(0) == names_of({1, 2, 3})
    assert {name: set(each.groups(0)) for name, each in found.items()} == {
        "first": names_of({1}),
        "rest": names_of({2, 3}),
    }
    assert found.to_dict()["of"] == MANY


def test_exclusive_segments_may_share_an_organization(leave, organizations):
    leave((1, START), (2, START))
    by = {"one": [pk_of(1)], "both": [pk_of(1), pk_of(2)]}
    found = active_series(START, END, interval="year", of=MANY, by=by, exclusive=True)
    assert [set(each.groups(0)) for each in found.values()] == [names_of({1}), names_of({1, 2})]


@pytest.mark.parametrize("by", [None, {"all": [pk_of(n) for n in MEMBERS]}])
def test_users_without_number_among_numbered_ones(leave, organizations, by):
    leave((2, START))
    digest()
    leave((5, START), (9, START))
    found = active_series(START, END, interval="year", of=MANY, by=by)
    everyone = found if by is None else found["all"]
    assert everyone.groups(0) == names_of({1, 2, 4, 5})


def test_users_are_not_groups(leave, organizations):
    leave((1, START))
    with pytest.raises(TypeError, match=r"counts groups by 'membership__organization': call group"):
        growth(START, END, of=MANY).users(0)
    with pytest.raises(TypeError, match=r"counts users: call users\(\), or pass of"):
        growth(START, END).groups(0)


def test_no_group_behind_an_unknown_number(leave, organizations):
    leave((1, START))
    found = INSIGHTS["stickiness"](at(2017, 7, 1), END, of=MANY)
    assert found.periods[0].active is None
    assert found.groups(0) == set()


def test_registration_is_about_users(organizations):
    with pytest.raises(ValueError, match=r"groups by 'profile__organization' do not register"):
        retention(START, END, cohort="joined", of=ONE)


@pytest.mark.parametrize("of", ["membership__nothing", "", 5, ["profile"]])
@pytest.mark.parametrize("insight", [active_series, retention, day_n_retention])
def test_no_field(leave, insight, of):
    leave((1, START))
    with pytest.raises(ValueError, match=r"of must be a field of \w+\.\w+ or of a related model, "):
        insight(START, END, of=of)


def test_site_without_souvenirs(organizations):
    assert active_series(START, END, interval="year", of=MANY).values == (None,)
    assert power_curve(END, of=MANY).exactly is None


def test_deleted_user_belongs_to_no_organization(leave, organizations):
    leave((12, START), (1, START))
    digest()
    before = active_series(START, END, interval="year", of=MANY)
    organizations[6].membership_set.get().user.delete()
    after = active_series(START, END, interval="year", of=MANY)
    assert (before.groups(0), after.groups(0)) == (names_of({1, 6}), names_of({1}))


def test_rows_and_dict_name_the_field(leave, organizations):
    leave((1, START))
    found = growth(START, END, interval="year", of=ONE)
    assert list(found.to_dict())[:2] == ["insight", "of"]
    assert "of" not in growth(START, END, interval="year").to_dict()
