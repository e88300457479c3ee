import re

import pytest

from souvenirs.management._terminal import (
    Display,
    Progress,
    TextTable,
    can_encode,
    column_chart,
    percent,
    pluralize,
    printable,
    resampled,
)
from souvenirs.management._terminal.display import ASCII_RAMP, RAMP
from tests.terminals import Terminal

PLAIN = Display(width=40)
ASCII = Display(width=40, blocks=False)
COLOUR = Display(width=40, colour=True)


@pytest.mark.parametrize(
    ("value", "drawn"),
    [(None, ""), (0, ""), (0.01, "▏"), (5, "██▌"), (9.8, "████▉"), (10, "█████")],
)
def test_bar_is_as_long_as_its_share(value, drawn):
    assert PLAIN.bar(value, 10, 5) == drawn


@pytest.mark.parametrize(("value", "drawn"), [(0, ""), (0.01, "#"), (5, "##"), (10, "#####")])
def test_bar_in_ascii(value, drawn):
    assert ASCII.bar(value, 10, 5) == drawn


def test_bar_of_nothing():
    assert PLAIN.bar(0, 0, 5) == ""
    assert PLAIN.bar(1, 0, 5) == ""


def test_sparkline_tells_unknown_zero_little_and_all_apart():
    assert PLAIN.sparkline([None, 0, 0.01, 10]) == " ▁▂█"
    assert ASCII.sparkline([None, 0, 0.01, 10]) == " .:#"


def test_sparkline_uses_the_whole_ramp_in_order():
    assert PLAIN.sparkline(range(8)) == RAMP
    assert ASCII.sparkline(range(8)) == ASCII_RAMP


def test_sparkline_of_zeros_and_of_nothing():
    assert PLAIN.sparkline([0, 0]) == "▁▁"
    assert PLAIN.sparkline([]) == ""
    assert PLAIN.sparkline([None]) == " "


def test_resampling_keeps_what_fits():
    assert resampled([1, None, 3], 3) == [1, None, 3]


def test_resampling_takes_means_of_what_is_known():
    assert resampled([1, 3, None, 5, None, None], 3) == [2, 5, None]


def test_resampling_uses_every_value_once():
    assert sum(resampled([2] * 10, 5)) == 10
    assert len(resampled(range(100), 7)) == 7


def test_painting_is_for_colours_and_text():
    assert COLOUR.painted("x", "1") == "\x1b[1mx\x1b[0m"
    assert PLAIN.painted("x", "1") == "x"
    assert COLOUR.painted("  ", "1") == "  "


def test_shades_in_colour_change_no_width():
    shades = [COLOUR.shaded(" 5%", share) for share in (0, 0.01, 0.5, 1)]
    assert len(set(shades)) == 4
    assert {re.sub(r"\x1b\[[0-9;]*m", "", shade) for shade in shades} == {" 5%"}
    assert COLOUR.shaded("  *", None) == "  *"


@pytest.mark.parametrize(
    ("share", "display", "drawn"),
    [
        (None, PLAIN, "* "),
        (0, PLAIN, "*▁"),
        (1, PLAIN, "*█"),
        (7, PLAIN, "*█"),
        (0.5, ASCII, "*+"),
    ],
)
def test_shades_without_colour_are_characters_of_the_ramp(share, display, drawn):
    assert display.shaded("*", share) == drawn


def test_chart_stands_and_hangs():
    assert column_chart([(2, 0), (0, 1), (1, 1)], [0, 1, 2], ["a", "b", "c"], PLAIN, height=4) == [
        "+2 █████       ▒▒▒▒▒",
        "   █████ ▒▒▒▒▒ █████",
        " 0 ─────────────────",
        "         █████ █████",
        "-2             █████",
        "   a               c",
    ]


def test_chart_in_ascii():
    assert column_chart([(2, 0), (0, 1)], [0, 1], ["a", "b"], ASCII, height=3) == [
        "+2 #####",
        "   ##### +++++",
        " 0 -----------",
        "-1       xxxxx",
        "   a         b",
    ]


def test_chart_draws_parts_of_cells():
    lines = column_chart([(4, 0), (1, 0)], [1, 4], ["a", "b"], PLAIN, height=2)
    assert lines[0] == "+4 █████ ▂▂▂▂▂"
    assert lines[2] == "-4 ▔▔▔▔▔ █████"


def test_chart_in_colour_has_both_parts_in_one_cell_and_hangs_by_eighths():
    lines = column_chart([(1, 3), (4, 0)], [1, 4], ["a", "b"], COLOUR, height=2)
    assert "\x1b[38;5;35;48;5;80m▂▂▂▂▂\x1b[0m" in lines[0]
    assert "\x1b[7;38;5;167m▆▆▆▆▆\x1b[0m" in lines[2]
    assert "\x1b[38;5;167m█████\x1b[0m" in lines[2]


