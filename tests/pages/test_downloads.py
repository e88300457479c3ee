"""The file that a table of a page leads to says what the table says, to the last number."""

import csv
import io
import json
import re
from datetime import datetime, timedelta
from html import unescape
from itertools import groupby
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import pytest
from django.db.models import Q
from django.test import RequestFactory

from souvenirs.api import ENDPOINTS
from souvenirs.digests.digester import Digester
from souvenirs.insights import growth
from souvenirs.pages import ROUTES
from souvenirs.pages.formats import minute, number, percent, stretched
from souvenirs.web import VIEW_PEOPLE, VIEW_USAGE
from tests.conftest import at, pk_of
from tests.pages.test_pages import NOW, RANGE, get, query_of
from tests.users.models import Membership, Organization
from tests.web.test_access import Person

pytestmark = [pytest.mark.above_the_store, pytest.mark.thorough]

RANGES = {
    "default": {},
    "days": RANGE,
    "28 days": {"preset": "28d"},
    "in the past": {"from": "2025-02-03", "to": "2025-05-05"},
    "moments": {"from": "2025-02-03T10:30:00Z", "to": "2025-04-05T17:15:00Z"},
    "open": {"from": "2025-03-01"},
    "into the future": {"from": "2025-03-01", "to": "2025-12-31"},
    "the future": {"from": "2026-01-01", "to": "2026-03-01"},
    "before all history": {"from": "2024-01-01", "to": "2024-03-01"},
}
EARLIER = "earlier_value"
ZONES = {"UTC": {}, "Tokyo": {"tz": "Asia/Tokyo"}}


@pytest.fixture(autouse=True)
def _now(monkeypatch):
    monkeypatch.setattr("django.utils.timezone.now", lambda: NOW)


@pytest.fixture
def world(make_user, leave, settings):
    """More users than a page of people has, some of whom have not been here for long."""
    for user in range(1, 71):
        make_user(user, joined=at(2025, 1, 1) + timedelta(days=user % 60), active=user % 5 > 0)
    leave(
        *(
            (user, at(2025, 1, 10) + timedelta(days=day, hours=(user + day) % 24))
            for user in range(1, 68)
            for day in range(user, min(158, 30 + 3 * user), 11 + user % 7)
        ),
        (1, NOW - timedelta(minutes=5)),
    )
    list(Digester(until=at(2025, 5, 1)).run())
    settings.SOUVENIRS_SEGMENTS = {"few": Q(pk__in=[pk_of(user) for user in range(1, 70, 4)])}
    settings.SOUVENIRS_API_AUTH = lambda request: Person(VIEW_USAGE, VIEW_PEOPLE)


def words(html):
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", html)).split())


def tables(response):
    """Caption, rows and links of each table of a page."""
    assert response.status_code == 200, words(response.content.decode())
    pattern = r"<table(.*?)</table>(.*?)(?=<table|$)"
    for table, after in re.findall(pattern, response.content.decode(), re.DOTALL):
        body = table.partition("<tbody>")[2]
        rows = [
            [words(cell) for cell in re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, re.DOTALL)]
            for row in re.findall(r"<tr>(.*?)</tr>", body, re.DOTALL)
        ]
        downloads = re.findall(r'<a href="([^"]*)"[^>]*>(CSV|JSON)</a>', after)
        links = {name: unescape(url) for url, name in downloads}
        yield words(re.search(r"<caption.*?</caption>", table)[0]), rows, links


def fetched(url):
    """What a link leads to."""
    name = urlsplit(url).path.rstrip("/").rpartition("/")[2]
    request = RequestFactory().get("/", query_of(url))
    request.user = Person(VIEW_USAGE, VIEW_PEOPLE)
    views = {endpoint.name: endpoint.view() for endpoint in ENDPOINTS if "/api/" in url}
    # The overview has the URL of the pages themselves.
    [_route, view] = ROUTES.get(name, ROUTES["overview"])
    response = views.get(name, view)(request)
    assert response.status_code == 200, response.content
    return response


def lines(url):
    return list(csv.DictReader(io.StringIO(fetched(url).content.decode(), newline="")))


def value(text):
    return None if text == "" else float(text)


def shown(text, digits=0):
    return number(value(text), digits)


def label(line):
    return line["label"] + {"": "", "running": " so far", "cut": " cut off"}[line["incomplete"]]


def pending(line):
    return {"running": "… not over yet", "cut": "… cut off"}[line["incomplete"]]


def date(text):
    return datetime.fromisoformat(text).date().isoformat()


def actives(found, link):
    return [
        [
            label(line),
            shown(line["value"]),
            *([f"{shown(line[EARLIER])} {line['earlier_label']}"] if EARLIER in line else []),
        ]
        for line in reversed(found)
    ]


def shares(found, link):
    return [[label(line), percent(value(line["value"]), 1)] for line in reversed(found)]


