"""An operator's walk through the demo, with the programs and the guides that they would use."""

import http.cookiejar
import json
import os
import re
import subprocess
import sys
import urllib.request
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

import psycopg
import pytest

from tests.faults.load import visit
from tests.faults.metrics import SOUVENIRS_METRICS_TOKEN
from tests.faults.people import make_people
from tests.faults.scraping import (
    ADDED,
    FAILED,
    LIMITED,
    REMEMBERED,
    scrape,
    text_of,
    visit_until_both_count,
    with_directory,
)
from tests.grafana.dashboards import queries, query_sent
from tests.mail.smtp import mail_server
from tests.processes import ROOT, Web, wait_until

pytestmark = [pytest.mark.faults, pytest.mark.thorough]

MIDDLEWARE = "souvenirs.middleware.SouvenirsMiddleware"
LAST = "souvenirs_last_souvenir_timestamp_seconds"
DAY = timedelta(days=1)

#: Loads a month of the history of git that ends the day before yesterday: too short to judge how
#: many users a day should have, and long enough ago to be silence.
LOAD = """
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from demo import command as shared
from demo.history import commits, moved
from demo.management.commands import demo
folder = Path(os.environ["FOLDER"])
demo.HISTORY, shared.LOGIN = folder / "history.csv", folder / "login"
midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
_, history = moved(commits(), midnight)
first, last = midnight - timedelta(days=32), midnight - timedelta(days=2)
command = demo.Command()
command.load([commit for commit in history if first <= commit.when < last])
command.create_login()
"""


def guide(name):
    return (ROOT / "docs/how-to" / f"{name}.md").read_text()


class Demo:
    """The demo in a database of its own, which its processes use as the role ``site``."""

    def __init__(self, server, name, cache, people, login):
        self.server, self.name, self.people, self.login = server, name, people, login
        self.environment = environment_of(server, name) | {
            "DEMO_DATABASE": server.database(name).replace("postgres@", "site@"),
            "DEMO_CACHE": cache,
        }

    def run(self, *words, **environment):
        """Run a command as a timer does; return its exit code and what it prints."""
        return run(self.environment | environment, *words)

    def execute(self, sql):
        return self.server.execute(sql, self.name)

    def web(self, tmp_path, **environment):
        settings = with_directory(self.environment | environment, tmp_path)
        return Web(settings, workers=2, ready="/admin/login/")

    def sign_in(self, web):
        """Sign in on the page of the admin, some minutes ago."""
        page = f"{web.url}/admin/login/"
        jar = http.cookiejar.CookieJar()
        browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(jar))
        browser.open(page, timeout=60).read()
        token = {each.name: each.value for each in jar}["csrftoken"]
        name, _, password = self.login.partition(" / ")
        words = {"username": name, "password": password, "next": "/you/"}
        words["csrfmiddlewaretoken"] = token
        browser.open(page, urlencode(words).encode(), timeout=60).read()
        [(signed_in,)] = self.execute(
            "UPDATE auth_user SET last_login = last_login - interval '5 minutes' "
            f"WHERE username = '{name}' AND last_login > now() - interval '5 minutes' "
            "RETURNING username"
        )
        assert signed_in == name

    def seen_since(self, when):
        sql = f"SELECT count(DISTINCT user_id) FROM souvenirs_souvenir WHERE \"when\" >= '{when}'"
        return self.execute(sql)[0][0]


def environment_of(server, name):
    return {
        "DJANGO_SETTINGS_MODULE": "tests.faults.demo",
        "PYTHONPATH": os.pathsep.join(filter(None, [os.environ.get("PYTHONPATH"), str(ROOT)])),
        "DEMO_DATABASE": server.database(name),
        "DEMO_CACHE": "",
        "DEMO_SECRET_KEY": "a secret of the tests",
        "DEMO_METRICS_TOKEN": SOUVENIRS_METRICS_TOKEN,
    }


def run(environment, *words):
    done = subprocess.run(
        [sys.executable, "demo/manage.py", *words],
        cwd=ROOT,
        env={**os.environ, **environment},
        check=False,
        capture_output=True,
        text=True,
    )
    print(done.stderr)  # seen where the test fails
    return done.returncode, done.stdout


