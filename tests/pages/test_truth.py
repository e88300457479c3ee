"""The numbers on the pages are those that an independent program found, to the last user."""

import csv
import gzip
from collections import defaultdict, deque
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.contrib.auth import get_user_model
from django.urls import reverse

from souvenirs.digests.digester import Digester
from souvenirs.models import Digest, Souvenir
from tests.activity import DATASETS, file_of, truth_of
from tests.conftest import INSTANT, ON_A_SERVER, at, build_user
from tests.pages.test_pages import rows, tiles
from tests.test_truth import ZONES, span

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.thorough,
    pytest.mark.skipif(
        get_user_model()._meta.label != "auth.User",
        reason="figures do not depend on the user model",
    ),
]

DAYS_OF_GIT = ["2010-08-10", "2015-12-13", "2021-04-16", "2026-08-20"]

#: What a page asks a database for does not depend on how much is in it; more takes long to load.
ON_SERVERS = ["weblog_clients", "weblog_auth_users"]

#: As many cohorts as the page of retention shows.
COHORTS = 60


def events_of(name):
    """Who was active when."""
    with gzip.open(file_of(f"{name}.csv.gz"), "rt", newline="") as lines:
        return [
            (int(row["user_id"]), datetime.fromisoformat(row["when"]))
            for row in csv.DictReader(lines)
        ]


def counted(events, zone, days):
    """The truth of a time zone, in the form of the files, by sets of users and nothing else."""
    of_month, of_day, joined = defaultdict(set), defaultdict(set), {}
    for user, when in sorted(events, key=lambda event: event[1]):
        local = when.astimezone(ZoneInfo(zone))
        of_month[f"{local:%Y-%m}"].add(user)
        of_day[local.date()].add(user)
        joined.setdefault(user, f"{local:%Y-%m}")
    series = [[f"{day}", None, len(of_day[day])] for day in sorted(of_day)]
    months = months_between(min(of_month), max(of_month))
    growth, cohorts, before = [], {}, set()
    for number, month in enumerate(months):
        users = of_month[month]
        new = {user for user in users if joined[user] == month}
        growth.append(
            {
                "month": month,
                "active": len(users),
                "new": len(new),
                "retained": len(users & before),
                "resurrected": len(users - before - new),
                "churned": len(before - users),
            }
        )
        cohorts[month] = [len(new & of_month[later]) for later in months[number:]]
        before = users
    trailing = []
    for day in days:
        row = {"date": day}
        for name, length in (("dau", 1), ("wau", 7), ("mau", 30)):
            window = (date.fromisoformat(day) - n * DAY for n in range(length))
            row[name] = len(set().union(*(of_day[each] for each in window)))
        trailing.append(row)
    return {
        "per_day": {"series": series},
        "growth": growth,
        "cohorts": cohorts,
        "calendar_trailing": trailing,
    }


def months_between(first, last):
    months = []
    year, month = map(int, first.split("-"))
    while (label := f"{year:04d}-{month:02d}") <= last:
        months.append(label)
        year, month = (year, month + 1) if month < 12 else (year + 1, 1)
    return months


@pytest.mark.above_the_store
@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("name", DATASETS)
def test_what_is_counted_here_is_the_truth(name, zone):
    truth = truth_of(name)
    expected = truth["zones"][zone]
    found = counted(events_of(name), zone, [each["date"] for each in expected["calendar_trailing"]])
    for key in found.keys() & expected.keys() - {"per_day"}:
        assert found[key] == expected[key]
    assert active_by_day({"zones": {zone: found}}, zone) == active_by_day(truth, zone)


