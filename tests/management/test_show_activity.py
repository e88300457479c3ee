"""Also ranges, segments, formats and terminals, which all commands about insights share."""

import os
import re
import sys
from datetime import datetime, timedelta
from io import BytesIO, StringIO, TextIOWrapper

import pytest
from django.core.management import CommandError, call_command
from django.db.models import Q

from souvenirs.insights import stickiness
from souvenirs.management.commands import show_activity
from tests.conftest import at, pk_of
from tests.terminals import (
    as_data,
    as_json,
    as_text,
    csv_rows,
    on_terminal,
    run,
    table,
)

pytestmark = [pytest.mark.django_db, pytest.mark.above_the_store]

COMMAND = "show_activity"
NOW = at(2016, 4, 10, 12)
MONTHS = ("--after=2016-01-01", "--before=2016-04-01", "--interval=month")
ESCAPE = re.compile(r"\x1b\[[0-9;]*m")


@pytest.fixture(autouse=True)
def _now(monkeypatch):
    monkeypatch.setattr("souvenirs.reports.timezone.now", lambda: NOW)
    monkeypatch.setenv("COLUMNS", "80")


@pytest.fixture
def _history(leave):
    leave(
        (1, at(2016, 1, 5)),
        (1, at(2016, 2, 10)),
        (1, at(2016, 3, 15)),
        (2, at(2016, 1, 20)),
        (2, at(2016, 3, 31, 23, 59)),
        (3, at(2016, 2, 29)),
        (4, at(2016, 4, 3)),
    )


@pytest.fixture
def _segments(settings):
    settings.SOUVENIRS_SEGMENTS = {
        "odd": lambda: [pk_of(1), pk_of(3)],
        "=low": lambda: [pk_of(1), pk_of(2)],
    }


def labels(*arguments):
    return [row["label"] for row in csv_rows(COMMAND, *arguments)]


@pytest.mark.usefixtures("_history")
def test_months_have_actives_windows_and_stickiness():
    assert run(COMMAND, *MONTHS)[0].splitlines() == [
        "month      active    dau    wau    mau    stickiness    dau/mau",
        "-------  --------  -----  -----  -----  ------------  ---------",
        "2016-01         2      0      0      2            3%         0%",
        "2016-02         2      1      1      2            3%        50%",
        "2016-03         2      1      1      2            3%        50%",
    ]


@pytest.mark.usefixtures("_history")
def test_days_omit_redundant_columns():
    out, _ = run(COMMAND, "--after=2016-01-05", "--before=2016-01-06")
    assert out.splitlines()[0].split() == ["day", "dau", "wau", "mau", "dau/mau"]
    assert out.splitlines()[2].split() == ["2016-01-05", "1", "1", "1", "100%"]


@pytest.mark.usefixtures("_history")
def test_thirty_days_are_shown_by_default():
    found = labels()
    assert (found[0], found[-1], len(found)) == ("2016-03-12", "2016-04-10", 30)


@pytest.mark.usefixtures("_history")
@pytest.mark.parametrize(
    ("interval", "first", "count"),
    [("week", "2016-W03", 12), ("month", "2016-01", 4), ("year", "2016", 1)],
)
def test_default_range_starts_no_earlier_than_the_first_souvenir(interval, first, count):
    found = labels(f"--interval={interval}")
    assert (found[0], len(found)) == (first, count)


@pytest.mark.usefixtures("_history")
@pytest.mark.parametrize(
    ("last", "first", "count"),
    [
        ("1d", "2016-04-10", 1),
        ("3w", "2016-W12", 3),
        ("2m", "2016-03", 2),
        ("2q", "2016-Q1", 2),
        ("5y", "2012", 5),
    ],
)
def test_last_periods_include_the_unfinished_one(last, first, count):
    found = labels(f"--last={last}")
    assert (found[0], len(found)) == (first, count)


