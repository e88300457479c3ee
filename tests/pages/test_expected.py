"""What the overview says of the period under way is what ``forecast()`` says."""

import re
from datetime import timedelta
from html import unescape

import pytest
from django.db.models import Q

from souvenirs.control import annotate
from souvenirs.insights import forecast
from souvenirs.pages import figures
from souvenirs.pages.charts import Chart, Line
from tests.conftest import pk_of
from tests.pages.conftest import NOW
from tests.pages.test_overview import chart_of
from tests.pages.test_pages import get, links, text

pytestmark = [pytest.mark.above_the_store, pytest.mark.usefixtures("stopped")]

LONG = {"from": "2025-01-01"}


@pytest.fixture
def regular(make_user, leave):
    """A site with a year of users: each of them is active every few days, morning or evening."""
    for number in range(1, 9):
        make_user(number)
    start = NOW.replace(hour=0, minute=0) - timedelta(days=390)
    leave(
        *(
            (user, start + timedelta(days=day, hours=6 if (user + day) % 3 else 20))
            for day in range(390)
            for user in range(1, 9)
            if (day * user + day // 7) % (user + 2) == 0
        )
    )
    leave((1, NOW - timedelta(hours=2)))


def found_in(response):
    """The limits and the value that the chart draws, from the lower limit to the upper one."""
    html = response.content.decode()
    limits = re.search(r'<path class="line is-expected" d="M\d+ ([\d.]+)V([\d.]+)"/>', html)
    value = re.search(r'<path class="line is-expected is-dot" d="M\d+ ([\d.]+)h0.01"/>', html)
    if not limits or not value:
        return None
    top = int(re.search(r'souvenirs-scale"[^>]*><span>(\d+)</span>', html)[1])
    places = limits[1], value[1], limits[2]
    return tuple(round((100 - float(place)) * top / 100) for place in places)


@pytest.mark.parametrize("interval", ["day", "week", "month"])
def test_expected_number_of_the_period_under_way(regular, interval):
    response = get("overview", **LONG, interval=interval, open="expected")
    made = forecast(interval)
    assert made.value is not None
    assert found_in(response) == (made.low, made.value, made.high)
    said = text(response)
    written = f"{made.value} ({made.low} to {made.high})"
    assert f"Expected {written}" in said
    assert re.search(
        rf"{made.value} users? (is|are) expected for {made.period.label}: from {made.low} to "
        rf"{made.high}, with a probability of 80%\.",
        said,
    )
    assert chart_of(response)["expected"] == ["Expected", written]


def test_users_since_the_last_whole_hour_count(regular, leave):
    made = forecast("day")
    leave(*((user, NOW - timedelta(minutes=5)) for user in range(1, 9)))
    assert made.high < 8
    response = get("overview", **LONG, interval="day", open="expected")
    assert "More users have come than were expected." in text(response)
    assert found_in(response) is None


def test_users_since_the_last_whole_hour_count_among_those_expected(regular, leave):
    made = forecast("week")
    leave(*((user, NOW - timedelta(minutes=5)) for user in range(1, made.high + 1)))
    assert made.low < made.high
    response = get("overview", **LONG, interval="week", open="expected")
    assert found_in(response) == (made.high, made.high, made.high)


def test_expected_of_a_segment(regular, settings):
    members = [pk_of(1), pk_of(2)]
    settings.SOUVENIRS_SEGMENTS = {"two": Q(pk__in=members)}
    made = forecast("week", users=members)
    response = get("overview", **LONG, interval="week", segment="two", open="expected")
    assert found_in(response) == (made.low, made.value, made.high)


def test_part_is_asked_for_with_the_page(regular):
    response = get("overview", **LONG, interval="week")
    assert "data-at-once>How many users to expect" in response.content.decode()
    [url] = links(response, "open=expected")
    assert url.endswith("#souvenirs-expected-part")
    assert found_in(response) is None
    alone = get("overview", **LONG, interval="week", only="expected")
    assert found_in(alone)
    assert 'id="souvenirs-expected-part"' in alone.content.decode()
    assert "souvenirs-growth-title" not in alone.content.decode()


@pytest.mark.parametrize(
    "asked",
    [
        {"figure": "28d"},
        {"figure": "new"},
        {"figure": "stickiness"},
        {"interval": "quarter"},
        {"interval": "year"},
        {"to": "2025-06-01"},
        {"to": "2025-06-18"},
        {"from": "2026-01-01", "to": "2026-02-01"},
        {"compare": "segment"},
    ],
)
def test_nothing_is_expected(regular, settings, asked):
    settings.SOUVENIRS_SEGMENTS = {"few": Q(pk__in=[])}
    response = get("overview", **{**LONG, "interval": "week", **asked, "open": "expected"})
    assert response.status_code == 200
    html = unescape(response.content.decode())
    assert "souvenirs-expected-part" not in html
    assert "is-expected" not in html


def test_chart_of_the_past_has_no_paths_of_it():
    chart = Chart("trend", "Active users", ["2025-01"], [Line("All", [3])], [None])
    assert chart.paths_expected == ("", "")


def test_annotations_beside_it(regular):
    annotate(NOW.date(), "A campaign")
    response = get("overview", **LONG, interval="week", only="expected")
    last = len(chart_of(response)["labels"]) - 1
    assert chart_of(response)["marks"] == [[last, "June 18, 2025: A campaign"]]


def test_earlier_time_beside_it(regular):
    response = get("overview", **LONG, interval="week", compare="previous", open="expected")
    assert found_in(response)


def test_short_history(leave):
    leave((1, NOW - timedelta(days=20)), (1, NOW - timedelta(hours=1)))
    response = get("overview", open="expected", interval="day")
    assert "There is no forecast yet, because the history is too short." in text(response)
    assert found_in(response) is None


def test_period_that_begins_before_the_range_is_expected_as_a_whole(regular):
    asked = {"from": NOW.strftime("%Y-%m-%d"), "interval": "week"}
    made = forecast("week")
    assert found_in(get("overview", **asked, open="expected")) == (made.low, made.value, made.high)


def test_pruned_span_is_said_in_its_place(regular, monkeypatch):
    def refuse(*args, **kwargs):
        raise figures.PrunedSpan("It begins inside a bucket.")

    monkeypatch.setattr("souvenirs.pages.sections.expected.forecast", refuse)
    response = get("overview", **LONG, interval="week", open="expected")
    assert "The range starts or ends inside a bucket whose souvenirs" in text(response)
    assert found_in(response) is None
    assert "Busy hours of the week" in text(response)
