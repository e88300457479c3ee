"""The overview says what the Python API says."""

import csv
import io
import json
import re
from datetime import UTC, datetime, timedelta
from html import unescape
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.db.models import Q

from souvenirs.control import active_users, annotate, count_active_users
from souvenirs.insights import active_series, growth, retention, slipping_away
from souvenirs.models import Digest, Souvenir
from souvenirs.pages import figures, formats
from souvenirs.stores import get_store
from souvenirs.web import VIEW_USAGE, busyhours
from tests.conftest import at, pk_of
from tests.digesting import digest
from tests.pages.conftest import NOW
from tests.pages.test_pages import (
    END,
    HAS_DJANGOS_USER,
    RANGE,
    START,
    Person,
    get,
    links,
    names_in,
    names_of,
    query_of,
    rows,
    shown,
    text,
    tiles,
)

pytestmark = [pytest.mark.above_the_store, pytest.mark.usefixtures("stopped")]

INTERVALS = ["day", "week", "month", "quarter", "year"]
TRENDS = ["active", "7d", "28d", "new", "stickiness"]
EMPTY = {"from": "2026-01-01", "to": "2026-02-01"}


def overview(start, end, interval="month", zone=UTC, **options):
    """The numbers of the overview."""
    first = get_store().first()
    return figures.overview(figures.Question(start, end, interval, zone, first, **options))


def chart_of(response, name="trend"):
    """The data of a chart, as its script has them."""
    pattern = rf'<script id="souvenirs-{name}-data" type="application/json">(.*?)</script>'
    return json.loads(re.search(pattern, response.content.decode())[1])


@pytest.mark.parametrize("is_digested", [False, True])
def test_tiles_are_counts(world, is_digested):
    if is_digested:
        digest()
    found = tiles(get("overview"))
    today = at(2025, 6, 18)

    def count(days, back=0):
        end = at(2025, 6, 18, 11) - timedelta(days=back) if back else NOW
        return count_active_users(today - timedelta(days=days - 1 + back), end)

    for name, days in {"Today": 1, "7 days": 7, "28 days": 28}.items():
        value, change = found[name]
        now, before = count(days), count(days, back=days)
        assert value == shown(now)
        assert change.startswith(formats.signed(now - before, shown(abs(now - before))))
    assert found["Now"][0] == "1"


def test_tile_of_new_users(world):
    [this_month] = growth(at(2025, 6, 1), NOW).periods
    [by_then] = growth(at(2025, 5, 1), at(2025, 5, 18, 11)).periods
    value, change = tiles(get("overview"))["New this month"]
    assert value == shown(this_month.new)
    assert change.startswith(formats.signed(this_month.new - by_then.new, ""))


def test_tile_of_stickiness(world):
    def share(end):
        start = end - timedelta(days=28)
        days = active_series(start, end).values
        return sum(days) / 28 / count_active_users(start, end)

    value, change = tiles(get("overview"))["Stickiness"]
    now, before = share(at(2025, 6, 18)), share(at(2025, 5, 21))
    assert value == formats.percent(now, 1)
    assert change == f"{formats.signed(now - before, shown(abs(now - before) * 100, 1))} points"


def test_time_goes_on_while_the_page_is_made(world, monkeypatch):
    moments = (NOW + timedelta(milliseconds=n) for n in range(1_000))
    monkeypatch.setattr("django.utils.timezone.now", lambda: next(moments))
    assert "Today" in tiles(get("overview"))
    assert "Today" in tiles(get("overview", **{"from": "2025-01-01"}))


def test_tiles_of_a_range_in_the_past_are_about_its_end(world):
    found = tiles(get("overview", **{"from": "2025-01-01", "to": "2025-04-01"}))
    assert found["March 31, 2025"][0] == shown(count_active_users(at(2025, 3, 31), at(2025, 4, 1)))
    assert found["7 days"][0] == shown(count_active_users(at(2025, 3, 25), at(2025, 4, 1)))


def test_tiles_of_a_day_that_ends_where_the_clock_jumps_over_the_next(leave):
    """Where 31 December 2011 begins in Samoa, the 29th ends: there was no 30th."""
    samoa = ZoneInfo("Pacific/Apia")
    leave((1, at(2011, 12, 29, 9)), (2, at(2011, 12, 30, 9)), (3, at(2011, 12, 30, 10)))
    end = datetime(2011, 12, 31, tzinfo=samoa)
    day, *_ = overview(at(2011, 12, 1), end, zone=samoa).figures
    assert (day.start, day.end) == (datetime(2011, 12, 29, tzinfo=samoa), end)
    assert (day.value, day.before) == (1, 1)


@pytest.mark.parametrize(
    ("asked", "word", "spoken", "note"),
    [
        ({}, "so far", "not over yet", "“So far” marks a period that is not over yet."),
        (
            {"to": "2025-05-16"},
            "cut off",
            "cut off",
            "“Cut off” marks a period that goes on after the end of the range.",
        ),
    ],
)
def test_incomplete_period_is_compared_with_no_other(world, asked, word, spoken, note):
    asked = {"from": "2025-04-01", "interval": "month", **asked}
    response = get("overview", **asked, open="growth")
    last, before, *_ = rows(response, "New users were never seen before")
    assert last[0] == f"{before[0][:5]}{int(before[0][5:]) + 1:02d} {word}"
    assert last[5:] == [f"… {spoken}"] * 3
    assert "…" not in " ".join(before)
    assert note in text(response)
    assert "Churned users are shown of complete periods only." in text(response)
    assert not [url for url in links(response, "list=churned") if query_of(url)["of"] in last[0]]
    [title] = re.findall(rf"<title>({last[0]}: .*?)</title>", response.content.decode())
    assert "Churned" not in title
    mean, *cohorts = rows(get("retention", **asked), "Users of each cohort")
    assert cohorts[-1][0] == last[0]
    assert [row[2:][len(cohorts) - n - 1] for n, row in enumerate(cohorts)] == [
        f"… {spoken}"
    ] * len(cohorts)
    assert mean[-1] == formats.DASH