@pytest.mark.usefixtures("_history")
@pytest.mark.parametrize(
    ("before", "found"),
    [
        ("2016-03-01", ["2016-01", "2016-02"]),
        ("2016-03-01 00:00:00.000001", ["2016-02", "2016-03"]),
    ],
)
def test_last_periods_are_those_before_the_end(before, found):
    assert labels("--last=2m", f"--before={before}") == found


@pytest.mark.usefixtures("_history")
def test_interval_divides_the_last_periods():
    assert labels("--last=2w", "--interval=day")[0] == "2016-03-28"


@pytest.mark.usefixtures("_history")
def test_week_starts_where_the_setting_says(settings):
    settings.SOUVENIRS_WEEK_START = 7
    [row] = csv_rows(COMMAND, "--last=1w")
    assert row["start"] == "2016-04-10T00:00:00+00:00"


@pytest.mark.usefixtures("_history")
@pytest.mark.parametrize(
    ("arguments", "active"),
    [
        (["--after=2016-02-29", "--before=2016-03-01", "--interval=day"], "1"),
        (["--after=2016-02-28", "--before=2016-02-29", "--interval=day"], "0"),
    ],
)
def test_range_is_half_open(arguments, active):
    assert csv_rows(COMMAND, *arguments)[0]["active"] == active


@pytest.mark.usefixtures("_history")
@pytest.mark.parametrize(("zone", "active"), [("UTC", "1"), ("Asia/Tokyo", "2")])
def test_time_zone_lays_the_periods(zone, active):
    """23:59 of 31 March in UTC is April in Tokyo."""
    [row] = csv_rows(COMMAND, "--last=1m", f"--tz={zone}")
    assert row["active"] == active


@pytest.mark.usefixtures("_history")
def test_zone_that_a_moment_carries_lays_the_periods():
    """As a project's own code gives it to the command."""
    from zoneinfo import ZoneInfo

    before = datetime(2016, 4, 2, tzinfo=ZoneInfo("Asia/Tokyo"))
    out, _ = run(COMMAND, "--csv", "--last=1m", before=before)
    assert out.splitlines()[1].split(",")[1] == "2016-04-01T00:00:00+09:00"


@pytest.mark.usefixtures("_history")
def test_default_time_zone_without_time_zone_support(settings, monkeypatch):
    settings.USE_TZ = False
    settings.TIME_ZONE = "Asia/Tokyo"
    monkeypatch.setattr("souvenirs.reports.timezone.now", lambda: datetime(2016, 4, 10, 12))
    [row] = csv_rows(COMMAND, "--last=1m")
    assert row["start"] == "2016-04-01T00:00:00"


@pytest.mark.usefixtures("_history")
def test_unfinished_period_is_marked_and_explained():
    out, err = run(COMMAND, "--last=2m")
    assert [line.split()[0] for line in out.splitlines()[2:]] == ["2016-03", "2016-04*"]
    assert err == "* not over yet\n"


@pytest.mark.usefixtures("_history")
def test_period_that_is_cut_off_is_marked_and_explained():
    out, err = run(COMMAND, "--after=2016-02-01", "--before=2016-03-16", "--interval=month")
    assert [line.split()[0] for line in out.splitlines()[2:]] == ["2016-02", "2016-03~"]
    assert err == "~ cut off by the end of the range\n"


@pytest.mark.usefixtures("_history")
@pytest.mark.parametrize(
    ("before", "words"),
    [
        ("2016-03-31 12:00", "1 cut off, at most 1"),
        ("2016-04-01", "2, at most 2"),
        ("2016-04-11", "3 so far, at most 3"),
    ],
)
def test_last_number_of_a_course_says_if_its_period_is_incomplete(before, words):
    lines, _ = on_terminal(COMMAND, "--after=2016-03-01", f"--before={before}", "--interval=month")
    assert lines[2].endswith(words)


@pytest.mark.usefixtures("_history")
def test_finished_periods_need_no_note():
    assert run(COMMAND, *MONTHS)[1] == ""


