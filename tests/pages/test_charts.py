"""The coordinates and texts of charts."""

import re

import pytest
from django.template.loader import render_to_string

from souvenirs.pages import charts

pytestmark = pytest.mark.above_the_store


def test_drawings_have_gaps_and_dots():
    assert charts.paths([1, None, 2, 4], 4, 0) == ("M0 75 M20 50 L30 0", "", "", "")
    assert charts.paths([None, 4], 4, 0) == ("M10 0", "", "M10 0h0.01", "")
    assert charts.paths([None, None], 4, 1) == ("", "", "", "")
    assert charts.paths([], 0, 0) == ("", "", "", "")
    assert charts.paths([0, 0], 0, 0) == ("M0 100 L10 100", "", "", "")


@pytest.mark.parametrize(
    ("most", "expected"),
    [
        (0, [0, 1]),
        (1, [0, 1]),
        (4, [0, 1, 2, 3, 4]),
        (5, [0, 2, 4, 6]),
        (9, [0, 5, 10]),
        (80, [0, 20, 40, 60, 80]),
        (81, [0, 50, 100]),
        (1_234, [0, 500, 1_000, 1_500]),
    ],
)
def test_ticks_are_round_numbers(most, expected):
    assert charts.ticks(most) == expected


@pytest.mark.parametrize(
    ("count", "expected"),
    [
        (0, []),
        (1, [0]),
        (2, [0, 1]),
        (4, [0, 1, 2, 3]),
        (5, [0, 1, 2, 3, 4]),
        (6, [0, 1, 2, 4, 5]),
        (9, [0, 2, 4, 6, 8]),
    ],
)
def test_labels_of_an_axis(count, expected):
    assert charts.axis([str(number) for number in range(count)]) == list(map(str, expected))


def test_chart_has_axes_and_its_last_values():
    labels = [f"2025-0{month}" for month in range(1, 4)]
    chart = charts.Chart("id", "", labels, [charts.Line("all", [1, None, 1_500])], [None] * 3)
    html = render_to_string("souvenirs/dashboard/chart.html", {"chart": chart})
    assert re.findall("<span>(.*?)</span>", html) == ["1,500", "1,000", "500", "0", *labels]
    assert re.findall(r"<b>(.*?)</b>|at\">(.*?)<", html) == [("1,500", ""), ("", "2025-03")]
    assert 'class="grid" d="M0 66.67h20M0 33.33h20M0 0h20"' in html
    assert 'class="line line-1" d="M0 99.93 M20 0"' in html


@pytest.mark.parametrize(
    ("unfinished", "paths"),
    [
        (0, ("M0 100 L10 50 L20 0", "", "", "")),
        (1, ("M0 100 L10 50", "M10 50 L20 0", "", "M20 0h0.01")),
        (3, ("", "M0 100 L10 50 L20 0", "", "M20 0h0.01")),
    ],
)
@pytest.mark.parametrize(("why", "word"), [("running", "so far"), ("cut", "cut off")])
def test_line_is_another_one_where_periods_are_incomplete(unfinished, paths, why, word):
    incomplete = [None] * (3 - unfinished) + [why] * unfinished
    lines = [charts.Line("", [0, 1, 2])]
    chart = charts.Chart("id", "", ["a", "b", "c"], lines, incomplete)
    assert chart.paths == [paths]
    assert [label.endswith(f" {word}") for label in chart.marked].count(True) == unfinished
    html = render_to_string("souvenirs/dashboard/chart.html", {"chart": chart})
    assert html.count("line-1 is-unfinished") == bool(unfinished)
    assert html.count("is-hole") == bool(unfinished)
    assert (f'"souvenirs-at">c {word}<' in html) == bool(unfinished)


@pytest.mark.parametrize(
    ("incomplete", "paths"),
    [(None, ("M0 50", "", "M0 50h0.01", "")), ("running", ("", "M0 50", "", "M0 50h0.01"))],
)
def test_single_point_is_a_dot_in_the_middle(incomplete, paths):
    chart = charts.Chart("id", "", ["2025-01"], [charts.Line("all", [1])], [incomplete])
    assert charts.paths([1], 2, int(incomplete is not None)) == paths
    html = render_to_string("souvenirs/dashboard/chart.html", {"chart": chart})
    assert 'viewBox="-5 0 10 100"' in html
    assert 'class="grid" d="M-5 0h10"' in html
    assert html.count("is-dot") == 1
    assert '"souvenirs-axis is-whole"' in html
    assert re.findall("<span>(.*?)</span>", html) == ["1", "0", "2025-01"]


