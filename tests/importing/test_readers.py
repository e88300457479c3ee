from __future__ import annotations

import csv
import gzip
import io
import json
import os
import sys
import threading
from contextlib import contextmanager
from datetime import UTC, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.contrib.admin.models import CHANGE, LogEntry

from souvenirs.importing import readers
from souvenirs.importing.readers import (
    BadLine,
    Record,
    Unreadable,
    csv_parser,
    json_parser,
    log_parser,
    open_text,
    read_lines,
)
from tests.activity import file_of
from tests.conftest import at, pk_of

PARIS = ZoneInfo("Europe/Paris")
MOMENT = at(2016, 1, 31, 10, 30)
WHEN = "2016-01-31T10:30:00Z"


def read(lines, parser):
    """What was read, bad lines as ``(number, text)``."""
    return [
        (number, str(reading)) if isinstance(reading, BadLine) else reading
        for number, reading in read_lines(lines, parser)
    ]


def read_file(path, parser):
    with open_text(str(path)) as (lines, _):
        return read(lines, parser)


def reason(parser, line):
    with pytest.raises(BadLine) as error:
        parser(line)
    return str(error.value)


def time_of(text, zone=UTC):
    """The time that a JSON line says."""
    return json_parser(zone)(json.dumps({"user_id": 1, "when": text})).when


# Files


@pytest.fixture(params=["plain", "gzip"])
def write(request, tmp_path):
    """Write bytes to a file, plain and gzipped, and return its path."""

    def write_file(content):
        path = tmp_path / "file"
        path.write_bytes(gzip.compress(content) if request.param == "gzip" else content)
        return path

    return write_file


@pytest.mark.parametrize(
    "content",
    [
        b"user_id,when\n1,2016-01-31T10:30:00Z\n",
        b"user_id,when\r\n1,2016-01-31T10:30:00Z\r\n",
        b"user_id,when\r1,2016-01-31T10:30:00Z\r",
        b"user_id,when\n1,2016-01-31T10:30:00Z",
        b"\xef\xbb\xbfuser_id,when\n1,2016-01-31T10:30:00Z\n",
        b'\xef\xbb\xbf"user_id","when"\r\n"1","2016-01-31T10:30:00Z"\r\n',
    ],
    ids=["LF", "CRLF", "CR", "no end of line", "byte order mark", "as Excel has it"],
)
def test_files_end_their_lines_in_any_way(write, content):
    assert read_file(write(content), csv_parser(None, UTC)) == [Record("1", MOMENT)]


def test_bytes_that_are_not_utf_8_spoil_one_name(write):
    path = write(f"user_id,when\nM\xfcller,{WHEN}\nMuller,{WHEN}\n".encode("latin-1"))
    records = read_file(path, csv_parser(None, UTC))
    assert [record.user for record in records] == ["M\ufffdller", "Muller"]


def test_an_empty_file_has_no_lines(write):
    assert read_file(write(b""), csv_parser(None, UTC)) == []


def test_the_position_grows_to_the_size_of_the_file(write):
    path = write(b"".join(b"%s\n" % os.urandom(40).hex().encode() for _ in range(10_000)))
    with open_text(str(path)) as (lines, position):
        next(lines)
        start = position()
        for _ in lines:
            pass
        assert start < position() == path.stat().st_size


@contextmanager
def standard_input(monkeypatch, content):
    buffer = io.BufferedReader(io.BytesIO(content))
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdin", io.TextIOWrapper(buffer, encoding="ascii"))
        yield


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_standard_input_is_read_like_a_file(monkeypatch, pack):
    content = b"\xef\xbb\xbf" + f"user_id,when\r\nJürgen,{WHEN}\r\n".encode()
    with standard_input(monkeypatch, pack(content)):
        assert read_file("-", csv_parser(None, UTC)) == [Record("Jürgen", MOMENT)]


def test_standard_input_stays_open(monkeypatch):
    with standard_input(monkeypatch, b"user_id,when\n"):
        read_file("-", csv_parser(None, UTC))
        assert sys.stdin.buffer.read() == b""


