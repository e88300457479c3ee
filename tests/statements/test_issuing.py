"""Statements say what brute force says, once, and stay as they are."""

import json
from datetime import datetime, timedelta, timezone
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from django.db import IntegrityError, connection, transaction

from souvenirs.control import ActiveUsers, PrunedSpan, UserSet, active_users
from souvenirs.insights import active_series
from souvenirs.models import Statement, StatementLeaf, StatementLock
from souvenirs.reports import calendar_monthly_usage, customer_monthly_usage
from souvenirs.sets import FIRST_NUMBER
from souvenirs.statementfile import KEYS, check_follows, verified
from souvenirs.statements import (
    AlreadyIssued,
    Draft,
    TooEarly,
    draft_statement,
    export_statement,
    issue_statement,
    recount_statement,
    statement_users,
)
from souvenirs.statements.customers import EVERYONE
from souvenirs.statements.table import Statements
from souvenirs.stores import Contended
from tests.conftest import INSTANT, at, pk_of
from tests.digesting import digest, run
from tests.oracle import keys, sightings
from tests.organizations import FIRST, MANY, MEMBERS, ONE, found_organizations, name_of
from tests.users.models import Organization

pytestmark = pytest.mark.django_db

JANUARY = at(2016, 1, 1), at(2016, 2, 1)
FEBRUARY = at(2016, 2, 1), at(2016, 3, 1)
LATER = at(2016, 6, 1)

#: Sightings of three users, in the first and the last instant of January and around it.
ROWS = [
    (1, JANUARY[0]),
    (1, at(2016, 1, 20, 9)),
    (2, JANUARY[1] - INSTANT),
    (3, JANUARY[1]),
    (4, JANUARY[0] - INSTANT),
]


@pytest.fixture(autouse=True)
def now(set_now):
    set_now(LATER)


@pytest.fixture
def rows(leave):
    leave(*ROWS)


@pytest.fixture
def organizations(leave):
    """Organizations, and the sightings of their users in the winter of 2016."""
    found = found_organizations()
    rows = sightings(start=at(2015, 12, 1), days=90)
    leave(*rows)
    return found, rows


def seen(rows, start, end):
    return {number for number, when in rows if start <= when < end}


# What a statement says


@pytest.mark.usefixtures("rows")
def test_content():
    statement = issue_statement(
        None, JANUARY, tz="Europe/Paris", plan="pro", quota=5, issuer="example.com"
    )
    days = {f"2016-01-{day:02}": 0 for day in range(1, 32)}
    assert statement.content == {
        "format": "souvenirs-statement-1",
        "issuer": "example.com",
        "customer": None,
        "number": 1,
        "previous": None,
        "issued": "2016-06-01T00:00:00Z",
        "start": "2016-01-01T00:00:00Z",
        "end": "2016-02-01T00:00:00Z",
        "time_zone": "Europe/Paris",
        "definition": "Users with at least one souvenir in [start, end).",
        "active_users": 2,
        "days": days | {"2016-01-01": 1, "2016-01-20": 1, "2016-02-01": 1},
        "plan": "pro",
        "quota": 5,
        "coverage": {
            "first_souvenir": "2015-12-31T23:59:59.999999Z",
            "digested": False,
            "pruned": None,
            "over": True,
            "grace_days": 3,
            "grace_passed": True,
        },
        "root": verified(export_statement(statement)).content["root"],
    }
    assert statement.content.keys() == KEYS.keys()
    assert statement_users(statement).pks == keys({1, 2})


@pytest.mark.usefixtures("rows")
def test_what_is_stored_is_what_the_file_says():
    statement = issue_statement(None, JANUARY)
    file = verified(export_statement(statement))
    assert (file.content, file.hash) == (statement.content, statement.hash)
    assert file.users == {str(pk_of(1)), str(pk_of(2))}
    assert Statement.objects.get().body == json.dumps(
        statement.content, sort_keys=True, separators=(",", ":")
    )


