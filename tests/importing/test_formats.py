from __future__ import annotations

import csv
import json
from datetime import UTC
from zoneinfo import ZoneInfo

import pytest

from souvenirs.importing.formats import csv_parser, json_parser, log_parser
from souvenirs.importing.lines import BadLine, Record, Unreadable, read_lines
from souvenirs.importing.times import MONTHS
from tests.activity import file_of
from tests.conftest import at
from tests.importing.reading import MOMENT, WHEN, read, read_file

PARIS = ZoneInfo("Europe/Paris")


def reason(parser, line):
    with pytest.raises(BadLine) as error:
        parser(line)
    return str(error.value)


def time_of(text, zone=UTC):
    """Return the time of a JSON line."""
    return json_parser(zone)(json.dumps({"user_id": 1, "when": text})).when


# CSV


@pytest.mark.parametrize(
    ("header", "line"),
    [
        ("user_id,when", f"7,{WHEN}"),
        ("when,user_id", f"{WHEN},7"),
        (" user_id , when ", f" 7 , {WHEN} "),
        ('"user_id","when"', f'"7","{WHEN}"'),
        ("activity,when,id,user_id", f"view,{WHEN},1,7"),
        ("activity,when,user_id", f'"a, ""b""\'s", {WHEN},7'),
        ("user_id,when", f"7,{WHEN},and,more,than,the,header,says"),
        ("user_id,when,activity", f"7,{WHEN}"),
    ],
)
def test_the_header_row_names_the_columns(header, line):
    assert read([header, line], csv_parser(None, UTC)) == [Record("7", MOMENT)]


@pytest.mark.parametrize(
    ("header", "text"),
    [
        ("id,when", "the header row 'id, when' has no column user_id"),
        ("user_id,time", "the header row 'user_id, time' has no column when"),
        ("1,2016", "the header row '1, 2016' has no column user_id and no column when"),
        ("user_id;when", "the header row 'user_id;when' has no column user_id and no column when"),
        ("User_ID,When", "the header row 'User_ID, When' has no column user_id and no column when"),
    ],
)
def test_a_header_row_without_both_columns_is_unreadable(header, text):
    parser = csv_parser(None, UTC)
    with pytest.raises(Unreadable) as error:
        parser(header)
    assert str(error.value) == f"{text}; without a header row, use --columns"


def test_columns_can_be_named_without_a_header_row():
    parser = csv_parser(["activity", "when", " user_id "], UTC)
    assert read([f"view,{WHEN},7", f"view,{WHEN},8"], parser) == [
        Record("7", MOMENT),
        Record("8", MOMENT),
    ]


@pytest.mark.parametrize("header", ["user_id,when", "User,Time (UTC)", "# 2016", '"User",""'])
def test_a_header_row_is_skipped_if_columns_are_named(header):
    parser = csv_parser(["user_id", "when"], UTC)
    assert read([header, f"7,{WHEN}"], parser) == [Record("7", MOMENT)]


def test_a_bad_first_line_is_not_a_header_row():
    parser = csv_parser(["user_id", "when"], UTC)
    assert read(["7,2016-02-30"], parser) == [
        (1, "'2016-02-30' is neither an ISO 8601 time nor a Unix timestamp")
    ]


def test_only_the_first_line_can_be_a_header_row():
    parser = csv_parser(["user_id", "when"], UTC)
    assert [number for number, _ in read([f"7,{WHEN}", "user_id,when"], parser)[1:]] == [2]


@pytest.mark.parametrize("columns", [["user_id"], ["when", "id"], ["user_id", "When"]])
def test_columns_without_user_or_time_are_refused(columns):
    with pytest.raises(ValueError, match=r"^--columns '.*' has no column \w+\.$"):
        csv_parser(columns, UTC)


@pytest.mark.parametrize("line", [f'"7,{WHEN}', f'7,"{WHEN}', f'"7"7,{WHEN}', f'"7,{WHEN}""'])
def test_an_unbalanced_quote_spoils_only_its_line(line):
    parser = csv_parser(["user_id", "when"], UTC)
    first, *others = list(read_lines([line, f"1,{WHEN}", f"2,{WHEN}"], parser))
    assert isinstance(first[1], BadLine)
    assert others == [(2, Record("1", MOMENT)), (3, Record("2", MOMENT))]


def test_a_cell_too_long_for_csv_is_a_bad_line():
    parser = csv_parser(["user_id", "when"], UTC)
    line = f"{'x' * (csv.field_size_limit() + 1)},{WHEN}"
    assert reason(parser, line).startswith("not CSV: field larger than field limit")


@pytest.mark.parametrize("name", ["", "  ", '""'])
def test_a_line_may_have_no_user(name):
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
def test_anything_but_a_json_object_with_a_time_is_a_bad_line(line, text):
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
def test_times_in_any_notation(text):
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


def test_an_ambiguous_time_is_the_first_of_the_two():
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
def test_anything_else_is_a_bad_line(text):
    assert reason(json_parser(UTC), json.dumps({"user_id": 1, "when": text})) == (
        f"{text!r} is neither an ISO 8601 time nor a Unix timestamp"
    )


def test_the_earliest_time_that_every_database_can_store():
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
def test_a_log_line_has_the_authenticated_user(line, user):
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
        f"'{time}' is not an access log time"
    )


@pytest.mark.parametrize("month", MONTHS)
def test_months_are_english_in_every_locale(month):
    record = log_parser()(f"1.2.3.4 - ann [01/{month}/2016:00:00:00 +0000] {REQUEST}")
    assert record.when.strftime("%m") == f"{MONTHS[month]:02}"


@pytest.mark.parametrize(
    "line",
    ["user_id,when", "1.2.3.4 - ann", "ann [31/Jan/2016:10:30:00 +0000]", "[error] no such file"],
)
def test_anything_but_an_access_log_line_is_a_bad_line(line):
    assert reason(log_parser(), line) == "not an access log line"


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
    with pytest.raises(ValueError, match=r"^'users/.d' has no group for the user"):
        log_parser("users/.d")


# Real data


def test_real_offsets_are_the_same_instants():
    in_utc = read_file(file_of("gitgit_commits.csv.gz"), csv_parser(None, UTC))
    as_written = read_file(file_of("gitgit_commits_original_offset.csv.gz"), csv_parser(None, UTC))
    assert len(in_utc) == 81_966
    assert as_written == in_utc


def test_a_real_extended_log_equals_its_csv_file():
    log = read_file(file_of("weblog_auth_users.extended_combined.log.gz"), log_parser())
    table = read_file(file_of("weblog_auth_users.csv.gz"), csv_parser(None, UTC))
    named = sorted(record for record in log if record.user)
    assert (len(log), len(named)) == (10_000, 8_872)
    assert named == sorted(Record(f"user{record.user}", record.when) for record in table)


def test_a_real_combined_log_has_its_clients():
    log = read_file(file_of("weblog_clients.combined.log.gz"), log_parser(r"^(\S+)"))
    assert (len(log), len({record.user for record in log})) == (10_000, 1_753)
