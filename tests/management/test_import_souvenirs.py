from __future__ import annotations

import gzip
import io
import json
import os
import re
import shlex
import subprocess
import sys
import tracemalloc
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth import get_user_model
from django.core.management import CommandError, call_command
from django.core.management.base import OutputWrapper
from django.db import connection, models

from souvenirs.importing.cells import CellParser
from souvenirs.importing.files import open_text
from souvenirs.importing.lines import read_lines
from souvenirs.management._terminal import Progress
from souvenirs.models import Souvenir
from souvenirs.reports import calendar_daily_usage, calendar_monthly_usage
from tests import servers
from tests.activity import file_of, truth_of
from tests.conftest import at, build_user, pk_of

PROJECT = Path(__file__).parents[2]
NINE = at(2016, 1, 4, 9)
HOUR = timedelta(hours=1)
WHEN = "2016-01-04T09:00:00Z"


@pytest.fixture(autouse=True)
def _directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def users(make_user):
    """Users 1 to 5, named ann to ed unless their names are keys."""
    return [make_user(**called(name)) for name in ("ann", "bob", "cy", "di", "ed")]


def called(name):
    field = get_user_model().USERNAME_FIELD
    return {} if field == "code" else {field: name}


def write(name, *lines):
    """Write lines to a file, gzipped if its name ends in ``.gz``."""
    content = "".join(f"{line}\n" for line in lines).encode()
    Path(name).write_bytes(gzip.compress(content) if name.endswith(".gz") else content)


def csv_of(*sightings):
    return ["user_id,when", *(f"{pk_of(number)},{when.isoformat()}" for number, when in sightings)]


def json_of(*sightings):
    return [
        json.dumps({"user_id": str(pk_of(number)), "when": when.isoformat()})
        for number, when in sightings
    ]


def log_of(*sightings):
    return [log_line(username(number), when) for number, when in sightings]


def log_line(user, when):
    return f'1.2.3.4 - {user} [{when:%d/%b/%Y:%H:%M:%S %z}] "GET / HTTP/1.1" 200 5 "-" "curl"'


def username(number):
    return get_user_model().objects.get(pk=pk_of(number)).get_username()


def run(*arguments):
    """Run the command and return what it prints."""
    out, err = io.StringIO(), io.StringIO()
    call_command("import_souvenirs", *arguments, stdout=out, stderr=err)
    assert err.getvalue() == ""
    return out.getvalue()


def refusal(*arguments):
    with pytest.raises(CommandError) as error:
        run(*arguments)
    return str(error.value)


def rows():
    return sorted(Souvenir.objects.values_list("user_id", "when"), key=str)


def expected(*sightings):
    return sorted(((pk_of(number), when) for number, when in sightings), key=str)


# Files


@pytest.mark.parametrize(
    ("name", "lines_of"),
    [
        ("seen.csv", csv_of),
        ("seen.csv.gz", csv_of),
        ("SEEN.CSV", csv_of),
        ("weblog.csv", csv_of),
        ("seen.jsonl", json_of),
        ("seen.ndjson", json_of),
        ("seen.json.gz", json_of),
        ("access.log", log_of),
        ("access.log.1", log_of),
        ("access.log.2.gz", log_of),
        ("access_log", log_of),
        ("ssl_access_log-20160104.gz", log_of),
        ("log", log_of),
    ],
)
def test_the_format_of_a_file_is_known_from_its_name(users, name, lines_of):
    write(name, *lines_of((1, NINE), (1, NINE + HOUR / 2), (2, NINE)))
    assert run(name) == (
        f"{name}: read 3 lines.\n  Added 2 souvenirs.\n"
        "  Skipped 1: the window already has a souvenir.\n"
    )
    assert rows() == expected((1, NINE), (2, NINE))


@pytest.mark.parametrize("name", ["seen.txt", "seen", "blog.txt", "login.xls", "seen.csv.old"])
def test_other_names_need_the_format(name):
    write(name)
    assert refusal(name) == (f"The format of {name} is not clear from its name: use --format.")


@pytest.mark.parametrize(("form", "lines_of"), [("csv", csv_of), ("json", json_of)])
def test_the_format_can_be_given(users, form, lines_of):
    write("access.log", *lines_of((1, NINE)))
    run("access.log", "--format", form)
    assert rows() == expected((1, NINE))


