import csv
from datetime import datetime, timedelta
from io import StringIO

import pytest
from django.contrib.auth import get_user_model
from django.core.management import CommandError

from souvenirs.insights import inactive, last_seen_many
from tests.conftest import INSTANT, at, pk_of
from tests.terminals import as_data, as_json, csv_rows, on_terminal, run, table

pytestmark = [pytest.mark.django_db, pytest.mark.through_the_store]

COMMAND = "show_inactive"
NOW = at(2016, 4, 10, 12)


@pytest.fixture(autouse=True)
def _now(monkeypatch):
    monkeypatch.setattr("souvenirs.reports.timezone.now", lambda: NOW)
    monkeypatch.setenv("COLUMNS", "80")


@pytest.fixture
def _people(make_user, leave):
    for _ in range(5):
        make_user()
    leave(
        (1, at(2015, 4, 10)),
        (2, at(2015, 11, 1)),
        (3, at(2016, 2, 29, 23, 30)),
        (4, at(2016, 4, 10)),
        (4, at(2015, 1, 1)),
    )


def listed(*arguments):
    """The numbers of the listed users."""
    pks = [row["pk"] for row in csv_rows(COMMAND, *arguments)]
    return [number for number in range(1, 100) if str(pk_of(number)) in pks]


@pytest.mark.usefixtures("_people")
@pytest.mark.parametrize(
    ("arguments", "numbers"),
    [
        ([], [1, 2]),
        (["--for=90d"], [1, 2]),
        (["--for=30d"], [1, 2, 3]),
        (["--for=1m"], [1, 2, 3]),
        (["--for=2q"], [1]),
        (["--for=1y"], [1]),
        (["--for=53w"], []),
        (["--for=9999y"], []),
        (["--never"], [5]),
        (["--seen-within=1d"], [4]),
        (["--seen-within=2m"], [3, 4]),
    ],
)
def test_listed_users(arguments, numbers):
    assert listed(*arguments) == numbers


def test_length_is_exact(make_user, leave):
    make_user()
    leave((1, NOW - timedelta(days=90)))
    assert listed("--for=90d") == []
    assert listed("--seen-within=90d") == [1]


def test_length_is_exact_on_the_other_side(make_user, leave):
    make_user()
    leave((1, NOW - timedelta(days=90) - INSTANT))
    assert listed("--for=90d") == [1]
    assert listed("--seen-within=90d") == []


@pytest.mark.usefixtures("_people")
def test_months_are_those_of_the_calendar():
    """A month before 10 April is 10 March: 31 days."""
    assert listed("--seen-within=1m") == [4]
    assert listed("--seen-within=3m") == listed("--seen-within=91d") == [3, 4]


@pytest.mark.usefixtures("_people")
def test_table_has_names_and_dates():
    name = get_user_model()._default_manager.get(pk=pk_of(2)).get_username()
    out, err = run(COMMAND)
    assert out.splitlines()[3].startswith(str(pk_of(2)))
    assert name in out.splitlines()[3]
    assert out.splitlines()[3].endswith("2015-11-01")
    assert out.splitlines()[0].split() == ["pk", "name", "last", "seen"]
    assert err == "2 users not seen for 90d.\n"


@pytest.mark.usefixtures("_people")
@pytest.mark.parametrize(("zone", "day"), [("UTC", "2016-02-29"), ("Asia/Tokyo", "2016-03-01")])
def test_dates_are_of_the_time_zone(zone, day):
    assert table(COMMAND, "--for=30d", f"--tz={zone}")[-1][-1] == day


@pytest.mark.usefixtures("_people")
def test_dates_without_time_zone_support(settings, monkeypatch):
    settings.USE_TZ = False
    settings.TIME_ZONE = "UTC"
    monkeypatch.setattr("souvenirs.reports.timezone.now", lambda: datetime(2016, 4, 10, 12))
    assert table(COMMAND, "--for=30d")[-1][-1] == "2016-02-29"


@pytest.mark.usefixtures("_people")
def test_users_never_seen_have_no_date():
    out, err = run(COMMAND, "--never")
    assert out.split()[-1] == "-"
    assert err == "1 user never seen.\n"


@pytest.mark.usefixtures("_people")
def test_json_and_csv_have_the_moments():
    users = inactive(timedelta(days=30)).order_by("pk")
    seen = last_seen_many(users)
    rows = [
        {"pk": str(user.pk), "name": user.get_username(), "last_seen": seen[user.pk]}
        for user in users
    ]
    found = as_json(COMMAND, "--for=30d")
    assert [{**row, "pk": str(row["pk"])} for row in found.pop("rows")] == as_data(rows)
    assert found == {"insight": "Listing", "what": "not seen for 30d", "total": 3}
    assert csv_rows(COMMAND, "--for=30d") == as_data(rows)