@pytest.fixture(scope="module")
def loaded(postgresql, tmp_path_factory):
    """A database with the demo, the people in it, and its login."""
    folder = tmp_path_factory.mktemp("demo")
    postgresql.execute("CREATE DATABASE loaded")
    postgresql.execute("CREATE ROLE site LOGIN")
    environment = environment_of(postgresql, "loaded") | {"FOLDER": str(folder)}
    people = make_people(environment, 0)
    assert people == []
    code, printed = run(environment, "shell", "-v0", "-c", LOAD)
    assert code == 0, printed
    people = make_people(environment, 0)
    for kind in "TABLES", "SEQUENCES":
        sql = f"GRANT ALL ON ALL {kind} IN SCHEMA public TO site"
        postgresql.execute(sql, "loaded")
    # Only authors come to visit: the login is there for the operator.
    return [each for each in people if each.pk < 10_000], (folder / "login").read_text()


@pytest.fixture
def demo(postgresql, loaded, redis, tmp_path):
    name = f"demo_{redis.port}"
    postgresql.execute(f"CREATE DATABASE {name} TEMPLATE loaded")
    return Demo(postgresql, name, redis.url, *loaded)


def timer_line():
    """The command of the timer, from the guide."""
    [line] = re.findall(r"^ExecStart=\S+ manage\.py (.*)$", guide("timers"), re.MULTILINE)
    return line.split()


def test_workers_record_a_timer_digests_and_prometheus_sees_it(demo, tmp_path):
    some = demo.people[:12]
    with demo.web(tmp_path) as web:
        visits = visit_until_both_count(web, some, tmp_path, "/you/")
        code, printed = demo.run(*timer_line())
        assert code == 0, printed
        assert f"Digested {len(some)} souvenirs" in printed
        scrapes = [scrape(web) for _ in range(4)]
    assert {each.status for each in visits} == {200}
    today = datetime.now(UTC).date()
    for found in scrapes:
        assert found[ADDED] == len(some)
        assert found[ADDED] + found[LIMITED] == len(visits)
        assert found["souvenirs_undigested_souvenirs"] == 0
        assert found["souvenirs_scrape_success"] == 1
        for window, days in (("1d", 1), ("7d", 7), ("28d", 28)):
            seen = demo.seen_since(today - (days - 1) * DAY)
            assert found[f'souvenirs_active_users{{segment="",window="{window}"}}'] == seen
    published = dict(
        demo.execute("SELECT first_day, active FROM souvenirs_daily WHERE segment = ''")
    )
    counted = dict(
        demo.execute(
            "SELECT (\"when\" AT TIME ZONE 'UTC')::date, count(DISTINCT user_id) "
            "FROM souvenirs_souvenir GROUP BY 1"
        )
    )
    assert len(published) > 28
    assert published == {day: counted.get(day, 0) for day in published}
    assert counted.keys() <= published.keys()


def alert_rules():
    [rules] = re.findall(r"^groups:\n.*?^```", guide("prometheus"), re.MULTILINE | re.DOTALL)
    return [rules]


def test_dashboards_are_answered(demo, tmp_path):
    with demo.web(tmp_path) as web:
        visit_until_both_count(web, demo.people[:3], tmp_path, "/you/")
        assert demo.run(*timer_line())[0] == 0
        shown = set(re.findall(r"^(souvenirs_\w+)", text_of(web), re.MULTILINE))
    used = {
        name
        for text in [query.text for query in queries("prometheus", "expr")] + alert_rules()
        for name in re.findall(r"souvenirs_\w+", text)
    }
    assert len(used) > 8
    assert used <= shown

    demo.execute("CREATE ROLE grafana LOGIN")
    for grant in re.findall(r"^GRANT .*;$", guide("grafana"), re.MULTILINE):
        demo.execute(grant)
    url = demo.server.database(demo.name).replace("postgres@", "grafana@")
    now = datetime.now(UTC)
    with psycopg.connect(url, autocommit=True) as grafana:
        for query in queries("postgresql", "rawSql"):
            sql = query_sent(query.text, "postgresql", now - 40 * DAY, now)
            assert grafana.execute(sql).fetchall(), query.panel
        [active] = [
            query.text
            for query in queries("postgresql", "rawSql")
            if query.panel == "Active in 28 days"
        ]
        seen = demo.seen_since(now.date() - 27 * DAY)
        assert grafana.execute(query_sent(active, "postgresql", now, now)).fetchall() == [(seen,)]
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            grafana.execute("SELECT * FROM souvenirs_souvenir")


# Recording is broken


