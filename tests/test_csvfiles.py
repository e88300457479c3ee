import csv
from datetime import UTC, datetime
from io import StringIO

import pytest

from souvenirs.csvfiles import csv_value, write_csv


@pytest.mark.parametrize("lead", ["=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠"])
def test_formulas_start_with_an_apostrophe(lead):
    assert csv_value(f"{lead}cmd()") == f"'{lead}cmd()"


@pytest.mark.parametrize("value", [-5, -0.5, 0, None, "-5", "a=b", "", "'=1"])
def test_numbers_and_other_text_stay_as_they_are(value):
    assert csv_value(value) == value


@pytest.mark.parametrize("text", ["-5+1", "-", "-5x", "- 5"])
def test_formulas_that_start_like_a_number_start_with_an_apostrophe(text):
    assert csv_value(text) == f"'{text}"


def test_nul_characters_are_removed_before_formulas_are_found():
    assert csv_value("\0=1") == "'=1"


def test_datetimes_are_written_in_iso_8601():
    assert csv_value(datetime(2016, 1, 31, 9, tzinfo=UTC)) == "2016-01-31T09:00:00+00:00"


@pytest.mark.parametrize(("value", "written"), [(True, "true"), (False, "false")])
def test_booleans_are_written_as_in_json(value, written):
    assert csv_value(value) == written


def test_what_is_written_is_read_back():
    stream = StringIO()
    write_csv(stream, ["name", "count"], [['a "quoted", name', 1], ["two\nlines", None]])
    rows = list(csv.reader(StringIO(stream.getvalue())))
    assert rows == [["name", "count"], ['a "quoted", name', "1"], ["two\nlines", ""]]


def test_a_file_without_a_header_has_rows_only():
    stream = StringIO()
    write_csv(stream, [], [[1, 2]])
    assert stream.getvalue() == "1,2\r\n"
