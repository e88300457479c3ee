"""What the API answers."""

import csv
import io
import json
import logging
import re
from datetime import UTC, datetime, timedelta
from itertools import chain
from pathlib import Path
from urllib.parse import urlencode
from zoneinfo import available_timezones

import pytest
from django.apps import apps
from django.contrib.auth import get_user_model
from django.core.checks import run_checks
from django.db import connection
from django.db.models import Q
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis
from hypothesis import strategies as st

from souvenirs.api import ENDPOINTS
from souvenirs.api.payloads import OF_CALENDAR, OF_SUBSCRIPTION
from souvenirs.checks.site import check_digesting
from souvenirs.csvfiles import csv_value
from souvenirs.digests.digester import Digester
from souvenirs.digests.pruning import Pruner
from souvenirs.insights import growth, retention, stickiness
from souvenirs.insights.series import active_series
from souvenirs.models import Digest, Souvenir
from souvenirs.reports import (
    calendar_monthly_usage,
    calendar_quarterly_usage,
    customer_monthly_usage,
)
from souvenirs.web import VIEW_PEOPLE, VIEW_USAGE, busyhours, csv_response
from souvenirs.web.forms import MAX_PERIODS
from tests.conftest import at, build_user, pk_of
from tests.web.test_access import Person

pytestmark = [pytest.mark.django_db, pytest.mark.through_the_store]

DOCS = (Path(__file__).parents[2] / "docs/how-to/api.md").read_text()

#: Endpoint, query and answer of each example for a terminal.
ANSWERS_OF_DOCS = re.findall(
    r'(?<!= )"https://example.com/souvenirs/api/(\w+)\?([^"]*)"\n([^`]*)```', DOCS
)

START, END = at(2016, 1, 1), at(2016, 7, 1)
RANGE = "from=2016-01-01&to=2016-07-01"

#: A question that each endpoint answers.
QUESTIONS = {
    "usage": RANGE,
    "series": RANGE,
    "retention": RANGE,
    "growth": RANGE,
    "stickiness": RANGE,
    "busy": RANGE,
    "people": RANGE,
    "groups": RANGE,
    "statements": "",
    "health": "",
}


#: Every table in a file.
QUERIES_IN_EXCEL = [
    *(f"{name}?{query}" for name, query in QUESTIONS.items()),
    f"usage?{RANGE}&subscription_start=2016-01-31&by=segment",
    f"people?{RANGE}&per_page=2",
    "health?table=state",
    "health?table=checks",
]


@pytest.fixture
def api(client, settings):
    """Ask as somebody who may see everything, and whom the database does not know."""
    settings.SOUVENIRS_API_AUTH = lambda request: Person(VIEW_USAGE, VIEW_PEOPLE)
    settings.SOUVENIRS_GROUP_BY = ["membership__organization__name"]

    def ask(name, query="", **parameters):
        query = query or urlencode(parameters)
        return client.get(f"/souvenirs/api/{name}", query_params=None, QUERY_STRING=query)

    return ask


@pytest.fixture
def history(make_user, leave):
    """Five users of half a year: one who always comes, one who stops, one who comes back."""
    for number in range(1, 6):
        make_user(number, joined=at(2016, number, 15), active=number != 3)
    months = {1: range(1, 7), 2: (1, 2), 3: (3,), 4: (1, 4, 5), 5: (6,)}
    leave(
        *[
            (number, at(2016, month, 3, 12, number))
            for number, seen in months.items()
            for month in seen
        ]
    )


def rows(response):
    assert response.status_code == 200, response.content
    return response.json()["rows"]


def table(response):
    assert response.status_code == 200, response.content
    assert response["Content-Type"] == "text/csv; charset=utf-8"
    return list(csv.DictReader(io.StringIO(response.content.decode(), newline="")))


def excel(response):
    assert response.status_code == 200, response.content
    return list(csv.DictReader(io.StringIO(response.content.decode("utf-8-sig"), newline="")))


def sentence(response):
    assert response.status_code == 400, response.content
    assert response["Content-Type"] == "application/json"
    error = response.json()["error"]
    assert error["message"].endswith(".")
    return error["field"]


def written(insight):
    """The rows of an insight as JSON has them."""
    return json.loads(json.dumps(insight.rows(), default=lambda moment: moment.isoformat()))


def test_every_endpoint_has_a_question():
    assert list(QUESTIONS) == [endpoint.name for endpoint in ENDPOINTS]


def test_series_is_the_series(api, history):
    assert rows(api("series", RANGE + "&interval=week&window=mau")) == written(
        active_series(START, END, interval="week", window="mau", tz="UTC")
    )


def test_row_of_a_series(api, history):
    assert rows(api("series", RANGE + "&interval=quarter&tz=Asia/Tokyo"))[0] == {
        "label": "2016-Q1",
        "start": "2016-01-01T00:00:00+09:00",
        "end": "2016-04-01T00:00:00+09:00",
        "complete": True,
        "incomplete": None,
        "value": 4,
    }