def test_the_position_in_a_pipe_is_not_known(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    writer = threading.Thread(target=(tmp_path / "pipe").write_bytes, args=(b"a\nb\n",))
    writer.start()
    with open_text(str(tmp_path / "pipe")) as (lines, position):
        assert (list(lines), position()) == (["a\n", "b\n"], 0)
    writer.join()


# Lines


def test_lines_are_numbered_as_an_editor_does():
    lines = ["user_id,when\n", "\n", "1,never\n", f"1,{WHEN}\n", "2,never\n"]
    numbers = [number for number, _ in read_lines(lines, csv_parser(None, UTC))]
    assert numbers == [3, 4, 5]


@pytest.mark.parametrize("line", ["\n", "", "  \t\r\n", "\0\0\n"])
def test_empty_lines_are_passed_over(line):
    assert read([line, f"1,{WHEN}\n", line], csv_parser(["user_id", "when"], UTC)) == [
        Record("1", MOMENT)
    ]


def test_nul_bytes_that_a_crash_left_are_taken_off():
    line = "\0" * 4096 + '1.2.3.4 - a\0nn [31/Jan/2016:10:30:00 +0000] "GET / HTTP/1.1" 200 5'
    assert read([line], log_parser()) == [Record("ann", MOMENT)]


def broken(content):
    """Lines of a gzipped file that ends or goes wrong in the middle."""
    with gzip.open(io.BytesIO(content), "rt") as lines:
        yield from lines


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda zipped: zipped[:-2000], "ended before"),
        (lambda zipped: zipped[:-8] + b"\0" * 8, "CRC check failed"),
        (lambda zipped: zipped[:20_000] + b"\xff" * 500 + zipped[20_500:], "Error -3"),
        (lambda zipped: zipped + b"and more", "Not a gzipped file"),
    ],
    ids=["truncated", "wrong sum", "corrupt", "followed by something else"],
)
def test_a_damaged_file_is_read_up_to_the_damage(damage, words):
    text = "".join(f"{n},{at(2016, 1, 1) + timedelta(seconds=n**2)}\n" for n in range(5000))
    lines = broken(damage(gzip.compress(text.encode())))
    *before, (number, last) = read_lines(lines, csv_parser(["user_id", "when"], UTC))
    assert [reading.user for _, reading in before] == [str(n) for n in range(number - 1)]
    assert len(before) > 1000
    assert isinstance(last, Unreadable)
    assert words in str(last)


# CSV


@pytest.mark.parametrize(
    ("heading", "line"),
    [
        ("user_id,when", f"7,{WHEN}"),
        ("when,user_id", f"{WHEN},7"),
        (" user_id , when ", f" 7 , {WHEN} "),
        ('"user_id","when"', f'"7","{WHEN}"'),
        ("activity,when,id,user_id", f"view,{WHEN},1,7"),
        ("activity,when,user_id", f'"a, ""b""\'s", {WHEN},7'),
        ("user_id,when", f"7,{WHEN},and,more,than,the,heading,says"),
        ("user_id,when,activity", f"7,{WHEN}"),
    ],
)
def test_the_heading_names_the_columns(heading, line):
    assert read([heading, line], csv_parser(None, UTC)) == [Record("7", MOMENT)]


@pytest.mark.parametrize(
    ("heading", "text"),
    [
        ("id,when", "the heading 'id, when' has no column user_id"),
        ("user_id,time", "the heading 'user_id, time' has no column when"),
        ("1,2016", "the heading '1, 2016' has no column user_id and no column when"),
        ("user_id;when", "the heading 'user_id;when' has no column user_id and no column when"),
        ("User_ID,When", "the heading 'User_ID, When' has no column user_id and no column when"),
    ],
)
def test_a_heading_without_both_columns_ends_the_reading(heading, text):
    parser = csv_parser(None, UTC)
    with pytest.raises(Unreadable) as error:
        parser(heading)
    assert str(error.value) == f"{text}; a file without a heading needs --columns"


def test_a_file_without_a_heading_has_its_columns_named():
    parser = csv_parser(["activity", "when", " user_id "], UTC)
    assert read([f"view,{WHEN},7", f"view,{WHEN},8"], parser) == [
        Record("7", MOMENT),
        Record("8", MOMENT),
    ]