def test_busy_hours_are_means_of_four_weeks(world):
    busy = busyhours.busy_hours(NOW, UTC)
    assert (busy.start, busy.last_day) == (at(2025, 5, 21), at(2025, 6, 17))
    for weekday, hour in ((1, 0), (3, 9), (7, 23)):
        mondays = [at(2025, 5, 21) + timedelta(days=n) for n in range(28)]
        hours = [day + timedelta(hours=hour) for day in mondays if day.isoweekday() == weekday]
        counts = [count_active_users(each, each + timedelta(hours=1)) for each in hours]
        assert busy.means[weekday][hour] == sum(counts) / 4


@pytest.mark.parametrize("end", [NOW, at(2025, 5, 10, 12)])
def test_busy_hours_leave_out_the_incomplete_day(world, leave, end):
    before = busyhours.busy_hours(end, UTC)
    leave((9, end - timedelta(minutes=30)), (9, end - timedelta(hours=3)))
    assert busyhours.busy_hours(end, UTC) == before


@pytest.mark.parametrize("minute", [0, 30])
def test_busy_hours_of_a_new_site_are_means_of_the_hours_since_then(leave, minute):
    leave((1, at(2025, 6, 16, 9, minute)), (1, at(2025, 6, 17, 9)), (2, at(2025, 6, 17, 9)))
    means = busyhours.busy_hours(NOW, UTC).means
    assert means[1] == (*[None] * 9, 1, *[0] * 14)
    assert means[2] == (*[0] * 9, 2, *[0] * 14)
    assert set(means[3]) == {None}
    response = get("overview", only="busy")
    assert rows(response, "Users active in each hour")[0][9:12] == [formats.DASH, "1.0", "0"]
    [*_, notes] = response.content.decode().partition("Users active in each hour")
    assert "means unknown: there is no data before the first souvenir." in notes


def test_week_of_busy_hours_starts_as_that_of_the_site(world, settings):
    settings.SOUVENIRS_WEEK_START = 7
    table = rows(get("overview", **RANGE, only="busy"), "Users active in each hour of the week")
    assert [row[0] for row in table][:2] == ["Sun Sunday", "Mon Monday"]


def test_busy_hours_where_the_clock_jumps(world, leave):
    """In Paris there was no hour from 2 to 3 on 30 March, a Sunday."""
    moments = [at(2025, 3, 30, 0, 31), at(2025, 3, 30, 1, 31)]
    leave(*((9, moment) for moment in moments))
    before = busyhours.busy_hours(at(2025, 4, 10), ZoneInfo("Europe/Paris")).means[7]
    Souvenir.objects.filter(when__in=moments).delete()
    after = busyhours.busy_hours(at(2025, 4, 10), ZoneInfo("Europe/Paris")).means[7]
    changed = [(x - y) * 4 for x, y in zip(before, after, strict=True)]
    assert changed == [0, 1, 0, 1] + [0] * 20


def test_busy_hours_where_the_clock_jumps_over_a_day(leave):
    """There was no Friday, 30 December 2011, in Samoa."""
    leave(*((1, at(2011, 12, 1) + timedelta(hours=hour)) for hour in range(1000)))
    query = {"from": "2011-12-01", "to": "2012-01-10", "tz": "Pacific/Apia"}
    busy = rows(get("overview", **query, only="busy"), "Users active in each hour")
    means = {row[0].split()[-1]: set(row[1:]) for row in busy}
    assert means.pop("Friday") == {"0.8"}
    assert set().union(*means.values()) == {"1.0"}


def test_zone_moves_the_days(world):
    response = get("overview", **RANGE, tz="tokyo", interval="month", open="growth")
    assert "Time zone: Asia/Tokyo" in text(response)
    found = growth(START - timedelta(hours=9), END - timedelta(hours=9), tz="Asia/Tokyo")
    table = rows(response, "New users were never seen before")
    assert [row[1] for row in table] == [shown(each.active) for each in reversed(found.periods)]


def test_note_on_who_is_missing_now(world, settings):
    assert "At most one souvenir per user is recorded in 60 minutes" in text(get("overview"))
    settings.SOUVENIRS_RATELIMIT_SECONDS = 900
    assert "At most one souvenir" not in text(get("overview"))


def test_people_behind_growth_are_as_many(world):
    urls = links(get("overview", **RANGE, interval="month", open="growth"), "of=2025-0")
    queries = [query_of(url) for url in urls if "list=new" in url or "list=churned" in url]
    found = growth(START, END)
    for query in queries[-4:]:
        expected = found.users(query["of"], query["list"])
        assert names_in(get("people", **query)) == names_of(expected)


@pytest.mark.parametrize("interval", INTERVALS)
def test_growth_in_any_interval(world, interval):
    response = get("overview", **RANGE, interval=interval, open="growth")
    parts = ("active", "new", "retained", "resurrected", "churned", "net")
    found = growth(START, END, interval=interval).periods
    table = rows(response, "New users were never seen before")
    for row, each in zip(table, reversed(found), strict=True):
        expected = [*(shown(getattr(each, part)) for part in parts), shown(each.quick_ratio, 2)]
        if each.period.incomplete:
            expected[4:] = ["… not over yet"] * 3
        assert row[1:] == expected


