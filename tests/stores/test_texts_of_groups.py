"""Groups whose texts are the same to the collation of a database are groups of their own."""

import pytest

from souvenirs.control import active_groups, active_users
from souvenirs.insights import seats
from tests.conftest import pk_of
from tests.oracle import END, START
from tests.organizations import MANY, found_organizations, name_of
from tests.users.models import Organization

pytestmark = pytest.mark.django_db

PLAN = f"{MANY}__plan"


@pytest.fixture(autouse=True)
def _plans(leave):
    found_organizations({1: (1,), 2: (2, 3), 3: (1, 2, 3)})
    for number, plan in enumerate(["Pro", "pro", "pro "], 1):
        Organization.objects.filter(name=name_of(number)).update(plan=plan, seats=3)
    leave(*((number, START) for number in (1, 2, 3)))


@pytest.mark.parametrize("numbers", [(1, 2, 3), (3,)])
def test_active_groups(numbers):
    found = active_groups(PLAN, users=[pk_of(number) for number in numbers])
    assert list(found) == ["Pro", "pro", "pro "]


def test_segments():
    found = active_users(by=PLAN)
    assert {name: len(users) for name, users in found.items()} == {"Pro": 2, "pro": 2, "pro ": 2}


@pytest.mark.parametrize("provisioned", [None, f"{MANY}__seats"])
def test_seats(provisioned):
    found = seats(PLAN, START, END, provisioned=provisioned)
    expected = 2 if provisioned is None else 3
    assert [(each.group, each.provisioned, each.active) for each in found.groups] == [
        ("Pro", expected, 2),
        ("pro", expected, 2),
        ("pro ", expected, 2),
    ]