@pytest.mark.parametrize("name", ["usage", "series", "retention", "growth", "stickiness"])
def test_row_of_a_period_that_the_range_cuts_off(api, history, name):
    february, march = rows(api(name, "from=2016-02-01&to=2016-03-15&interval=month"))
    assert (february["complete"], february["incomplete"]) == (True, None)
    assert (march["complete"], march["incomplete"]) == (False, "cut")
    *_, line = table(api(name, "from=2016-02-01&to=2016-03-15&interval=month&format=csv"))
    assert (line["complete"], line["incomplete"]) == ("false", "cut")


def test_cells_of_a_period_that_the_range_cuts_off(api, history):
    """The cohort of February is of a complete period."""
    query = "from=2016-02-01&to=2016-03-15&interval=month"
    cells = [row["cells_incomplete"] for row in rows(api("retention", query))]
    assert cells == [[None, "cut"], ["cut"]]
    lines = table(api("retention", query + "&format=csv"))
    assert [line["cell_incomplete"] for line in lines] == ["", "cut", "cut"]


def test_cells_of_a_period_that_is_not_over(api, leave, set_now):
    leave((1, at(2016, 2, 3)))
    set_now(at(2016, 3, 15))
    cohorts = rows(api("retention", "from=2016-02-01&interval=month"))
    assert [row["cells_incomplete"] for row in cohorts] == [[None, "running"], ["running"]]
    assert [row["users"] for row in cohorts] == [[1, None], [None]]


def test_row_of_a_period_that_is_not_over(api, leave):
    now = timezone.now()
    leave((1, now))
    last = rows(api("series", preset="7d", interval="month"))[-1]
    assert (last["complete"], last["incomplete"], last["value"]) == (False, "running", 1)
    assert rows(api("usage", preset="7d", interval="month"))[-1]["incomplete"] == "running"


def test_stickiness_is_the_stickiness(api, history):
    query = RANGE + "&interval=week"
    found = stickiness(START, END, interval="week", tz="UTC")
    assert rows(api("stickiness", query)) == written(found)


def test_busy_hours_are_those_of_the_overview(api, history):
    found = busyhours.busy_hours(END, UTC)
    assert rows(api("busy", RANGE)) == [
        {"weekday": weekday, "hour": hour, "active": mean}
        for weekday in found.days
        for hour, mean in enumerate(found.means[weekday])
    ]
    assert {row["active"] for row in rows(api("busy", "from=1999-01-01&to=2000-01-01"))} == {None}


def test_growth_is_the_growth(api, history):
    assert rows(api("growth", RANGE)) == written(growth(START, END, tz="UTC"))


@pytest.mark.parametrize("cohort", ["first_seen", "joined"])
def test_retention_is_the_retention(api, history, knows_users, cohort):
    query = f"{RANGE}&cohort={cohort}&mode=in_or_later&reference=previous"
    if cohort == "joined" and not {"date_joined", "signed_up"} & field_names():
        assert sentence(api("retention", query)) == "cohort"
        return
    expected = retention(
        START, END, cohort=cohort, mode="in_or_later", reference="previous", tz="UTC"
    )
    answer = api("retention", query).json()
    assert answer["mean"] == list(expected.mean())
    assert [(row["size"], row["users"]) for row in answer["rows"]] == [
        (each.size, list(each.cells)) for each in expected.cohorts
    ]
    cells = table(api("retention", query + "&format=csv"))
    assert [(row["label"], row["offset"], row["users"]) for row in cells] == [
        (row["label"], str(row["offset"]), str(row["users"])) for row in expected.rows()
    ]


def field_names():
    return {field.name for field in get_user_model()._meta.get_fields()}


@pytest.fixture
def knows_users(settings):
    """Name the fields of whatever user model this is."""
    if "signed_up" in field_names():
        settings.SOUVENIRS_DATE_JOINED_FIELD = "signed_up"
        settings.SOUVENIRS_IS_ACTIVE_FIELD = "enabled"


COUNTS = ("label", "registered", "activated", "active")


def usage_row(usage, label):
    return (usage["labels"][label], *usage["usage"].values())


def test_usage_is_the_report(api, history, knows_users):
    found = rows(api("usage", RANGE + "&interval=month"))
    assert [tuple(row[name] for name in COUNTS) for row in found] == [
        usage_row(usage, "calendar_year_month") for usage in calendar_monthly_usage(START, END)
    ]


def test_usage_of_a_subscription_is_its_report(api, history, knows_users):
    query = "from=2016-03-01&to=2016-07-01&subscription_start=2016-01-31"
    found = rows(api("usage", query))
    assert [tuple(row[name] for name in COUNTS) for row in found] == [
        usage_row(usage, "year_month")
        for usage in customer_monthly_usage(at(2016, 1, 31), at(2016, 3, 1), END)
    ]
    assert found[0]["label"] == "Y01 M02"
    assert found[0]["start"] == "2016-02-29T00:00:00+00:00"


@pytest.mark.parametrize("subscription", ["", "&subscription_start=2016-01-31"])
def test_usage_of_a_segment_is_its_report(api, history, knows_users, settings, subscription):
    settings.SOUVENIRS_SEGMENTS = {"even": lambda: [pk_of(2), pk_of(4)]}
    found = rows(api("usage", f"{RANGE}{subscription}&segment=even"))
    group = [pk_of(2), pk_of(4)]
    if subscription:
        expected = customer_monthly_usage(at(2016, 1, 31), START, END, users=group)
    else:
        expected = calendar_monthly_usage(START, END, users=group)
    label = "year_month" if subscription else "calendar_year_month"
    assert [tuple(row[name] for name in COUNTS) for row in found] == [
        usage_row(usage, label) for usage in expected
    ]
    assert [row["active"] for row in found][:3] == ([2, 1, 0] if not subscription else [1, 0, 1])


