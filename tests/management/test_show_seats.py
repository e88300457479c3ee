from datetime import timedelta

import pytest
from django.core.management import CommandError

from souvenirs.insights import seats
from tests.conftest import at, pk_of
from tests.organizations import MANY, found_organizations, name_of
from tests.terminals import as_data, as_json, csv_rows, on_terminal, run
from tests.users.models import Organization

pytestmark = [pytest.mark.django_db, pytest.mark.through_the_store]

COMMAND = ("show_seats", f"--of={MANY}")
NOW = at(2016, 4, 10, 12)
DAY = timedelta(days=1)


@pytest.fixture(autouse=True)
def _organizations(monkeypatch, leave):
    monkeypatch.setattr("souvenirs.reports.timezone.now", lambda: NOW)
    monkeypatch.setenv("COLUMNS", "120")
    found_organizations({1: (1,), 2: (1, 2), 3: (2,)})
    leave((1, NOW - DAY), (1, NOW - 27 * DAY), (2, NOW - 28 * DAY))


def test_table():
    out, _ = run(*COMMAND)
    assert out == (
        "group             seats    active    share    days    days a seat\n"
        "--------------  -------  --------  -------  ------  -------------\n"
        "Organization 1        2         1      50%       2            2.0\n"
        "Organization 2        2         0       0%       0              -\n"
    )


def test_notes():
    _, notes = run(*COMMAND)
    assert "2 groups, 1 with an active seat." in notes
    assert f"Counted are groups of users by {MANY}, with today's members." in notes


@pytest.mark.parametrize(
    ("arguments", "active"),
    [
        (["--last=29d"], [2, 1]),
        (["--last=1d"], [0, 0]),
        (["--after=2016-03-13", "--before=2016-03-14"], [1, 1]),
        (["--after=2016-03-14", "--before=2016-04-09"], [1, 0]),
    ],
)
def test_range(arguments, active):
    assert [int(row["active"]) for row in csv_rows(*COMMAND, *arguments)] == active


def test_only_users_of_a_segment(settings):
    settings.SOUVENIRS_SEGMENTS = {"others": lambda: [pk_of(2)]}
    rows = csv_rows(*COMMAND, "--last=29d", "--segment=others")
    assert [(row["provisioned"], row["active"]) for row in rows] == [("1", "1"), ("1", "1")]


def test_provisioned():
    Organization.objects.filter(name=name_of(1)).update(seats=4)
    rows = csv_rows(*COMMAND, "--provisioned=membership__organization__seats")
    assert [(row["provisioned"], row["share"]) for row in rows] == [("4", "0.25"), ("", "")]


def test_json_is_the_insight():
    found = seats(MANY, at(2016, 3, 14), None)
    assert as_json(*COMMAND)["rows"] == as_data(found.to_dict())["rows"]


def test_bars_on_a_terminal():
    lines, _ = on_terminal(*COMMAND)
    [first] = [line for line in lines if name_of(1) in line]
    assert "\u2588" in first


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["show_seats"], "--of is missing: name a field, such as --of organization"),
        (["show_seats", "--of=nothing"], "of must be a field of .*, not 'nothing'"),
        ([*COMMAND, "--provisioned=x"], "provisioned must be a dict of numbers by group, or an"),
    ],
)
def test_invalid(arguments, message):
    with pytest.raises(CommandError, match=message):
        run(*arguments)


@pytest.mark.parametrize("command", ["show_growth", "show_activity", "show_retention"])
def test_other_commands_count_groups(command):
    counted = csv_rows(command, "--interval=year", f"--of={MANY}", "--segment=all")
    assert counted
    _, notes = run(command, "--interval=year", f"--of={MANY}")
    assert f"Counted are groups of users by {MANY}" in notes


@pytest.fixture(autouse=True)
def _everyone(settings):
    settings.SOUVENIRS_SEGMENTS = {"all": lambda: [pk_of(number) for number in (1, 2, 3)]}


def test_growth_of_groups():
    [row] = csv_rows("show_growth", "--interval=year", f"--of={MANY}")
    assert (row["active"], row["new"]) == ("2", "2")


def test_retention_has_a_column_of_groups():
    for of, header in (([], "users"), ([f"--of={MANY}"], "groups")):
        for arguments in (["--interval=year"], ["--day-n=1"]):
            out, _ = run("show_retention", *arguments, *of)
            assert out.split()[1] == header