@pytest.mark.parametrize("heading", ["user_id,when", "User,Time (UTC)", "# 2016", '"User",""'])
def test_a_heading_above_named_columns_is_passed_over(heading):
    parser = csv_parser(["user_id", "when"], UTC)
    assert read([heading, f"7,{WHEN}"], parser) == [Record("7", MOMENT)]


def test_a_bad_first_line_is_no_heading():
    parser = csv_parser(["user_id", "when"], UTC)
    assert read(["7,2016-02-30"], parser) == [
        (1, "'2016-02-30' is neither a time in ISO 8601 nor seconds since 1970")
    ]


def test_only_the_first_line_can_be_a_heading():
    parser = csv_parser(["user_id", "when"], UTC)
    assert [number for number, _ in read([f"7,{WHEN}", "user_id,when"], parser)[1:]] == [2]


@pytest.mark.parametrize("columns", [["user_id"], ["when", "id"], ["user_id", "When"]])
def test_columns_without_user_or_time_are_refused(columns):
    with pytest.raises(ValueError, match=r"^--columns '.*' has no column \w+\.$"):
        csv_parser(columns, UTC)


@pytest.mark.parametrize("line", [f'"7,{WHEN}', f'7,"{WHEN}', f'"7"7,{WHEN}', f'"7,{WHEN}""'])
def test_an_unbalanced_quote_harms_only_its_line(line):
    parser = csv_parser(["user_id", "when"], UTC)
    first, *others = list(read_lines([line, f"1,{WHEN}", f"2,{WHEN}"], parser))
    assert isinstance(first[1], BadLine)
    assert others == [(2, Record("1", MOMENT)), (3, Record("2", MOMENT))]


def test_a_cell_too_long_for_csv_is_a_bad_line():
    parser = csv_parser(["user_id", "when"], UTC)
    line = f"{'x' * (csv.field_size_limit() + 1)},{WHEN}"
    assert reason(parser, line).startswith("not CSV: field larger than field limit")


@pytest.mark.parametrize("name", ["", "  ", '""'])
def test_a_line_may_name_nobody(name):
    parser = csv_parser(["user_id", "when"], UTC)
    assert parser(f"{name},{WHEN}") == Record(None, MOMENT)


@pytest.mark.parametrize("line", ["7", "7,", '"7",""'])
def test_a_line_needs_a_time(line):
    parser = csv_parser(["user_id", "when"], UTC)
    parser(f"1,{WHEN}")
    assert reason(parser, line)


# JSON lines


@pytest.mark.parametrize(
    ("line", "user"),
    [
        ('{"user_id": 7, "when": "2016-01-31T10:30:00Z"}', "7"),
        ('{"when": "2016-01-31 11:30:00+01:00", "user_id": " 7 ", "more": [{}]}', "7"),
        ('{"user_id": "J\\u00fcrgen", "when": 1454236200}', "Jürgen"),
        ('{"user_id": "", "when": 1454236200.0}', None),
        ('{"user_id": null, "when": "1454236200"}', None),
        ('{"when": "20160131T103000Z"}', None),
        ('{"user_id": 0, "when": "2016-01-31T10:30:00Z"}', "0"),
    ],
)
def test_json_lines_are_objects(line, user):
    assert json_parser(UTC)(line) == Record(user, MOMENT)


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("[]", "not a JSON object"),
        ('[{"user_id": 1, "when": "2016-01-31"}]', "not a JSON object"),
        ("1", "not a JSON object"),
        ("null", "not a JSON object"),
        ('"user_id"', "not a JSON object"),
        ("{}", "no time"),
        ('{"user_id": 1, "when": null}', "no time"),
        ('{"user_id": 1,', "not JSON: Expecting property name"),
        ("{'user_id': 1}", "not JSON: Expecting property name"),
        ("user_id,when", "not JSON: Expecting value"),
        ("[" * 200_000, "not JSON: maximum recursion depth"),
        ('{"when": ' + "1" * 5000 + "}", "not JSON: Exceeds the limit"),
        ('{"user_id": 1, "when": true}', "'True' is neither"),
        ('{"user_id": 1, "when": NaN}', "'nan' is neither"),
        ('{"user_id": 1, "when": ["2016"]}', "\"['2016']\" is neither"),
    ],
)
def test_what_is_no_json_object_with_a_time_is_a_bad_line(line, text):
    assert reason(json_parser(UTC), line).startswith(text)


