from __future__ import annotations

import csv
from datetime import UTC

import pytest

from souvenirs.importing.cells import CellParser
from souvenirs.importing.lines import BadLine, Record, Unreadable, read_lines
from souvenirs.importing.mapping import Mapping
from tests.importing.entries import MOMENT, WHEN, read, reason


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
    assert read([header, line], CellParser(UTC)) == [Record("7", MOMENT)]


@pytest.mark.parametrize(
    ("header", "text"),
    [
        ("id,when", "the header row 'id, when' has no column user_id"),
        ("user_id,time", "the header row 'user_id, time' has no column when"),
        ("1,2016", "the header row '1, 2016' has no column user_id and no column when"),
        ("User_ID,When", "the header row 'User_ID, When' has no column user_id and no column when"),
    ],
)
def test_a_header_row_without_both_columns_is_unreadable(header, text):
    parser = CellParser(UTC)
    with pytest.raises(Unreadable) as error:
        parser(header)
    remedy = "use --map user=NAME,when=NAME or, without a header row, --columns"
    assert str(error.value) == f"{text}; {remedy}"


def test_columns_can_be_named_without_a_header_row():
    parser = CellParser(UTC, columns=["activity", "when", " user_id "])
    assert read([f"view,{WHEN},7", f"view,{WHEN},8"], parser) == [
        Record("7", MOMENT),
        Record("8", MOMENT),
    ]


@pytest.mark.parametrize("header", ["user_id,when", "User,Time (UTC)", "# 2016", '"User",""'])
def test_a_header_row_is_skipped_if_columns_are_named(header):
    parser = CellParser(UTC, columns=["user_id", "when"])
    assert read([header, f"7,{WHEN}"], parser) == [Record("7", MOMENT)]


def test_a_bad_first_line_is_not_a_header_row():
    parser = CellParser(UTC, columns=["user_id", "when"])
    assert read(["7,2016-02-30"], parser) == [
        (1, "'2016-02-30' is not a time in a known notation, such as 2016-01-31T10:30:00Z")
    ]


def test_only_the_first_line_can_be_a_header_row():
    parser = CellParser(UTC, columns=["user_id", "when"])
    assert [number for number, _ in read([f"7,{WHEN}", "user_id,when"], parser)[1:]] == [2]


@pytest.mark.parametrize("columns", [["user_id"], ["when", "id"], ["user_id", "When"]])
def test_columns_without_user_or_time_are_refused(columns):
    with pytest.raises(ValueError, match=r"^--columns '.*' has no column \w+\.$"):
        CellParser(UTC, columns=columns)


@pytest.mark.parametrize("line", [f'"7,{WHEN}', f'7,"{WHEN}', f'"7"7,{WHEN}', f'"7,{WHEN}""'])
def test_an_unbalanced_quote_spoils_only_its_line(line):
    parser = CellParser(UTC, columns=["user_id", "when"])
    first, *others = list(read_lines([line, f"1,{WHEN}", f"2,{WHEN}"], parser))
    assert isinstance(first[1], BadLine)
    assert others == [(2, Record("1", MOMENT)), (3, Record("2", MOMENT))]


def test_a_cell_too_long_for_csv_is_a_bad_line():
    parser = CellParser(UTC, columns=["user_id", "when"])
    line = f'"{"x" * (csv.field_size_limit() + 1)}",{WHEN}'
    parser(f"1,{WHEN}")
    assert reason(parser, line).startswith("not CSV: field larger than field limit")


@pytest.mark.parametrize("name", ["", "  ", '""'])
def test_a_line_may_have_no_user(name):
    parser = CellParser(UTC, columns=["user_id", "when"])
    assert parser(f"{name},{WHEN}") == Record(None, MOMENT)


@pytest.mark.parametrize("line", ["7", "7,", '"7",""'])
def test_a_line_needs_a_time(line):
    parser = CellParser(UTC, columns=["user_id", "when"])
    parser(f"1,{WHEN}")
    assert reason(parser, line)


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("columns", [None, ["activity", "user_id", "when"]])
def test_the_first_row_shows_the_separator(separator, columns):
    rows = [["activity", "user_id", "when"], ["", "7", WHEN], ['"a, b; c | d"', '"8"', WHEN]]
    lines = [separator.join(row) for row in rows]
    assert read(lines, CellParser(UTC, columns=columns)) == [
        Record("7", MOMENT),
        Record("8", MOMENT),
    ]


@pytest.mark.parametrize("quote", ["", '"'])
def test_a_header_row_may_be_quoted_whatever_separates_it(quote):
    header = f"{quote}when{quote};{quote}user_id{quote}"
    assert read([header, f"{WHEN};7"], CellParser(UTC)) == [Record("7", MOMENT)]


def test_the_first_line_of_a_file_for_excel_names_the_separator():
    lines = ["sep=^", "user_id^when", f"7^{WHEN}"]
    assert read(lines, CellParser(UTC)) == [Record("7", MOMENT)]
    assert read([lines[0], lines[2]], CellParser(UTC, columns=["user_id", "when"])) == [
        Record("7", MOMENT)
    ]


def test_columns_can_be_mapped():
    names = Mapping("Member No.", "Time (UTC)")
    lines = ["Time (UTC),Member No.", f"{WHEN},7"]
    assert read(lines, CellParser(UTC, names)) == [Record("7", MOMENT)]
    assert read(lines[1:], CellParser(UTC, names, ["Time (UTC)", "Member No."])) == [
        Record("7", MOMENT)
    ]
    with pytest.raises(ValueError, match=r"^--columns 'user_id' has no column Member No\. and "):
        CellParser(UTC, names, ["user_id"])


@pytest.mark.parametrize(
    ("header", "line", "text"),
    [
        ("activity,user_id,when", "view", "the number of cells is 1, not 3"),
        ("activity,user_id,when", "view,7", "the number of cells is 2, not 3"),
        ("when,user_id", WHEN, "the number of cells is 1, not 2"),
        ("when,activity,user_id", f"{WHEN},a, b,7", "the number of cells is 4, not 3"),
    ],
)
def test_cells_in_other_columns_are_not_taken_for_users(header, line, text):
    assert read([header, line], CellParser(UTC)) == [(2, text)]


@pytest.mark.parametrize("line", [f"{WHEN},a,7,,", f"{WHEN},a,7, "])
def test_empty_cells_at_the_end_move_nothing(line):
    parser = CellParser(UTC)
    parser("when,activity,user_id")
    assert parser(line.rstrip()) == Record("7", MOMENT)


def test_a_first_row_with_a_time_in_words_is_no_header_row():
    line = '7,"Sun, 31 Jan 2016 10:30:00 GMT"'
    parser = CellParser(UTC, columns=["user_id", "when"])
    assert read([line], parser) == [Record("7", MOMENT)]