def new(found, link):
    return [[label(line), shown(line["new"])] for line in reversed(found)]


def usage(found, link):
    return [
        [
            label(line),
            date(line["start"]),
            # Where a period is not over, a page says up to when it was made.
            None if line["incomplete"] == "running" else date(line["end"]),
            *(shown(line[name]) for name in ("registered", "activated", "active")),
        ]
        for line in reversed(found)
    ]


def accounting(found, link):
    names = ("active", "new", "retained", "resurrected")

    def change(line):
        if line["incomplete"]:
            return [pending(line)] * 3
        return [shown(line["churned"]), shown(line["net"]), shown(line["quick_ratio"], 2)]

    return [
        [label(line), *(shown(line[name]) for name in names), *change(line)]
        for line in reversed(found)
    ]


def busy(found, link):
    digits = 0 if max((value(line["active"]) or 0 for line in found), default=0) >= 10 else 1
    names = ["Mon Monday", "Tue Tuesday", "Wed Wednesday", "Thu Thursday"]
    names += ["Fri Friday", "Sat Saturday", "Sun Sunday"]
    return [
        [names[int(weekday) - 1], *(shown(line["active"], digits) for line in hours)]
        for weekday, hours in groupby(found, lambda line: line["weekday"])
    ]


def triangle(found, link):
    cohorts = [list(cells) for _, cells in groupby(found, lambda line: line["start"])]
    width = max(map(len, cohorts), default=0)
    mean = json.loads(fetched(link["JSON"]).content)["mean"]
    rows = [["Mean", "", *map(percent, mean)]]
    for position, cells in enumerate(cohorts):
        row = [label(cells[0]), shown(cells[0]["size"])]
        for offset, cell in enumerate(cells):
            [later, *_] = cohorts[position + offset]
            share = percent(value(cell["share"]))
            users = f" {cell['users']}" if cell["users"] else ""
            row.append(pending(later) if later["incomplete"] else f"{share}{users}")
        rows.append([*row, *[""] * (width - len(cells))])
    return rows


def people(found, link):
    zone = ZoneInfo(query_of(link["CSV"]).get("tz", "UTC"))

    def moment(text):
        return minute(datetime.fromisoformat(text).astimezone(zone)) if text else "never"

    names = [name for name in ("registered", "last_seen") if found and name in found[0]]
    return [
        [
            line["username"],
            *(moment(line[name]) for name in names),
            *(shown(line[name]) for name in ("active_days",) if name in line),
        ]
        for line in found[:50]
    ]


def seats(found, link):
    zone = ZoneInfo(query_of(link["CSV"]).get("tz", "UTC"))

    def moment(text):
        return minute(datetime.fromisoformat(text).astimezone(zone)) if text else "never"

    has_days = not found or found[0]["days"] != ""
    return [
        [
            line["group"],
            shown(line["active"]),
            shown(line["provisioned"]),
            percent(value(line["share"])),
            *([shown(line["days_per_seat"], 1)] if has_days else []),
            moment(line["last_seen"]),
        ]
        for line in found[:50]
    ]


def state(found, link):
    names = {
        "History begins": "counted_since",
        "Digested up to": "digested_until",
        "Undigested souvenirs": "souvenirs_waiting",
        "Oldest undigested souvenir": "oldest_waiting",
        "Souvenirs pruned up to": "pruned_until",
    }
    by_name = {line["what"]: line["state"] for line in found}
    assert set(by_name) == set(names.values())
    return [
        [
            said,
            shown(by_name[name])
            if name == "souvenirs_waiting"
            else minute(datetime.fromisoformat(by_name[name]))
            if by_name[name]
            else "none",
        ]
        for said, name in names.items()
    ]


def levels(found, link):
    names = {"bucket of 3600 s": "Bucket of 60 minutes", "day": "Day", "month": "Month"}
    return [
        [
            names[line["digests"]],
            *(shown(line[name]) for name in ("rows", "stale", "members")),
            stretched(int(line["bytes"])),
        ]
        for line in found
    ]


def checks(found, link):
    return [[words(line[name]) for name in ("id", "message", "hint")] for line in found]


#: What each table has to say where its file has these lines, by the beginning of its caption.
TABLES = {
    "Active ": actives,
    "Stickiness": shares,
    "New users by": new,
    "Users in each period of the subscription": usage,
    "New users were never seen": accounting,
    "Users active in each hour of the week": busy,
    "Users of each cohort": triangle,
    "Digesting progress": state,
    "Size of the digests": levels,
    "System checks that failed": checks,
    # All the lists of people.
    "Users ": people,
    "Search for ": people,
    "All groups": seats,
    "Groups ": seats,
}


#: What is said of a table without rows.
NOTHING = ("No data in this range.", "No system check failed.", "No users.", "No groups.")