# Times


@pytest.mark.parametrize(
    "text",
    [
        "2016-01-31T10:30:00Z",
        "2016-01-31 10:30:00+00:00",
        "2016-01-31 10:30:00+00",
        "2016-01-31T10:30Z",
        "20160131T103000Z",
        "2016-W04-7T10:30:00Z",
        "2016-01-31T11:30:00+01:00",
        "2016-01-31T11:30:00+0100",
        "2016-01-31T02:30:00-08:00",
        "2016-02-01T00:30:00+14:00",
        "2016-01-31T10:30:00.000000000Z",
        "1454236200",
        "1454236200.0",
    ],
)
def test_a_time_is_an_instant_however_it_is_written(text):
    moment = time_of(text, zone=PARIS)
    assert (moment, moment.tzinfo) == (MOMENT, UTC)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2016-01-31 11:30:00", MOMENT),
        ("2016-07-31T12:30:00", at(2016, 7, 31, 10, 30)),
        ("2016-01-31", at(2016, 1, 30, 23)),
        ("20160131", at(2016, 1, 30, 23)),
    ],
)
def test_a_time_without_an_offset_is_in_the_given_zone(text, moment):
    assert time_of(text, zone=PARIS) == moment


def test_the_first_of_two_equal_wall_clocks_is_meant():
    assert time_of("2016-10-30T02:30:00", zone=PARIS) == at(2016, 10, 30, 0, 30)


@pytest.mark.parametrize(
    ("text", "microsecond"),
    [
        ("2016-01-31T10:30:00.5Z", 500_000),
        ("2016-01-31T10:30:00.123456Z", 123_456),
        ("2016-01-31T10:30:00,123456Z", 123_456),
        ("1454236200.25", 250_000),
    ],
)
def test_times_may_have_fractions_of_a_second(text, microsecond):
    assert time_of(text) == MOMENT.replace(microsecond=microsecond)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "garbage",
        "2016",
        "2016-01",
        "2016-02-30",
        "2016-01-31T25:00:00Z",
        "2016-01-31x10:30:00",
        "2016-01-31T",
        "2016-01-31T10:30:00 UTC",
        "31.01.2016",
        "01/31/2016",
        "yesterday",
        "12345678901234567890",
        "1510123000000",  # milliseconds: Python alone reads a date of the year 1510
        "1454236200000",
        "-1454236200",
        "1e9",
        "٢٠١٦-01-31",
        "0001-01-01T00:00:00Z",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:00:00-14:00",
        "0999-12-31T23:59:59Z",
    ],
)
def test_anything_else_is_no_time(text):
    assert reason(json_parser(UTC), json.dumps({"user_id": 1, "when": text})) == (
        f"{text!r} is neither a time in ISO 8601 nor seconds since 1970"
    )


def test_the_earliest_time_that_every_database_keeps():
    assert time_of("1000-01-01T00:00:00Z") == at(1000, 1, 1)


# Access logs

TIME = "[31/Jan/2016:10:30:00 +0000]"
REQUEST = '"GET /a HTTP/1.1" 200 5'


