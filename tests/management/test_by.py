"""Commands that report each value of a listed field."""

import json

import pytest
from django.core.management import CommandError

from souvenirs.management.commands._commands import ReportCommand
from tests.conftest import at
from tests.organizations import found_organizations
from tests.terminals import csv_rows, run
from tests.users.models import Organization

pytestmark = [pytest.mark.django_db, pytest.mark.through_the_store]

FIELD = "membership__organization__name"
COMMANDS = ["show_usage", "show_activity", "show_growth", "show_retention"]
RANGE = ["--after=2016-01-01", "--before=2016-03-01", "--tz=UTC"]


def asked(command, *arguments):
    calendar = ["--calendar"] if command == "show_usage" else []
    return run(command, *RANGE, *calendar, *arguments)


@pytest.fixture(autouse=True)
def _history(settings, leave):
    settings.SOUVENIRS_GROUP_BY = [FIELD]
    members = {number: (1 + number % 25,) for number in range(1, 51)}
    members[51] = (26, 3)
    found_organizations(members)
    leave(*((number, at(2016, 1, 1 + number % 20)) for number in (3, 28, 51, 9)))
    leave((50, at(2015, 12, 1)))


def named(out):
    """The values in a table, in order."""
    rows = [line for line in out.splitlines()[2:] if line.startswith(("everyone", "Organization"))]
    return list(dict.fromkeys(" ".join(row.split("  ")[0].split()) for row in rows))


@pytest.mark.parametrize("command", COMMANDS)
def test_table_has_the_most_active_values(command):
    out, err = asked(command, "--by", FIELD)
    found = named(out)
    assert found[:5] == ["everyone", *(f"Organization {number}" for number in (4, 10, 26, 3))]
    assert len(found) == 21
    assert f"{FIELD} has 6 more values, which have no more active users: see --top." in err
    assert "Segments can overlap" in err


def test_top_chooses_how_many():
    out, err = asked("show_activity", "--by", FIELD, "--top=25")
    assert len(named(out)) == 26
    assert "has 1 more value, which has no more active users" in err
    out, err = asked("show_activity", "--by", FIELD, "--top=26")
    assert len(named(out)) == 27
    assert "more value" not in err


@pytest.mark.parametrize("command", COMMANDS)
def test_data_has_all_values(command):
    calendar = ["--calendar"] if command == "show_usage" else []
    rows = csv_rows(command, *RANGE, *calendar, "--by", FIELD)
    assert len({row["segment"] for row in rows}) == 27
    out, err = asked(command, "--by", FIELD, "--json")
    found = json.loads(out)
    rows = found if isinstance(found, list) else found["rows"]
    assert len({row["segment"] for row in rows}) == 27
    assert not err


def test_exclusive_is_among_all_values():
    rows = csv_rows("show_activity", *RANGE, "--by", FIELD, "--exclusive", "--top=3")
    assert list(dict.fromkeys(row["segment"] for row in rows)) == [
        "",
        "Organization 4",
        "Organization 10",
        "Organization 26",
    ]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--by", "password"], f"--by 'password' is not a field in .*: choose one of {FIELD}."),
        (["--by", FIELD, "--by-segment"], "Cannot use --by-segment and --by together."),
        (["--top=3"], "--top requires --by."),
        (["--by", FIELD, "--top=0"], "--top must be a positive whole number, not '0'"),
        (["--exclusive"], "--exclusive requires --by-segment or --by."),
    ],
)
@pytest.mark.parametrize("command", COMMANDS)
def test_wrong_options_are_refused(command, arguments, sentence):
    with pytest.raises(CommandError, match=sentence):
        asked(command, *arguments)


def test_nothing_is_listed_by_default(settings):
    settings.SOUVENIRS_GROUP_BY = []
    with pytest.raises(CommandError, match="is not a field in SOUVENIRS_GROUP_BY: add it there"):
        asked("show_growth", "--by", FIELD)


def test_nobody_has_a_value(settings):
    settings.SOUVENIRS_GROUP_BY = ["profile__organization__plan"]
    found_organizations({99: ()})
    Organization.objects.update(plan="")
    with pytest.raises(CommandError, match="No user has a value of profile__organization__plan"):
        asked("show_growth", "--by", "profile__organization__plan")


def test_segment_is_a_value():
    rows = csv_rows(
        "show_activity", *RANGE, "--interval=month", f"--segment={FIELD}:Organization 4"
    )
    assert rows[0]["active"] == "2"


def test_base_of_commands_needs_none_of_the_options():
    ends = {"after": None, "subscription_start": None, "before": None}
    command = ReportCommand()
    command.notes = []
    found = command._segments({"by_segment": False, "exclusive": False, "segment": None, **ends})
    assert found == {"users": None, "by": None, "exclusive": False}