def value_of(figure, period):
    """What a point of the chart is, counted on its own."""
    start, end = period.start, period.end
    if figure == "active":
        return count_active_users(start, end)
    if figure == "new":
        return len(active_users(start, end) - active_users(None, start))
    midnight = end.replace(hour=0, minute=0, second=0, microsecond=0)
    if figure == "stickiness":
        days = [midnight - timedelta(days=n) for n in range(29)]
        users = count_active_users(days[-1], days[0])
        each = [count_active_users(first, last) for last, first in pairwise(days)]
        return round(sum(each) / 28 / users, 4) if users else None
    days = int(figure.removesuffix("d"))
    since = midnight - timedelta(days=days - (midnight < end))
    return count_active_users(since, end)


@pytest.mark.parametrize("figure", TRENDS)
@pytest.mark.parametrize("interval", INTERVALS)
def test_chart_has_the_chosen_figure_of_each_period(world, figure, interval):
    asked = {"from": "2025-02-10", "to": "2025-06-18T09:00Z"}
    data = chart_of(get("overview", **asked, interval=interval, figure=figure))
    periods = active_series(at(2025, 2, 10), at(2025, 6, 18, 9), interval=interval).periods
    assert [line["values"] for line in data["lines"]] == [
        [value_of(figure, period) if period.known else None for period in periods]
    ]


@pytest.mark.parametrize("figure", TRENDS)
def test_table_of_the_chart_has_its_values(world, figure):
    response = get("overview", **RANGE, interval="month", figure=figure, open="trend")
    [line] = chart_of(get("overview", **RANGE, interval="month", figure=figure))["lines"]
    table = rows(response, re.search(r'-title">(.*?)</h2>', response.content.decode())[1])
    written = (lambda v: formats.percent(v, 1)) if figure == "stickiness" else shown
    found = [cell.split(" ")[0] for _, cell in reversed(table)]
    if figure == "stickiness":
        assert [
            abs(float(a[:-1]) - float(written(b)[:-1])) < 0.11
            for a, b in zip(found[1:], line["values"][1:], strict=True)
        ] == [True] * (len(found) - 1)
    else:
        assert found == list(map(written, line["values"]))


@pytest.mark.parametrize(
    ("start", "end", "interval", "compare", "labels", "last"),
    [
        # Four whole weeks before, and what was active by the same hour.
        ("2025-05-22", None, "day", "previous", ("2025-04-24", "2025-05-21"), (21, 11)),
        # Thirty days before begin on the same weekday.
        ("2025-05-20", None, "day", "previous", ("2025-04-15", "2025-05-14"), (14, 11)),
        ("2025-05-22", None, "day", "year", ("2024-05-23", "2024-06-19"), None),
        ("2025-04-01", "2025-06-01", "month", "previous", ("2025-02", "2025-03"), (31, 24)),
        ("2025-02-01", "2025-03-01", "month", "previous", ("2025-01", "2025-01"), (31, 24)),
    ],
)
def test_earlier_time_beside_the_chart(world, start, end, interval, compare, labels, last):
    asked = {"from": start, **({"to": end} if end else {}), "interval": interval}
    [line, before] = chart_of(get("overview", **asked, compare=compare))["lines"]
    assert (before["labels"][0], before["labels"][-1]) == labels
    assert len(before["values"]) == len(line["values"]) == len(before["labels"])
    if last is None:
        assert before["values"] == [None] * len(before["values"])
    else:
        start = before["labels"][-1]
        first = datetime.fromisoformat(start if interval == "day" else f"{start}-01")
        first = first.replace(tzinfo=UTC)
        day, hour = last
        upto = first.replace(day=day) + timedelta(hours=hour)
        assert before["values"][-1] == count_active_users(first, upto)


def test_earlier_time_beside_the_table(world):
    asked = {"from": "2025-04-01", "to": "2025-06-01", "interval": "month", "open": "trend"}
    table = rows(get("overview", **asked, compare="previous"), "Active users by month")
    months = [(at(2025, month, 1), at(2025, month + 1, 1)) for month in range(2, 6)]
    feb, mar, apr, may = (shown(count_active_users(*month)) for month in months)
    assert table == [
        ["2025-05", may, f"{mar} 2025-03"],
        ["2025-04", apr, f"{feb} 2025-02"],
    ]


@pytest.mark.parametrize(
    ("query", "column"), [({"preset": "7d"}, 9), ({"preset": "28d"}, 7), ({}, 14)]
)
def test_cohorts_fit_the_range_if_no_interval_is_chosen(world, query, column):
    """Seven days, five weeks that begin in the range, and twelve months."""
    assert len(rows(get("retention", **query), "Users of each cohort")[0]) == column


def test_earlier_time_before_the_year_1_is_left_out(world):
    found = overview(at(2, 1, 1), at(6, 1, 1), "year", compare="previous")
    assert (found.before, len(found.trend.everyone.periods)) == (None, 4)


def test_earlier_time_before_the_year_1_is_said_to_be_missing(world):
    sentence = "The earlier time is not drawn, because it would start before the year 1."
    for start, is_said in (("0002-01-01", True), ("0004-01-01", False)):
        asked = {"from": start, "to": "0006-01-01", "interval": "year"}
        assert (sentence in text(get("overview", **asked, compare="previous"))) == is_said
        assert sentence not in text(get("overview", **asked))
        columns = get("overview", **asked, compare="previous", format="csv").content
        assert (b"earlier_value" in columns) != is_said


def test_earlier_time_of_nothing_is_left_out(world):
    assert overview(NOW, NOW, compare="previous").before is None
    response = get("overview", **EMPTY, compare="previous")
    assert (response.status_code, "year 1" in text(response)) == (200, False)


def lines_of(response):
    return list(csv.DictReader(io.StringIO(response.content.decode(), newline="")))


