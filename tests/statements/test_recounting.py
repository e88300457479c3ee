"""What would be different today, and why."""

import pytest
from django.contrib.auth import get_user_model

from souvenirs.control import active_users
from souvenirs.models import Souvenir, Statement
from souvenirs.statements import issue_statement, recount_statement
from tests.conftest import at, pk_of
from tests.digesting import digest, run
from tests.oracle import keys
from tests.organizations import ONE, found_organizations
from tests.users.models import Profile

pytestmark = pytest.mark.django_db

JANUARY = at(2016, 1, 1), at(2016, 2, 1)
DAY = at(2016, 1, 7)


@pytest.fixture(autouse=True)
def now(set_now):
    set_now(at(2016, 6, 1))


@pytest.fixture
def organizations(leave):
    """Users 1 and 2 of an organization, and 3 and 4 of another one; all were active but 4."""
    found = found_organizations({1: (1,), 2: (1,), 3: (2,), 4: (2,)})
    leave(*((number, DAY) for number in (1, 2, 3)))
    return found


def recounted(statement):
    """The users behind each reason that has some."""
    recount = recount_statement(statement)
    reasons = {**recount.added, **recount.removed}
    return {reason: users.pks for reason, users in reasons.items() if users}


def move(user, organization):
    Profile.objects.filter(user_id=pk_of(user)).update(organization=organization)


@pytest.mark.usefixtures("organizations")
@pytest.mark.parametrize("digested", [False, True])
def test_nothing_differs(digested):
    statement = issue_statement(None, JANUARY, tz="Asia/Tokyo", plan="pro")
    if digested:
        digest()
    recount = recount_statement(statement)
    assert not recount.differs
    assert recount.days == {}
    assert recount.draft.content["time_zone"] == "Asia/Tokyo"
    assert recount.draft.content["plan"] == "pro"


@pytest.mark.usefixtures("organizations")
def test_late_souvenirs(leave):
    statement = issue_statement(None, JANUARY)
    leave((4, DAY), (4, at(2016, 2, 1)), (9, at(2015, 12, 31)))
    assert recounted(statement) == {"late": keys({4})}
    assert recount_statement(statement).days == {"2016-01-07": (3, 4)}


@pytest.mark.usefixtures("organizations")
def test_late_souvenirs_of_users_who_count_already_change_only_days(leave):
    statement = issue_statement(None, JANUARY)
    leave((1, at(2016, 1, 8)))
    recount = recount_statement(statement)
    assert recounted(statement) == {}
    assert recount.days == {"2016-01-08": (0, 1)}
    assert recount.differs


def test_users_who_join_and_leave(organizations, leave):
    statement = issue_statement(organizations[1], JANUARY, of=ONE)
    move(3, organizations[1])
    move(2, organizations[2])
    leave((4, DAY))
    move(4, organizations[1])
    assert recounted(statement) == {
        "joined": keys({3}),
        "late": keys({4}),
        "left": keys({2}),
    }


def test_deleted_account_is_in_no_organization(organizations):
    statement = issue_statement(organizations[1], JANUARY, of=ONE)
    everyone = issue_statement(None, JANUARY)
    get_user_model().objects.get(pk=pk_of(2)).delete()
    assert recounted(statement) == {"deleted": keys({2})}
    assert recounted(everyone) == {}


def test_organization_that_is_gone(organizations):
    statement = issue_statement(organizations[1], JANUARY, of=ONE)
    Profile.objects.update(organization=None)
    organizations[1].delete()
    assert recounted(statement) == {"left": keys({1, 2})}


@pytest.mark.usefixtures("organizations")
def test_souvenirs_that_are_gone():
    statement = issue_statement(None, JANUARY)
    Souvenir.objects.filter(user_id=pk_of(1)).delete()
    assert recounted(statement) == {"gone": keys({1})}


def test_nobody_knows_why_where_souvenirs_have_been_pruned(organizations, leave):
    statement = issue_statement(organizations[1], JANUARY, of=ONE)
    leave((4, DAY))
    digest()
    run("prune_souvenirs", "--older-than=0")
    move(3, organizations[1])
    move(4, organizations[1])
    assert recounted(statement) == {"unknown": keys({3, 4})}


def test_differences_explain_every_user(organizations, leave):
    """Then, plus who was added, minus who was removed, is now."""
    statement = issue_statement(organizations[1], JANUARY, of=ONE)
    then = {pk_of(1), pk_of(2)}
    move(1, None)
    move(3, organizations[1])
    recount = recount_statement(statement)
    added = set().union(*(users.pks for users in recount.added.values()))
    removed = set().union(*(users.pks for users in recount.removed.values()))
    assert then - removed | added == recount.draft.users.pks
    assert recount.draft.users.pks == {pk_of(2), pk_of(3)}
    assert active_users(*JANUARY, recount.draft.users).pks == recount.draft.users.pks


@pytest.mark.usefixtures("organizations")
def test_nothing_is_changed():
    statement = issue_statement(None, JANUARY)
    before = Statement.objects.values().get()
    recount_statement(statement)
    assert Statement.objects.values().get() == before