@pytest.mark.parametrize("exclusive", ["false", "true"])
def test_usage_of_each_segment(api, history, knows_users, settings, exclusive):
    segments = {"even": [pk_of(2), pk_of(4)], "late": [pk_of(4), pk_of(5)]}
    settings.SOUVENIRS_SEGMENTS = {name: lambda pks=pks: pks for name, pks in segments.items()}
    query = f"{RANGE}&interval=quarter&by=segment&exclusive={exclusive}"
    expected = calendar_quarterly_usage(START, END, by=segments, exclusive=exclusive == "true")
    found = rows(api("usage", query))
    assert [(row["segment"], *(row[name] for name in COUNTS)) for row in found] == [
        (usage["segment"], *usage_row(usage, "calendar_year_quarter")) for usage in expected
    ]
    assert [row["segment"] for row in found] == [None, None, "even", "even", "late", "late"]
    [everyone, *_] = table(api("usage", query + "&format=csv"))
    assert list(everyone)[:2] == ["segment", "label"]


def of_version_1(periods):
    return iter(())


@pytest.mark.parametrize("field", ["segment", "by"])
def test_usage_by_a_function_that_knows_no_segments(api, settings, field):
    settings.SOUVENIRS_SEGMENTS = {"few": list, "segment": list}
    settings.SOUVENIRS_USAGE_REPORTS_FUNCTION = "tests.api.test_endpoints.of_version_1"
    assert rows(api("usage", RANGE)) == []
    assert sentence(api("usage", f"{RANGE}&{field}=segment")) == field


@pytest.mark.parametrize(
    ("interval", "subscription"),
    [*((name, "") for name in OF_CALENDAR), *((name, START) for name in OF_SUBSCRIPTION)],
)
def test_every_interval_has_its_report(api, history, interval, subscription):
    query = f"{RANGE}&interval={interval}"
    if subscription:
        query += f"&subscription_start={subscription:%Y-%m-%d}"
    found = rows(api("usage", query))
    assert all(row["label"] for row in found)
    assert sum(row["active"] or 0 for row in found) >= 5


def test_moments_are_those_of_the_zone_where_there_are_no_zones(api, leave, settings):
    settings.USE_TZ = False
    settings.TIME_ZONE = "Europe/Paris"
    query = "from=2016-01-01&to=2016-01-02&tz=Asia/Tokyo"
    [row] = rows(api("series", query))
    assert row["start"] == "2016-01-01T00:00:00+09:00"
    [row] = rows(api("usage", query + "&interval=day"))
    assert row["end"] == "2016-01-02T00:00:00+09:00"


def test_moments_have_offsets_that_rfc_3339_knows(api):
    """The clocks of Paris were once nine minutes and some seconds ahead."""
    [row] = rows(api("series", "from=1800-01-01&to=1800-01-02&tz=Europe/Paris"))
    assert row["start"] == "1799-12-31T23:50:39+00:00"


@pytest.mark.parametrize("query", QUERIES_IN_EXCEL)
def test_table_for_excel_is_the_csv_file_with_the_times_on_the_clock(api, history, settings, query):
    settings.SOUVENIRS_SEGMENTS = {"=few": lambda: [pk_of(1)]}
    name, _, query = query.partition("?")
    query = f"{query}&tz=Europe/Paris"
    answer = api(name, f"{query}&format=excel").content.decode()
    assert answer.startswith("\ufeff")
    assert answer.count("\ufeff") == 1

    def on_the_clock(cell):
        moment = re.fullmatch(r"(....-..-..)T(..:..:..)(\.[0-9]+)?[+-]..:..", cell)
        return f"{moment[1]} {moment[2]}" if moment else cell

    expected = csv.reader(io.StringIO(api(name, f"{query}&format=csv").content.decode()))
    assert list(csv.reader(io.StringIO(answer[1:]))) == [
        [on_the_clock(cell) for cell in row] for row in expected
    ]
    assert api(name, f"{query}&format=csv").content[:3] != "\ufeff".encode()


@pytest.mark.parametrize("by", ["", "&by=segment"])
def test_query_of_grafana_in_the_docs(api, history, settings, by):
    """Without Grafana: what the fields of its query say is looked up in an answer."""
    settings.SOUVENIRS_SEGMENTS = {"one": lambda: [pk_of(1)]}
    section = DOCS.partition("### Grafana")[2].partition("\n## ")[0]
    query = dict(re.findall(r"^\| (\w[\w ]*?) \| (.*) \|$", section, re.MULTILINE))
    name, _, asked = query["URL"].strip("`").partition("/api/")[2].partition("?")
    # As Grafana writes the ends of the range of a dashboard.
    asked = asked.replace("${__from:date:iso}", "2016-02-01T07:13:02.123Z")
    asked = asked.replace("${__to:date:iso}", "2016-02-04T10:00:00.999Z")
    assert "$" not in asked
    answer = api(name, asked + by).json()
    selectors = re.findall(r"`(\S+)`", query["Root selector"])
    assert selectors == ["$.rows", ".rows"]
    found = answer[selectors[0].removeprefix("$.")]
    columns = dict(re.findall(r"`(\w+)` as (\w+)", query["Columns"]))
    assert columns == {"start": "Time", "value": "Number", "segment": "String"}
    points = [
        (row.get("segment"), datetime.fromisoformat(row["start"]), row["value"]) for row in found
    ]
    days = [at(2016, 2, day) for day in range(1, 5)]
    expected = [(None, day, 2 if day.day == 3 else 0) for day in days]
    if by:
        expected += [("one", day, 1 if day.day == 3 else 0) for day in days]
    assert points == expected


