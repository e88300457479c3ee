from __future__ import annotations

from datetime import UTC

import pytest

from souvenirs.importing.cells import CellParser
from souvenirs.importing.formats import json_parser, parser_of
from souvenirs.importing.lines import Record
from souvenirs.importing.logs import LogParser
from souvenirs.importing.mapping import Mapping, mapping_of, value_at
from tests.activity import file_of
from tests.importing.entries import MOMENT, WHEN, read, read_file, reason

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
        ('{"user_id": 7.0, "when": "2016-01-31T10:30:00Z"}', "7"),
        ('{"user_id": 9007199254740991.0, "when": 1454236200}', "9007199254740991"),
        ('{"user_id": NaN, "when": 1454236200}', None),
        ('web-1  | {"user_id": 7, "when": "31/Jan/2016:11:30:00 +0100"}', "7"),
        ('[nginx] {"user_id": "m\\xC3\\xBCller", "when": 1454236200}', "m\\xC3\\xBCller"),
        ('{"user_id": "a\\\\xa", "more": "\\x22", "when": 1454236200}', "a\\xa"),
    ],
)
def test_json_lines_are_objects(line, user):
    assert json_parser(UTC)(line) == Record(user, MOMENT)


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ('["user_id"]', "not a JSON object"),
        ('[{"user_id": 1, "when": "2016-01-31"}, {"user_id": 1}]', "not JSON: Extra data"),
        ("1", "not a JSON object"),
        ("null", "not a JSON object"),
        ('"user_id"', "not a JSON object"),
        ("{}", "no time under the key when; use --map user=KEY,when=KEY"),
        ('{"user_id": 1, "when": ""}', "no time"),
        ("web-1 | {", "not JSON: Expecting property name"),
        (f'{{"user_id": true, "when": "{WHEN}"}}', "'True' is not a user"),
        (f'{{"user_id": 1.5, "when": "{WHEN}"}}', "'1.5' is not a user"),
        (f'{{"user_id": 1e16, "when": "{WHEN}"}}', "'1e+16' is not a user"),
        (f'{{"user_id": {{}}, "when": "{WHEN}"}}', "'{}' is not a user"),
        ('{"user_id": 1, "when": null}', "no time"),
        ('{"user_id": 1,', "not JSON: Expecting ',' delimiter"),
        ("{'user_id': 1}", "not JSON: Expecting property name"),
        ("user_id,when", "not JSON: Expecting value"),
        ('{"a":' * 200_000, "not JSON: maximum recursion depth"),
        ('{"when": ' + "1" * 5000 + "}", "not JSON: Exceeds the limit"),
        ('{"user_id": 1, "when": true}', "'True' is not a time"),
        ('{"user_id": 1, "when": NaN}', "'nan' is not a time"),
        ('{"user_id": 1, "when": ["2016"]}', "\"['2016']\" is not a time"),
    ],
)
def test_anything_but_a_json_object_with_a_time_is_a_bad_line(line, text):
    assert reason(json_parser(UTC), line).startswith(text)


@pytest.mark.parametrize(
    "lines",
    [
        ["[", "{},", " {}", "]"],
        ["[{},", "{}]"],
        ["[", "  {},", "  {},", "  ]"],
        ["[{}", ",{}", "]"],
    ],
)
def test_the_objects_may_be_the_items_of_an_array(lines):
    item = '{"user_id": 7, "when": "2016-01-31T10:30:00Z", "tags": [[1]]}'
    records = read([line.replace("{}", item) for line in lines], json_parser(UTC))
    assert records == [Record("7", MOMENT)] * 2


@pytest.mark.parametrize(
    ("data", "path", "value"),
    [
        ({"a": 1}, "a", 1),
        ({"a": {"b": {"c": 1}}}, "a.b.c", 1),
        ({"a": {"b": 1}, "a.b": 2}, "a.b", 2),
        ({"a.b": {"c.d": 1}}, "a.b.c.d", 1),
        ({"a": {"X-User": ["ann", "bob"]}}, "a.X-User.1", "bob"),
        ({"log": '{"user": "ann"}\n'}, "log.user", "ann"),
        ({"a": 1}, "b", None),
        ({"a": 1}, "a.b", None),
        ({"a": {"b": 1}}, "a.c", None),
        ({"a": {"b": 1}}, "b.a", None),
        ({"a": "text"}, "a.b", None),
        ({"a": [1]}, "a.1", None),
    ],
)
def test_keys_may_be_nested(data, path, value):
    assert value_at(data, path) == value


def test_keys_can_be_mapped():
    line = '{"ts": 1454236200, "request": {"user": "ann"}}'
    assert json_parser(UTC, Mapping("request.user", "ts"))(line) == Record("ann", MOMENT)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("user=request.user,when=ts", {"user": "request.user", "when": "ts"}),
        (" when = Time (UTC) ", {"when": "Time (UTC)"}),
        ("user=a=b", {"user": "a=b"}),
    ],
)
def test_a_mapping_names_the_user_and_the_time(text, names):
    assert mapping_of(text) == names


@pytest.mark.parametrize("text", ["", "user", "user=", "=ts", "id=a", "user=a,user=b", "user=a,"])
def test_any_other_mapping_is_refused(text):
    with pytest.raises(ValueError, match=r"^--map '.*' is not of the form user=NAME,when=NAME\.$"):
        mapping_of(text)


@pytest.mark.parametrize("form", ["csv", "json", "log"])
def test_the_rest_of_a_mapping_is_that_of_the_format(form):
    lines = {
        "csv": f"when,id\n{WHEN},7",
        "json": f'{{"when": "{WHEN}", "id": "7"}}',
        "log": "#Fields: date time id\n2016-01-31 10:30:00 7",
    }
    parser = parser_of(form, UTC, {"user": "id"})
    assert read(lines[form].splitlines(), parser) == [Record("7", MOMENT)]


# Real data


def test_real_offsets_are_the_same_instants():
    in_utc = read_file(file_of("gitgit_commits.csv.gz"), CellParser(UTC))
    as_written = read_file(file_of("gitgit_commits_original_offset.csv.gz"), CellParser(UTC))
    assert len(in_utc) == 81_966
    assert as_written == in_utc


def test_a_real_extended_log_equals_its_csv_file():
    log = read_file(file_of("weblog_auth_users.extended_combined.log.gz"), LogParser(UTC))
    table = read_file(file_of("weblog_auth_users.csv.gz"), CellParser(UTC))
    named = sorted(record for record in log if record.user)
    assert (len(log), len(named)) == (10_000, 8_872)
    assert named == sorted(Record(f"user{record.user}", record.when) for record in table)


def test_a_real_combined_log_has_its_clients():
    log = read_file(file_of("weblog_clients.combined.log.gz"), LogParser(UTC, None, r"^(\S+)"))
    assert (len(log), len({record.user for record in log})) == (10_000, 1_753)