def alerts(demo, **environment):
    """The findings of ``check_activity``, by kind."""
    code, printed = demo.run("check_activity", "--json", **environment)
    found = json.loads(printed)["findings"]
    assert code == bool(found), printed
    return {each["kind"]: each["text"] for each in found}


def diagnosis(demo, **environment):
    """What the doctor finds wrong in the middleware and in what is recorded, by area."""
    _, printed = demo.run("souvenirs_doctor", "--json", **environment)
    return {
        each["area"]: each["message"]
        for each in json.loads(printed)["findings"]
        if each["area"] in ("middleware", "recording") and each["state"] != "ok"
    }


def test_missing_middleware_is_told_until_it_is_there(demo, tmp_path):
    broken = {"WITHOUT": MIDDLEWARE}
    folders = [tmp_path / name for name in ("before", "after")]
    for folder in folders:
        folder.mkdir()
    with demo.web(folders[0], **broken) as web:
        demo.sign_in(web)
        visit_until_both_count(web, demo.people[:3], folders[0], "/you/")
        found = scrape(web)
    assert found[ADDED] == found[LIMITED] == 0
    assert found[LAST] < datetime.now(UTC).timestamp() - DAY.total_seconds()
    assert "1 user signed in: recording is broken." in alerts(demo, **broken)["silence"]
    told = diagnosis(demo, **broken)
    assert "MIDDLEWARE does not contain" in told["middleware"]
    assert "The last souvenir is from" in told["recording"]

    began = datetime.now(UTC).timestamp()
    with demo.web(folders[1]) as web:
        visit_until_both_count(web, demo.people[:3], folders[1], "/you/")
        found = scrape(web)
    assert found[ADDED] == 3
    assert found[LAST] >= began
    assert alerts(demo) == {}
    assert diagnosis(demo) == {}


def test_revoked_right_is_told_until_it_is_granted(demo, tmp_path):
    everyone = demo.people[:6]
    demo.execute("REVOKE INSERT ON souvenirs_souvenir FROM site")
    with demo.web(tmp_path) as web:
        demo.sign_in(web)
        visits = visit_until_both_count(web, everyone, tmp_path, "/you/")
        found = scrape(web)
        assert {each.status for each in visits} == {200}
        assert found[ADDED] == 0
        assert found[FAILED] >= found[REMEMBERED] >= len(everyone)
        assert "1 user signed in: recording is broken." in alerts(demo)["silence"]
        assert "The last souvenir is from" in diagnosis(demo)["recording"]

        demo.execute("GRANT INSERT ON souvenirs_souvenir TO site")

        def all_recorded():
            visit(web, "/you/", everyone[0])
            return demo.seen_since(datetime.now(UTC) - DAY) == len(everyone) + 1

        # The processes have remembered who came meanwhile, and who signed in.
        assert wait_until(all_recorded, 60)
        repaired = scrape(web)
        visit(web, "/you/", demo.people[6])
        later = scrape(web)
    assert repaired[ADDED] == len(everyone) + 1
    assert (later[FAILED], later[ADDED]) == (repaired[FAILED], repaired[ADDED] + 1)
    assert alerts(demo) == {}
    assert diagnosis(demo) == {}


# Mail

COUNTS = """
from datetime import UTC, datetime, timedelta
from souvenirs.control import count_active_users
midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
monday = midnight - timedelta(days=midnight.weekday())
print(*(count_active_users(monday - timedelta(days=days), monday) for days in (7, 1, 7, 30)))
"""


def test_mail_has_the_numbers_of_the_week(demo):
    [line] = re.findall(r"manage\.py (email_usage .*) >", guide("timers"))
    with mail_server() as (mailbox, port):
        mail = {"MAIL_PORT": str(port)}
        assert demo.run(*line.split(), **mail) == (0, "ann@example.com: sent.\n")
        assert demo.run(*line.split(), **mail) == (0, "ann@example.com: already sent.\n")
    [(recipients, message)] = mailbox.mails
    assert recipients == ["ann@example.com"]
    code, counts = demo.run("shell", "-v0", "-c", COUNTS)
    assert code == 0, counts
    text = message.get_body(("plain",)).get_content()
    assert f"{counts.split()[0]} active users" in message["Subject"]
    shown = re.findall(r"^Active (?:on the last day|in the last \d+ days) +([\d,]+)", text, re.M)
    assert shown == counts.split()[1:]
