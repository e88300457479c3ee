"""The demo shows what its README describes: the authors of git, in groups, on its pages."""

import csv
import gzip
import os
import re
import socket
import subprocess
import sys
from collections import defaultdict
from datetime import timedelta
from io import StringIO
from pathlib import Path

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.core.exceptions import ImproperlyConfigured
from django.core.management import CommandError, call_command
from django.utils import timezone

from demo import command as shared
from demo import settings as demo
from demo.history import DAY, WEEK, commits, moved
from demo.management.commands import demo as command
from souvenirs.control import count_active_users
from souvenirs.counting.segments import segment
from souvenirs.models import Souvenir
from souvenirs.reports import calendar_yearly_usage
from tests.conftest import at
from tests.processes import ROOT

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.above_the_store,
    pytest.mark.skipif(
        get_user_model()._meta.label != "auth.User", reason="the demo uses Django's own user model"
    ),
]

DATA = Path(demo.__file__).parent / "data"


def history():
    with gzip.open(DATA / "gitgit_commits.csv.gz", "rt", newline="") as lines:
        return list(csv.DictReader(lines))


#: The history as it is in the file.
UNMOVED = commits()
END = at(2026, 8, 21)


@pytest.mark.parametrize("days", [*range(8), -1, 400, 5000])
def test_history_ends_on_the_day_before_and_keeps_its_weekdays(days):
    midnight = END + timedelta(days=days)
    weeks, history = moved(UNMOVED, midnight)
    assert midnight - DAY <= history[-1].when < midnight
    assert len(history) > len(UNMOVED) - 300
    assert all(
        now == then._replace(when=then.when + weeks * WEEK)
        for now, then in zip(history, UNMOVED, strict=False)
    )


def test_history_of_the_file_is_not_moved():
    assert moved(UNMOVED, END) == (0, UNMOVED)
    assert [(str(commit.author), commit.when.isoformat()) for commit in UNMOVED] == [
        (row["user_id"], row["when"]) for row in history()
    ]


@pytest.mark.django_db(transaction=True)
def test_history_is_loaded_once_in_a_week_and_anew_in_the_next(settings, tmp_path, monkeypatch):
    settings.SOUVENIRS_RATELIMIT_SECONDS = 0
    monkeypatch.setattr(command, "HISTORY", tmp_path / "history.csv")
    first = UNMOVED[:40]
    assert load(first) == load(first) == {(each.author, each.when) for each in first}
    with_new = [*first, UNMOVED[40]._replace(author=77)]
    assert load(with_new) == {(each.author, each.when) for each in with_new}
    week_later = [each._replace(when=each.when + WEEK) for each in first]
    assert load(week_later) == {(each.author, each.when) for each in week_later}
    assert get_user_model().objects.count() == len({each.author for each in first})


def load(some):
    """Load some commits as the command does, and return the souvenirs of the demo."""
    shown = command.Command(stdout=StringIO(), stderr=StringIO())
    assert shown.load(some) == some[0].when
    return set(Souvenir.objects.values_list("user_id", "when"))


@pytest.fixture(scope="module")
def members():
    """The users in each group, according to nothing but the README of the data."""
    days, mergers = defaultdict(set), set()
    for row in history():
        days[int(row["user_id"])].add(row["when"][:10])
        if row["activity"] == "merge":
            mergers.add(int(row["user_id"]))
    casual = {author for author, each in days.items() if len(each) <= 3}
    return {"mergers": mergers, "regulars": days.keys() - casual, "casual": casual}


@pytest.fixture
def authors(settings):
    settings.SOUVENIRS_SEGMENTS = demo.SOUVENIRS_SEGMENTS
    command.Command(stdout=StringIO()).create_users(UNMOVED)


def test_segments_have_the_users_that_the_readme_describes(authors, members):
    assert {name: set(segment(name)) for name in demo.SOUVENIRS_SEGMENTS} == members
    told = re.findall(r"^\| `(\w+)` \| .* \| ([\d,]+) \|$", (DATA / "README.md").read_text(), re.M)
    assert told == [(name, f"{len(users):,}") for name, users in members.items()]


def test_groups_are_created_once(authors, members):
    command.Command(stdout=StringIO()).create_users(UNMOVED)
    assert {group.name: group.user_set.count() for group in Group.objects.all()} == {
        name: len(users) for name, users in members.items()
    }


def test_active_users_of_each_group(authors, members):
    """In three of the years, compared with a count of the file."""
    call_command("import_souvenirs", str(DATA / "gitgit_commits.csv.gz"), stdout=StringIO())
    active = defaultdict(set)
    for row in history():
        active[int(row["when"][:4])].add(int(row["user_id"]))
    for year in (2005, 2015, 2025):
        span = at(year, 1, 1), at(year + 1, 1, 1)
        expected = {name: len(active[year] & users) for name, users in members.items()}
        assert dict(count_active_users(*span, by="segment")) == expected
        assert dict(count_active_users(*span, by="groups__name")) == expected