@pytest.mark.usefixtures("_history")
def test_unknown_numbers_are_gaps_with_a_note():
    out, err = run(COMMAND, "--after=2015-12-01", "--before=2016-01-01", "--interval=month")
    assert out.splitlines()[2].split() == ["2015-12", *"------"]
    assert err == "Numbers are unknown before the first souvenir.\n"


def test_site_without_souvenirs():
    out, err = run(COMMAND)
    assert len(out.splitlines()) == 32
    assert "unknown before the first souvenir" in err
    lines, _ = on_terminal(COMMAND, "--last=2m")
    assert [line.split()[0] for line in lines if line] == ["month", "2016-03", "2016-04*"]


@pytest.mark.usefixtures("_history")
def test_range_without_periods():
    empty = ("--after=2016-01-01", "--before=2016-01-01")
    assert table(COMMAND, *empty) == []
    assert run(COMMAND, "--csv", *empty)[0] == ""
    assert as_json(COMMAND, *empty)["rows"] == []
    assert on_terminal(COMMAND, *empty)[0] == ["", "day  dau  wau  mau  dau/mau"]


@pytest.mark.usefixtures("_history")
def test_nothing_is_before_the_beginning_of_time():
    assert table(COMMAND, "--before=0001-01-01") == []


@pytest.mark.usefixtures("_history")
def test_json_and_csv_are_the_insight():
    insight = stickiness(at(2016, 1, 1), interval="month", tz="UTC")
    arguments = ("--after=2016-01-01", "--interval=month", "--tz=UTC")
    assert as_json(COMMAND, *arguments) == as_data(insight.to_dict())
    assert csv_rows(COMMAND, *arguments) == as_text(insight.rows())


def test_moments_are_exact(monkeypatch, leave):
    moment = NOW + timedelta(microseconds=1)
    monkeypatch.setattr("souvenirs.reports.timezone.now", lambda: moment)
    assert as_json(COMMAND, "--last=1d")["rows"][0]["end"] == moment.isoformat()
    assert csv_rows(COMMAND, "--last=1d")[0]["end"] == moment.isoformat()


@pytest.mark.usefixtures("_history", "_segments")
def test_segment_restricts():
    assert [row[1] for row in table(COMMAND, *MONTHS, "--segment=odd")] == ["1", "2", "1"]


@pytest.mark.usefixtures("_history", "_segments")
@pytest.mark.parametrize(("exclusive", "low"), [([], "212"), (["--exclusive"], "101")])
def test_each_segment_and_everyone(exclusive, low):
    out, err = run(COMMAND, *MONTHS, "--by-segment", *exclusive)
    found = {}
    for line in out.splitlines()[2:]:
        segment, _, active, *_ = line.split()
        found[segment] = found.get(segment, "") + active
    assert found == {"everyone": "222", "odd": "121", "=low": low}
    assert ("Segments can overlap" in err) is not bool(exclusive)


@pytest.mark.usefixtures("_history", "_segments")
def test_segments_in_json_and_csv():
    insight = stickiness(at(2016, 1, 1), at(2016, 4, 1), by="segment", tz="UTC")
    arguments = (*MONTHS, "--by-segment", "--tz=UTC")
    assert as_json(COMMAND, *arguments) == as_data(insight.to_dict())
    rows = csv_rows(COMMAND, *arguments)
    assert [row["segment"] for row in rows[::3]] == ["", "odd", "'=low"]


