import csv
import json
import os
import subprocess
import sys
from datetime import datetime
from io import StringIO
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from django.contrib.auth import get_user_model
from django.core.management import CommandError, call_command

from souvenirs.management.commands.show_usage import Command as ShowUsage
from tests.conftest import at, pk_of

pytestmark = [pytest.mark.django_db, pytest.mark.through_the_store]

NOW = at(2017, 4, 3, 23)
KNOWS_DATES = get_user_model()._meta.label in {"auth.User", "users.CharUser"}


@pytest.fixture(autouse=True)
def _now(monkeypatch):
    monkeypatch.setattr("souvenirs.reports.timezone.now", lambda: NOW)


@pytest.fixture
def _history(make_user, leave):
    make_user(joined=at(2016, 1, 5))
    leave((1, at(2016, 2, 28, 23, 30)), (1, at(2016, 3, 1)), (2, at(2017, 4, 1)))


def run(*arguments):
    out, err = StringIO(), StringIO()
    call_command("show_usage", *arguments, stdout=out, stderr=err)
    return out.getvalue(), err.getvalue()


def rows(*arguments):
    """Return the rows of the CSV, without the state of a period."""
    out, _ = run("--csv", "--ascending", *arguments)
    return [row[:-3] for row in csv.reader(StringIO(out))][1:]


def states(*arguments):
    """Return the state of each period of the CSV."""
    out, _ = run("--csv", "--ascending", *arguments)
    return [row[-3:] for row in csv.reader(StringIO(out))]


@pytest.mark.usefixtures("_history")
@pytest.mark.parametrize(
    ("unit", "count", "first"),
    [
        ("--daily", 401, ["2016-02-28"]),
        ("--weekly", 59, ["2016-W08", "2016-02-22", "2016-02-29"]),
        ("--monthly", 15, ["2016-02", "2016-02-01", "2016-03-01"]),
        ("--quarterly", 6, ["2016-Q1", "2016-01-01", "2016-04-01"]),
        ("--yearly", 2, ["2016", "2016-01-01", "2017-01-01"]),
    ],
)
def test_calendar_starts_with_the_first_souvenir(unit, count, first):
    found = rows("--calendar", unit)
    assert len(found) == count
    assert found[0][: len(first)] == first


@pytest.mark.usefixtures("_history")
def test_calendar_starts_where_asked():
    assert rows("--calendar", "--after=2017-03-15")[0][0] == "2017-03"


def test_calendar_without_souvenirs_shows_today():
    assert rows("--calendar", "--daily")[0][0] == "2017-04-03"


@pytest.mark.usefixtures("_history")
def test_time_zone_lays_the_periods():
    assert rows("--calendar", "--daily", "--tz=Europe/Paris")[0][0] == "2016-02-29"


@pytest.mark.usefixtures("_history")
def test_dates_are_of_the_time_zone():
    out, _ = run("--json", "--calendar", "--after=2016-03-01", "--tz=America/New_York", "--recent")
    assert json.loads(out)[0]["period"]["start"] == "2017-04-01T00:00:00-04:00"


@pytest.mark.parametrize(("date", "shown"), [("start", "2016-03-01"), ("end", "2016-03-02")])
@pytest.mark.parametrize("kind", ["--calendar", "--subscription-start=2016-03-01"])
def test_day_is_shown_by_its_start_or_end(kind, date, shown):
    found = rows("--daily", kind, "--after=2016-03-01", "--before=2016-03-02", f"--date={date}")
    assert found[0][0] == shown


@pytest.mark.usefixtures("_history")
def test_json_has_the_whole_report():
    out, _ = run("--json", "--calendar", "--ascending", "--after=2017-03-01")
    march, april = json.loads(out)
    assert march["period"] == {"start": "2017-03-01T00:00:00Z", "end": "2017-04-01T00:00:00Z"}
    assert march["labels"] == {"calendar_year_month": "2017-03", "calendar_year": 2017}
    assert march["usage"]["active_users"] == 0
    assert (march["complete"], april["complete"]) == (True, False)
    assert (march["incomplete"], april["incomplete"]) == (None, "running")


@pytest.mark.usefixtures("_history")
def test_unfinished_period_is_marked():
    out, err = run("--calendar", "--after=2017-03-01")
    assert [line.split()[0] for line in out.splitlines()[2:]] == ["2017-04*", "2017-03"]
    assert "* not over yet" in err


@pytest.mark.usefixtures("_history")
def test_period_that_is_cut_off_has_a_mark_of_its_own():
    out, err = run("--calendar", "--after=2016-02-01", "--before=2016-03-15")
    assert [line.split()[0] for line in out.splitlines()[2:]] == ["2016-03~", "2016-02"]
    assert err.splitlines()[0] == "~ cut off by the end of the range"


