from __future__ import annotations

from datetime import UTC
from zoneinfo import ZoneInfo

import pytest

from souvenirs.importing.lines import BadLine
from souvenirs.importing.times import MONTHS, parse_time
from tests.conftest import at
from tests.importing.entries import MOMENT

PARIS = ZoneInfo("Europe/Paris")


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
        "1454236200000",
        "1454236200000.0",
        "1454236200000000",
        "1454236200000000000",
        "20160131103000Z",
        "2016/01/31 10:30:00 UTC",
        "2016-01-31t10:30:00z",
        "2016-01-31  10:30:00GMT",
        "2016-01-31 11:30:00 +0100 CET",
        "2016-01-31 10:30:00.0 +0000 UTC",
        "2016-01-31T11:30:00+01:00[Europe/Berlin]",
        "31/Jan/2016:11:30:00 +0100",
        "31/Jan/2016:02:00:00 -0830",
        "01/Feb/2016:00:30:00 +1400",
        "Sun, 31 Jan 2016 10:30:00 GMT",
        "Sun, 31 Jan 2016 11:30:00 +0100 (CET)",
        "31 Jan 2016 10:30 +0000",
        "Sunday, 31-Jan-2016 10:30:00 UTC",
        "Sun Jan 31 11:30:00 2016 +0100",
        "Sun Jan 31 10:30:00 UTC 2016",
        "Sun Jan 31 2016 11:30:00 GMT+0100 (Central European Standard Time)",
    ],
)
def test_times_in_any_notation(text):
    moment = parse_time(text, PARIS)
    assert (moment, moment.tzinfo) == (MOMENT, UTC)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2016-01-31 11:30:00", MOMENT),
        ("2016-07-31T12:30:00", at(2016, 7, 31, 10, 30)),
        ("2016-01-31", at(2016, 1, 30, 23)),
        ("20160131", at(2016, 1, 30, 23)),
        ("20160131113000", MOMENT),
        ("31/Jan/2016:11:30:00", MOMENT),
        ("Sun Jan 31 11:30:00 2016", MOMENT),
    ],
)
def test_a_time_without_an_offset_is_in_the_given_zone(text, moment):
    assert parse_time(text, PARIS) == moment


def test_an_ambiguous_time_is_the_first_of_the_two():
    assert parse_time("2016-10-30T02:30:00", PARIS) == at(2016, 10, 30, 0, 30)


@pytest.mark.parametrize(
    ("text", "microsecond"),
    [
        ("2016-01-31T10:30:00.5Z", 500_000),
        ("2016-01-31T10:30:00.123456Z", 123_456),
        ("2016-01-31T10:30:00,123456Z", 123_456),
        ("1454236200.25", 250_000),
        ("1454236200,25", 250_000),
        ("1454236200250", 250_000),
        ("1454236200250.5", 250_500),
        ("1454236200.1234567", 123_456),
        ("1454236200123456789", 123_456),
        ("2016-01-31 10:30:00.123456789 +0000", 123_456),
        ("31/Jan/2016:10:30:00.999 +0000", 999_000),
    ],
)
def test_times_may_have_fractions_of_a_second(text, microsecond):
    assert parse_time(text, UTC) == MOMENT.replace(microsecond=microsecond)


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
        "31.01.2016",
        "01/31/2016",
        "yesterday",
        "12345678901234567890",
        "201601311030",  # or milliseconds of 1976
        "145423620000",
        "14542362000000000",
        "2016-01-31T10:30:60Z",
        "2016-12-31T23:59:60+01:00",
        "2016-01-31T10:30:00+01:60",
        "2016-01-31T10:30:00+25",
        "2016-01-31T10:30:00 CET",
        "31/01/2016:10:30:00 +0000",
        "31/Jän/2016:10:30:00 +0000",
        "31/Foo/2016:10:30:00 +0000",
        "31/jan/2016:10:30:00 +0000",
        "30/Feb/2016:10:30:00 +0000",
        "31/Jan/2016:24:30:00 +0000",
        "31/Jan/2016:10:30:00 +2500",
        "31/Jan/0001:10:30:00 +0000",
        "01/Jan/0001:00:00:00 +0100",
        "31 Jan 16 10:30:00 GMT",
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
    with pytest.raises(BadLine) as error:
        parse_time(text, UTC)
    assert str(error.value) == (
        f"{text!r} is not a time in a known notation, such as 2016-01-31T10:30:00Z"
    )


@pytest.mark.parametrize(
    "text",
    [
        "2016-12-31T23:59:60Z",
        "20161231T235960Z",
        "2017-01-01 05:29:60.5 +0530",
        "31/Dec/2016:23:59:60 +0000",
        "Sat, 31 Dec 2016 23:59:60 GMT",
    ],
)
def test_a_leap_second_belongs_to_the_second_before_it(text):
    assert parse_time(text, PARIS).replace(microsecond=0) == at(2016, 12, 31, 23, 59, 59)


@pytest.mark.parametrize("month", MONTHS)
def test_months_are_english_in_every_locale(month):
    moment = parse_time(f"01/{month}/2016:00:00:00 +0000", UTC)
    assert moment.strftime("%m") == f"{MONTHS[month]:02}"


def test_a_text_longer_than_any_time_is_a_bad_line():
    time = "2016-01-31T10:30:00."
    assert parse_time(time.ljust(100, "0"), UTC) == MOMENT
    with pytest.raises(BadLine):
        parse_time(time.ljust(101, "0"), UTC)


def test_the_earliest_time_that_every_database_can_store():
    assert parse_time("1000-01-01T00:00:00Z", UTC) == at(1000, 1, 1)