def test_times_for_excel(api, leave):
    """In winter and in summer, at midnight and with a fraction of a second."""
    leave((1, at(2016, 3, 26)), (1, at(2016, 3, 27, 1, 0, 0, 999_999)))
    query = "from=2016-03-26&to=2016-03-29&tz=Europe/Paris&format=excel"
    assert [row["start"] for row in excel(api("series", query))] == [
        "2016-03-26 00:00:00",
        "2016-03-27 00:00:00",
        "2016-03-28 00:00:00",
    ]
    [row] = excel(api("people", query))
    assert row["last_seen"] == "2016-03-27 03:00:00"
    state = {row["what"]: row["state"] for row in excel(api("health", "table=state&format=excel"))}
    assert state["counted_since"] == "2016-03-26 00:00:00"
    assert state["pruned_until"] == ""


def test_times_for_excel_where_there_are_no_zones(api, leave, settings):
    settings.USE_TZ = False
    settings.TIME_ZONE = "Europe/Paris"
    [row] = excel(
        api("usage", "from=2016-01-01&to=2016-01-02&interval=day&tz=Asia/Tokyo&format=excel")
    )
    assert row["end"] == "2016-01-02 00:00:00"


def test_unknown_is_not_nothing(api, history):
    [row] = rows(api("series", "from=2015-01-01&to=2015-01-02"))
    assert row["value"] is None
    [row] = table(api("series", "from=2015-01-01&to=2015-01-02&format=csv"))
    assert row["value"] == ""


@pytest.mark.parametrize(
    ("interval", "subscription"),
    [
        *((name, "") for name in OF_CALENDAR),
        *((name, "&subscription_start=2014-01-01") for name in OF_SUBSCRIPTION),
    ],
)
def test_unknown_is_not_nothing_in_a_report(api, history, interval, subscription):
    """Although the reports of version 1 say 0."""
    query = f"from=2014-01-01&to=2016-01-03&interval={interval}{subscription}"
    found = rows(api("usage", query))
    assert {row["active"] for row in found} == {None}


@pytest.mark.parametrize("interval", OF_CALENDAR)
@pytest.mark.parametrize("day", ["2016-03-10", "0001-01-01"])
def test_usage_of_an_empty_range(api, history, interval, day):
    assert rows(api("usage", f"from={day}&to={day}&interval={interval}&tz=UTC")) == []


def test_days_of_a_subscription_begin_with_the_start(api, history):
    query = "from=2016-03-10&to=2016-03-12&interval=day&subscription_start=2016-01-31"
    found = rows(api("usage", query))
    assert [row["start"][:10] for row in found] == ["2016-03-10", "2016-03-11"]


def test_only_the_users_of_a_segment(api, history, settings):
    settings.SOUVENIRS_SEGMENTS = {"even": lambda: [pk_of(2), pk_of(4)]}
    found = rows(api("series", RANGE + "&interval=month&segment=even"))
    assert [row["value"] for row in found] == [2, 1, 0, 1, 1, 0]


@pytest.mark.parametrize("exclusive", ["false", "true"])
def test_rows_for_each_segment(api, history, settings, exclusive):
    segments = {"even": [pk_of(2), pk_of(4)], "late": [pk_of(4), pk_of(5)]}
    settings.SOUVENIRS_SEGMENTS = {name: lambda pks=pks: pks for name, pks in segments.items()}
    query = f"{RANGE}&interval=quarter&by=segment&exclusive={exclusive}"
    expected = active_series(
        START, END, interval="quarter", by=segments, exclusive=exclusive == "true", tz="UTC"
    )
    assert rows(api("series", query)) == written(expected)
    [everyone, *_] = table(api("series", query + "&format=csv"))
    assert list(everyone) == ["segment", "label", "start", "end", "complete", "incomplete", "value"]
    assert everyone["segment"] == ""
    cohorts = rows(api("retention", query))
    assert [(row["segment"], len(row["users"])) for row in cohorts] == [
        (name, length) for name in (None, "even", "late") for length in (2, 1)
    ]


def test_rows_for_each_group(api, make_user, leave):
    from django.contrib.auth.models import Group

    if "groups" not in field_names():
        assert sentence(api("series", "by=groups__name")) == "by"
        return
    assert sentence(api("series", "by=groups__name")) == "by"
    make_user(1).groups.add(Group.objects.create(name="=1+1"))
    leave((1, START))
    query = "from=2016-01-01&to=2016-01-02&by=groups__name"
    assert [row["segment"] for row in rows(api("series", query))] == [None, "=1+1"]
    assert [row["segment"] for row in table(api("series", query + "&format=csv"))] == ["", "'=1+1"]