@pytest.mark.usefixtures("_history")
def test_finished_periods_need_no_note():
    _, err = run("--calendar", "--after=2016-03-01", "--before=2016-04-01")
    assert "not over yet" not in err
    assert "cut off" not in err


@pytest.mark.usefixtures("_history")
def test_unknown_numbers_are_gaps_with_a_note():
    out, err = run("--calendar", "--after=2016-01-01", "--before=2016-03-01", "--ascending")
    assert [line.split()[-1] for line in out.splitlines()[2:]] == ["-", "1"]
    assert "Active users are unknown before the first souvenir." in err


@pytest.mark.usefixtures("_history")
def test_user_model_without_dates_is_explained():
    out, err = run("--calendar", "--after=2016-02-01", "--before=2016-03-01")
    cells = out.splitlines()[2].split()
    assert cells[3:] == (["1", "1", "1"] if KNOWS_DATES else ["-", "-", "1"])
    assert ("has no field date_joined" in err) is not KNOWS_DATES


SUBSCRIPTION = "--subscription-start=2016-01-01"


@pytest.mark.usefixtures("_history")
def test_table_of_a_subscription_is_that_of_version_1():
    """Its notes, on stderr, say what its cells do not."""
    out, err = run(SUBSCRIPTION)
    lines = [line.split() for line in out.splitlines()[2:]]
    assert lines[0][:2] == ["Y02", "M04"]
    assert lines[-1][-1] == "0"
    assert err.splitlines()[:2] == [
        "The last period is not over yet.",
        "Active users are unknown before the first souvenir, and shown as 0.",
    ]


@pytest.mark.usefixtures("_history")
def test_periods_of_a_subscription_that_are_not_over_are_counted():
    _, err = run(SUBSCRIPTION, "--before=2018-01-01")
    assert "The last 9 periods are not over yet." in err


@pytest.mark.usefixtures("_history")
def test_period_of_a_subscription_that_is_cut_off_has_a_note():
    out, err = run(SUBSCRIPTION, "--before=2016-03-15")
    assert out.splitlines()[2].split()[:2] == ["Y01", "M03"]
    assert err.splitlines()[0] == "The last period is cut off by the end of the range."


@pytest.mark.usefixtures("_history")
def test_terminal_shows_what_is_unfinished_and_unknown():
    class Terminal(StringIO):
        def isatty(self):
            return True

    out, err = Terminal(), StringIO()
    call_command("show_usage", SUBSCRIPTION, stdout=out, stderr=err)
    lines = [line.split() for line in out.getvalue().splitlines()[2:]]
    assert (lines[0][1], lines[-1][-1]) == ("M04*", "-")
    assert "* not over yet" in err.getvalue()


@pytest.mark.usefixtures("_history")
def test_csv_says_what_is_complete_and_known():
    assert states(SUBSCRIPTION, "--yearly") == [
        ["complete", "known", "incomplete"],
        ["true", "true", ""],
        ["false", "true", "running"],
    ]
    assert states(SUBSCRIPTION, "--yearly", "--before=2016-06-01")[1] == ["false", "true", "cut"]
    first = states(SUBSCRIPTION, "--daily", "--before=2016-03-02")[1]
    assert first == ["true", "false", ""]
    assert rows(SUBSCRIPTION, "--daily", "--before=2016-03-02")[0][-1] == "0"


@pytest.mark.usefixtures("_history")
def test_json_says_what_is_complete_and_known():
    out, _ = run("--json", SUBSCRIPTION, "--daily", "--ascending", "--before=2016-03-02")
    found = json.loads(out)
    assert (found[0]["usage"]["active_users"], found[0]["known"]) == (None, False)
    assert (found[-1]["usage"]["active_users"], found[-1]["known"]) == (1, True)


@pytest.mark.usefixtures("_history")
def test_subscription_that_starts_later_than_it_ends_has_no_rows():
    arguments = "--after=2016-02-01", "--before=2016-01-15"
    assert rows(SUBSCRIPTION, "--daily", *arguments) == []
    assert len(run(SUBSCRIPTION, *arguments)[0].splitlines()) == 2


@pytest.mark.usefixtures("_history")
def test_csv_of_unknown_numbers_is_empty():
    assert rows("--calendar", "--after=2016-01-01", "--before=2016-02-01")[0][-1] == ""