@pytest.mark.usefixtures("_history", "_segments")
def test_segments_on_a_terminal_are_drawn_to_one_scale():
    lines, _ = on_terminal(COMMAND, *MONTHS, "--by-segment")
    assert [line for line in lines if line in ("everyone", "odd", "=low")] == [
        "everyone",
        "odd",
        "=low",
    ]
    bars = [line.count("█") for line in lines if line.startswith("2016-01")]
    assert bars[0] // 2 == bars[1]
    assert bars[0] == bars[2] > 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--after=2016-13-45"], "--after '2016-13-45' is not a date"),
        (["--before=yesterdays"], "--before 'yesterdays' is not a date"),
        (["--after=2016-02-01", "--before=2016-01-01"], "--after 2016-02-01 .* is later than"),
        (["--after=2016-01-01", "--last=1m"], "Cannot use --after and --last together"),
        (["--last="], "--last '' is not a length of time: use a format such as 30d"),
        (["--last=0d"], "--last '0d' is not a length"),
        (["--last=-3w"], "--last '-3w' is not a length"),
        (["--last=12"], "--last '12' is not a length"),
        (["--last=12x"], "--last '12x' is not a length"),
        (["--last=1.5m"], "is not a length"),
        (["--last=٣d"], "is not a length"),
        (["--last=9999999d"], "is not a length"),
        (["--last=999999d"], "The range has .* periods, more than 100,000"),
        (["--last=999999y", "--interval=day"], "The range has .* periods, more than 100,000"),
        (["--last=12m\nx"], "is not a length"),
        (
            ["--interval=hour"],
            "interval must be one of day, week, month, quarter, year, not 'hour'",
        ),
        (["--tz=Mars/Phobos"], "Unknown time zone 'Mars/Phobos'"),
        (["--segment=gone"], "'gone' is not a segment: it must be one of odd, =low"),
        (["--exclusive"], "--exclusive requires --by-segment"),
        (["--csv", "--json"], "not allowed with"),
    ],
)
@pytest.mark.usefixtures("_segments")
def test_bad_input_is_one_sentence(arguments, message):
    with pytest.raises(CommandError, match=message) as refused:
        run(COMMAND, *arguments)
    assert "\n" not in str(refused.value)
    assert refused.value.returncode == 1


@pytest.mark.parametrize(
    ("segments", "arguments", "message"),
    [
        ({}, ["--by-segment"], "--by-segment requires segments in SOUVENIRS_SEGMENTS"),
        ({}, ["--segment=staff"], "'staff' is not a segment: it must be named in SOUVENIRS_SEG"),
        ([], ["--by-segment"], "SOUVENIRS_SEGMENTS should be a dict"),
        (
            {"x": Q(nothing=1)},
            ["--segment=x"],
            "SOUVENIRS_SEGMENTS.'x'.: Segment 'x' is not a valid query",
        ),
        ({"x": "a.b"}, ["--by-segment"], "'a.b', which cannot be imported"),
    ],
)
def test_invalid_segments_are_one_sentence(settings, segments, arguments, message):
    settings.SOUVENIRS_SEGMENTS = segments
    with pytest.raises(CommandError, match=message):
        run(COMMAND, *arguments)


@pytest.mark.usefixtures("_history")
@pytest.mark.parametrize("columns", [40, 80, 200])
@pytest.mark.parametrize("arguments", [MONTHS, ("--last=90d",), ("--last=400d",)])
def test_picture_fits_the_terminal(monkeypatch, columns, arguments):
    monkeypatch.setenv("COLUMNS", str(columns))
    lines, _ = on_terminal(COMMAND, *arguments)
    assert max(map(len, lines)) <= columns
    assert lines[0].startswith("dau  ")


