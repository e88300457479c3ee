import re

import pytest
from django.core.management import CommandError

from souvenirs.insights import day_n_retention, retention
from tests.conftest import at, pk_of
from tests.management.test_show_usage import KNOWS_DATES
from tests.terminals import as_data, as_json, as_text, csv_rows, on_terminal, run, table

pytestmark = [pytest.mark.django_db, pytest.mark.above_the_store]

COMMAND = "show_retention"
RANGE = ("--after=2016-01-01", "--before=2016-04-01")
ESCAPE = re.compile(r"\x1b\[[0-9;]*m")


@pytest.fixture(autouse=True)
def _now(monkeypatch):
    monkeypatch.setattr("souvenirs.reports.timezone.now", lambda: at(2016, 4, 10, 12))
    monkeypatch.setenv("COLUMNS", "80")


@pytest.fixture
def _history(leave):
    leave(
        *[(number, at(2016, 1, 5)) for number in (1, 2, 3, 4)],
        *[(number, at(2016, 2, 5)) for number in (1, 5)],
        *[(number, at(2016, 3, 5)) for number in (1, 2, 3, 6)],
        (1, at(2016, 1, 6)),
    )


@pytest.mark.usefixtures("_history")
def test_triangle_has_sizes_shares_and_means():
    assert run(COMMAND, *RANGE) == (
        "month      users     0    1    2\n"
        "-------  -------  ----  ---  ---\n"
        "2016-01        4  100%  25%  75%\n"
        "2016-02        1  100%   0%\n"
        "2016-03        1  100%\n"
        "mean           6  100%  20%  75%\n",
        "",
    )


@pytest.mark.usefixtures("_history")
def test_counts():
    assert table(COMMAND, *RANGE, "--counts") == [
        ["2016-01", "4", "4", "1", "3"],
        ["2016-02", "1", "1", "0"],
        ["2016-03", "1", "1"],
    ]


@pytest.mark.usefixtures("_history")
@pytest.mark.parametrize(
    ("option", "january"),
    [
        ("--mode=in", ["100%", "25%", "75%"]),
        ("--mode=in_or_later", ["100%", "75%", "75%"]),
        ("--reference=first", ["100%", "25%", "75%"]),
        ("--reference=previous", ["100%", "25%", "300%"]),
    ],
)
def test_mode_and_reference(option, january):
    assert table(COMMAND, *RANGE, option)[0][2:] == january


@pytest.mark.usefixtures("_history")
def test_cohorts_of_users_by_the_date_they_joined(make_user):
    make_user(2, joined=at(2016, 1, 1))
    arguments = (*RANGE, "--cohort=joined")
    if not KNOWS_DATES:
        with pytest.raises(CommandError, match="SOUVENIRS_DATE_JOINED_FIELD"):
            run(COMMAND, *arguments)
        return
    assert table(COMMAND, *arguments)[0] == ["2016-01", "1", "100%", "0%", "100%"]
    assert table(COMMAND, *arguments)[1] == ["2016-02", "0", "-", "-"]


@pytest.mark.usefixtures("_history")
def test_unfinished_cells_are_marked():
    out, err = run(COMMAND, "--after=2016-02-01")
    assert [line.split() for line in out.splitlines()[2:]] == [
        ["2016-02", "1", "100%", "0%", "*"],
        ["2016-03", "1", "100%", "*"],
        ["2016-04*", "0", "*"],
        ["mean", "2", "100%", "0%", "-"],
    ]
    assert err == "* not over yet\n"


@pytest.mark.usefixtures("_history")
def test_cells_that_are_cut_off_are_marked_and_in_no_mean():
    out, err = run(COMMAND, "--after=2016-02-01", "--before=2016-03-20")
    assert [line.split() for line in out.splitlines()[2:]] == [
        ["2016-02", "1", "100%", "~"],
        ["2016-03~", "1", "~"],
        ["mean", "1", "100%", "-"],
    ]
    assert err == "~ cut off by the end of the range\n"