@pytest.mark.parametrize(("of", "groups_of"), [(MANY, MEMBERS), (ONE, FIRST)])
def test_figures_of_each_customer_are_those_of_brute_force(organizations, of, groups_of):
    found, rows = organizations
    for digested in (False, True):
        if digested:
            digest()
        for number, organization in found.items():
            own = [(user, when) for user, when in rows if number in groups_of[user]]
            period = JANUARY if digested else FEBRUARY
            statement = issue_statement(organization, period, of=of)
            assert statement_users(statement).pks == keys(seen(own, *period))
            assert statement.content["active_users"] == len(seen(own, *period))
            day = period[0]
            for count in statement.content["days"].values():
                assert count == len(seen(own, day, day + timedelta(days=1)))
                day += timedelta(days=1)
            assert day == period[1]
            customer = statement.content["customer"]
            assert customer["of"] == of
            assert customer["label"] == name_of(number)
            assert customer["key"] == str(organization.pk if of == ONE else name_of(number))


@pytest.mark.parametrize("start", [at(2015, 1, 31), at(2015, 3, 29, 1, 30), at(2012, 2, 29, 12)])
@pytest.mark.parametrize("zone", ["America/New_York", "Asia/Kathmandu", "Europe/Paris"])
def test_subscription_months_in_any_zone(leave, start, zone):
    """From the 31st, the 29th of February and a time that a clock skips."""
    rows = sightings(start=at(2015, 9, 20), days=200)
    leave(*rows)
    zone = ZoneInfo(zone)
    months = list(customer_monthly_usage(start.replace(tzinfo=zone), at(2015, 10, 1), LATER))
    for month in months[:7]:
        statement = issue_statement(None, month)
        content = statement.content
        first, last = (datetime.fromisoformat(content[name]) for name in ("start", "end"))
        assert (first, last) == (month["period"]["start"], month["period"]["end"])
        assert content["time_zone"] == str(zone)
        assert content["active_users"] == len(seen(rows, first, last))
        local = {}
        for number, when in rows:
            if first <= when < last:
                local.setdefault(when.astimezone(zone).date().isoformat(), set()).add(number)
        found = {day: count for day, count in content["days"].items() if count}
        assert found == {day: len(users) for day, users in local.items()}
        assert min(content["days"]) == first.astimezone(zone).date().isoformat()
        assert max(content["days"]) == (last - INSTANT).astimezone(zone).date().isoformat()


@pytest.mark.usefixtures("rows")
def test_period_may_be_that_of_a_series():
    [january] = active_series(*JANUARY, interval="month").periods
    assert issue_statement(None, january).content["active_users"] == 2


def test_period_has_microseconds(leave):
    start = at(2016, 1, 1, 0, 0, 0, 1)
    leave((1, start - INSTANT), (2, start))
    content = issue_statement(None, (start, JANUARY[1])).content
    assert (content["start"], content["active_users"]) == ("2016-01-01T00:00:00.000001Z", 1)


def test_site_without_time_zones(leave, settings):
    """Its clock shows 02:30 twice on this night, and the period begins at the second one."""
    settings.USE_TZ, settings.TIME_ZONE = False, "Europe/Paris"
    start = at(2015, 10, 25, 1, 30)
    leave((1, datetime(2015, 10, 25, 4)), (2, datetime(2015, 10, 25)))
    statement = issue_statement(None, (start, at(2015, 11, 1)), tz="Europe/Paris")
    assert statement.content["start"] == "2015-10-25T01:30:00Z"
    assert statement.content["days"]["2015-10-25"] == statement.content["active_users"] == 1
    assert statement_users(statement).pks == keys({1})
    with pytest.raises(AlreadyIssued):
        issue_statement(None, (start, at(2015, 11, 1)))
    assert not recount_statement(statement).differs
    assert verified(export_statement(statement)).hash == statement.hash