@pytest.mark.usefixtures("_people")
def test_pages():
    out, err = run(COMMAND, "--for=30d", "--limit=2")
    assert len(out.splitlines()) == 4
    assert err == "3 users not seen for 30d, showing numbers 1 to 2; use --page for more.\n"
    out, err = run(COMMAND, "--for=30d", "--limit=2", "--page=2")
    assert len(out.splitlines()) == 3
    assert err == "3 users not seen for 30d, showing number 3.\n"
    out, err = run(COMMAND, "--for=30d", "--limit=2", "--page=3")
    assert len(out.splitlines()) == 2
    assert err == "3 users not seen for 30d, none on this page.\n"


@pytest.mark.usefixtures("_people")
def test_pages_of_data():
    assert listed("--for=30d", "--limit=1", "--page=2") == [2]
    assert as_json(COMMAND, "--for=30d", "--limit=1")["total"] == 3


def test_fifty_are_in_a_table_and_all_in_data(make_user, leave):
    for number in range(1, 52):
        make_user(number)
    leave(*[(number, at(2015, 1, 1)) for number in range(1, 52)])
    assert len(table(COMMAND)) == 50
    assert len(csv_rows(COMMAND)) == len(as_json(COMMAND)["rows"]) == 51


@pytest.mark.usefixtures("_people")
def test_segment_restricts(settings):
    settings.SOUVENIRS_SEGMENTS = {"odd": lambda: [pk_of(1), pk_of(3), pk_of(5)]}
    assert listed("--segment=odd", "--for=30d") == [1, 3]
    assert listed("--segment=odd", "--never") == [5]


def test_site_without_users():
    assert run(COMMAND) == ("pk    name    last seen\n----  ------  -----------\n", NOBODY)
    assert run(COMMAND, "--csv")[0] == "pk,name,last_seen\r\n"
    assert on_terminal(COMMAND) == (["pk  name  last seen"], NOBODY)


NOBODY = "0 users not seen for 90d.\n"


@pytest.mark.usefixtures("_people")
@pytest.mark.parametrize("columns", [40, 80, 200])
def test_picture_shows_how_long_ago(monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", str(columns))
    lines, _ = on_terminal(COMMAND)
    assert max(map(len, lines)) <= columns
    bars = [line.count("█") for line in lines[1:]]
    assert bars[0] > bars[1] > 0 or columns == 40


def test_picture_of_users_never_seen_has_no_bars(make_user):
    make_user()
    assert "█" not in "".join(on_terminal(COMMAND, "--never")[0])


def test_control_characters_in_names_are_replaced(monkeypatch, make_user, leave):
    monkeypatch.setattr(get_user_model(), "get_username", lambda _: "\x1b[2Jeve\n")
    make_user()
    leave((1, at(2015, 1, 1)))
    assert "?[2Jeve?" in on_terminal(COMMAND)[0][1]
    assert "?[2Jeve?" in run(COMMAND)[0]


@pytest.mark.parametrize("name", ["=1+1", "+1", "-1+1", "@SUM(1)", "\t=1", "\r=1"])
def test_names_are_not_formulas_in_a_spreadsheet(monkeypatch, make_user, leave, name):
    monkeypatch.setattr(get_user_model(), "get_username", lambda _: name)
    make_user()
    leave((1, at(2015, 1, 1)))
    [_, row] = csv.reader(StringIO(run(COMMAND, "--csv")[0], newline=""))
    assert row[1] == f"'{name}"
    assert as_json(COMMAND)["rows"][0]["name"] == name


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--for=90"], "--for '90' is not a length of time: use a format such as 30d"),
        (["--for="], "--for '' is not a length of time"),
        (["--for=0d"], "--for '0d' is not a length"),
        (["--seen-within=soon"], "--seen-within 'soon' is not a length"),
        (["--never", "--for=90d"], "Cannot use --for and --never together"),
        (["--never", "--seen-within=1d"], "Cannot use --never and --seen-within together"),
        (["--for=90d", "--seen-within="], "Cannot use --for and --seen-within together"),
        (["--limit=0"], "--limit must be a positive whole number, not '0'"),
        (["--limit=x"], "--limit must be a positive whole number, not 'x'"),
        (["--page=-1"], "--page must be a positive whole number, not '-1'"),
        (["--csv", "--page=2"], "--page requires --limit"),
        (["--segment=gone"], "'gone' is not a segment"),
        (["--tz=Mars/Phobos"], "Unknown time zone 'Mars/Phobos'"),
        (["--csv", "--json"], "not allowed with"),
    ],
)
def test_bad_input_is_one_sentence(arguments, message):
    with pytest.raises(CommandError, match=message) as refused:
        run(COMMAND, *arguments)
    assert "\n" not in str(refused.value)