@pytest.mark.parametrize("figure", TRENDS)
def test_files_of_the_chart_have_the_earlier_time(world, figure):
    asked = {"from": "2025-04-01", "to": "2025-06-10", "interval": "month", "figure": figure}
    asked["compare"] = "previous"
    line, before = chart_of(get("overview", **asked))["lines"]
    urls = links(get("overview", **asked, open="trend"), "format=")
    menu, table = urls[:2], urls[2:]
    assert menu == table
    assert [query_of(url) for url in table] == [{**asked, "format": f} for f in ("csv", "json")]
    found = lines_of(get("overview", **asked, format="csv"))
    rows = json.loads(get("overview", **asked, format="json").content)["rows"]
    assert list(found[0]) == list(rows[0])
    assert [row["label"] for row in rows] == ["2025-04", "2025-05", "2025-06"]
    assert [row["incomplete"] for row in rows] == [None, None, "running"]
    assert [row["earlier_label"] for row in rows] == list(before["labels"])
    for each, name in ((line, "value"), (before, "earlier_value")):
        expected = [value and pytest.approx(value, abs=1e-4) for value in each["values"]]
        assert [row[name] for row in rows] == expected
        assert [row[name] for row in found] == [
            "" if r[name] is None else str(r[name]) for r in rows
        ]
    assert (rows[-1]["end"], found[-1]["end"]) == ("2025-06-10T00:00:00+00:00",) * 2


def test_file_of_stickiness_has_the_segments(world, settings):
    settings.SOUVENIRS_SEGMENTS = {"bad": broken, "few": Q(pk__in=[pk_of(1), pk_of(5)])}
    asked = {**RANGE, "interval": "month", "figure": "stickiness", "compare": "segment"}
    [*_, few] = chart_of(get("overview", **asked))["lines"]
    found = lines_of(get("overview", **asked, format="csv"))
    assert list(dict.fromkeys(row["segment"] for row in found)) == ["", "few"]
    assert [float(row["value"] or "nan") for row in found if row["segment"]] == pytest.approx(
        [float("nan") if value is None else value for value in few["values"]], abs=1e-4, nan_ok=True
    )
    assert "earlier_value" not in found[0]


def test_file_of_an_empty_range_has_its_columns(world):
    response = get("overview", **{**EMPTY, "figure": "stickiness", "format": "csv"})
    assert response.content.decode().split() == ["label,start,end,complete,incomplete,value"]


@pytest.mark.parametrize("name", ["plan_trend", "plan_earlier"])
def test_file_with_a_fault_says_it_and_is_none(world, monkeypatch, name):
    def refuse(*args):
        raise figures.PrunedSpan("It begins inside a bucket.")

    monkeypatch.setattr(figures, name, lambda *args: figures.Plan([], refuse))
    response = get("overview", compare="previous", format="csv")
    assert (response.status_code, response["Content-Type"]) == (400, "text/html; charset=utf-8")
    assert "It begins inside a bucket." in text(response)


@pytest.mark.parametrize("figure", TRENDS)
def test_line_of_each_segment(world, settings, figure):
    few = [pk_of(1), pk_of(5)]
    settings.SOUVENIRS_SEGMENTS = {"few": Q(pk__in=few), "none": Q(pk__in=[])}
    asked = {**RANGE, "interval": "month", "figure": figure}
    everyone, of_few, of_none = chart_of(get("overview", **asked, compare="segment"))["lines"]
    assert [line["name"] for line in (everyone, of_few, of_none)] == ["All users", "few", "none"]
    assert everyone["values"] == chart_of(get("overview", **asked))["lines"][0]["values"]
    alone = chart_of(get("overview", **asked, segment="few"))["lines"][0]["values"]
    assert of_few["values"] == alone
    assert set(of_none["values"]) <= {0, None}


def broken():
    raise RuntimeError("boom")


def test_broken_segment_is_said_in_its_place(world, settings):
    settings.SOUVENIRS_SEGMENTS = {"bad": broken, "few": Q(pk__in=[pk_of(1)])}
    response = get("overview", **RANGE, compare="segment")
    assert [line["name"] for line in chart_of(response)["lines"]] == ["All users", "few"]
    assert "The segment bad cannot be evaluated: see Health." in text(response)
    table = rows(get("overview", **RANGE, only="segments"), "by segment")
    assert table[0][0] == "bad"
    assert "A segment cannot be evaluated." in table[0][1]
    assert "boom" not in table[0][1]
    assert table[1][0] == "few"


def test_more_segments_than_lines(world, settings):
    names = [f"s{n:02d}" for n in range(10)]
    settings.SOUVENIRS_SEGMENTS = {
        name: Q(pk__in=[pk_of(user) for user in range(1, 10 - n)]) for n, name in enumerate(names)
    }
    response = get("overview", **RANGE, compare="segment", open="trend", interval="month")
    assert [line["name"] for line in chart_of(response)["lines"]] == ["All users", *names[:8]]
    assert "The 8 largest of 10 are drawn. The table has them all." in text(response)
    assert len(rows(response, "Active users by month")[0]) == 12
    empty = {"from": "2026-01-01", "to": "2026-02-01"}
    empty = chart_of(get("overview", **empty, compare="segment"))
    assert [line["values"] for line in empty["lines"]] == [[]]