def test_coverage_says_what_has_been_digested_and_pruned(leave, set_now):
    leave(*ROWS)
    digest()
    run("prune_souvenirs", "--older-than=0")
    january = issue_statement(None, JANUARY).content
    assert january["coverage"] | {"grace_days": 3} == {
        "first_souvenir": "2015-12-31T23:00:00Z",
        "digested": True,
        "pruned": ["2016-01-01T00:00:00Z", "2016-02-01T00:00:00Z"],
        "over": True,
        "grace_days": 3,
        "grace_passed": True,
    }
    assert january["active_users"] == 2
    leave((5, FEBRUARY[1]))
    coverage = issue_statement(None, FEBRUARY).content["coverage"]
    assert (coverage["digested"], coverage["pruned"]) == (
        True,
        [
            "2016-02-01T00:00:00Z",
            "2016-02-01T01:00:00Z",
        ],
    )
    leave((5, FEBRUARY[1] - INSTANT))
    assert not draft_statement(None, FEBRUARY).content["coverage"]["digested"]
    with pytest.raises(PrunedSpan):
        issue_statement(None, (JANUARY[0] + INSTANT, JANUARY[1]))


# Once


@pytest.mark.usefixtures("rows")
def test_second_statement_about_a_period_is_refused():
    issue_statement(None, JANUARY)
    with pytest.raises(AlreadyIssued) as caught:
        issue_statement(None, JANUARY)
    assert caught.value.statement == Statement.objects.get()
    assert str(caught.value) == (
        "Statement 1 of everyone, from 2016-01-01T00:00:00Z to 2016-02-01T00:00:00Z, was issued at "
        "2016-06-01T00:00:00Z: it cannot be issued again."
    )


@pytest.mark.usefixtures("rows")
@pytest.mark.parametrize("fields", [{}, {"start": JANUARY[1]}, {"number": 2}])
def test_database_decides_between_two_at_once(fields):
    """Neither two about a period nor two with a number; what differs in both is another one."""
    issue_statement(None, JANUARY)
    there = Statement.objects.values().get()
    del there["id"]
    twice = Statement(**{**there, **fields})
    with pytest.raises(IntegrityError), transaction.atomic():
        twice.save(force_insert=True)
    Statement(**{**there, "start": JANUARY[1], "number": 2}).save(force_insert=True)


@pytest.mark.usefixtures("rows")
def test_statement_cannot_be_changed():
    statement = issue_statement(None, JANUARY)
    with pytest.raises(TypeError, match="it has been issued"):
        statement.save()


@pytest.mark.usefixtures("rows")
@pytest.mark.django_db(transaction=True)
def test_inside_a_transaction_nothing_is_issued():
    with transaction.atomic(), pytest.raises(RuntimeError, match="durable"):
        issue_statement(None, JANUARY)
    assert not Statement.objects.exists()


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("rows")
def test_without_autocommit_the_statement_is_committed():
    connection.set_autocommit(False)
    try:
        issue_statement(None, JANUARY)
        connection.rollback()
        assert Statement.objects.update(name="") == 1
        with pytest.raises(RuntimeError, match="may have a transaction open"):
            issue_statement(None, FEBRUARY)
    finally:
        connection.rollback()
        connection.set_autocommit(True)


def test_statement_is_tried_again_where_a_user_is_being_erased():
    """The number is still in the set, and its key is gone."""
    nobody = ActiveUsers.of(UserSet.from_ids([FIRST_NUMBER]))
    with pytest.raises(Contended, match="have just been erased"):
        Statements().add(EVERYONE, Draft({}, nobody, None), 0)


@pytest.mark.usefixtures("rows")
def test_lock_is_taken():
    issue_statement(None, JANUARY)
    issue_statement(None, FEBRUARY)
    assert StatementLock.objects.get().times == 2


def test_statements_of_a_customer_follow_one_another(organizations):
    found, _ = organizations
    months = [row["period"] for row in calendar_monthly_usage(*JANUARY[:1], at(2016, 4, 1))]
    for organization in (found[1], None, found[2]):
        of = None if organization is None else ONE
        files = [
            verified(export_statement(issue_statement(organization, tuple(month.values()), of=of)))
            for month in months
        ]
        assert [file.content["number"] for file in files] == [1, 2, 3]
        for before, file in pairwise(files):
            check_follows(file, before)