@pytest.mark.parametrize(
    ("line", "user"),
    [
        (f"1.2.3.4 - ann {TIME} {REQUEST}", "ann"),
        (f'1.2.3.4 - ann {TIME} {REQUEST} "http://a/" "Mozilla/5.0 (X11; [en])"', "ann"),
        (f'1.2.3.4 - ann {TIME} {REQUEST} "-" "-" www.example.com 443 - - + "-" 12 %', "ann"),
        (f"a.example.com:443 1.2.3.4 - ann {TIME} {REQUEST}", "ann"),
        (f"a.example.com:443 1.2.3.4 - - {TIME} {REQUEST}", None),
        (f"1.2.3.4:5678 - ann {TIME} {REQUEST}", "ann"),
        (f"2001:db8::1 - ann {TIME} {REQUEST}", "ann"),
        (f"::1 - ann lee {TIME} {REQUEST}", "ann lee"),
        (f"1.2.3.4 ident ann {TIME} {REQUEST}", "ann"),
        (f"1.2.3.4 - ann@example.com {TIME} {REQUEST}", "ann@example.com"),
        (f"1.2.3.4 - ann lee {TIME} {REQUEST}", "ann lee"),
        (f'1.2.3.4 - "ann lee" {TIME} {REQUEST}', "ann lee"),
        (f'1.2.3.4 - "" {TIME} {REQUEST}', None),
        (f"1.2.3.4 - - {TIME} {REQUEST}", None),
        (f'1.2.3.4 - "-" {TIME} {REQUEST}', None),
        (f"1.2.3.4 - J\\xc3\\xbcrgen {TIME} {REQUEST}", "Jürgen"),
        (f"1.2.3.4 - J\\xC3\\xBCrgen {TIME} {REQUEST}", "Jürgen"),
        (f"1.2.3.4 - Jürgen {TIME} {REQUEST}", "Jürgen"),
        (f"1.2.3.4 - SITE\\\\ann {TIME} {REQUEST}", "SITE\\ann"),
        (f"1.2.3.4 - a\\x22b\\xff {TIME} {REQUEST}", 'a"b\ufffd'),
        (f'1.2.3.4 - ann {TIME} "GET /[31/Feb/2016:10:30:00 +0000] HTTP/1.1" 404 5', "ann"),
        (f"1.2.3.4 - ann {TIME}", "ann"),
    ],
)
def test_a_log_line_names_the_authenticated_user(line, user):
    assert log_parser()(line) == Record(user, MOMENT)


@pytest.mark.parametrize(
    ("time", "moment"),
    [
        ("31/Jan/2016:10:30:00 +0000", MOMENT),
        ("31/Jan/2016:10:30:00.999 +0000", MOMENT),
        ("31/Jan/2016:11:30:00 +0100", MOMENT),
        ("31/Jan/2016:02:00:00 -0830", MOMENT),
        ("01/Feb/2016:00:30:00 +1400", MOMENT),
        ("29/Feb/2016:23:59:59 +0000", at(2016, 2, 29, 23, 59, 59)),
    ],
)
def test_a_log_line_has_its_own_offset(time, moment):
    assert log_parser()(f"1.2.3.4 - ann [{time}] {REQUEST}").when == moment


@pytest.mark.parametrize(
    "time",
    [
        "31/Jän/2016:10:30:00 +0000",
        "31/Foo/2016:10:30:00 +0000",
        "31/jan/2016:10:30:00 +0000",
        "30/Feb/2016:10:30:00 +0000",
        "31/Jan/2016:24:30:00 +0000",
        "31/Jan/2016:10:30:00 +2500",
        "31/Jan/2016:10:30:00",
        "31/01/2016:10:30:00 +0000",
        "31/Jan/0001:10:30:00 +0000",
        "01/Jan/0001:00:00:00 +0100",
    ],
)
def test_a_log_line_with_an_impossible_time_is_bad(time):
    assert reason(log_parser(), f"1.2.3.4 - ann [{time}] {REQUEST}") == (
        f"'{time}' is not a time of an access log"
    )


@pytest.mark.parametrize("month", readers.MONTHS)
def test_months_are_english_in_every_locale(month):
    record = log_parser()(f"1.2.3.4 - ann [01/{month}/2016:00:00:00 +0000] {REQUEST}")
    assert record.when.strftime("%m") == f"{readers.MONTHS[month]:02}"


@pytest.mark.parametrize(
    "line",
    ["user_id,when", "1.2.3.4 - ann", "ann [31/Jan/2016:10:30:00 +0000]", "[error] no such file"],
)
def test_what_is_no_access_log_is_a_bad_line(line):
    assert reason(log_parser(), line) == "not a line of an access log"