def test_more_segments_than_columns(world, settings):
    """The table has the largest ones, in their own order, and the files have all."""
    names = [f"s{n:02d}" for n in range(25)]
    settings.SOUVENIRS_SEGMENTS = {
        name: Q(pk__in=[pk_of(1), pk_of(2)] if n < 10 or n > 14 else [])
        for n, name in enumerate(names)
    }
    asked = {"from": "2025-05-01", "to": "2025-06-10", "interval": "month", "compare": "segment"}
    response = get("overview", **asked, open="trend")
    assert "The 8 largest of 25 are drawn." in text(response)
    assert "The table has them all." not in text(response)
    assert "The 20 largest of 25 are shown. The files have them all." in text(response)
    [table] = re.findall(r"<table.*?</table>", response.content.decode(), re.DOTALL)
    columns = re.findall(r'<th scope="col"[^>]*>(?:<a [^>]*>)?(.*?)(?:</a>)?</th>', table)
    assert columns == ["Period", "All users", *names[:10], *names[15:]]
    [url, _same] = links(response, "format=csv")
    found = lines_of(get("overview", **query_of(url)))
    assert list(dict.fromkeys(row["segment"] for row in found)) == ["", *names]
    for name in ("s00", "s12"):
        alone = chart_of(get("overview", **{**asked, "compare": ""}, segment=name))["lines"][0]
        assert [int(row["value"]) for row in found if row["segment"] == name] == alone["values"]


@pytest.mark.skipif(not HAS_DJANGOS_USER, reason="the user model has no groups")
def test_groups_of_users_are_segments(world, settings):
    team = Group.objects.create(name="Team & co")
    team.user_set.add(1, 5)
    few = count_active_users(at(2025, 5, 22), NOW, users=[1, 5])
    response = get("overview", segment="group:Team & co")
    assert tiles(response)["28 days"][0] == shown(few)
    assert "Segment: group:Team & co" in text(response)
    [row] = rows(get("overview", only="segments"), "by segment")
    assert (row[0], row[2]) == ("Team & co", shown(few))
    lines = chart_of(get("overview", **RANGE, compare="groups"))["lines"]
    assert [line["name"] for line in lines] == ["All users", "Team & co"]
    assert get("people", **RANGE, segment="group:Team & co").status_code == 200
    unknown = get("overview", segment="group:nobody")
    assert unknown.status_code == 400
    assert "'group:nobody'" in text(unknown)


def test_comparison_that_the_site_does_not_have(world):
    response = get("overview", compare="segment")
    assert (response.status_code, "SOUVENIRS_SEGMENTS is empty." in text(response)) == (400, True)
    if not HAS_DJANGOS_USER:
        response = get("overview", compare="groups")
        said = "The user model of this site has no groups."
        assert (response.status_code, said in text(response)) == (400, True)


def test_segments_side_by_side(world, settings):
    few = [pk_of(1), pk_of(5)]
    settings.SOUVENIRS_SEGMENTS = {"few": Q(pk__in=few), "none": Q(pk__in=[])}
    response = get("overview", only="segments")
    now = count_active_users(at(2025, 5, 22), NOW, users=few)
    before = count_active_users(at(2025, 4, 24), at(2025, 5, 21, 11), users=few)
    change = formats.signed(now - before, shown(abs(now - before)))
    found = rows(response, "by segment")
    assert [row[0] for row in found] == ["few", "none"]
    assert found[0][2] == shown(now)
    assert found[0][3].startswith(change)
    assert found[1][2:] == ["0", "±0"]
    [first, _] = re.findall(r'<svg class="souvenirs-spark".*?</svg>', response.content.decode())
    assert first.count(" L") == 27
    assert "is-unfinished" in first
    found = figures.figures_of_segments(None, UTC, get_store().first(), "segment", None)
    days = active_series(at(2025, 5, 22), NOW, users=few).values
    assert (found["few"].line, found["few"].last) == (days, "running")


@pytest.mark.parametrize(
    ("asked", "header"),
    [
        ({}, "Each day 2025-06-18 so far</th>"),
        ({"from": "2025-05-01", "to": "2025-06-10T09:00Z"}, "Each day 2025-06-10 cut off</th>"),
        ({"from": "2025-05-01", "to": "2025-06-10"}, "Each day</th>"),
    ],
)
def test_last_day_of_the_segments_is_marked_if_it_is_incomplete(world, settings, asked, header):
    settings.SOUVENIRS_SEGMENTS = {"bad": broken, "few": Q(pk__in=[pk_of(1)])}
    html = get("overview", **asked, only="segments").content.decode()
    assert header in re.sub("</?(small|span)[^>]*>", "", html)


def test_slipping_away(world, leave):
    leave(*((9, at(2025, 5, 7) + timedelta(days=n)) for n in range(28)))
    found = slipping_away()
    assert pk_of(9) in found
    response = get("overview", only="slipping")
    assert f"{len(found)} regular" in text(response)
    assert {row[0] for row in rows(response, "Regulars who")} == names_of(found)
    [url] = links(response, "list=slipping")
    listed = get("people", **query_of(url))
    assert names_in(listed) == names_of(found)
    assert "Regulars, active in each of four weeks" in text(listed)
    assert names_in(get("people", list="slipping", order="seen")) == names_of(found)
    past = get("overview", only="slipping", **{"from": "2025-01-01", "to": "2025-06-01"})
    assert not links(past, "list=slipping")
    assert "Slipping away" not in text(get("overview", Person(VIEW_USAGE)))
    alone = get("overview", Person(VIEW_USAGE), only="slipping")
    assert not [name for name in names_of(found) if name in text(alone)]


def test_slipping_away_of_a_pruned_span(world, monkeypatch):
    def refuse(*args, **kwargs):
        raise figures.PrunedSpan("It begins inside a bucket.")

    monkeypatch.setattr("souvenirs.pages.sections.slipping.slipping_away", refuse)
    assert "It begins inside a bucket." in text(get("overview", only="slipping"))