def test_customers_whose_keys_differ_in_case_alone(leave):
    """Also where the collation of the database takes them for the same."""
    found = found_organizations({1: (1,), 2: (2,), 3: (3,)})
    for number, plan in enumerate(["pro", "Pro", "pro"], 1):
        Organization.objects.filter(pk=found[number].pk).update(plan=plan)
    leave(*((number, JANUARY[0]) for number in found))
    statements = [issue_statement(plan, JANUARY, of=f"{ONE}__plan") for plan in ("pro", "Pro")]
    assert [each.content["active_users"] for each in statements] == [2, 1]
    assert [each.number for each in statements] == [1, 1]


def test_key_in_another_case_is_no_customer(leave):
    """Also where the database finds the object of the key: its users have another one."""
    found_organizations({1: (1,)})
    leave((1, JANUARY[0]))
    with pytest.raises(ValueError, match="There is no group 'ORGANIZATION 1'"):
        issue_statement(name_of(1).upper(), JANUARY, of=MANY)
    assert issue_statement(name_of(1), JANUARY, of=MANY).content["active_users"] == 1


# Not yet


@pytest.mark.usefixtures("rows")
@pytest.mark.parametrize(
    ("now", "grace", "sentence"),
    [
        (
            JANUARY[1] - INSTANT,
            None,
            "The period is not over: its statement can be issued from 2016-02-04T00:00:00Z.",
        ),
        (
            JANUARY[1],
            None,
            "The 3 days for late imports are not over: the statement can be issued "
            "from 2016-02-04T00:00:00Z.",
        ),
        (at(2016, 2, 4) - INSTANT, None, "The 3 days for late imports are not over"),
        (at(2016, 2, 4), None, None),
        (
            JANUARY[1] - INSTANT,
            0,
            "The period is not over: its statement can be issued from 2016-02-01T00:00:00Z.",
        ),
        (JANUARY[1], 0, None),
        (at(2016, 2, 10), 10, "The 10 days for late imports are not over"),
    ],
)
def test_grace(set_now, now, grace, sentence):
    set_now(now)
    if sentence is None:
        assert draft_statement(None, JANUARY, grace=grace).obstacle is None
        issue_statement(None, JANUARY, grace=grace)
        return
    with pytest.raises(TooEarly) as caught:
        issue_statement(None, JANUARY, grace=grace)
    assert str(caught.value).startswith(sentence)
    assert not Statement.objects.exists()
    content = issue_statement(None, JANUARY, grace=grace, early=True).content
    assert content["coverage"]["grace_passed"] is False
    assert content["coverage"]["over"] is (now >= JANUARY[1])


@pytest.mark.usefixtures("rows")
def test_grace_is_set_for_the_site(set_now, settings):
    settings.SOUVENIRS_STATEMENT_GRACE_DAYS = 0
    set_now(JANUARY[1])
    assert issue_statement(None, JANUARY).content["coverage"]["grace_days"] == 0


@pytest.mark.usefixtures("rows")
def test_grace_after_the_last_day_there_is():
    draft = draft_statement(None, (at(9999, 12, 30), at(9999, 12, 31)), grace=2)
    assert draft.obstacle.endswith("can be issued from 9999-12-31T23:59:59.999999Z.")


def test_nothing_is_known_on_an_empty_site():
    draft = draft_statement(None, JANUARY)
    assert draft.content["active_users"] is None
    with pytest.raises(TooEarly, match="Nothing was recorded before 2016-02-01T00:00:00Z"):
        issue_statement(None, JANUARY, early=True)


def test_nobody_is_a_figure_too(leave):
    leave((1, JANUARY[0] - INSTANT))
    statement = issue_statement(None, JANUARY)
    assert statement.content["active_users"] == 0
    assert verified(export_statement(statement)).users == frozenset()


@pytest.mark.usefixtures("rows")
def test_draft_stores_nothing():
    draft = draft_statement(None, JANUARY, plan="pro")
    assert (draft.users.pks, draft.obstacle) == (keys({1, 2}), None)
    assert draft.content["plan"] == "pro"
    assert not Statement.objects.exists()


# What is refused