def test_too_many_groups_are_refused_before_anybody_is_counted(api, settings):
    settings.SOUVENIRS_SEGMENTS = {f"segment {number}": list for number in range(200)}
    with CaptureQueriesContext(connection) as queries:
        assert sentence(api("series", "from=2016-01-01&to=2016-06-01&by=segment")) == "by"
    assert not queries


def test_people_are_who_was_active(api, history):
    found = api("people", "from=2016-01-01&to=2016-02-01").json()
    assert found["total"] == 3
    name = get_user_model().USERNAME_FIELD
    assert found["rows"] == [
        {
            "id": str(pk_of(number)),
            "username": getattr(build_user(number), name),
            "last_seen": f"2016-0{month}-03T12:0{number}:00+00:00",
        }
        for number, month in ((1, 6), (2, 2), (4, 5))
    ]


@pytest.mark.parametrize(
    ("query", "state"),
    [
        ("from=2016-01-01&to=2016-02-04T12:00Z", None),
        ("from=2016-01-01&to=2016-02-04T12:01Z", "running"),
        ("from=2016-01-01", None),
        ("preset=28d", "running"),
        ("list=recent&days=30", None),
    ],
)
def test_list_of_a_range_that_is_not_over(api, history, set_now, query, state):
    set_now(at(2016, 2, 4, 12))
    assert api("people", query).json()["incomplete"] == state
    lines = table(api("people", f"{query}&format=csv"))
    assert [line["incomplete"] for line in lines] == [state or ""] * len(lines) != []


def test_people_are_as_many_as_were_counted(api, history):
    """Also where one of them is no longer there."""
    get_user_model()._default_manager.filter(pk=pk_of(2)).delete()
    found = api("people", "from=2016-01-01&to=2016-02-01").json()
    assert len(found["rows"]) == found["total"] == 3
    assert (found["rows"][1]["id"], found["rows"][1]["username"]) == (str(pk_of(2)), None)


def test_names_that_are_no_text(api, history, monkeypatch):
    """As of a user model whose users are called by a number, or by an address, if they have one."""
    monkeypatch.setattr(get_user_model(), "get_username", lambda user: 4711)
    found = api("people", "from=2016-01-01&to=2016-02-01").json()
    assert {row["username"] for row in found["rows"]} == {"4711"}
    monkeypatch.setattr(get_user_model(), "get_username", lambda user: None)
    found = api("people", "from=2016-01-01&to=2016-02-01").json()
    assert {row["username"] for row in found["rows"]} == {""}


def test_pages_of_people(api, history):
    def page(number):
        found = api("people", f"from=2016-01-01&to=2016-07-01&per_page=2&page={number}").json()
        assert found["total"] == 5
        return [row["id"] for row in found["rows"]]

    pages = [page(1), page(2), page(3), page(4), page(1_000_000)]
    assert [len(each) for each in pages] == [2, 2, 1, 0, 0]
    assert [*chain(*pages)] == [str(pk_of(number)) for number in range(1, 6)]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("list=recent&days=30", [5]),
        ("list=inactive&days=30", [1, 2, 3, 4]),
        ("list=inactive&days=36600", []),
        ("list=inactive&days=30&per_page=3&page=2", [4]),
        ("list=never", [6, 7]),
        ("list=never&segment=even", [6]),
        ("list=inactive&segment=even", [2, 4]),
        ("list=recent&segment=even", []),
    ],
)
def test_other_lists_of_people(api, history, make_user, leave, settings, query, expected):
    make_user(6), make_user(7)
    leave((5, timezone.now() - timedelta(days=1)))
    settings.SOUVENIRS_SEGMENTS = {"even": lambda: [pk_of(2), pk_of(4), pk_of(6)]}
    found = api("people", query).json()
    assert [row["id"] for row in found["rows"]] == [str(pk_of(number)) for number in expected]
    assert found["total"] == (4 if "page=2" in query else len(expected))
    assert all((row["last_seen"] is None) == ("never" in query) for row in found["rows"])
    assert not {"from", "to", "preset"} & found["question"].keys()


def test_people_of_a_segment(api, history, settings):
    settings.SOUVENIRS_SEGMENTS = {"even": lambda: [pk_of(2), pk_of(4)]}
    assert api("people", RANGE + "&segment=even").json()["total"] == 2


def test_id_beyond_what_a_float_holds(api, leave):
    if get_user_model()._meta.pk.get_internal_type() not in ("AutoField", "BigAutoField"):
        pytest.skip("keys are no numbers")
    number = 2**31 - 1 if connection.vendor != "sqlite" else 2**63 - 1
    leave((number, START))
    assert f'"id": "{number}"' in api("people", RANGE).content.decode()