def test_busy_hours_of_a_corrupt_digest(world):
    digest()
    Souvenir.objects.all().delete()
    Digest.objects.filter(level__lte=3600).update(body=b"damaged", is_pruned=True)
    Digest.objects.filter(level__gt=3600).delete()
    assert "A digest is corrupt" in text(get("overview", **RANGE, only="busy"))


@pytest.mark.skipif(not HAS_DJANGOS_USER, reason="not every user model has dates and flags")
def test_accounts_in_a_sentence(world):
    said = text(get("overview", only="accounts"))
    assert "9 users are registered; activated: 9 (100%)." in said
    get_user_model().objects.filter(pk=3).update(is_active=False)
    said = text(get("overview", only="accounts"))
    assert "9 users are registered; activated: 8 (89%)." in said
    said = text(get("overview", only="accounts", **{"from": "2025-01-01", "to": "2025-02-01"}))
    assert "3 users were registered before Feb. 1, 2025" in said


def test_accounts_without_a_date_of_registration(world, monkeypatch):
    monkeypatch.setattr("souvenirs.counting.accounts.date_joined_field", lambda: None)
    said = "The user model of this site has no date of registration."
    assert said in text(get("overview", only="accounts"))


@pytest.mark.parametrize(
    ("moment", "day", "month"),
    [
        (None, "running", "running"),
        (at(2025, 6, 18), None, "running"),
        (at(2025, 6, 17, 12), "cut", "running"),
        (at(2025, 6, 1), None, None),
        (at(2025, 5, 31, 12), "cut", "cut"),
        (at(2025, 5, 31), None, "cut"),
    ],
)
def test_figures_say_what_is_incomplete(world, moment, day, month):
    found = overview(START, moment)
    found = {each.name: each.incomplete for each in (*found.figures, found.new)}
    assert found == {"active": day, "7d": None, "28d": None, "stickiness": None, "new": month}


def test_figure_of_an_incomplete_period_is_marked(world):
    html = get("overview", **{"from": "2025-01-01", "to": "2025-05-16T12:00"}).content.decode()
    assert html.count(" <small>cut off</small></h2>") == 2


def test_sentence(world):
    now, before = (
        count_active_users(at(2025, 5, 22), NOW),
        count_active_users(at(2025, 4, 24), at(2025, 5, 21, 11)),
    )
    today = count_active_users(at(2025, 6, 18), NOW)
    said = text(get("overview"))
    assert f"{now} people were active in the last 28 days, {before - now} fewer than in" in said
    assert f"{today} so far today, 1 right now." in said
    said = text(get("overview", **{"from": "2025-01-01", "to": "2025-04-01"}))
    now = count_active_users(at(2025, 3, 4), at(2025, 4, 1))
    assert f"{now} people were active in the 28 days up to April 1, 2025, " in said
    assert "more than in the 28 days before." in said
    assert "right now" not in said


def test_sentence_of_a_site_on_its_first_day(leave):
    leave((1, NOW - timedelta(minutes=5)))
    response = get("overview")
    assert "1 person was active in the last 28 days. 1 so far today, 1 right now." in text(response)
    assert "no earlier data" in text(response)
    before = get("overview", **{"from": "2024-01-01", "to": "2024-02-01"})
    assert "Nobody has been seen yet." in text(before)


def test_sentence_of_as_many_as_before(leave):
    leave(*((1, NOW - timedelta(days=days, minutes=5)) for days in (0, 28, 100)))
    assert "1 person was active in the last 28 days, as many as in" in text(get("overview"))


def test_chosen_figure_and_links_keep_the_rest(world):
    response = get("overview", **RANGE, figure="7d", tz="Asia/Tokyo")
    [chosen] = re.findall(r'is-chosen">\s*<h2>(.*?)</h2>', response.content.decode())
    assert "7 days" in chosen
    urls = [query_of(url) for url in links(response, "figure=28d") if "open=" not in url]
    assert {**RANGE, "figure": "28d", "tz": "Asia/Tokyo"} in urls


@pytest.mark.parametrize(
    ("query", "interval"),
    [
        ({"preset": "28d"}, "day"),
        ({"preset": "90d"}, "day"),
        ({}, "month"),
        ({"from": "2010-01-01"}, "year"),
        ({"preset": "28d", "interval": "week"}, "week"),
    ],
)
def test_interval_fits_the_range_if_none_is_chosen(world, query, interval):
    html = get("overview", **query).content.decode()
    assert f'<option value="{query.get("interval", "")}" selected' in html
    assert f"Active users by {interval}</h2>" in html


def test_people_behind_the_key_figures(world):
    response = get("overview")
    queries = [query_of(url) for url in links(response, "people/?")]
    moments = [query for query in queries if "Z" in query.get("to", "")]
    expected = [
        active_users(NOW - figures.NOW, NOW),
        active_users(at(2025, 6, 18), NOW),
        active_users(at(2025, 6, 12), NOW),
        active_users(at(2025, 5, 22), NOW),
        growth(at(2025, 6, 1), NOW).users(0, "new"),
    ]
    for query, users in zip(moments, expected, strict=True):
        assert names_in(get("people", **query)) == names_of(users)


@pytest.mark.parametrize("figure", ["active", "28d", "new"])
def test_people_behind_a_point(world, figure, settings):
    settings.SOUVENIRS_SEGMENTS = {"FROM TO": Q(pk__in=[pk_of(n) for n in range(1, 6)])}
    asked = {**RANGE, "interval": "month", "figure": figure, "segment": "FROM TO"}
    data = chart_of(get("overview", **asked))
    starts = data.get("starts", data["edges"])
    for place, value in enumerate(data["lines"][0]["values"]):
        own = {"from": starts[place], "to": data["edges"][place + 1]}
        if "names" in data:
            own = {"of": data["names"][place]}
        if value:
            query = {**query_of(data["people"]), **own}
            assert len(names_in(get("people", **query))) == value
    zoom = query_of(data["zoom"])
    assert zoom == {"interval": "month", "figure": figure, "segment": "FROM TO"}