@pytest.mark.usefixtures("rows")
@pytest.mark.parametrize(
    ("group", "period", "options", "sentence"),
    [
        (None, JANUARY[::-1], {}, "is not earlier than end"),
        (None, (JANUARY[0], JANUARY[0]), {}, "is not earlier than end"),
        (None, (datetime(2016, 1, 1), JANUARY[1]), {}, "naive"),
        (None, JANUARY, {"tz": "Europe/Atlantis"}, "Unknown time zone"),
        (None, JANUARY, {"tz": timezone(timedelta(hours=1))}, "Unknown time zone 'UTC+01:00'"),
        (None, JANUARY, {"grace": -1}, "grace must be a whole number of days, not -1"),
        (None, JANUARY, {"grace": 1.5}, "grace must be a whole number of days, not 1.5"),
        (None, JANUARY, {"quota": True}, "quota must be a whole number of users, not True"),
        (None, JANUARY, {"of": "plan"}, "has neither of= nor label="),
        (None, JANUARY, {"label": "Everyone"}, "has neither of= nor label="),
        (4, JANUARY, {}, "of is missing"),
        (4, JANUARY, {"of": "colour"}, "of must be a field"),
        ("x", JANUARY, {"of": ONE}, "'x' is not a value of 'profile__organization'"),
        ("", JANUARY, {"of": "profile__organization__plan"}, "it means that a user has none"),
        ("gold", JANUARY, {"of": "profile__organization__plan"}, "There is no group 'gold'"),
        (pk_of(1), JANUARY, {"of": "password"}, "a password"),
    ],
)
def test_value_error(group, period, options, sentence):
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the sentence is below
        issue_statement(group, period, **options)
    assert sentence in str(caught.value)


@pytest.mark.parametrize(
    ("period", "options"),
    [(None, {}), ("2016", {}), (JANUARY, {"plan": 5}), (JANUARY, {"issuer": b"me"})],
)
def test_type_error(period, options):
    with pytest.raises(TypeError):
        issue_statement(None, period, **options)


@pytest.mark.parametrize(
    ("label", "error", "sentence"),
    [
        (5, TypeError, "label must be text, not 5."),
        ("\ud800", ValueError, "label has half a character or NUL: '\\ud800'."),
        ("A\0", ValueError, "label has half a character or NUL: 'A\\x00'."),
    ],
)
def test_label_that_cannot_be_stored(leave, label, error, sentence):
    found = found_organizations({1: (1,)})
    leave((1, JANUARY[0]))
    with pytest.raises(error) as caught:
        issue_statement(found[1], JANUARY, of=ONE, label=label)
    assert str(caught.value) == sentence


@pytest.mark.usefixtures("rows")
def test_period_that_is_cut_off_is_refused():
    [row] = calendar_monthly_usage(JANUARY[0], at(2016, 1, 20))
    with pytest.raises(ValueError, match="cut off where the report ends"):
        issue_statement(None, row)


# Files


@pytest.mark.usefixtures("rows")
def test_file_for_one_user_names_no_other():
    statement = issue_statement(None, JANUARY)
    file = verified(export_statement(statement, only=[pk_of(1), pk_of(3)]))
    assert (file.users, file.hidden) == (frozenset([str(pk_of(1))]), 1)
    assert file.hash == statement.hash
    assert verified(export_statement(statement, only=[])).hidden == 2
    with pytest.raises(ValueError, match="user is None"):
        export_statement(statement, only=[None])


@pytest.mark.usefixtures("rows")
def test_users_to_name_are_not_text():
    """Its characters would be keys of others."""
    statement = issue_statement(None, JANUARY)
    with pytest.raises(TypeError, match="users must be a queryset or an iterable"):
        export_statement(statement, only="12")


@pytest.mark.usefixtures("rows")
def test_salts_are_random():
    one, two = (issue_statement(None, month) for month in (JANUARY, FEBRUARY))
    salts = [bytes(salt) for salt in StatementLeaf.objects.values_list("salt", flat=True)]
    assert [len(salt) for salt in salts] == [16] * 3
    assert len(set(salts)) == 3
    assert one.content["root"] != two.content["root"]


@pytest.mark.usefixtures("rows")
def test_set_is_still_that_of_active_users():
    statement = issue_statement(None, JANUARY)
    assert statement_users(statement) == active_users(*JANUARY)