@pytest.mark.parametrize(
    ("regex", "user"),
    [
        (r"^(\S+)", "1.2.3.4"),
        (r"[?&]user=(\d+)", "17"),
        (r"(?P<user>seventeen)?user=", None),
        (r"user=(\d*)\D?17", None),
        (r"no such (thing)", None),
        (r" (-) ann", None),
    ],
)
def test_a_regular_expression_can_find_the_user(regex, user):
    line = f'1.2.3.4 - ann {TIME} "GET /?user=17 HTTP/1.1" 200 5'
    assert log_parser(regex)(line) == Record(user, MOMENT)


def test_a_bad_regular_expression_is_refused():
    with pytest.raises(ValueError, match=r"^'\(a' is not a regular expression: .*\.$"):
        log_parser("(a")


def test_a_regular_expression_without_a_group_is_refused():
    with pytest.raises(ValueError, match=r"^'users/.d' has no group that tells the user"):
        log_parser("users/.d")


# Tables


def test_last_logins_are_those_of_users_who_signed_in(make_user):
    make_user()
    make_user(last_login=MOMENT)
    make_user(last_login=MOMENT + timedelta(days=1))
    assert list(readers.last_logins()) == [
        (1, Record(str(pk_of(2)), MOMENT)),
        (2, Record(str(pk_of(3)), MOMENT + timedelta(days=1))),
    ]


def test_last_logins_are_in_utc(make_user, settings):
    settings.USE_TZ = False
    settings.TIME_ZONE = "Europe/Paris"
    make_user(last_login=MOMENT.astimezone(PARIS).replace(tzinfo=None))
    [(_, record)] = readers.last_logins()
    assert (record.when, record.when.tzinfo) == (MOMENT, UTC)


@pytest.mark.parametrize("rows", [1, 2, 3, 5, 6])
def test_tables_are_read_in_pages(make_user, monkeypatch, rows):
    for _ in range(5):
        make_user(last_login=MOMENT)
    monkeypatch.setattr(readers, "ROWS", rows)
    users = [record.user for _, record in readers.last_logins()]
    assert users == [str(pk_of(number)) for number in range(1, 6)]


def test_a_user_model_need_not_know_the_last_login(db, settings):
    settings.AUTH_USER_MODEL = "auth.Group"
    with pytest.raises(LookupError, match=r"auth\.Group has no field last_login"):
        readers.last_logins()


def test_the_log_of_the_admin_says_who_did_something(make_user):
    ann, bob = make_user(), make_user()
    for user, when in [(ann, MOMENT), (bob, MOMENT), (ann, MOMENT + timedelta(hours=1))]:
        LogEntry.objects.create(user=user, action_time=when, action_flag=CHANGE)
    assert list(readers.admin_log()) == [
        (1, Record(str(ann.pk), MOMENT)),
        (2, Record(str(bob.pk), MOMENT)),
        (3, Record(str(ann.pk), MOMENT + timedelta(hours=1))),
    ]


def test_the_log_of_the_admin_needs_the_admin(db, settings):
    settings.INSTALLED_APPS = [
        app for app in settings.INSTALLED_APPS if app != "django.contrib.admin"
    ]
    with pytest.raises(LookupError, match=r"django\.contrib\.admin is not installed"):
        readers.admin_log()


# Real data


def test_real_offsets_are_the_same_instants():
    in_utc = read_file(file_of("gitgit_commits.csv.gz"), csv_parser(None, UTC))
    as_written = read_file(file_of("gitgit_commits_original_offset.csv.gz"), csv_parser(None, UTC))
    assert len(in_utc) == 81_966
    assert as_written == in_utc


def test_a_real_extended_log_says_what_its_csv_file_says():
    log = read_file(file_of("weblog_auth_users.extended_combined.log.gz"), log_parser())
    table = read_file(file_of("weblog_auth_users.csv.gz"), csv_parser(None, UTC))
    named = sorted(record for record in log if record.user)
    assert (len(log), len(named)) == (10_000, 8_872)
    assert named == sorted(Record(f"user{record.user}", record.when) for record in table)


def test_a_real_combined_log_has_its_clients():
    log = read_file(file_of("weblog_clients.combined.log.gz"), log_parser(r"^(\S+)"))
    assert (len(log), len({record.user for record in log})) == (10_000, 1_753)