def test_nothing_leads_to_people_without_the_permission(world):
    data = chart_of(get("overview", Person(VIEW_USAGE), **RANGE))
    assert data["people"] == ""
    assert "people" not in chart_of(get("overview", **RANGE, figure="stickiness"))


def test_annotations_are_at_their_periods(world):
    for day in ("2024-12-31", "2025-01-01", "2025-03-31", "2025-06-17", "2025-06-18"):
        annotate(datetime.fromisoformat(day).date(), f"On <{day}>")
    response = get("overview", **RANGE, interval="month")
    assert [place for place, _ in chart_of(response)["marks"]] == [0, 2, 5]
    assert "Jan. 1, 2025: On <2025-01-01>" in text(response)
    assert "<2025" not in response.content.decode()
    assert chart_of(get("overview", **{"from": "2026-01-01", "to": "2026-02-01"}))["marks"] == []


@pytest.mark.parametrize(
    ("interval", "cohorts", "first"),
    [("day", "week", 13), ("week", "week", 13), ("month", "month", 3), ("year", "month", 3)],
)
def test_retention_curve_is_the_mean_of_the_cohorts(world, interval, cohorts, first):
    asked = {"from": "2025-03-01", "to": "2025-06-01"}
    response = get("overview", **asked, interval=interval)
    found = retention(at(2025, 3, 1), at(2025, 6, 1), interval=cohorts).mean()[1:]
    known = [round(share, 4) for share in found if share is not None]
    [line] = chart_of(response, "retention")["lines"]
    assert line["values"] == known
    assert f"Retention, by {cohorts}s since the first" in text(response)


@pytest.mark.parametrize(
    ("start", "interval", "cohorts", "first"),
    [
        (at(2005, 1, 1), "year", "month", "2023-05"),
        (at(2025, 5, 24), "day", "day", "2025-05-24"),
        (at(2025, 5, 23), "day", "week", "2025-W21"),
        (at(2024, 12, 23), "week", "week", "2024-W52"),
        (at(2024, 12, 18), "week", "month", "2024-12"),
    ],
)
def test_retention_curve_has_few_cohorts_and_the_last_ones(world, start, interval, cohorts, first):
    found = overview(start, NOW, interval).retention
    assert (found.interval, found.cohorts[0].period.label) == (cohorts, first)
    assert len(found.cohorts) <= 26


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"preset": "28d"}, {"preset": "28d", "interval": "week"}),
        (
            {"from": "2015-01-01", "to": "2025-06-18"},
            {"from": "2023-05-01", "to": "2025-06-18", "interval": "month"},
        ),
    ],
)
def test_retention_curve_leads_to_its_cohorts(world, query, expected):
    response = get("overview", **query)
    [url] = [url for url in links(response, "retention/?") if "interval" in url]
    assert query_of(url) == expected
    assert get("retention", **expected).status_code == 200


def test_stickiness_is_that_of_the_chart_at_the_end_of_a_day(leave):
    leave(*((1, at(2025, 3, 3 + n, 9)) for n in range(28)), (2, at(2025, 3, 31, 9)))
    response = get("overview", figure="stickiness", **{"from": "2025-03-01", "to": "2025-04-01"})
    last = chart_of(response)["lines"][0]["values"][-1]
    assert (tiles(response)["Stickiness"][0], last) == ("50.0%", 0.5)


def test_earlier_time_around_a_day_that_the_zone_skipped(leave, monkeypatch):
    """There was no 30 December 2011 on Samoa."""
    leave((1, at(2011, 1, 1)))
    zone = ZoneInfo("Pacific/Apia")
    now = datetime(2012, 1, 5, 12, tzinfo=zone)
    monkeypatch.setattr("django.utils.timezone.now", lambda: now.astimezone(UTC))
    asked = {"from": "2011-12-20", "tz": "Pacific/Apia", "interval": "day", "compare": "previous"}
    data = chart_of(get("overview", **asked))
    pairs = [
        [datetime.fromisoformat(label.split()[0]).weekday() for label in each]
        for each in zip(data["labels"], data["lines"][1]["labels"], strict=True)
    ]
    assert len(pairs) == 16
    assert all(one == other for one, other in pairs)


def test_windows_of_too_many_days_are_refused(world):
    response = get("overview", figure="28d", **{"from": "1990-01-01"})
    assert (response.status_code, "The windows have" in text(response)) == (400, True)
    assert get("overview", **{"from": "1990-01-01"}).status_code == 200


def test_range_at_the_start_of_time(world):
    response = get("overview", **{"from": "0001-01-02", "to": "0002-06-01"})
    assert response.status_code == 200


def test_site_without_segments_and_groups(world, monkeypatch):
    monkeypatch.setattr("souvenirs.pages.sections.segments.has_groups", lambda: False)
    assert "This site has no segments." in text(get("overview", only="segments"))


def test_fault_of_the_segments_or_of_an_earlier_time_is_said_in_its_place(
    world, settings, monkeypatch
):
    def refuse(*args):
        raise figures.PrunedSpan("It begins inside a bucket.")

    settings.SOUVENIRS_SEGMENTS = {"few": Q(pk__in=[pk_of(1)])}
    monkeypatch.setattr("souvenirs.pages.sections.segments.figures_of_segments", refuse)
    monkeypatch.setattr(figures, "plan_earlier", lambda *args: figures.Plan([], refuse))
    response = get("overview", open="segments", compare="previous")
    assert response.status_code == 200
    assert "It begins inside a bucket." in text(response)
    assert "inside a bucket whose souvenirs have been pruned" in text(response)
    assert "28 days" in tiles(response)