def table_of(caption):
    return next(table for beginning, table in TABLES.items() if caption.startswith(beginning))


def check(response):
    """Every table of a page against its file; how many there are."""
    # The file of the diagnosis is that of a command: souvenirs_doctor --json.
    found = [table for table in tables(response) if table[0] != "Diagnosis"]
    for caption, rows, links in found:
        assert set(links) == {"CSV", "JSON"}, caption
        expected = table_of(caption)(lines(links["CSV"]), links)
        if len(rows) == 1 and len(rows[0]) == 1:
            assert rows[0][0] in NOTHING
            rows = []
        if table_of(caption) is usage:
            rows = [[*row[:2], before and row[2], *row[3:]] for row, before in unfinished(rows)]
        assert rows == expected, caption
        assert fetched(links["JSON"])["Content-Type"] == "application/json"
    return len(found)


def unfinished(rows):
    return [(row, None if row[0].endswith(" so far") else row[2]) for row in rows]


@pytest.mark.parametrize("zone", ZONES.values(), ids=ZONES)
@pytest.mark.parametrize("asked", RANGES.values(), ids=RANGES)
def test_overview(world, asked, zone):
    for more in (
        *({"figure": figure} for figure in ("active", "7d", "28d", "new", "stickiness")),
        {"compare": "previous"},
    ):
        assert check(get("overview", **asked, **zone, **more, open="trend")) == 1
    for more in ({}, {"segment": "few", "interval": "week"}):
        for part in ("growth", "busy"):
            assert check(get("overview", **asked, **zone, **more, open=part)) == 1


@pytest.mark.parametrize("zone", ZONES.values(), ids=ZONES)
@pytest.mark.parametrize("asked", RANGES.values(), ids=RANGES)
def test_retention(world, asked, zone):
    for more in ({}, {"segment": "few"}, {"mode": "in_or_later", "reference": "previous"}):
        assert check(get("retention", **asked, **zone, **more)) == 1


@pytest.mark.parametrize("zone", ZONES.values(), ids=ZONES)
@pytest.mark.parametrize("asked", RANGES.values(), ids=RANGES)
def test_people_of_a_range(world, asked, zone):
    for more in ({}, {"segment": "few"}, {"order": "-seen"}, {"q": "1"}):
        assert check(get("people", **asked, **zone, **more)) == 1


@pytest.mark.parametrize("zone", ZONES.values(), ids=ZONES)
@pytest.mark.parametrize(
    "asked",
    [
        {"list": "recent", "days": "5"},
        {"list": "inactive", "days": "90", "order": "seen"},
        {"list": "inactive", "days": "90", "segment": "few"},
        {"list": "never"},
        {"list": "churned", "of": "2025-04", **RANGE},
        {"list": "cohort", "of": "2025-02", "offset": "1", **RANGE},
    ],
)
def test_other_lists_of_people(world, asked, zone):
    if asked.get("list") == "churned":
        assert growth(at(2025, 1, 1), at(2025, 6, 18)).users("2025-04", "churned")
    assert check(get("people", **asked, **zone)) == 1


@pytest.mark.parametrize("zone", ZONES.values(), ids=ZONES)
@pytest.mark.parametrize("interval", ["day", "month", "quarter", "year"])
def test_billing(world, interval, zone):
    for more in ({}, {"segment": "few"}, {"recent": "2"}):
        query = {"subscription_start": "2025-01-31", "interval": interval, **zone, **more}
        assert check(get("billing", **query)) == 1
    assert check(get("billing", subscription_start="2025-12-31", interval=interval)) == 1


@pytest.mark.parametrize("zone", ZONES.values(), ids=ZONES)
@pytest.mark.parametrize("asked", RANGES.values(), ids=RANGES)
def test_groups(world, settings, asked, zone):
    field = "membership__organization__name"
    settings.SOUVENIRS_GROUP_BY = [field]
    Organization.objects.bulk_create(Organization(name=f"number {n}") for n in range(60))
    Membership.objects.bulk_create(
        Membership(user_id=pk_of(user), organization_id=f"number {user * factor % 60}")
        for user in range(1, 71)
        for factor in (1, 7)
    )
    for more in ({}, {"list": "inactive", "order": "seen"}, {"segment": "few", "order": "name"}):
        assert check(get("groups", **asked, **zone, **more)) == 1


@pytest.mark.parametrize("zone", ZONES.values(), ids=ZONES)
def test_health(world, settings, zone):
    assert check(get("health", **zone)) == 3
    settings.SOUVENIRS_WEEK_START = 9
    settings.SOUVENIRS_GATE_SIZE = 0
    assert check(get("health", **zone)) == 3


def test_every_page_is_here():
    """Each has a test of its own above."""
    assert list(ROUTES) == ["overview", "retention", "people", "groups", "billing", "health"]