@pytest.fixture(scope="module", params=ON_SERVERS if ON_A_SERVER else DATASETS)
def truth(request, django_db_setup, django_db_blocker):
    """A data set, half of it digested, whose users registered when they were first seen.

    What its file does not say, like the cohorts of a long history outside of UTC, is counted here.
    """
    events = events_of(request.param)
    known = truth_of(request.param)
    moments = sorted(when for _, when in events)
    truth = {"first": moments[0].isoformat(), "last": moments[-1].isoformat(), "zones": {}}
    for zone in ZONES:
        own = known["zones"].get(zone, {})
        truth["zones"][zone] = {**counted(events, zone, DAYS_OF_GIT), **own}
    joined = {}
    for user, when in sorted(events, key=lambda event: event[1]):
        joined.setdefault(user, when)
    users = get_user_model().objects
    with django_db_blocker.unblock():
        users.bulk_create([build_user(user, joined=when) for user, when in joined.items()])
        users.bulk_create([build_user(100_000, username="boss", joined=at(2100, 1, 1), **STAFF)])
        souvenirs = [Souvenir(user_id=user, when=when) for user, when in events]
        Souvenir.objects.bulk_create(souvenirs, batch_size=5_000)
        deque(Digester(until=moments[len(moments) // 2]).run(), maxlen=0)
        yield {**truth, "events": events}
        for model in (Souvenir, Digest, get_user_model()):
            model.objects.all()._raw_delete("default")


STAFF = {"is_staff": True, "is_superuser": True}


@pytest.fixture
def page(truth, client, set_now):
    """Fetch a page as it is when all that is known is over, or at a moment."""

    def fetch(name, now=None, **query):
        set_now(now or span(truth)[1] + timedelta(days=70))
        client.force_login(get_user_model().objects.get(username="boss"))
        response = client.get(reverse(f"admin:souvenirs_{name}"), query)
        assert response.status_code == 200
        return response

    return fetch


@pytest.fixture(params=ZONES)
def zone(request):
    return request.param


def test_months_of_the_overview(truth, zone, page):
    response = page("overview", **whole(truth, zone), interval="month", open="growth")
    growth = [
        [each["month"], *shown(*(each[part] for part in PARTS)), *balance(each)]
        for each in reversed(truth["zones"][zone]["growth"])
    ]
    assert rows(response, "New users were never seen before") == growth


PARTS = ("active", "new", "retained", "resurrected", "churned")


def balance(month):
    gained, lost = month["new"] + month["resurrected"], month["churned"]
    ratio = f"{gained / lost:.2f}" if gained and lost else "0" if lost else "–"
    return [*shown(gained - lost), ratio]


def test_billing_periods_that_are_months(truth, zone, page):
    """A subscription that started with a month has the months of the calendar."""
    start = whole(truth, zone)["from"]
    response = page("billing", subscription_start=start, recent="400", tz=zone)
    known = usage_of_months(truth, zone)
    table = rows(response, "Users in each period of the subscription")[-len(known) :]
    assert [row[1:] for row in table] == [row[1:] for row in known]
    assert table[-1][0] == "Y01 M01"


def usage_of_months(truth, zone):
    """The rows of a report, the last month first."""
    registered, table = 0, []
    for each in truth["zones"][zone]["growth"]:
        registered += each["new"]
        users = shown(registered, registered, each["active"])
        table.append([each["month"], f"{each['month']}-01", after(each["month"]), *users])
    return table[::-1]


def test_daily_actives(truth, zone, page):
    days = active_by_day(truth, zone)
    last = max(days)
    chosen = [last - timedelta(days=n) for n in range(300)]
    query = {"from": f"{chosen[-1]}", "to": f"{last + DAY}", "tz": zone}
    known = [day for day in chosen if day >= min(days)]
    table = rows(page("overview", **query, interval="day", open="trend"), "Active users by day")
    assert table[: len(known)] == [[f"{day}", *shown(days.get(day, 0))] for day in known]


@pytest.mark.parametrize("figure", ["7d", "28d"])
def test_trailing_actives(truth, zone, page, figure):
    for each in truth["zones"][zone]["calendar_trailing"]:
        day = date.fromisoformat(each["date"])
        query = {"from": f"{day - DAY}", "to": f"{day + DAY}", "tz": zone, "interval": "day"}
        response = page("overview", **query, figure=figure, open="trend")
        [row, *_] = rows(response, f"Active in {figure[:-1]} days up to each day")
        weeks = active_in(truth, midnight(day - 27 * DAY, zone), midnight(day + DAY, zone))
        assert row == [each["date"], *shown(each["wau"] if figure == "7d" else weeks)]


def test_tiles_at_the_end_of_a_day(truth, zone, page):
    """At the last moment of a day, the tiles are about whole days."""
    for each in truth["zones"][zone]["calendar_trailing"]:
        day = date.fromisoformat(each["date"])
        found = tiles(page("overview", now=midnight(day + DAY, zone) - INSTANT, tz=zone))
        weeks = active_in(truth, midnight(day - 27 * DAY, zone), midnight(day + DAY, zone))
        expected = shown(each["dau"], each["wau"], weeks)
        assert [found[name][0] for name in ("Today", "7 days", "28 days")] == expected


def test_tiles_of_the_last_day(truth, zone, page):
    days = active_by_day(truth, zone)
    last = max(days)
    found = tiles(page("overview", now=midnight(last + DAY, zone) - INSTANT, tz=zone))
    new = truth["zones"][zone]["growth"][-1]["new"]
    assert found["New this month"][0] == shown(new)[0]
    of_days = sum(days.get(last - n * DAY, 0) for n in range(1, 29))
    users = active_in(truth, midnight(last - 28 * DAY, zone), midnight(last, zone))
    assert found["Stickiness"][0] == percent(of_days / 28, users, 1)


def test_monthly_cohorts(truth, zone, page):
    cohorts = truth["zones"][zone]["cohorts"]
    months = list(cohorts)
    for first in range(0, len(months), COHORTS):
        chosen = months[first : first + COHORTS]
        query = {"from": f"{chosen[0]}-01", "to": after(chosen[-1]), "tz": zone}
        query["interval"] = "month"
        table = rows(page("retention", **query), "Users of each cohort")
        assert table == triangle({month: cohorts[month] for month in chosen})


def test_weekly_cohorts(truth, zone, page):
    cohorts = truth["zones"][zone].get("week_cohorts")
    if cohorts is None:
        pytest.skip("too long for weeks")
    weeks = [date.fromisoformat(monday) for monday in cohorts]
    query = {"from": f"{weeks[0]}", "to": f"{weeks[-1] + 7 * DAY}", "tz": zone}
    table = rows(page("retention", **query, interval="week"), "Users of each cohort")
    assert table == triangle({f"{day:%G-W%V}": cohorts[f"{day}"] for day in weeks})


def triangle(cohorts):
    """The rows of cohorts, cut off where the last of them begins, below the mean of each column."""
    width = len(cohorts)
    cells = [each[: width - number] for number, each in enumerate(cohorts.values())]
    means = []
    for offset in range(width):
        those = [each for each in cells if len(each) > offset]
        means.append(percent(sum(each[offset] for each in those), sum(each[0] for each in those)))
    table = [["Mean", "", *means]]
    for label, each in zip(cohorts, cells, strict=True):
        written = [f"{percent(users, each[0])} {users:,}" for users in each]
        table.append([label, *shown(each[0]), *written, *[""] * (width - len(each))])
    return table


def percent(users, among, digits=0):
    """A share as it is written: nothing at all without digits, and that of nobody not at all."""
    if not among:
        return "–"
    return f"{100 * users / among:.{digits}f}%" if users else "0%"


def shown(*numbers):
    return [f"{number:,}" for number in numbers]


DAY = timedelta(days=1)


def whole(truth, zone):
    """The question about all months that there are."""
    months = [each["month"] for each in truth["zones"][zone]["growth"]]
    return {"from": f"{months[0]}-01", "to": after(months[-1]), "tz": zone}


def after(month):
    """The first day after a month."""
    return f"{(date.fromisoformat(f'{month}-01') + 31 * DAY).replace(day=1)}"


def midnight(day, zone):
    return datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(zone))


def active_by_day(truth, zone):
    series = truth["zones"][zone]["per_day"]["series"]
    return {date.fromisoformat(day): users for day, _, users in series if users}


def active_in(truth, start, end):
    return len({user for user, when in truth["events"] if start <= when < end})