def test_an_unknown_format_is_refused():
    with pytest.raises(CommandError, match="invalid choice: 'xls'"):
        run("seen.csv", "--format=xls")


def test_a_file_that_is_not_there_is_refused_before_anything_is_read(users):
    write("seen.csv", *csv_of((1, NINE)))
    assert refusal("seen.csv", "gone.csv") == "gone.csv does not exist or cannot be read."
    assert rows() == []


def test_a_directory_is_refused():
    Path("logs").mkdir()
    assert refusal("logs") == "logs is a directory: specify the files in it."


@pytest.mark.parametrize("arguments", [[], ["seen.csv", "--from=last_login"]])
def test_either_files_or_a_table_are_required(arguments):
    assert refusal(*arguments) == "Specify files to import, or --from last_login or admin_log."


def test_several_files_are_imported_one_after_the_other(users):
    write("a.csv", *csv_of((1, NINE), (2, NINE)))
    write("b.jsonl.gz", *json_of((2, NINE + HOUR / 2), (3, NINE)))
    write("access.log", *log_of((3, NINE + HOUR / 2), (4, NINE)))
    assert run("a.csv", "b.jsonl.gz", "access.log") == (
        "a.csv: read 2 lines.\n"
        "  Added 2 souvenirs.\n"
        "b.jsonl.gz: read 2 lines.\n"
        "  Added 1 souvenir.\n"
        "  Skipped 1: the window already has a souvenir.\n"
        "access.log: read 2 lines.\n"
        "  Added 1 souvenir.\n"
        "  Skipped 1: the window already has a souvenir.\n"
    )


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_standard_input_is_read(users, monkeypatch, pack):
    content = pack("\n".join(csv_of((1, NINE))).encode())
    stream = io.TextIOWrapper(io.BufferedReader(io.BytesIO(content)))
    monkeypatch.setattr(sys, "stdin", stream)
    assert run("-", "--format=csv") == "-: read 1 line.\n  Added 1 souvenir.\n"


def test_standard_input_needs_the_format():
    assert refusal("-") == "The format of - is not clear from its name: use --format."


def test_a_pipe_is_read(users):
    os.mkfifo("seen.csv")
    with subprocess.Popen(["tee", "seen.csv"], stdin=subprocess.PIPE, stdout=-3) as tee:
        tee.stdin.write("\n".join(csv_of((1, NINE))).encode())
        tee.stdin.close()
        assert run("seen.csv") == "seen.csv: read 1 line.\n  Added 1 souvenir.\n"


