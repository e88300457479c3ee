from datetime import timedelta

import pytest
from django.contrib.auth import get_user_model
from django.core.management import CommandError

from souvenirs.insights import most_active
from tests.conftest import at, pk_of
from tests.terminals import as_data, as_json, csv_rows, on_terminal, run, table

pytestmark = [pytest.mark.django_db, pytest.mark.through_the_store]

COMMAND = "show_active_users"
NOW = at(2016, 4, 10, 12)
DAY = timedelta(days=1)
TODAY = at(2016, 4, 10, 11)


@pytest.fixture(autouse=True)
def _now(monkeypatch):
    monkeypatch.setattr("souvenirs.reports.timezone.now", lambda: NOW)
    monkeypatch.setenv("COLUMNS", "120")


@pytest.fixture
def people(make_user, leave):
    """Three users: seen on two, four and one of the last 28 days, and earlier."""
    for _ in range(3):
        make_user()
    leave(*((2, TODAY - n * DAY) for n in range(4)), (1, TODAY), (1, TODAY - 27 * DAY))
    leave((3, TODAY - 2 * DAY), (3, TODAY - 28 * DAY), (1, TODAY - 30 * DAY))


def listed(*arguments):
    """The numbers and days of the listed users."""
    numbers = {str(pk_of(number)): number for number in range(1, 100)}
    return [(numbers[row["pk"]], int(row["days"])) for row in csv_rows(COMMAND, *arguments)]


@pytest.mark.usefixtures("people")
@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], [(2, 4), (1, 2), (3, 1)]),
        (["--limit=1"], [(2, 4)]),
        (["--last=2d"], [(2, 2), (1, 1)]),
        (["--last=3m", "--limit=2"], [(2, 4), (1, 3)]),
        (["--after=2016-03-11", "--before=2016-03-14"], [(1, 1), (3, 1)]),
        (["--before=2016-03-12", "--last=1d"], [(1, 1)]),
        (["--last=1d", "--tz=Asia/Tokyo"], [(1, 1), (2, 1)]),
    ],
)
def test_listed_users(arguments, expected):
    # Only integers have an order before they are digested.
    assert sorted(listed(*arguments), key=lambda each: (-each[1], each[0])) == expected


@pytest.mark.usefixtures("people")
def test_table_has_names():
    name = get_user_model()._default_manager.get(pk=pk_of(2)).get_username()
    out, err = run(COMMAND, "--limit=1")
    assert out.splitlines()[0].split() == ["pk", "name", "days"]
    assert out.splitlines()[2].startswith(f"{pk_of(2)} ")
    assert name in out.splitlines()[2]
    assert out.splitlines()[2].endswith(" 4")
    assert err == "3 users active in 28 days, showing 1.\n"


@pytest.mark.usefixtures("people")
def test_all_of_them_are_said_to_be_all():
    assert run(COMMAND)[1] == "3 users active in 28 days.\n"


def test_nobody():
    out, err = run(COMMAND)
    assert len(out.splitlines()) == 2
    assert err == "0 users active in 28 days.\n"


@pytest.mark.usefixtures("people")
def test_bars_on_a_terminal():
    """A full bar stands for every day of the range."""
    (_, first, second), _ = on_terminal(COMMAND, "--last=4d", "--limit=2")
    assert (first.count("█"), second.count("█")) == (40, 10)


@pytest.mark.usefixtures("people")
def test_json_and_csv():
    found = most_active(NOW - 27 * DAY, limit=None)
    rows = [
        {
            "pk": str(pk),
            "name": get_user_model()._default_manager.get(pk=pk).get_username(),
            "days": days,
        }
        for pk, days in found.users
    ]
    answer = as_json(COMMAND)
    assert [{**row, "pk": str(row["pk"])} for row in answer["rows"]] == rows
    assert {**answer, "rows": []} == as_data({**found.to_dict(), "rows": []})
    assert csv_rows(COMMAND) == [{**row, "days": str(row["days"])} for row in rows]


@pytest.mark.usefixtures("people")
def test_user_who_has_been_deleted_has_no_name():
    get_user_model()._default_manager.filter(pk=pk_of(2))._raw_delete("default")
    assert table(COMMAND, "--limit=1")[0][-2:] == ["-", "4"]
    assert as_json(COMMAND, "--limit=1")["rows"][0]["name"] is None


def test_fifty_are_in_a_table_and_all_in_data(make_user, leave):
    for number in range(1, 52):
        make_user(number)
    leave(*((number, TODAY) for number in range(1, 52)))
    assert len(table(COMMAND)) == 50
    assert len(csv_rows(COMMAND)) == len(as_json(COMMAND)["rows"]) == 51


@pytest.mark.usefixtures("people")
def test_segment_restricts(settings):
    settings.SOUVENIRS_SEGMENTS = {"pro": lambda: [pk_of(1), pk_of(3)]}
    assert listed("--segment=pro") == [(1, 2), (3, 1)]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--limit=0"], "--limit must be a positive whole number, not '0'."),
        (["--after=2016-01-01", "--last=1d"], "Cannot use --after and --last together."),
        (["--last=28"], "--last '28' is not a length of time: "),
        (["--segment=pro"], "'pro' is not a segment: "),
        (["--tz=Atlantis"], "Unknown time zone 'Atlantis'"),
    ],
)
def test_bad_input_is_one_sentence(arguments, message):
    with pytest.raises(CommandError) as refused:
        run(COMMAND, *arguments)
    assert str(refused.value).startswith(message)
    assert "\n" not in str(refused.value)