@pytest.mark.usefixtures("_history")
def test_most_recent_period_comes_first():
    out, _ = run("--calendar", "--yearly")
    assert [line.split()[0] for line in out.splitlines()[2:]] == ["2017*", "2016"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "monthly report requires --subscription-start or --calendar"),
        (["--weekly", "--subscription-start=2016-01-01"], "weekly report requires --calendar"),
        (["--calendar", "--subscription-start=2016-01-01"], "Cannot use --calendar and --subsc"),
        (["--calendar", "--after=2016-13-45"], "--after '2016-13-45' is not a date"),
        (["--calendar", "--before=yesterdays"], "--before 'yesterdays' is not a date"),
        (["--calendar", "--after=Monday"], "--after 'Monday' is not a date"),
        (["--calendar", "--after=15"], "--after '15' is not a date"),
        (["--calendar", "--after=2016-01-01 00:00 XYZT"], "is not a date"),
        (["--subscription-start="], "--subscription-start '' is not a date"),
        (["--calendar", "--after=99999999999999"], "is not a date"),
        (
            ["--calendar", "--after=2016-02-01", "--before=2016-01-01"],
            "--after 2016-02-01 .* later",
        ),
        (["--calendar", "--tz=Mars/Phobos"], "Unknown time zone 'Mars/Phobos'"),
        (["--calendar", "--tz=../etc/passwd"], "Unknown time zone"),
        (["--calendar", "--recent=0"], "recent must be at least 1, not 0"),
        (["--calendar", "--recent=-2"], "recent must be at least 1, not -2"),
        (["--calendar", "--daily", "--after=0100-01-01"], "more than 100,000"),
    ],
)
def test_bad_input_is_one_sentence(arguments, message):
    with pytest.raises(CommandError, match=message) as refused:
        run(*arguments)
    assert "\n" not in str(refused.value)


@pytest.mark.usefixtures("_history")
def test_calendar_that_ends_before_the_first_souvenir_is_empty():
    assert rows("--calendar", "--before=2000-01-01") == []


@pytest.mark.usefixtures("_history")
def test_moments_keep_the_zone_they_carry():
    """As a project's own code gives them to the command."""
    kolkata = ZoneInfo("Asia/Kolkata")
    start = datetime(2016, 3, 1, tzinfo=kolkata)
    out = StringIO()
    call_command(
        "show_usage", "--json", subscription_start=start, before=at(2016, 3, 20), stdout=out
    )
    assert json.loads(out.getvalue())[0]["period"]["start"] == "2016-03-01T00:00:00+05:30"


@pytest.mark.usefixtures("_history")
def test_table_is_returned_to_the_caller():
    table = call_command("show_usage", "--calendar", stdout=StringIO(), stderr=StringIO())
    assert table.startswith("month")


def manage(*arguments, **keywords):
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings"}
    command = [sys.executable, "-m", "django", *arguments]
    return subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **keywords
    )


@pytest.mark.parametrize("argument", ["--after=nonsense", "--tz=nowhere"])
def test_bad_input_exits_with_1_and_no_traceback(argument):
    with manage("show_usage", "--calendar", argument, text=True) as process:
        _, err = process.communicate()
    assert process.returncode == 1
    assert err.startswith("CommandError: ")
    assert err.count("\n") == 1


@pytest.mark.thorough
@pytest.mark.django_db(transaction=True)
def test_closed_pipe_ends_quietly(tmp_path):
    """As with ``| head -1``: the reader closes the pipe before everything is written."""
    database = tmp_path / "db.sqlite3"
    settings = tmp_path / "pipe_settings.py"
    settings.write_text(
        "from tests.settings import *\nfrom tests import servers\n"
        f"DATABASES['default'] = servers.database('sqlite') | {{'NAME': {str(database)!r}}}\n"
    )
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "pipe_settings",
        "PYTHONPATH": os.pathsep.join([str(tmp_path), str(Path.cwd())]),
    }
    django = [sys.executable, "-m", "django"]
    subprocess.run([*django, "migrate", "-v0", "--run-syncdb"], env=environment, check=True)
    command = [*django, "show_usage", "--csv", "--calendar", "--daily", "--after=1950-01-01"]
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        process.stdout.readline()
        process.stdout.close()
        err = process.stderr.read()
    assert (process.returncode, err) == (0, b"")


def test_output_into_a_closed_pipe_is_discarded(monkeypatch):
    reader, writer = os.pipe()
    os.close(reader)
    with open(writer, "w") as stream:  # noqa: PTH123
        monkeypatch.setattr(sys, "stdout", stream)
        assert call_command("show_usage", "--calendar", "--csv") is None
        stream.write("nobody minds")


def test_closed_output_of_the_caller_is_left_to_the_caller():
    class Closed(StringIO):
        def write(self, text):
            raise BrokenPipeError

    assert call_command("show_usage", "--calendar", "--csv", stdout=Closed()) is None


def test_json_of_a_report_of_a_subclass():
    class Command(ShowUsage):
        def monthly_report(self, options):
            return ["month", "revenue"], [["2016-01", 100]]

    out = StringIO()
    call_command(Command(), "--calendar", "--json", stdout=out)
    assert json.loads(out.getvalue()) == [{"month": "2016-01", "revenue": 100}]


