"""The demo of a vendor: forty organizations whose numbers are those that SQL counts."""

import json
import os
import subprocess
import sys
from datetime import timedelta

import pytest

from demo.b2b.activity import (
    DAY,
    DAYS,
    LATE_STARTS,
    NAMES,
    OVER_QUOTA,
    PLANS,
    QUIET,
    QUIET_DAYS,
    customers,
    sightings,
)
from tests.conftest import at
from tests.processes import ROOT

pytestmark = pytest.mark.above_the_store

MIDNIGHT = at(2026, 11, 30)

#: Prints, of the loaded site, what the app counts and what SQL counts: the active users of each
#: organization, by local month and by statement.
COUNT = """
import json
from datetime import datetime
from zoneinfo import ZoneInfo
from django.db import connection
from demo.b2b.models import Organization
from souvenirs.insights import active_series, seats
from souvenirs.models import Souvenir
from souvenirs.statements import Statement, statement_users

MEMBERS = (
    "FROM souvenirs_souvenir s JOIN b2b_user u ON u.id = s.user_id "
    "JOIN b2b_organization o ON o.id = u.organization_id"
)

def rows(sql, *parameters):
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        return cursor.fetchall()

def print_both(name, counted, expected):
    print(json.dumps([name, counted, expected]))

seen = [
    (name, user, datetime.fromisoformat(when))
    for name, user, when in rows(f"SELECT o.name, u.id, s.'when' || '+00:00' {MEMBERS}")
]
for zone in "UTC", "America/New_York", "Asia/Kolkata":
    expected = defaultdict(set)
    for name, user, when in seen:
        expected[f"{name} {when.astimezone(ZoneInfo(zone)):%Y-%m}"].add(user)
    counted = {
        f"{row['segment']} {row['label']}": row["value"]
        for row in active_series(interval="month", tz=zone, by="organization__name").rows()
        if row["value"] and row["segment"] is not None
    }
    print_both(zone, counted, {key: len(users) for key, users in expected.items()})
print_both(
    "seats",
    {row["group"]: row["days"] for row in seats("organization__name").rows()},
    dict(rows(f"SELECT o.name, COUNT(DISTINCT u.id || date(s.'when')) {MEMBERS} GROUP BY 1")),
)
for statement in Statement.objects.all():
    content = statement.content
    [[active]] = rows(
        f"SELECT COUNT(DISTINCT u.id) {MEMBERS} "
        "WHERE o.id = %s AND s.'when' >= %s AND s.'when' < %s",
        content["customer"]["key"],
        *(content[end].replace("T", " ").removesuffix("Z") for end in ("start", "end")),
    )
    print_both(content["customer"]["label"], content["active_users"], active)
"""


@pytest.fixture(scope="module")
def by_name():
    return {customer.name: customer for customer in customers(MIDNIGHT)}


def test_customers_are_the_same_on_the_same_day(by_name):
    assert customers(MIDNIGHT) == list(by_name.values())
    assert len(by_name) == len(set(NAMES)) == 40
    customer = by_name[NAMES[0]]
    assert list(sightings(customer, MIDNIGHT)) == list(sightings(customer, MIDNIGHT))
    keys = [member.key for each in by_name.values() for member in each.members]
    assert len(set(keys)) == len(keys) > 900


def test_subscriptions_start_on_different_days(by_name):
    starts = {each.subscribed for each in by_name.values()}
    assert set(LATE_STARTS) <= starts
    assert len({start.day for start in starts}) > 20


def test_nobody_is_seen_before_joining_or_after_leaving(by_name):
    for customer in by_name.values():
        members = {member.key: member for member in customer.members}
        for key, when in sightings(customer, MIDNIGHT):
            assert members[key].joined <= when < members[key].left
            assert when >= MIDNIGHT - DAYS * DAY


def test_one_customer_has_gone_quiet(by_name):
    last = {
        name: max(when for _, when in sightings(customer, MIDNIGHT))
        for name, customer in by_name.items()
    }
    assert last[QUIET] < MIDNIGHT - QUIET_DAYS * DAY
    assert all(MIDNIGHT - when < timedelta(days=4) for name, when in last.items() if name != QUIET)


def test_one_customer_is_over_quota(by_name):
    over = set()
    for name, customer in by_name.items():
        month = {key for key, when in sightings(customer, MIDNIGHT) if when >= MIDNIGHT - 30 * DAY}
        if customer.quota is not None and len(month) > customer.quota:
            over.add(name)
    assert over == {OVER_QUOTA}
    assert by_name[OVER_QUOTA].quota == PLANS["team"][1]


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The demo in a database of its own; calls run a command, and return what it prints."""
    folder = tmp_path_factory.mktemp("b2b")
    environment = {
        **os.environ,
        "DEMO": "b2b",
        "DEMO_DATABASE": str(folder / "b2b.sqlite3"),
        "DEMO_FILES": str(folder / "files"),
        "DEMO_SERVE": "0",
    }
    environment.pop("DJANGO_SETTINGS_MODULE", None)

    def call(*arguments, code=0):
        done = subprocess.run(
            [sys.executable, str(ROOT / "demo" / "manage.py"), *arguments],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert done.returncode == code, done.stdout
        return done.stdout

    call.loaded = call("demo")
    call.folder = folder / "files"
    return call


@pytest.mark.thorough
def test_every_number_is_what_sql_counts(site):
    both = [json.loads(line) for line in site("shell", "-v0", "-c", COUNT).splitlines()]
    assert len(both) == 4 + 40
    for name, counted, expected in both:
        assert counted == expected, name
        assert counted


@pytest.mark.thorough
def test_what_the_demo_prints(site):
    assert f"\n{OVER_QUOTA} is over its quota: " in site.loaded
    assert site.loaded.count(" is over its quota: ") == 1
    assert "40 groups, 39 with an active seat." in site.loaded
    assert "statement.txt is intact: " in site.loaded


@pytest.mark.thorough
def test_statement_that_is_changed_is_found_out(site):
    file = site.folder / "statement.txt"
    whole = file.read_bytes()
    changed = site.folder / "changed.txt"
    changed.write_bytes(whole.replace(b'"quota":20', b'"quota":30'))
    assert changed.read_bytes() != whole
    assert site("verify_statement", str(file)).startswith(f"{file} is intact: ")
    site("verify_statement", str(changed), code=1)


def test_demo_that_does_not_exist():
    done = subprocess.run(
        [sys.executable, str(ROOT / "demo" / "manage.py"), "check"],
        env={**os.environ, "DEMO": "b2c"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (
        1,
        "There is no demo 'b2c': set DEMO to b2b, or leave it out.\n",
    )