def test_health(api, history, settings):
    settings.SOUVENIRS_GATE_SIZE = 0
    settings.SILENCED_SYSTEM_CHECKS = ["souvenirs.W013", "souvenirs.W014"]  # of the user model
    list(Digester(START, at(2016, 2, 1)).run())
    answer = api("health").json()
    counted = {name: value for name, value in answer.items() if name not in ("question", "rows")}
    assert counted == {
        "counted_since": "2016-01-03T12:01:00+00:00",
        "oldest_waiting": "2016-02-03T12:01:00+00:00",
        "digested_until": "2016-01-03T13:00:00+00:00",
        "pruned_until": None,
        "souvenirs_waiting": 10,
        "checks": [checks_by_id()["souvenirs.E007"], checks_by_id()["souvenirs.W010"]],
    }
    assert [row["digests"] for row in answer["rows"]] == ["bucket of 3600 s", "day", "month"]
    settings.SILENCED_SYSTEM_CHECKS += ["souvenirs.W010"]
    assert [check["id"] for check in api("health").json()["checks"]] == ["souvenirs.E007"]


def checks_by_id():
    """What the checks of souvenirs say when Django runs them."""
    return {
        message.id: {"id": message.id, "message": message.msg, "hint": message.hint}
        for message in [
            *run_checks(app_configs=[apps.get_app_config("souvenirs")]),
            *check_digesting(),
        ]
    }


@pytest.mark.parametrize("is_wrong", [False, True])
def test_tables_of_health(api, history, settings, is_wrong):
    if is_wrong:
        settings.SOUVENIRS_GATE_SIZE = 0
    list(Digester(START, at(2016, 2, 1)).run())
    answer = api("health").json()

    def lines(query):
        response = api("health", query)
        assert response["Content-Type"].startswith("text/csv")
        return list(csv.reader(io.StringIO(response.content.decode(), newline="")))

    def shown(value):
        return "" if value is None else str(value)

    names = ["digests", "rows", "stale", "members", "bytes"]
    levels = [[str(row[name]) for name in names] for row in answer["rows"]]
    assert lines("format=csv") == lines("table=digests&format=csv") == [names, *levels]
    state = ["counted_since", "digested_until", "oldest_waiting", "pruned_until"]
    state.append("souvenirs_waiting")
    assert lines("table=state&format=csv") == [
        ["what", "state"],
        *([name, shown(answer[name])] for name in state),
    ]
    names = ["id", "message", "hint"]
    assert lines("table=checks&format=csv") == [
        names,
        *([shown(check[name]) for name in names] for check in answer["checks"]),
    ]
    assert any(check["id"] == "souvenirs.E007" for check in answer["checks"]) is is_wrong


def test_health_of_an_empty_site(api):
    answer = api("health").json()
    assert answer["counted_since"] is None
    assert answer["rows"] == []


def test_range_across_pruned_souvenirs_is_refused(api, history):
    list(Digester().run())
    list(Pruner(END).run())
    assert api("people", RANGE).status_code == 200
    assert sentence(api("people", "from=2016-01-03T12:30&to=2016-07-01")) == "from"


def test_corrupt_digest_is_no_number(api, history):
    list(Digester().run())
    list(Pruner(END).run())
    Digest.objects.update(body=b"")
    response = api("people", RANGE)
    assert response.status_code == 503
    assert response.json()["error"]["field"] == "digests"


@pytest.mark.parametrize("name", QUESTIONS)
@pytest.mark.parametrize("kind", ["json", "csv", "excel"])
def test_headers(api, history, name, kind):
    response = api(name, f"{QUESTIONS[name]}&format={kind}")
    assert response.status_code == 200
    reuse = "no-store" if name == "people" else "no-cache"
    assert response["Cache-Control"] == f"private, {reuse}"
    assert response["X-Content-Type-Options"] == "nosniff"
    if kind != "json":
        assert response["Content-Type"] == "text/csv; charset=utf-8"
        assert response["Content-Disposition"] == f'attachment; filename="souvenirs-{name}.csv"'
    else:
        assert response["Content-Type"] == "application/json"


@pytest.mark.parametrize("name", QUESTIONS)
def test_head_says_how_long_the_answer_is(client, settings, history, name):
    settings.SOUVENIRS_GROUP_BY = ["membership__organization__name"]
    settings.SOUVENIRS_API_AUTH = lambda request: Person(VIEW_USAGE, VIEW_PEOPLE)
    url = f"/souvenirs/api/{name}?{QUESTIONS[name]}"
    answer, head = client.get(url), client.head(url)
    assert head.status_code == 200
    assert head.content == b""
    assert int(head["Content-Length"]) == len(answer.content)


@pytest.mark.parametrize("name", QUESTIONS)
def test_nothing_changes(client, settings, make_holder, history, name):
    """Neither tables nor the session, and looking leaves no souvenir."""
    settings.SOUVENIRS_GROUP_BY = ["membership__organization__name"]
    client.force_login(make_holder(VIEW_USAGE, VIEW_PEOPLE, number=9))
    souvenirs = list(Souvenir.objects.values_list())
    with CaptureQueriesContext(connection) as queries:
        response = client.get(f"/souvenirs/api/{name}?{QUESTIONS[name]}")
    assert response.status_code == 200
    assert not response.cookies
    assert {query["sql"].lstrip("(").split()[0] for query in queries} <= {"SELECT", "WITH"}
    assert list(Souvenir.objects.values_list()) == souvenirs