@pytest.mark.parametrize("display", [PLAIN, ASCII, COLOUR])
def test_every_column_that_is_not_0_is_drawn(display):
    lines = column_chart([(1, 0), (0, 1), (1000, 0)], [1, 0, 1000], ["a", "b", "c"], display)
    axis = next(n for n, line in enumerate(lines) if line.startswith("     0"))
    assert len(lines[axis - 1].split()) == 3
    assert len(lines[axis + 1].split()) == 2


def test_chart_of_nothing():
    assert column_chart([], [], [], PLAIN) == [" 0", ""]
    assert column_chart([(None, None)], [None], ["a"], PLAIN) == [" 0 ─────", "       a"]


def test_chart_of_more_than_fits_has_the_last():
    above = [(1, 0)] * 60 + [(5, 0)]
    lines = column_chart(above, [0] * 61, [f"{n}" for n in range(61)], PLAIN, height=3)
    assert max(map(len, lines)) == 40
    assert lines[0] == "+5" + " " * 37 + "█"
    assert lines[-1].split() == ["24", "60"]


def test_first_label_is_omitted_if_there_is_no_room():
    labels = ["2016-01", "2016-02"]
    assert column_chart([(1, 0)] * 2, [0, 0], labels, Display(width=9))[-1] == "   2016-02"


def test_table_is_aligned_and_cut_to_the_width():
    fitted = TextTable(["day", "users", "%"], [["Monday", "5", "10"], ["T"]]).fitted(14)
    assert (fitted.header, fitted.rows) == ("day     users", ["Monday      5", "T"])
    assert fitted.columns == [(0, 6), (8, 13)]
    assert fitted.hidden == 1


@pytest.mark.parametrize(("width", "hidden"), [(5, 0), (4, 1)])
def test_table_fits_exactly(width, hidden):
    assert TextTable(["ab", "c"], []).fitted(width).hidden == hidden


def test_first_column_always_stays():
    assert TextTable(["label", "x"], [["y", "z"]]).fitted(1).header == "label"


def test_bars_beside_a_table_need_room():
    def drawn(width):
        fitted = TextTable(["a", "b"], [["x", "1"]]).fitted(width)
        return list(fitted.with_bars([1], 1, Display(width=width)))

    assert drawn(14) == ["a  b", "x  1  ████████"]
    assert drawn(13) == ["a  b", "x  1"]
    assert drawn(200) == ["a  b", "x  1  " + "█" * 40]


def test_control_characters_are_not_printed():
    assert printable("a\x1b[2Jb\nc\u202e") == "a?[2Jb?c?"
    assert printable("Zoë 李") == "Zoë 李"


@pytest.mark.parametrize(
    ("share", "shown"),
    [
        (None, "-"),
        (0, "0%"),
        (0.0049, "<1%"),
        (0.005, "<1%"),
        (0.006, "1%"),
        (0.45, "45%"),
        (0.9949, "99%"),
        (0.996, ">99%"),
        (1, "100%"),
        (2.5, "250%"),
    ],
)
def test_percentages_are_never_rounded_to_none_or_all(share, shown):
    assert percent(share) == shown


@pytest.mark.parametrize(
    ("count", "shown"), [(0, "0 days"), (1, "1 day"), (2, "2 days"), (1200, "1,200 days")]
)
def test_counts_have_the_right_plural(count, shown):
    assert pluralize(count, "day") == shown


@pytest.mark.parametrize(
    ("encoding", "text", "encodable"),
    [
        (None, "█", True),
        ("utf-8", "█", True),
        ("ascii", "█", False),
        ("ascii", "#", True),
        ("no-such", "#", False),
    ],
)
def test_text_is_encodable_or_not(encoding, text, encodable):
    assert can_encode(encoding, text) is encodable


@pytest.mark.parametrize(
    ("seconds", "done", "line"),
    [
        (10, 1, "[###                           ]  10%  1 line, 0/s, 1:30 left"),
        (50, 5, "[###############               ]  50%  5 lines, 0/s, 0:50 left"),
        (59.6, 5, "[###############               ]  50%  5 lines, 0/s, 1:00 left"),
        (50, 10, "[##############################] 100%  10 lines, 0/s, 0:00 left"),
    ],
)
def test_progress_estimates_the_time_left(monkeypatch, seconds, done, line):
    clock = iter([0, seconds])
    monkeypatch.setattr("souvenirs.management._terminal.progress.time.monotonic", clock.__next__)
    terminal = Terminal()
    Progress(terminal, 10, "line").update(done, done)
    assert terminal.getvalue() == f"\r\x1b[K{line}"