@pytest.mark.usefixtures("_history")
def test_cells_before_the_first_souvenir_are_unknown():
    out, err = run(COMMAND, "--after=2015-12-01", "--before=2016-02-01")
    assert out.splitlines()[2].split() == ["2015-12", "-", "-", "-"]
    assert err == "Numbers are unknown before the first souvenir.\n"


@pytest.mark.usefixtures("_history")
@pytest.mark.parametrize(
    "options", [{}, {"cohort": "first_seen", "mode": "in_or_later", "reference": "previous"}]
)
def test_json_and_csv_are_the_insight(options):
    insight = retention(at(2016, 1, 1), at(2016, 4, 1), tz="UTC", **options)
    arguments = (*RANGE, "--tz=UTC", *[f"--{name}={value}" for name, value in options.items()])
    assert as_json(COMMAND, *arguments) == as_data(insight.to_dict())
    assert csv_rows(COMMAND, *arguments) == as_text(insight.rows())


@pytest.mark.usefixtures("_history")
def test_days_after_the_first_one():
    out, err = run(COMMAND, *RANGE, "--day-n=1, 31")
    assert out.splitlines() == [
        "day      users    on it    share    or later    share",
        "-----  -------  -------  -------  ----------  -------",
        "1            6        1      17%           3      50%",
        "31           5        1      20%           3      60%",
    ]
    assert err == ""


@pytest.mark.usefixtures("_history")
def test_last_day_that_is_cut_off_is_marked():
    cut = ("--after=2016-01-01", "--before=2016-03-05T12:00", "--day-n=1,31,400")
    out, err = run(COMMAND, *cut)
    assert [line.split()[0] for line in out.splitlines()[2:]] == ["1~", "31~", "400"]
    assert err == "~ cut off by the end of the range\n"


@pytest.mark.usefixtures("_history")
def test_json_and_csv_of_days():
    insight = day_n_retention(at(2016, 1, 1), at(2016, 4, 1), days=[1, 7], tz="UTC")
    arguments = (*RANGE, "--tz=UTC", "--day-n=1,7")
    assert as_json(COMMAND, *arguments) == as_data(insight.to_dict())
    assert csv_rows(COMMAND, *arguments) == as_text(insight.rows())


@pytest.mark.usefixtures("_history")
def test_days_on_a_terminal_have_bars():
    lines, _ = on_terminal(COMMAND, *RANGE, "--day-n=1,31")
    assert lines[0] == "day  users  on it  share  or later  share"
    assert lines[2] == "31       5      1    20%         3    60%  " + "█" * 37
    assert set(lines[1].split()[-1]) <= set("█▏▎▍▌▋▊▉")


@pytest.mark.usefixtures("_history")
def test_each_segment_and_everyone(settings):
    settings.SOUVENIRS_SEGMENTS = {"first": lambda: [pk_of(1)]}
    found = table(COMMAND, *RANGE, "--by-segment")
    assert found[0] == ["everyone", "2016-01", "4", "100%", "25%", "75%"]
    assert found[4] == ["first", "2016-01", "1", "100%", "100%", "100%"]
    days = table(COMMAND, *RANGE, "--by-segment", "--day-n=1")
    assert [row[0] for row in days] == ["everyone", "first"]


@pytest.mark.usefixtures("_history")
def test_picture_has_a_shade_beside_each_cell():
    lines, _ = on_terminal(COMMAND, *RANGE)
    assert lines == [
        "Users first seen in each month, and the percentage of them who were active N",
        "months later:",
        "month   users     0    1    2",
        "2016-01     4 100%█ 25%▄ 75%█",
        "2016-02     1 100%█  0%▁",
        "2016-03     1 100%█",
        "mean        6 100%█ 20%▃ 75%█",
    ]


@pytest.mark.usefixtures("_history")
def test_picture_in_ascii():
    lines, _ = on_terminal(COMMAND, *RANGE, encoding="ascii")
    assert lines[3] == "2016-01     4 100%# 25%= 75%#"
    assert "\n".join(lines).isascii()


