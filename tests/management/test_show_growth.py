import re

import pytest
from django.core.management import CommandError

from souvenirs.insights import growth
from tests.conftest import at, pk_of
from tests.terminals import as_data, as_json, as_text, csv_rows, on_terminal, run, table

pytestmark = [pytest.mark.django_db, pytest.mark.above_the_store]

COMMAND = "show_growth"
RANGE = ("--after=2016-01-01", "--before=2016-04-01")


@pytest.fixture(autouse=True)
def _now(monkeypatch):
    monkeypatch.setattr("souvenirs.reports.timezone.now", lambda: at(2016, 4, 10, 12))
    monkeypatch.setenv("COLUMNS", "80")


@pytest.fixture
def _history(leave):
    leave(
        *[(number, at(2016, 1, 5)) for number in (1, 2, 3, 4)],
        *[(number, at(2016, 2, 5)) for number in (1, 5)],
        *[(number, at(2016, 3, 5)) for number in (1, 2, 3, 5)],
    )


@pytest.mark.usefixtures("_history")
def test_each_month_has_its_parts():
    assert run(COMMAND, *RANGE) == (
        "month      active    new    retained    resurrected    churned    net    quick ratio\n"
        "-------  --------  -----  ----------  -------------  ---------  -----  -------------\n"
        "2016-01         4      4           0              0          0     +4              -\n"
        "2016-02         2      1           1              0          3     -2           0.33\n"
        "2016-03         4      0           2              2          0     +2              -\n",
        "",
    )


@pytest.mark.usefixtures("_history")
def test_twelve_months_are_shown_by_default():
    assert [row[0] for row in table(COMMAND)] == ["2016-01", "2016-02", "2016-03", "2016-04*"]


@pytest.mark.usefixtures("_history")
def test_net_without_change_is_0():
    days = table(COMMAND, "--after=2016-01-05", "--before=2016-01-08", "--interval=day")
    assert [row[-2:] for row in days] == [["+4", "-"], ["-4", "0.00"], ["0", "-"]]


@pytest.mark.usefixtures("_history")
@pytest.mark.parametrize(
    ("before", "mark", "note"),
    [
        ("2016-03-04", "~", "~ cut off by the end of the range\n"),
        ("2016-05-01", "*", "* not over yet\n"),
    ],
)
def test_users_have_not_churned_before_a_period_is_over(before, mark, note):
    """In the rest of it, they may come back."""
    out, err = run(COMMAND, "--after=2016-02-01", f"--before={before}")
    *_, last = out.splitlines()
    assert (last.split()[0][-1], last.split()[-3:], err) == (mark, [mark] * 3, note)


@pytest.mark.usefixtures("_history")
def test_picture_has_no_churned_users_before_a_period_is_over():
    def drawn(before):
        lines, _ = on_terminal(COMMAND, "--after=2016-02-01", f"--before={before}")
        axis = next(position for position, line in enumerate(lines) if "─" in line)
        return lines[axis + 1 : lines.index("")]

    assert "█" not in drawn("2016-02-06")[0]
    assert "█" in drawn("2016-03-01")[0]


@pytest.mark.usefixtures("_history")
def test_unknown_numbers_are_gaps():
    out, err = run(COMMAND, "--after=2015-12-01", "--before=2016-01-01")
    assert out.splitlines()[2].split() == ["2015-12", *"-------"]
    assert "unknown before the first souvenir" in err


@pytest.mark.usefixtures("_history")
def test_json_and_csv_are_the_insight():
    insight = growth(at(2016, 1, 1), at(2016, 4, 1), tz="UTC")
    assert as_json(COMMAND, *RANGE, "--tz=UTC") == as_data(insight.to_dict())
    assert csv_rows(COMMAND, *RANGE) == as_text(insight.rows())


@pytest.mark.usefixtures("_history")
def test_each_segment_and_everyone(settings):
    settings.SOUVENIRS_SEGMENTS = {"first": lambda: [pk_of(1)]}
    found = [row[:3] for row in table(COMMAND, *RANGE, "--by-segment")]
    assert found[2:4] == [["everyone", "2016-03", "4"], ["first", "2016-01", "1"]]
    assert [row[1] for row in table(COMMAND, *RANGE, "--segment=first")] == ["1", "1", "1"]


@pytest.mark.usefixtures("_history")
def test_picture_has_columns_above_and_below_the_axis():
    lines, _ = on_terminal(COMMAND, *RANGE)
    axis = next(position for position, line in enumerate(lines) if "─" in line)
    above, below = lines[1:axis], lines[axis + 1 :]
    assert lines[0] == "█ new  ▒ resurrected  █ churned (below)"
    assert above[-1].split() == ["█████", "█████", "▒▒▒▒▒"]
    assert above[0].split() == ["+4", "▃▃▃▃▃"]
    assert below[0].split() == ["█████"]
    assert below[3] == "-3       █████"
    assert below[4].split() == ["2016-01", "2016-03"]
    assert below[6].split() == [
        *["month", "active", "new", "retained", "resurrected"],
        *["churned", "net", "quick", "ratio"],
    ]


@pytest.mark.usefixtures("_history")
def test_picture_in_ascii():
    lines, _ = on_terminal(COMMAND, *RANGE, encoding="ascii")
    assert "\n".join(lines).isascii()
    assert lines[0] == "# new  + resurrected  x churned (below)"


@pytest.mark.usefixtures("_history")
def test_net_is_green_if_positive_and_red_if_negative():
    out, _ = run(COMMAND, "--after=2015-12-01", "--before=2016-04-01", "--force-color")
    assert re.findall(r"\x1b\[38;5;(\d+)m *([+-]\d)\x1b", out) == [
        ("35", "+4"),
        ("167", "-2"),
        ("35", "+2"),
    ]


@pytest.mark.usefixtures("_history")
def test_net_of_an_incomplete_period_has_no_colour():
    out, _ = run(COMMAND, "--after=2016-03-01", "--force-color")
    [row] = [line for line in out.splitlines() if line.startswith("2016-04*")]
    assert "\x1b" not in row


@pytest.mark.usefixtures("_history")
@pytest.mark.parametrize("columns", [40, 80, 200])
@pytest.mark.parametrize("arguments", [RANGE, ("--last=300d",), ("--last=1d",)])
@pytest.mark.parametrize("colour", [[], ["--force-color"]])
def test_picture_fits_the_terminal(monkeypatch, columns, arguments, colour):
    monkeypatch.setenv("COLUMNS", str(columns))
    lines, err = on_terminal(COMMAND, *arguments, *colour)
    assert max(len(re.sub(r"\x1b\[[0-9;]*m", "", line)) for line in lines) <= columns
    assert ("the terminal is only 40 characters wide" in err) is (columns == 40)


def test_site_without_souvenirs():
    assert table(COMMAND, "--last=1m") == [["2016-04*", *"----***"]]
    lines, _ = on_terminal(COMMAND, "--last=1m")
    assert lines[-1].split() == ["2016-04*", *"----***"]


def test_range_without_periods():
    empty = ("--after=2016-01-01", "--before=2016-01-01")
    assert table(COMMAND, *empty) == []
    assert on_terminal(COMMAND, *empty)[0][-1].startswith("month")


def test_bad_input_is_one_sentence():
    with pytest.raises(CommandError, match=r"interval must be one of day, .*, not 'decade'"):
        run(COMMAND, "--interval=decade")