@pytest.mark.usefixtures("_history")
def test_columns_that_do_not_fit_are_hidden_and_counted(monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    lines, err = on_terminal(COMMAND, *MONTHS)
    assert "month    active  dau  wau  mau" in lines
    assert err == (
        "2 columns hidden: the terminal is only 40 characters wide; --csv has all columns.\n"
    )


@pytest.mark.usefixtures("_history", "_segments")
def test_hidden_columns_are_reported_once(monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    _, err = on_terminal(COMMAND, *MONTHS, "--by-segment")
    assert err.count("hidden") == 1


@pytest.mark.usefixtures("_history")
def test_picture_has_courses_and_bars():
    lines, _ = on_terminal(COMMAND, "--after=2016-01-01", "--before=2016-05-01", "--interval=month")
    assert lines[:4] == [
        "dau  ▁██▁  0 so far, at most 1",
        "wau  ▁██▁  0 so far, at most 1",
        "mau  ███▅  1 so far, at most 2",
        "",
    ]
    bars = [line.count("█") for line in lines if line.startswith("2016")]
    assert bars[0] == bars[1] == bars[2]
    assert bars[0] // 2 == bars[3] > 0


@pytest.mark.usefixtures("_history")
def test_stream_that_cannot_encode_blocks_gets_ascii():
    lines, _ = on_terminal(COMMAND, *MONTHS, encoding="ascii")
    assert lines[0].startswith("dau  .##  1, at most 1")
    assert "\n".join(lines).isascii()
    assert any(line.endswith("####") for line in lines)


@pytest.mark.usefixtures("_history")
def test_stream_of_an_unknown_encoding_gets_ascii():
    lines, _ = on_terminal(COMMAND, *MONTHS, encoding="no-such")
    assert "\n".join(lines).isascii()


@pytest.mark.usefixtures("_history")
@pytest.mark.parametrize(
    ("arguments", "environment", "coloured"),
    [
        ([], {}, True),
        (["--no-color"], {}, False),
        ([], {"NO_COLOR": "1"}, False),
        ([], {"NO_COLOR": ""}, True),
        (["--force-color"], {"NO_COLOR": "1"}, True),
        ([], {"DJANGO_COLORS": "nocolor"}, False),
    ],
)
def test_colours_can_be_turned_off_and_on(monkeypatch, arguments, environment, coloured):
    monkeypatch.setattr("django.core.management.color.supports_color", lambda: True)
    monkeypatch.delenv("NO_COLOR", raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    lines, _ = on_terminal(COMMAND, *MONTHS, *arguments)
    assert (ESCAPE.search("\n".join(lines)) is not None) is coloured
    assert max(len(ESCAPE.sub("", line)) for line in lines) <= 80


@pytest.mark.usefixtures("_history")
def test_forced_colour_draws_pictures_into_a_pipe():
    assert "█" in run(COMMAND, *MONTHS, "--force-color")[0]


@pytest.mark.usefixtures("_history")
def test_output_into_a_pipe_is_plain(monkeypatch):
    monkeypatch.setattr("django.core.management.color.supports_color", lambda: True)
    monkeypatch.setenv("COLUMNS", "40")
    out, err = run(COMMAND, *MONTHS)
    assert out.isascii()
    assert "\x1b" not in out
    assert len(out.splitlines()[1]) > 40
    assert err == ""


@pytest.mark.usefixtures("_segments")
def test_control_characters_in_the_name_of_a_segment_are_replaced(settings):
    settings.SOUVENIRS_SEGMENTS = {"\x1b[2J": list}
    assert "?[2J" in on_terminal(COMMAND, "--last=1d", "--by-segment")[0]
    assert "\x1b" not in run(COMMAND, "--last=1d", "--by-segment")[0]


def test_table_is_returned_to_the_caller():
    assert call_command(COMMAND, "--last=1d", stdout=StringIO(), stderr=StringIO())[:3] == "day"


def test_closed_pipe_ends_quietly(monkeypatch):
    reader, writer = os.pipe()
    os.close(reader)
    with open(writer, "w") as stream:  # noqa: PTH123
        monkeypatch.setattr(sys, "stdout", stream)
        assert call_command(COMMAND, "--csv") is None


def test_interruption_is_one_word(monkeypatch):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(show_activity, "stickiness", interrupt)
    with pytest.raises(CommandError, match=r"^Interrupted\.$") as refused:
        run(COMMAND)
    assert refused.value.returncode == 130


def test_name_that_cannot_be_encoded_is_one_sentence(settings):
    settings.SOUVENIRS_SEGMENTS = {"café": list}
    with pytest.raises(CommandError, match=r"'\\xe9' cannot be encoded in ascii: set PYTHON"):
        call_command(COMMAND, "--by-segment", stdout=TextIOWrapper(BytesIO(), encoding="ascii"))


def test_help_explains_the_default_range(capsys):
    with pytest.raises(SystemExit):
        call_command(COMMAND, "--help")
    words = " ".join(capsys.readouterr().out.split())
    assert "default: the last 30 days, but none before the first souvenir" in words