def nobody():
    return None


def test_segment_of_nothing_is_nobody_and_not_everybody(world, settings):
    settings.SOUVENIRS_SEGMENTS = {"none": nobody}
    for name in ("overview", "people"):
        response = get(name, **RANGE, segment="none")
        assert (response.status_code, "cannot be evaluated" in text(response)) == (503, True)


def test_line_of_the_chosen_segment_beside_the_others(world, settings):
    settings.SOUVENIRS_SEGMENTS = {"few": Q(pk__in=[pk_of(1)]), "all": Q()}
    data = chart_of(get("overview", **RANGE, segment="few", compare="segment"))
    assert [line["name"] for line in data["lines"]] == ["few", "few", "all"]


def test_corrupt_digest_is_said_in_its_place(world):
    """All that is not about the hours of that day is shown."""
    digest()
    month = Souvenir.objects.filter(when__gte=at(2025, 3, 1), when__lt=at(2025, 4, 1))
    month.delete()
    march = int(at(2025, 3, 1).timestamp())
    of_march = Digest.objects.filter(start__gte=march, start__lt=march + 31 * 86_400)
    of_march.filter(level__lte=3600).update(body=b"damaged", is_pruned=True)
    of_march.filter(level__in=[86_400, 31 * 86_400]).delete()
    response = get("overview", **RANGE, interval="month")
    assert response.status_code == 200
    assert text(response).count("A digest is corrupt, and its souvenirs have been pruned.") == 4
    assert tiles(response)["New this month"] == (formats.DASH, "")
    assert tiles(response)["7 days"][0] == shown(count_active_users(at(2025, 6, 11), END))


def test_pruned_span_of_a_part_is_said_in_its_place(world, monkeypatch):
    def plan(timeline, known):
        def refuse(sets):
            raise figures.PrunedSpan("It begins inside a bucket.")

        return figures.Plan([], refuse)

    monkeypatch.setattr(figures, "plan_growth", plan)
    response = get("overview", **RANGE)
    assert (response.status_code, text(response).count("It begins inside a bucket.")) == (200, 1)
    assert "28 days" in tiles(response)


@pytest.mark.parametrize(
    ("asked", "zone"),
    [
        ("paris", "Europe/Paris"),
        ("New York", "America/New_York"),
        ("UTC", "UTC"),
        ("utc", "UTC"),
        ("istanbul", "Asia/Istanbul"),
        ("etc/gmt+3", "Etc/GMT+3"),
    ],
)
def test_time_zone_by_its_place(world, asked, zone):
    assert f"Time zone: {zone}" in text(get("overview", **RANGE, tz=asked))


def test_place_of_several_time_zones_is_refused(world):
    assert get("overview", tz="west").status_code == 400
    # Its name in the database, Etc/GMT+3, is three hours behind.
    assert get("overview", tz="gmt+3").status_code == 400


def test_segment(world, settings):
    few = [pk_of(1), pk_of(5)]
    settings.SOUVENIRS_SEGMENTS = {"few": Q(pk__in=few), "none": Q(pk__in=[])}
    response = get("overview", segment="few", interval="month", open="growth")
    assert "Segment: few" in text(response)
    users = count_active_users(at(2025, 5, 22), NOW, users=few)
    assert tiles(response)["28 days"][0] == shown(users)
    found = growth(at(2024, 7, 1), NOW, users=few)
    assert [row[1] for row in rows(response, "New users were never seen before")] == [
        shown(each.active) for each in reversed(found.periods)
    ]
    assert tiles(get("overview", segment="none"))["28 days"][0] == "0"
    assert get("people", **RANGE, list="never", segment="few").status_code == 200


def test_parts_alone_are_those_of_the_whole_page(world, settings):
    settings.SOUVENIRS_SEGMENTS = {"few": Q(pk__in=[pk_of(1)])}
    for name in ("trend", "growth", "segments", "slipping", "busy", "accounts"):
        pattern = rf'<div class="souvenirs-data" id="souvenirs-{name}-part">.*?</div>'
        whole, alone = (
            re.search(pattern, get("overview", **{key: name}).content.decode(), re.DOTALL)[0]
            for key in ("open", "only")
        )
        assert whole == alone.replace("only=", "open=")
        assert 'data-part="' not in alone
        closed = get("overview").content.decode()
        assert f"only={name}" in unescape(closed)


#: Without and with groups of users, which are segments as well.
HAS_GROUP = pytest.mark.parametrize(
    "has_group",
    [False, pytest.param(True, marks=pytest.mark.skipif(not HAS_DJANGOS_USER, reason="no groups"))],
)


@HAS_GROUP
def test_pages_do_without_segments_that_cannot_be_read(world, settings, has_group):
    if has_group:
        Group.objects.create(name="Night shift")
    settings.SOUVENIRS_SEGMENTS = broken
    for name in ("overview", "retention", "people"):
        assert get(name, **RANGE).status_code == 200
    response = get("overview", **RANGE, only="segments")
    assert response.status_code == 200
    assert "The segments of this site cannot be read." in text(response)
    assert "manage.py check --database default explains why" in text(response)
    assert "boom" not in text(response)


@HAS_GROUP
@pytest.mark.parametrize("asked", [{"segment": "few"}, {"compare": "segment"}])
def test_asking_for_segments_that_cannot_be_read_is_refused(world, settings, asked, has_group):
    if has_group:
        Group.objects.create(name="Night shift")
    settings.SOUVENIRS_SEGMENTS = broken
    response = get("overview", **RANGE, **asked)
    assert response.status_code == 503
    assert "The segments of this site cannot be read." in text(response)
    assert "boom" not in text(response)