@pytest.mark.usefixtures("_history")
def test_picture_in_colour_is_a_heatmap():
    out, _ = run(COMMAND, "--after=2016-02-01", "--force-color")
    january = next(line for line in out.splitlines() if line.startswith("2016-02"))
    assert re.split(ESCAPE, january) == ["2016-02      1", " 100%", "", " 0%", " *"]
    strong, _, weak, _ = ESCAPE.findall(january)
    assert (strong, weak) == ("\x1b[38;5;16;48;5;48m", "\x1b[38;5;250;48;5;236m")


@pytest.mark.usefixtures("_history")
@pytest.mark.parametrize(
    ("options", "title"),
    [
        (
            ["--counts"],
            "Users first seen in each month, and how many of them were active N months later:",
        ),
        (["--mode=in_or_later"], "active N months later or after that:"),
        (
            ["--reference=previous"],
            "the percentage of those active the month before who were active",
        ),
    ],
)
def test_picture_has_a_title(options, title):
    lines, _ = on_terminal(COMMAND, *RANGE, *options)
    assert title in " ".join(lines)


@pytest.mark.usefixtures("_history")
def test_title_of_cohorts_by_the_date_users_joined():
    if KNOWS_DATES:
        lines, _ = on_terminal(COMMAND, *RANGE, "--cohort=joined")
        assert lines[0].startswith("Users registered in each month")


@pytest.mark.usefixtures("_history")
@pytest.mark.parametrize(("columns", "hidden"), [(40, 94), (80, 84), (200, 54)])
@pytest.mark.parametrize("colour", [[], ["--force-color"]])
def test_columns_that_do_not_fit_are_hidden_and_counted(monkeypatch, columns, hidden, colour):
    monkeypatch.setenv("COLUMNS", str(columns))
    lines, err = on_terminal(COMMAND, "--last=100d", *colour)
    assert max(len(ESCAPE.sub("", line)) for line in lines) <= columns
    found = re.search(r"(\d+) columns hidden: the terminal is only (\d+) characters wide", err)
    assert int(found[2]) == columns
    header = next(line for line in lines if "users" in line and "day" in line[:8])
    shown = len(ESCAPE.sub("", header).split()) - 2
    assert int(found[1]) == 100 - shown > 0


def test_site_without_souvenirs():
    assert table(COMMAND, "--last=2m") == [
        ["2016-03", "-", "-", "*"],
        ["2016-04*", "-", "*"],
        ["mean", "0", "-", "-"],
    ]
    assert on_terminal(COMMAND, "--last=2m")[0][-1].split() == ["mean", "0", "-", "-"]
    assert table(COMMAND, "--last=2m", "--day-n=1") == [["1", "0", "0", "-", "0", "-"]]


def test_range_without_periods():
    empty = ("--after=2016-01-01", "--before=2016-01-01")
    assert table(COMMAND, *empty) == []
    assert on_terminal(COMMAND, *empty)[0][-1] == "month users"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--cohort=born"], "cohort must be one of first_seen, joined, not 'born'"),
        (["--mode=out"], "mode must be one of in, in_or_later, not 'out'"),
        (["--reference=next"], "reference must be one of first, previous, not 'next'"),
        (["--day-n="], "--day-n '' is not a list of days: use a format such as 1,7,30"),
        (["--day-n=1,x"], "--day-n '1,x' is not a list of days"),
        (["--day-n=0"], "--day-n '0' is not a list of days"),
        (["--day-n=1,"], "is not a list of days"),
        (["--day-n=1", "--mode=in"], "Cannot use --day-n and --mode together"),
        (["--day-n=1", "--interval=day"], "Cannot use --day-n and --interval together"),
        (["--day-n=1", "--counts"], "Cannot use --day-n and --counts together"),
        (["--last=2000d"], "Retention of 2,000 periods has more than 500,000 cells"),
    ],
)
def test_bad_input_is_one_sentence(arguments, message):
    with pytest.raises(CommandError, match=message) as refused:
        run(COMMAND, *arguments)
    assert "\n" not in str(refused.value)