@pytest.fixture
def _segments(settings):
    settings.SOUVENIRS_SEGMENTS = {
        "one": lambda: [pk_of(1)],
        "=007": lambda: [pk_of(1), pk_of(2)],
        "1e3": list,
    }


YEARS = ("--calendar", "--yearly")


@pytest.mark.usefixtures("_history", "_segments")
@pytest.mark.parametrize("arguments", [YEARS, ("--subscription-start=2016-01-05", "--yearly")])
def test_only_the_users_of_a_segment(arguments):
    found = rows(*arguments, "--segment=one")
    assert [row[-1] for row in found] == ["1", "0"]
    assert len(found[0]) == 6
    joined = {(row[-3], row[-2]) for row in found}
    assert joined <= ({("1", "1")} if KNOWS_DATES else {("", "")})


@pytest.mark.usefixtures("_history", "_segments")
def test_each_segment_follows_everyone():
    out, err = run(*YEARS, "--by-segment")
    found = [line.split() for line in out.splitlines()]
    assert found[0][:2] == ["segment", "year"]
    assert [(row[0], row[1], row[-1]) for row in found[2:]] == [
        ("everyone", "2017*", "1"),
        ("everyone", "2016", "1"),
        ("one", "2017*", "0"),
        ("one", "2016", "1"),
        ("=007", "2017*", "1"),
        ("=007", "2016", "1"),
        ("1e3", "2017*", "0"),
        ("1e3", "2016", "0"),
    ]
    assert "Segments can overlap" in err


@pytest.mark.usefixtures("_history", "_segments")
def test_exclusive_segments_do_not_overlap():
    out, err = run(*YEARS, "--by-segment", "--exclusive", "--ascending")
    found = {tuple(line.split()[:2]): line.split()[-1] for line in out.splitlines()[2:]}
    assert (found["one", "2016"], found["=007", "2016"], found["=007", "2017*"]) == ("1", "0", "1")
    assert "overlap" not in err


@pytest.mark.usefixtures("_history", "_segments")
def test_recent_periods_of_each_segment():
    found = rows(*YEARS, "--by-segment", "--recent=1")
    assert [row[:2] for row in found] == [[name, "2017"] for name in ("", "one", "'=007", "1e3")]
    ascending = rows(*YEARS, "--by-segment", "--recent=2")
    assert [row[1] for row in ascending] == ["2016", "2017"] * 4


@pytest.mark.usefixtures("_history", "_segments")
def test_json_of_each_segment():
    found = json.loads(run(*YEARS, "--by-segment", "--json")[0])
    assert [entry["segment"] for entry in found] == [
        name for name in (None, "one", "=007", "1e3") for _ in range(2)
    ]
    everyone = json.loads(run(*YEARS, "--json")[0])
    assert [{"segment": None, **entry} for entry in everyone] == found[:2]


def test_table_of_a_report_of_a_subclass():
    class Command(ShowUsage):
        def monthly_report(self, options):
            return ["month", "revenue"], [["2016-01", 100]]

    out = StringIO()
    call_command(Command(), "--calendar", stdout=out)
    assert [line.split() for line in out.getvalue().splitlines()][::2] == [
        ["month", "revenue"],
        ["2016-01", "100"],
    ]


def test_csv_of_a_report_of_a_subclass_has_no_formulas():
    class Command(ShowUsage):
        def monthly_report(self, options):
            return ["month", "plan", "change", "code"], [["2016-01", "=1+1", -5, "-5"]]

    out = StringIO()
    call_command(Command(), "--calendar", "--csv", stdout=out)
    assert out.getvalue() == "month,plan,change,code\r\n2016-01,'=1+1,-5,-5\r\n"


@pytest.mark.usefixtures("_segments")
def test_segments_of_a_report_of_a_subclass():
    class Command(ShowUsage):
        def monthly_report(self, options):
            return ["month", "revenue"], [["2016-01", 100]]

    out = StringIO()
    call_command(Command(), "--calendar", "--by-segment", "--csv", stdout=out)
    assert out.getvalue().split() == ["segment,month,revenue", ",2016-01,100"]


@pytest.mark.usefixtures("_segments")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--segment=gone"], "'gone' is not a segment: it must be one of one, =007, 1e3"),
        (["--exclusive"], "--exclusive requires --by-segment"),
    ],
)
def test_bad_segment_is_one_sentence(arguments, message):
    with pytest.raises(CommandError, match=message):
        run("--calendar", *arguments)


def test_by_segment_requires_segments():
    with pytest.raises(CommandError, match="--by-segment requires segments"):
        run("--calendar", "--by-segment")


def test_formats_exclude_each_other():
    with pytest.raises(CommandError, match="not allowed with"):
        run("--calendar", "--csv", "--json")