def test_chart_of_zeros_has_a_scale():
    lines = [charts.Line("all", [0, 0])]
    chart = charts.Chart("id", "", ["a", "b"], lines, [None] * 2)
    assert (chart.scale, chart.paths[0].whole) == (["1", "0"], "M0 100 L10 100")
    drawn = charts.bars("", ["a"], [("new", ""), ("gone", "")], [[0, 0]], [None])
    assert (drawn.top, drawn.stacks[0].bars) == (1, [])


def test_chart_of_an_empty_range_says_so():
    chart = charts.Chart("id", "", [], [charts.Line("all", [])], [])
    bars = charts.bars("", [], [("new", "")], [], [])
    for name, drawn in (("chart", chart), ("bars", bars)):
        html = render_to_string(f"souvenirs/dashboard/{name}.html", {name: drawn})
        assert '"souvenirs-at">No data in this range.<' in html


@pytest.mark.parametrize(("why", "word"), [("running", "so far"), ("cut", "cut off")])
def test_bars_of_an_incomplete_period_are_marked(why, word):
    parts, values = [("new", "New"), ("gone", "Gone")], [[1, None], [1, None]]
    drawn = charts.bars("All", ["a", "b"], parts, values, [None, why])
    assert drawn.title == "All"
    assert drawn.axis == ["a", f"b {word}"]
    assert [(stack.title, stack.complete) for stack in drawn.stacks] == [
        ("a: New 1, Gone –", True),
        (f"b {word}: New 1", False),
    ]
    html = render_to_string("souvenirs/dashboard/bars.html", {"bars": drawn})
    assert html.count("is-unfinished") == 1
    assert '"souvenirs-axis is-whole"' in html


@pytest.mark.parametrize(
    ("why", "paths"),
    [
        (None, ['"line is-before" d="M0 50 L10 50 L20 0"']),
        (
            "running",
            [
                '"line is-before" d="M0 50 L10 50"',
                '"line is-before is-unfinished" d="M10 50 L20 0"',
            ],
        ),
    ],
)
def test_earlier_time_is_unfinished_where_its_counterpart_is(why, paths):
    lines, before = [charts.Line("", [1, 1, 1])], charts.Line("", [1, 1, 2])
    incomplete = [None, None, why]
    chart = charts.Chart("id", "", ["a", "b", "c"], lines, incomplete, before=before)
    html = render_to_string("souvenirs/dashboard/chart.html", {"chart": chart})
    assert re.findall(r'<path class=("line is-before.*?")/>', html)[1:] == paths


def test_area_ends_with_the_last_complete_period():
    lines = [charts.Line("", [2, 2, 1])]
    for incomplete, expected in [
        ([None] * 3, "M0 100L0 0L10 0L20 50L20 100Z"),
        ([None, None, "running"], "M0 100L0 0L10 0L10 100Z"),
    ]:
        assert charts.Chart("id", "", ["a", "b", "c"], lines, incomplete).area == expected


def test_two_marks_of_a_period_are_one_line():
    marks = [charts.Mark(1, "one"), charts.Mark(1, "two")]
    lines = [charts.Line("", [1, 2])]
    chart = charts.Chart("id", "", ["a", "b"], lines, [None] * 2, marks=marks)
    parts = [("new", "New"), ("gone", "Gone")]
    bars = charts.bars("", ["a", "b"], parts, [[1, 0], [2, 0]], [None] * 2, marks)
    assert (chart.notes, bars.notes) == ("M10 0V100", "M15 0V100")
    assert chart.data["marks"] == bars.data["marks"] == [[1, "one"], [1, "two"]]


def test_bars_say_their_parts_and_the_sum_above_zero():
    parts = [("new", "New"), ("back", "Back"), ("gone", "Gone")]
    values = [[None, None, None], [1, 2, 3], [1, 0, None]]
    drawn = charts.bars("", ["a", "b", "c"], parts, values, [None, None, "running"], total="All")
    assert drawn.data == {
        "labels": ["a", "b", "c so far"],
        "lines": [
            {"name": "All", "values": [None, 3, 1]},
            {"name": "New", "values": [None, 1, 1]},
            {"name": "Back", "values": [None, 2, 0]},
            {"name": "Gone", "values": [None, 3, None]},
        ],
        "bars": True,
        "pending": [False, False, True],
        "marks": [],
    }


def test_bars_are_stacked_above_zero_and_below():
    drawn = charts.bars(
        "",
        ["a", "b"],
        [("new", ""), ("back", ""), ("gone", "")],
        [[1, 1, 4], [None] * 3],
        [None] * 2,
    )
    assert [(bar.kind, bar.y, bar.height) for bar in drawn.stacks[0].bars] == [
        ("new", "16.67", "16.67"),
        ("back", "0", "16.67"),
        ("gone", "33.33", "66.67"),
    ]
    assert drawn.stacks[1].bars == []
    assert charts.bars("", [], [("new", "")], [], []).axis == []