def test_a_truncated_file_is_imported_up_to_there(users):
    lines = csv_of(*((1, NINE + n * HOUR + timedelta(seconds=n**3 % 3600)) for n in range(2000)))
    content = gzip.compress("\n".join(lines).encode())
    Path("seen.csv.gz").write_bytes(content[: len(content) // 2])
    text = refusal("seen.csv.gz")
    number = int(
        re.fullmatch(r"seen\.csv\.gz, line (\d+): the rest of the file cannot be .*\.", text)[1]
    )
    assert 100 < Souvenir.objects.count() == number - 2  # neither the heading nor this line


# Columns


def test_the_columns_can_be_named(users):
    write("seen.csv", f"view,{WHEN},{pk_of(1)}")
    run("seen.csv", "--columns", "activity,when, user_id")
    assert rows() == expected((1, NINE))


def test_a_heading_without_the_columns_is_refused(users):
    write("seen.csv", "id,time", f"{pk_of(1)},{WHEN}")
    assert refusal("seen.csv") == (
        "seen.csv, line 1: the header row 'id, time' has no column user_id and no column when; "
        "use --map user=NAME,when=NAME or, without a header row, --columns."
    )


def test_columns_without_user_or_time_are_refused():
    write("seen.csv")
    assert refusal("seen.csv", "--columns=id,when") == (
        "--columns 'id, when' has no column user_id."
    )


# Users


def test_a_log_names_users_by_their_username(users):
    write("access.log", log_line("-", NINE), log_line("nobody", NINE), *log_of((1, NINE)))
    assert run("access.log") == (
        "access.log: read 3 lines.\n"
        "  Added 1 souvenir.\n"
        "  Skipped 1: no user.\n"
        "  Skipped 1: unknown user.\n"
        "    access.log, line 2: unknown user 'nobody'.\n"
    )


def test_a_regular_expression_finds_the_user_in_a_log(users):
    line = log_line("-", NINE).replace("GET /", f"GET /users/{pk_of(2)}/")
    write("access.log", line, log_line("-", NINE))
    run("access.log", "--user-regex", "/users/(.+?)/", "--lookup=pk")
    assert rows() == expected((2, NINE))


def test_a_regular_expression_without_end_stops_the_import(users, monkeypatch):
    monkeypatch.setattr("souvenirs.importing.logs.SECONDS", 0.05)
    slow = log_line("-", NINE).replace("GET /", f"GET /{'x' * 60}")
    write("access.log", log_line("-", NINE).replace("GET /", f"GET /xx/{pk_of(2)}/"), slow)
    assert refusal("access.log", "--user-regex", "/(?:x+)+/(.+?)/", "--lookup=pk") == (
        "access.log, line 2: --user-regex takes more than a second: avoid repetitions of "
        "repetitions, like (a+)+."
    )
    assert rows() == expected((2, NINE))


@pytest.mark.parametrize(
    ("regex", "text"),
    [
        ("(a", "'(a' is not a regular expression: "),
        ("a", "'a' has no group for the user, as in '/users/(\\d+)/'."),
    ],
)
def test_a_regular_expression_that_cannot_find_users_is_refused(regex, text):
    write("access.log")
    assert refusal("access.log", "--user-regex", regex).startswith(text)


@pytest.mark.parametrize(
    ("name", "line"),
    [("seen.csv", "{user},{when}"), ("seen.json", '{{"user_id": "{user}", "when": "{when}"}}')],
)
def test_users_may_be_named_by_any_field(users, name, line):
    field = get_user_model().USERNAME_FIELD
    write(name, line.format(user=username(1), when=WHEN))
    run(name, f"--lookup={field}", "--columns=user_id,when")
    assert rows() == expected((1, NINE))


@pytest.mark.parametrize("field", ["nickname", "groups", "souvenir", "logentry", "pk__in", "-pk"])
def test_a_field_that_users_do_not_have_is_refused(field):
    write("seen.csv")
    label = get_user_model()._meta.label
    assert refusal("seen.csv", f"--lookup={field}") == f"{label} has no field {field!r}."


# Times


def test_times_without_an_offset_are_in_the_zone_given(users):
    write("seen.csv", "user_id,when", f"{pk_of(1)},2016-01-04 10:00:00")
    run("seen.csv", "--tz=Europe/Paris")
    assert rows() == expected((1, NINE))


def test_times_without_an_offset_are_in_the_zone_of_the_site(users, settings):
    settings.TIME_ZONE = "Europe/Paris"
    write("seen.csv", "user_id,when", f"{pk_of(1)},2016-01-04 10:00:00")
    run("seen.csv")
    assert rows() == expected((1, NINE))


def test_an_unknown_zone_is_refused():
    write("seen.csv")
    assert refusal("seen.csv", "--tz=Mars") == (
        "Unknown time zone 'Mars': use a name like 'Europe/Paris' or 'UTC'."
    )


def test_after_and_before_are_half_open_in_the_zone(users):
    start, end = at(2016, 1, 3, 23), at(2016, 1, 4, 23)
    second = timedelta(seconds=1)
    write("seen.csv", *csv_of((1, start - second), (2, start), (3, end - second), (4, end)))
    output = run("seen.csv", "--after=2016-01-04", "--before=2016-01-05", "--tz=Europe/Paris")
    assert "  Skipped 2: outside --after and --before.\n" in output
    assert rows() == expected((2, start), (3, end - second))


def test_after_later_than_before_is_refused():
    write("seen.csv")
    assert refusal("seen.csv", "--after=2016-02", "--before=2016-01-31") == (
        "--after 2016-02-01 00:00:00+00:00 is later than --before 2016-01-31 00:00:00+00:00."
    )


def test_an_invalid_date_is_refused():
    write("seen.csv")
    assert refusal("seen.csv", "--after=soon").startswith("--after 'soon' is not a date")


def test_the_future_is_skipped(users):
    write("seen.csv", *csv_of((1, datetime.now(UTC) + HOUR), (2, NINE)))
    assert "  Skipped 1: in the future.\n" in run("seen.csv")


# Windows


def test_windows_are_those_of_the_settings(users, settings):
    settings.SOUVENIRS_RATELIMIT_SECONDS = 900
    write("seen.csv", *csv_of((1, NINE), (1, NINE + HOUR / 5), (1, NINE + HOUR / 3)))
    run("seen.csv")
    assert rows() == expected((1, NINE), (1, NINE + HOUR / 3))


@pytest.mark.parametrize(("window", "added"), [("0", 3), ("60", 2), ("3600", 1), ("0.5", 3)])
def test_the_window_can_be_given(users, window, added):
    second = timedelta(seconds=1)
    write("seen.csv", *csv_of((1, NINE), (1, NINE + second), (1, NINE + 60 * second)))
    run("seen.csv", f"--window={window}")
    assert Souvenir.objects.count() == added


@pytest.mark.parametrize(
    ("window", "shown"), [("-1", "-1"), ("nan", "nan"), ("inf", "inf"), ("1e300", "1e+300")]
)
def test_an_invalid_window_is_refused(window, shown):
    write("seen.csv")
    assert refusal("seen.csv", f"--window={window}") == (
        f"--window must be a number of seconds, 0 or more, not {shown}."
    )


# Again, rehearsed, strict


def test_a_second_run_adds_nothing(users):
    write("seen.csv", *csv_of((1, NINE), (2, NINE), (1, NINE + HOUR)))
    run("seen.csv")
    before = rows()
    assert run("seen.csv") == (
        "seen.csv: read 3 lines.\n  Added 0 souvenirs.\n"
        "  Skipped 3: the window already has a souvenir.\n"
    )
    assert rows() == before


def test_a_dry_run_reports_what_would_be_added_and_writes_nothing(users, monkeypatch):
    """Also for a window that occurs in several batches and in several files."""
    monkeypatch.setattr("souvenirs.importing.importer.BATCH", 2)
    monkeypatch.setattr("souvenirs.importing.importer.REMEMBERED", 0)
    monkeypatch.setattr("souvenirs.importing.users.REMEMBERED", 0)
    write("a.csv", *csv_of((1, NINE), (2, NINE), (1, NINE + HOUR / 2), (3, NINE)), "bad")
    write("b.csv", *csv_of((3, NINE + HOUR / 2), (4, NINE), (1, NINE), (4, NINE + HOUR / 3)))
    rehearsed = run("a.csv", "b.csv", "--dry-run")
    assert rows() == []
    assert "  Would add 3 souvenirs.\n" in rehearsed
    assert "  Would add 1 souvenir.\n" in rehearsed
    assert run("a.csv", "b.csv") == rehearsed.replace("Would add", "Added")


def test_skipped_lines_are_counted_by_reason(users):
    good = csv_of((1, NINE), (1, NINE + HOUR / 2))
    ahead = (datetime.now(UTC) + HOUR).isoformat()
    write(
        "seen.csv",
        *good,
        f'"{pk_of(2)},{WHEN}',
        f"{pk_of(2)},yesterday",
        "",
        f"nobody,{WHEN}",
        f",{WHEN}",
        f",{WHEN}",
        f",{WHEN}",
        f"{pk_of(2)},{ahead}",
        f"{pk_of(2)}",
    )
    assert run("seen.csv") == (
        "seen.csv: read 10 lines.\n"
        "  Added 1 souvenir.\n"
        "  Skipped 1: the window already has a souvenir.\n"
        "  Skipped 3: bad line.\n"
        "    seen.csv, line 4: not CSV: unexpected end of data.\n"
        "    seen.csv, line 5: 'yesterday' is not a time in a known notation, such as "
        "2016-01-31T10:30:00Z.\n"
        "    seen.csv, line 12: the number of cells is 1, not 2.\n"
        "  Skipped 3: no user.\n"
        "  Skipped 1: unknown user.\n"
        "    seen.csv, line 7: unknown user 'nobody'.\n"
        "  Skipped 1: in the future.\n"
    )


def test_the_first_of_many_bad_lines_are_shown(users):
    write("seen.csv", *csv_of((1, NINE)), *["bad,"] * 1_200, *[f"{n}x,{WHEN}" for n in range(11)])
    lines = run("seen.csv").splitlines()
    assert lines[2] == "  Skipped 1,200: bad line."
    assert lines[3:13:9] == ["    seen.csv, line 3: no time.", "    seen.csv, line 12: no time."]
    assert lines[13] == "    ... and 1,190 more lines like these."
    assert lines[14] == "  Skipped 11: unknown user."
    assert lines[15:25:9] == [
        "    seen.csv, line 1203: unknown user '0x'.",
        "    seen.csv, line 1212: unknown user '9x'.",
    ]
    assert lines[25:] == ["    ... and 1 more line like these."]


def test_ten_bad_lines_are_all_shown(users):
    write("seen.csv", *csv_of((1, NINE)), *["bad,"] * 10)
    assert run("seen.csv").endswith("    seen.csv, line 12: no time.\n")


def test_what_is_shown_has_no_control_characters(users):
    write("seen.csv", *csv_of((1, NINE)), f"\x1b[2J\u202e,{WHEN}", "1,\x1b[2J")
    output = run("seen.csv")
    assert "line 3: unknown user '?[2J?'.\n" in output
    assert "line 4: '\\x1b[2J' is not a time" in output


@pytest.mark.parametrize("options", [[], ["--dry-run"]])
def test_an_import_of_nothing_but_bad_lines_fails(users, options):
    write("bad.csv", "user_id,when", "bad,", "bad,", f"nobody,{WHEN}")
    write("good.csv", *csv_of((1, NINE)))
    assert refusal("bad.csv", *options) == "Nothing was imported: 2 bad lines."
    assert "Skipped 2: bad line" in run("bad.csv", "good.csv", *options)
    assert "Skipped 2: bad line" in run("good.csv", "bad.csv", *options)


def test_an_import_of_what_is_there_already_does_not_fail(users):
    write("seen.csv", *csv_of((1, NINE)), "bad,")
    run("seen.csv")
    assert "Added 0 souvenirs" in run("seen.csv")


@pytest.mark.parametrize("lines", [[], ["nobody,2016-01-04"]])
def test_an_import_without_bad_lines_does_not_fail(users, lines):
    write("seen.csv", "user_id,when", *lines)
    assert "Added 0 souvenirs" in run("seen.csv")


def test_an_import_of_lines_without_users_says_how_to_name_them(users):
    hint = "  Skipped 2: no user.\n    Tell where the user is with --map or --user-regex.\n"
    write("seen.csv", "user_id,when", f",{WHEN}", f"-,{WHEN}")
    assert run("seen.csv").endswith(hint)
    write("seen.csv", *csv_of((1, NINE)), f",{WHEN}")
    assert run("seen.csv").endswith("  Skipped 1: no user.\n")


def test_the_encoding_can_be_given(users, make_user):
    user = make_user(**called("Jürgen"))
    Path("seen.csv").write_bytes(f"user_id;when\n{user.get_username()};{WHEN}".encode("cp1252"))
    field = get_user_model().USERNAME_FIELD
    run("seen.csv", "--encoding=cp1252", f"--lookup={field}")
    assert rows() == [(user.pk, NINE)]


@pytest.mark.parametrize("name", ["klingon", "rot13", "a\0b"])
def test_an_unknown_encoding_is_refused(name):
    write("seen.csv")
    assert refusal("seen.csv", f"--encoding={name}") == (
        f"Unknown encoding {name!r}: use a name like 'cp1252' or 'utf-16'."
    )


def test_an_invalid_mapping_is_refused():
    write("seen.csv")
    assert (
        refusal("seen.csv", "--map=id=a") == "--map 'id=a' is not of the form user=NAME,when=NAME."
    )


def test_a_strict_import_stops_at_the_first_bad_line(users, capsys):
    write("a.csv", *csv_of((1, NINE)), "bad", *csv_of((2, NINE))[1:])
    write("b.csv", *csv_of((3, NINE)))
    with pytest.raises(CommandError, match=r"^a\.csv, line 3: the number of cells is 1, not 2\.$"):
        call_command("import_souvenirs", "a.csv", "b.csv", "--strict")
    assert capsys.readouterr().out == "a.csv: read 1 line.\n  Added 1 souvenir.\n"
    assert rows() == expected((1, NINE))


def test_a_strict_import_does_not_mind_unknown_users(users):
    write("seen.csv", "user_id,when", f"nobody,{WHEN}", *csv_of((1, NINE))[1:])
    run("seen.csv", "--strict")
    assert rows() == expected((1, NINE))


# A terminal


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def busy(users, monkeypatch):
    """An import that takes several batches."""
    monkeypatch.setattr(Progress, "INTERVAL", 0)
    monkeypatch.setattr("souvenirs.importing.importer.BATCH", 500)
    write("seen.csv", *csv_of(*((1, NINE) for _ in range(1_000))))


@pytest.mark.parametrize("wrap", [lambda stream: stream, OutputWrapper])
def test_a_terminal_shows_how_far_an_import_is(busy, wrap):
    """On a line that is cleared at the end, also if another command calls this one."""
    terminal = Terminal()
    call_command("import_souvenirs", "seen.csv", stdout=io.StringIO(), stderr=wrap(terminal))
    _, first, second, last = terminal.getvalue().split("\r\x1b[K")
    assert re.fullmatch(r"\[#+ *\] +\d+%  500 lines, [\d,]+/s, 0:00 left", first)
    assert re.fullmatch(r"\[#{30}\] 100%  1,000 lines, [\d,]+/s, 0:00 left", second)
    assert last == ""


def test_a_terminal_shows_lines_where_the_size_is_not_known(busy, users):
    for user in users:
        type(user).objects.filter(pk=user.pk).update(last_login=NINE)
    terminal = Terminal()
    options = {"stdout": io.StringIO(), "stderr": terminal}
    call_command("import_souvenirs", "--from=last_login", **options)
    assert re.fullmatch(r"\r\x1b\[K5 rows, [\d,]+/s\r\x1b\[K", terminal.getvalue())


def test_the_line_is_taken_off_when_an_import_fails(busy):
    write("seen.csv", *csv_of(*((1, NINE) for _ in range(1_000))), "bad")
    terminal = Terminal()
    with pytest.raises(CommandError):
        call_command(
            "import_souvenirs", "seen.csv", "--strict", stdout=io.StringIO(), stderr=terminal
        )
    assert terminal.getvalue().endswith("\r\x1b[K")


def test_a_file_gets_no_line(busy):
    run("seen.csv")  # which looks at what is written to stderr


# What Django knows


def test_last_logins_are_imported(users, make_user):
    """Users who have never signed in are omitted."""
    make_user(6, last_login=NINE)
    make_user(7, last_login=NINE + HOUR)
    assert run("--from=last_login") == "last_login: read 2 rows.\n  Added 2 souvenirs.\n"
    assert rows() == expected((6, NINE), (7, NINE + HOUR))


def test_tables_know_windows_ranges_and_dry_runs(make_user):
    for day in range(1, 6):
        make_user(day, last_login=at(2016, 1, day, 12))
    output = run("--from=last_login", "--after=2016-01-02", "--before=2016-01-04", "--dry-run")
    assert output == (
        "last_login: read 5 rows.\n"
        "  Would add 2 souvenirs.\n"
        "  Skipped 3: outside --after and --before.\n"
    )


def test_a_user_model_without_last_login_is_refused(db, settings):
    settings.AUTH_USER_MODEL = "auth.Group"
    assert refusal("--from=last_login") == (
        "Cannot import --from last_login: auth.Group has no field last_login."
    )


def test_the_log_of_the_admin_is_imported(users):
    for user, when in [(users[0], NINE), (users[0], NINE + HOUR / 2), (users[1], NINE)]:
        LogEntry.objects.create(user=user, action_time=when, action_flag=CHANGE)
    assert run("--from=admin_log") == (
        "admin_log: read 3 rows.\n  Added 2 souvenirs.\n"
        "  Skipped 1: the window already has a souvenir.\n"
    )
    assert rows() == expected((1, NINE), (2, NINE))


def test_without_the_admin_its_log_is_refused(db, settings):
    settings.INSTALLED_APPS = [
        app for app in settings.INSTALLED_APPS if app != "django.contrib.admin"
    ]
    assert refusal("--from=admin_log") == (
        "Cannot import --from admin_log: django.contrib.admin is not installed."
    )


# Many lines, and the end of a process


def memory_of(lines):
    write("seen.csv", *csv_of(*((n % 5 + 1, NINE + n % 7 * HOUR) for n in range(lines))))
    tracemalloc.start()
    run("seen.csv", "--dry-run")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


@pytest.mark.thorough
@pytest.mark.above_the_store
def test_memory_does_not_grow_with_the_number_of_lines(users):
    memory_of(10_000)
    few, many = memory_of(10_000), memory_of(50_000)
    assert many < few + 500_000


@pytest.fixture
def elsewhere(transactional_db, tmp_path):
    """Runs Python on a database that is not in the memory of this process."""
    database = {"sqlite": "SQLITE", "postgresql": "POSTGRES", "mysql": "MARIADB"}[connection.vendor]
    if database == "SQLITE":
        url = f"sqlite:///{tmp_path / 'elsewhere.sqlite3'}"
    else:
        server = urlsplit(getattr(servers, database))
        url = server._replace(path=f"/{connection.settings_dict['NAME']}").geturl()
    environment = {
        **os.environ,
        f"{database}_URL": url,
        "DJANGO_SETTINGS_MODULE": "tests.settings",
        "PYTHONPATH": os.pathsep.join([str(PROJECT), *sys.path]),
    }

    def start(*arguments, **options):
        command = [sys.executable, *arguments]
        return subprocess.Popen(command, env=environment, text=True, **options)

    with start("-m", "django", "migrate", "--run-syncdb", "--verbosity=0") as migration:
        assert migration.wait() == 0
    return start


MAKE_USERS = """
import django; django.setup()
from django.contrib.auth import get_user_model
from tests.conftest import build_user
get_user_model().objects.bulk_create(build_user(number) for number in range(1, 201))
"""

PRINT_ROWS = """
import django; django.setup()
from souvenirs.models import Souvenir
for user, when in Souvenir.objects.values_list("user_id", "when"):
    print(f"{user},{when.isoformat()}")
"""


@pytest.mark.thorough
def test_a_killed_import_is_finished_by_the_next(elsewhere):
    """Nothing is lost or doubled, however often it is killed."""
    users = [str(pk_of(number)) for number in range(1, 201)]
    lines = [
        f"{users[n * 7919 % 200]},{(NINE + timedelta(seconds=3 * n)).isoformat()}\n"
        for n in range(15_000)
    ]
    first_of = {}
    for line in lines:
        user, when = line.strip().split(",")
        first_of.setdefault((user, when[:13]), line)

    def import_lines(count, kill):
        command = ["-m", "django", "import_souvenirs", "-", "--format=csv"]
        columns = "--columns=user_id,when"
        with elsewhere(*command, columns, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            process.stdin.writelines(lines[:count])
            process.stdin.flush()
            if kill:
                # A pipe holds some 64 KB: the process has read all but the last of these lines.
                process.kill()
            return process.communicate()[0]

    def read_rows():
        with elsewhere("-c", PRINT_ROWS, stdout=subprocess.PIPE) as process:
            return sorted(process.stdout)

    with elsewhere("-c", MAKE_USERS) as process:
        assert process.wait() == 0
    import_lines(8_000, kill=True)
    import_lines(14_000, kill=True)
    left = read_rows()
    assert len(first_of) / 2 < len(left) < len(first_of)
    assert "  Added" in import_lines(15_000, kill=False)
    assert read_rows() == sorted(first_of.values())


# Real data


@pytest.fixture
def people(db):
    """The users in the history of git."""
    if not isinstance(get_user_model()._meta.pk, models.IntegerField):
        pytest.skip("the data names users by numbers")
    get_user_model().objects.bulk_create(build_user(n, joined=NINE) for n in range(1, 2_461))


def active(usages):
    return [usage["usage"]["active_users"] for usage in usages]


@pytest.mark.thorough
@pytest.mark.through_the_store
def test_the_history_of_git_counts_as_the_truth_does(people):
    known = truth_of("gitgit_commits")
    output = run(str(file_of("gitgit_commits.csv.gz")), "--window=0")
    assert f"  Added {known['distinct_user_second_pairs']:,} souvenirs.\n" in output
    assert f"  Skipped {known['repeated_user_second_rows']:,}: the window already" in output
    for name, zone in known["zones"].items():
        days = zone["per_day"]
        first, last = date.fromisoformat(days["first_day"]), date.fromisoformat(days["last_day"])
        span = {"end": datetime(*(last + timedelta(days=1)).timetuple()[:3], 12, tzinfo=UTC)}
        start = datetime(*first.timetuple()[:3], 12, tzinfo=UTC)
        counts = active(calendar_daily_usage(start, **span, tz=name))[: days["days_in_span"]]
        shown = [count for count in counts if count]
        assert len(counts) == days["days_in_span"]
        assert len(shown) == days["active_days"]
        assert max(shown) == days["max"]
        assert sum(shown) / len(counts) == pytest.approx(days["mean_all_days"], abs=1e-6)
        months = active(calendar_monthly_usage(start, **span, tz=name))
        assert months == [month["users"] for month in zone["per_month"]]


@pytest.mark.thorough
@pytest.mark.above_the_store
def test_the_offsets_of_the_history_of_git_change_nothing(people):
    run(str(file_of("gitgit_commits_original_offset.csv.gz")))
    output = run(str(file_of("gitgit_commits.csv.gz")))
    assert "  Added 0 souvenirs.\n" in output


def test_a_log_with_users_equals_its_csv_file(db):
    """It is out of order, with two UTC offsets, and one line in nine has no user."""
    for number in range(1, 7):
        field = get_user_model().USERNAME_FIELD
        get_user_model()(**{field: f"user{number}"}).save(force_insert=True)
    log = file_of("weblog_auth_users.extended_combined.log.gz")
    assert "  Skipped 1,128: no user.\n" in run(str(log), "--window=0")
    names = dict(get_user_model().objects.values_list("pk", get_user_model().USERNAME_FIELD))
    with open_text(str(file_of("weblog_auth_users.csv.gz"))) as (lines, _):
        table = {record for _, record in read_lines(lines, CellParser(UTC))}
    assert len(table) == truth_of("weblog_auth_users")["distinct_user_second_pairs"]
    assert {(names[user].removeprefix("user"), when) for user, when in rows()} == table
    assert Souvenir.objects.count() == len(table)


def test_the_clients_of_a_log_are_found_by_a_regular_expression(db):
    with gzip.open(file_of("weblog_clients.combined.log.gz"), "rt") as lines:
        clients = {line.split()[0] for line in lines}
    get_user_model().objects.bulk_create(
        get_user_model()(**{get_user_model().USERNAME_FIELD: client}) for client in clients
    )
    run(str(file_of("weblog_clients.combined.log.gz")), "--user-regex", r"^(\S+)")
    users = Souvenir.objects.order_by().values("user").distinct().count()
    assert users == len(clients) == truth_of("weblog_clients")["distinct_users"] == 1_753


# The documentation


EXAMPLE = re.compile(r"^\$ (\w+) (.*)\n((?:(?!\$ |```).*\n)*)", re.MULTILINE)


def test_the_examples_of_the_documentation(make_user, capsys):
    """Each prints what is shown, in that order."""
    if get_user_model()._meta.label != "auth.User":
        pytest.skip("the examples are about Django's own users")
    for name in ("ann", "bob", "cy"):
        make_user(username=name, last_login=at(2016, 1, 2) if name == "bob" else None)
    for program, words, shown in EXAMPLE.findall((PROJECT / "docs/how-to/import.md").read_text()):
        manage, command, *arguments = shlex.split(words) if program == "python" else ["", "", words]
        if program == "cat":
            Path(words).write_text(shown)
            continue
        assert (manage, command) == ("manage.py", "import_souvenirs")
        try:
            call_command(command, *arguments)
        except CommandError as error:
            print(f"CommandError: {error}")
        assert capsys.readouterr().out == shown