@pytest.mark.parametrize("name", [name for name, query in QUESTIONS.items() if query])
@pytest.mark.parametrize("digested", [False, True])
def test_queries_do_not_grow_with_the_range(api, history, name, digested):
    if digested:
        list(Digester().run())

    def queries_of(start, end):
        with CaptureQueriesContext(connection) as queries:
            assert api(name, f"from={start}&to={end}").status_code == 200
        return len(queries)

    assert queries_of("2006-01-01", "2016-07-01") <= queries_of("2015-01-01", "2016-07-01") <= 12


def test_queries_of_health(api, history, django_assert_max_num_queries):
    list(Digester().run())
    with django_assert_max_num_queries(12):
        api("health")


@pytest.mark.parametrize(
    ("name", "query"),
    [
        ("series", "from=0001-01-01&to=9999-12-31&interval=hour"),
        ("series", "from=0001-01-01&to=9999-12-31&tz=UTC&interval=day"),
        ("series", f"from=2000-01-01&to={START + timedelta(days=MAX_PERIODS):%Y-%m-%d}"),
        ("series", "from=1016-01-01&to=2016-01-01&interval=year&window=30"),
        ("usage", "from=0001-01-01&to=9999-12-31&tz=UTC&interval=week"),
        ("usage", "from=0001-01-01&to=9999-12-31&interval=day&subscription_start=0002-01-01"),
        ("growth", "from=0001-01-01&to=9999-12-31&tz=UTC&interval=month"),
        ("retention", "from=2010-01-01&to=2016-01-01&tz=UTC&interval=day"),
        ("people", "from=2016-01-02&to=2016-01-01"),
        ("busy", "from=0001-01-01&to=0001-01-03&tz=UTC"),
    ],
)
def test_what_is_too_long_asks_nothing_of_the_database(api, name, query, django_assert_num_queries):
    with django_assert_num_queries(0):
        sentence(api(name, query))


HOSTILE = [
    "' OR 1=1 --",
    '"; DROP TABLE souvenirs_souvenir; --',
    "</script><img src=x onerror=alert(1)>",
    "{{ 7*7 }}",
    "\0",
    "%00",
    "../../../../etc/passwd",
    "America",
    "x" * 5000,
    "\ud7ff\uffff",
    "-1",
    "1e999",
    "",
]


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda endpoint: endpoint.name)
def test_hostile_value_of_every_parameter(api, endpoint, text, django_assert_num_queries):
    for name in endpoint.form.parameters():
        if name == "q" and len(text) <= 200 and "\0" not in text:
            # Any text can be searched for.
            assert rows(api(endpoint.name, q=text)) == []
            continue
        with django_assert_num_queries(0):
            response = api(endpoint.name, **{name: text})
        assert sentence(response) == name
        assert response["X-Content-Type-Options"] == "nosniff"
        assert len(response.content) < 1000


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_name_of_a_parameter(api, text):
    assert sentence(api("series", **{text: "1"})) == text[:200]


def test_more_parameters_than_django_reads(api):
    assert sentence(api("series", "&".join(f"a{number}=1" for number in range(1001)))) == "query"


def test_bytes_that_are_no_text(api):
    assert sentence(api("series", "tz=%ff%fe")) == "tz"


def test_logs_name_nobody(client, make_holder, history, caplog):
    user = make_holder(number=9)
    client.force_login(user)
    with caplog.at_level(logging.DEBUG):
        assert client.get(f"/souvenirs/api/people?{RANGE}").status_code == 403
        assert client.get("/souvenirs/api/series?tz=secret").status_code == 403
    assert user.get_username() not in caplog.text
    assert "secret" not in caplog.text


@pytest.mark.parametrize("lead", ["=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠"])
def test_cell_is_no_formula(lead):
    text = f'{lead}cmd|" /C calc"!A0,;'
    response = csv_response("test", ["text"], [{"text": text}, {"text": f"\0{text}"}])
    [_, *found] = csv.reader(io.StringIO(response.content.decode(), newline=""))
    assert found == [[f"'{text}"], [f"'{text}"]]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (-5, -5),
        (-0.5, -0.5),
        ("-5", "-5"),
        ("-5-1", "'-5-1"),
        (None, None),
        (True, "true"),
        (False, "false"),
        ("it's = 1", "it's = 1"),
        ("", ""),
        ("\0", ""),
    ],
)
def test_cell_that_is_harmless_stays(value, expected):
    assert csv_value(value) == expected


def test_name_that_is_a_formula(api, make_user, leave):
    name = get_user_model().USERNAME_FIELD
    if get_user_model()._meta.pk.name == name:
        pytest.skip("the name is the key")
    make_user(1, **{name: "=cmd|'/C calc'!A0"})
    leave((1, START))
    assert rows(api("people", RANGE))[0]["username"] == "=cmd|'/C calc'!A0"
    assert table(api("people", RANGE + "&format=csv"))[0]["username"] == "'=cmd|'/C calc'!A0"


TEXTS = st.one_of(
    st.text(max_size=20),
    st.from_regex(r"(0001|19[0-9]{2}|20[0-9]{2}|9999)-[01][0-9]-[0-3][0-9]", fullmatch=True),
    st.datetimes().map(lambda moment: f"{moment.isoformat()}Z"),
    st.dates().map(str),
    st.sampled_from(["", "0001-01-01", "9999-12-31", "9999-12-31T23:59:59.999999Z", "7d", "csv"]),
)