@pytest.fixture
def served(settings, tmp_path, monkeypatch):
    """Return a function that serves, and returns what is printed and the server's arguments."""
    settings.ROOT_URLCONF = "demo.urls"
    settings.LOGIN_URL = demo.LOGIN_URL
    monkeypatch.setattr(shared, "LOGIN", tmp_path / ".login")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    monkeypatch.setenv("DEMO_PORT", port)
    started, output = [], tmp_path / "output.txt"

    def serve():
        # What is not in the file when the server takes over is lost.
        monkeypatch.setattr(
            shared.os, "execv", lambda _, each: started.extend([*each, output.read_text()])
        )
        with output.open("w") as out:
            shown = command.Command(stdout=out, no_color=True)
            shown.serve(shown.create_login(), shared.free_port())
        return started.pop(), started

    return serve


def test_printed_address_leads_to_the_pages_in_one_step(served, client):
    printed, started = served()
    site, path, name, password = re.search(
        r"http://(\S+?)(/\S*)  sign in as (\S+) / (\S+)", printed
    ).groups()
    assert started[-1] == site == f"127.0.0.1:{os.environ['DEMO_PORT']}"
    login = client.get(path, follow=True)
    assert login.templates[0].name == "admin/login.html"
    words = {"username": name, "password": password, "next": login.context["next"]}
    page = client.post(login.redirect_chain[-1][0], words, follow=True)
    assert (page.status_code, len(page.redirect_chain)) == (200, 1)
    assert page.templates[0].name == "souvenirs/dashboard/overview.html"


def test_login_is_not_registered(authors, served):
    served()
    [year] = calendar_yearly_usage(timezone.now())
    assert year["usage"]["registered_users"] == len({commit.author for commit in UNMOVED})


SIGNED_IN = """
from pathlib import Path
from django.contrib.auth.models import User
from django.core.management import call_command
from django.test import Client
from demo import command
from demo.management.commands import demo
command.LOGIN = Path({login!r})
call_command("migrate", verbosity=0)
demo.Command().create_login()
user = User.objects.get()
client = Client()
client.force_login(user)
for page in "auth/user/", f"auth/user/{{user.pk}}/change/", "souvenirs/usage/people/":
    response = client.get(f"/admin/{{page}}", SERVER_NAME="localhost")
    print(response.status_code, response.content.decode())
"""


def test_login_is_shown_as_not_registered(tmp_path):
    """In the list of users in the admin, on the login's own page, and on the app's page."""
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "demo.settings",
        "DEMO_DATABASE": str(tmp_path / "demo.sqlite3"),
    }
    script = SIGNED_IN.format(login=str(tmp_path / ".login"))
    shown = subprocess.run(
        [sys.executable, "-m", "demo.manage", "shell", "-v0", "-c", script],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert (shown.count("200 <!DOCTYPE"), shown.count("not yet"), shown.count("9999")) == (3, 3, 0)


def test_port_in_use_is_said_before_any_work(served, monkeypatch, django_assert_num_queries):
    with socket.create_server(("127.0.0.1", 0)) as taken, django_assert_num_queries(0):
        port = taken.getsockname()[1]
        monkeypatch.setenv("DEMO_PORT", str(port))
        with pytest.raises(CommandError) as error:
            call_command(command.Command())
    assert str(error.value) == (
        f"Cannot serve on port {port} (Address already in use): choose another one, as in "
        "make demo DEMO_PORT=8001."
    )


@pytest.mark.parametrize("text", ["", "http", "-1", "65536"])
def test_port_that_is_no_port(monkeypatch, text):
    monkeypatch.setenv("DEMO_PORT", text)
    with pytest.raises(CommandError, match=rf"port {text} \(not a port\): choose another one"):
        shared.free_port()


def test_login_stays_the_same_and_works_on_every_database(served, client):
    first, _ = served()
    assert served()[0] == first
    get_user_model().objects.get(username="demo").delete()
    assert served()[0] == first
    name, password = re.search(r"sign in as (\S+) / (\S+)", first).groups()
    assert client.login(username=name, password=password)


@pytest.mark.parametrize("scheme", ["postgres", "postgresql"])
def test_database_is_a_url_of_postgresql(scheme):
    assert demo.database(f"{scheme}://ann:a%2Fb@127.0.0.1:5433/some%20demo") == {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": "some demo",
        "USER": "ann",
        "PASSWORD": "a/b",
        "HOST": "127.0.0.1",
        "PORT": 5433,
    }


def test_database_is_a_path_of_sqlite():
    found = demo.database("/tmp/demo.sqlite3")
    assert (found["ENGINE"], found["NAME"]) == ("django.db.backends.sqlite3", "/tmp/demo.sqlite3")


def test_database_of_another_kind_is_refused():
    with pytest.raises(ImproperlyConfigured, match=r"DEMO_DATABASE should be .*not 'mysql://"):
        demo.database("mysql://root@x/y")


METRICS = """
import sys
{without}
import django
django.setup()
from django.urls import Resolver404, resolve
for path in "/metrics", "/you/":
    try:
        print(resolve(path).func.__module__)
    except Resolver404:
        print("none")
"""


@pytest.mark.parametrize(
    ("without", "expected"),
    [
        ("", ["souvenirs.metrics.views", "demo.views"]),
        ("sys.modules['prometheus_client'] = None", ["none", "demo.views"]),
    ],
    ids=["installed", "not installed"],
)
def test_metrics_are_there_if_prometheus_client_is(without, expected):
    shown = subprocess.run(
        [sys.executable, "-c", METRICS.format(without=without)],
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "demo.settings"},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert shown.split() == expected
