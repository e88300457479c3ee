"""The demo shows what its README describes: the authors of git, in groups, on its pages."""

import csv
import gzip
import re
from collections import defaultdict
from io import StringIO
from pathlib import Path

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.core.management import call_command

from demo import settings as demo
from demo.management.commands import demo as command
from souvenirs.control import count_active_users
from souvenirs.counting.segments import segment
from tests.conftest import at

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
    command.Command(stdout=StringIO()).create_users()


def test_segments_have_the_users_that_the_readme_describes(authors, members):
    assert {name: set(segment(name)) for name in demo.SOUVENIRS_SEGMENTS} == members
    told = re.findall(r"^\| `(\w+)` \| .* \| ([\d,]+) \|$", (DATA / "README.md").read_text(), re.M)
    assert told == [(name, f"{len(users):,}") for name, users in members.items()]


def test_groups_are_created_once(authors, members):
    command.Command(stdout=StringIO()).create_users()
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
    monkeypatch.setattr(command, "LOGIN", tmp_path / ".login")
    monkeypatch.setenv("DEMO_PORT", "8765")
    started = []
    monkeypatch.setattr(command.os, "execv", lambda _, arguments: started.extend(arguments))

    def serve():
        out = StringIO()
        shown = command.Command(stdout=out, no_color=True)
        shown.serve(shown.create_login())
        return out.getvalue(), started

    return serve


def test_printed_address_leads_to_the_pages_in_one_step(served, client):
    printed, started = served()
    site, path, name, password = re.search(
        r"http://(\S+?)(/\S*)  sign in as (\S+) / (\S+)", printed
    ).groups()
    assert started[-1] == site == "127.0.0.1:8765"
    login = client.get(path, follow=True)
    assert login.templates[0].name == "admin/login.html"
    words = {"username": name, "password": password, "next": login.context["next"]}
    page = client.post(login.redirect_chain[-1][0], words, follow=True)
    assert (page.status_code, len(page.redirect_chain)) == (200, 1)
    assert page.templates[0].name == "souvenirs/dashboard/overview.html"
    assert "From Aug. 1, 2025, before Aug. 21, 2026" in page.content.decode()


def test_login_stays_the_same_and_works_on_every_database(served, client):
    first, _ = served()
    assert served()[0] == first
    get_user_model().objects.get(username="demo").delete()
    assert served()[0] == first
    name, password = re.search(r"sign in as (\S+) / (\S+)", first).groups()
    assert client.login(username=name, password=password)