@pytest.mark.thorough
@hypothesis(
    max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
@given(
    endpoint=st.sampled_from(ENDPOINTS),
    start=TEXTS,
    end=TEXTS,
    zone=st.one_of(TEXTS, st.sampled_from(sorted(available_timezones()))),
    more=st.dictionaries(
        st.sampled_from(["interval", "window", "page", "format", "by", "preset", "order"]),
        st.one_of(TEXTS, st.sampled_from(["day", "week", "month", "year", "mau", "366", "1"])),
        max_size=2,
    ),
)
def test_whatever_is_asked_is_answered_or_refused(api, endpoint, start, end, zone, more):
    parameters = {"from": start, "to": end, "tz": zone, **more}
    response = api(endpoint.name, **parameters)
    assert response.status_code in (200, 400)
    if response.status_code == 400:
        assert sentence(response) in {*parameters, "interval"}


def test_token_of_the_docs(client, settings, make_holder):
    """The function that docs/how-to/api.md shows, on a site that has it."""
    if "user_permissions" not in field_names():
        pytest.skip("the example is of Django's own user model")
    holder = make_holder(VIEW_USAGE)
    shown = re.findall(r"^```python\n(>>>.*?)^```$", DOCS, re.MULTILINE | re.DOTALL)
    lines = "".join(shown).splitlines()
    source = "\n".join(line[4:] for line in lines if line[:3] in (">>>", "..."))
    namespace = {}
    exec(source.replace('"ann"', repr(holder.get_username())), namespace)
    settings.SOUVENIRS_API_AUTH = namespace["user_of_token"]

    def status(name, token):
        headers = {"authorization": token}
        return client.get(f"/souvenirs/api/{name}", headers=headers).status_code

    assert status("series", f"Bearer {namespace['token']}") == 200
    assert status("people", f"Bearer {namespace['token']}") == 403
    assert status("series", "Bearer wrong") == 401
    assert status("series", f"Basic {namespace['token']}") == 401
    assert status("series", "") == 401
    settings.SOUVENIRS_API_AUTH = namespace["user_of_any_token"]
    settings.SOUVENIRS_API_AUTH_PARAMETERS = ["token"]
    assert status("series", f"Bearer {namespace['token']}") == 200
    assert status(f"series?token={namespace['token']}", "") == 200
    assert status(f"people?token={namespace['token']}", "") == 403
    assert status("series?token=wrong", "") == 401
    assert status("series", "") == 401


def test_site_where_login_is_required_everywhere(client, settings, history):
    settings.MIDDLEWARE = [
        *settings.MIDDLEWARE,
        "django.contrib.auth.middleware.LoginRequiredMiddleware",
    ]
    names = ["", "series", "people", "openapi.json"]
    for name in names:
        assert client.get(f"/souvenirs/api/{name}").status_code == 401, name
    settings.SOUVENIRS_API_AUTH = lambda request: Person(VIEW_USAGE, VIEW_PEOPLE)
    for name in names:
        query = f"?{QUESTIONS[name]}" if name in QUESTIONS else ""
        assert client.get(f"/souvenirs/api/{name}{query}").status_code == 200, name
    assert client.get("/souvenirs/api/nothing").status_code == 404


def test_token_of_django_rest_framework(client, settings, make_holder):
    from rest_framework.authtoken.models import Token

    namespace = {}
    exec(re.search(r"^from rest_framework[^`]*", DOCS, re.MULTILINE)[0], namespace)
    settings.SOUVENIRS_API_AUTH = namespace["user_of_token"]
    token = Token.objects.create(user=make_holder(VIEW_USAGE))
    headers = {"authorization": f"Token {token.key}"}
    assert client.get("/souvenirs/api/series", headers=headers).status_code == 200
    assert client.get("/souvenirs/api/people", headers=headers).status_code == 403
    assert client.get("/souvenirs/api/series", headers={}).status_code == 401
    headers = {"authorization": "Token wrong"}
    assert client.get("/souvenirs/api/series", headers=headers).status_code == 401


def test_answer_of_the_docs(api, leave):
    """The one that docs/how-to/api.md shows, of the people of the documentation."""
    leave((1, at(2016, 1, 4)), (2, at(2016, 1, 20)), (1, at(2016, 2, 8)), (3, at(2016, 2, 8)))
    shown = [each for each in ANSWERS_OF_DOCS if "format=csv" not in each[1]]
    assert len(shown) == 2
    for name, query, answer in shown:
        assert api(name, query).json() == json.loads(answer)


@pytest.mark.skipif(
    get_user_model()._meta.label != "auth.User", reason="the example is of Django's own user model"
)
def test_table_of_the_docs(api, make_user, leave, settings):
    for number, day in ((1, at(2016, 1, 4)), (2, at(2016, 1, 20)), (3, at(2016, 2, 8))):
        make_user(number, joined=day)
        leave((number, day))
    leave((1, at(2016, 1, 5)), (1, at(2016, 2, 8)), (3, at(2016, 2, 29)))
    settings.SOUVENIRS_SEGMENTS = {"Acme": Q(pk__in=[1, 2]), "Globex": Q(pk=3)}
    [(name, query, answer)] = [each for each in ANSWERS_OF_DOCS if "format=csv" in each[1]]
    assert api(name, query).content.decode().splitlines() == answer.splitlines()
