"""What the pages cost: the time and the queries of each, and what many readers at once wait for.

Each page is asked for through all of Django, in this process; then gunicorn serves them to readers
who are signed in, of whom each opens one page after another.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from datetime import timedelta
from http.client import HTTPException
from pathlib import Path
from random import Random
from statistics import median, quantiles
from time import perf_counter, process_time, sleep
from typing import Any, NamedTuple

from _common import (
    NAME,
    TITLES,
    WEEK,
    answering,
    machine,
    ms,
    print_table,
    say,
    scratch,
    site_arguments,
)
from _data import SEED, settle
from _pages import SITE
from count import made_up
from django.conf import settings
from django.contrib.auth.models import Permission, User
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Index
from django.test import Client, override_settings
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from serve import connect, start, wait_for

from souvenirs.digests import Digester
from souvenirs.models import Souvenir

#: Souvenirs that wait to be digested, as on a site that digests every few minutes.
WAITING = 200
#: Of gunicorn, on two cores.
WORKERS, THREADS = 2, 2
#: Seconds that a reader looks at a page, on average.
PAUSES = (20.0, 10.0)

#: Tells an engine of an index, as it learns by itself in a while.
ANALYSE = {
    "sqlite": "ANALYZE {}",
    "postgresql": "VACUUM ANALYZE {}",
    "mysql": "ANALYZE TABLE {}",
}

USAGE = "/admin/souvenirs/usage/"


class Page(NamedTuple):
    title: str
    url: str
    #: Who looks at it: the superuser, or somebody who may only see numbers.
    reader: str = "boss"
    #: Whether readers who look around open it.
    is_common: bool = False


def main() -> None:
    options = arguments()
    engines = answering(options.engines)
    print(f"## Pages\n\n{machine(engines)}.\n")
    print(
        f"{options.rows:,} souvenirs of {options.users:,} users in the {options.days} days up to "
        f"now, all but {WAITING} of them digested in buckets of {options.bucket} seconds, on a "
        f"site in {options.tz}. Each page with its middleware and templates: the first request for "
        f"it, then the median, the longest and the shortest of {options.rounds}, and the shortest "
        "time of this process on a processor.\n"
    )
    with tempfile.TemporaryDirectory(prefix=NAME) as folder:
        for engine in engines:
            with (
                scratch(engine, options.keep) as connection,
                override_settings(
                    **SITE,
                    TIME_ZONE=options.tz,
                    SOUVENIRS_BUCKET_SECONDS=options.bucket,
                ),
            ):
                fill(connection, options, Path(folder))
                wanted = [page for page in pages(options.days) if options.only in page.title]
                with indexed(connection) if options.index else nullcontext():
                    rows = [measured(connection, page, options.rounds) for page in wanted]
                times = ["first", "median", "longest", "shortest", "processor"]
                headers = [TITLES[engine], "queries", *times, "size"]
                print_table(headers, rows)
                if engine != "sqlite" and options.seconds:
                    common = [page for page in wanted if page.is_common]
                    print_readers(connection, common, options.readers, options.seconds)


def arguments() -> argparse.Namespace:
    parser = site_arguments(__doc__, rows=1_000_000, users=100_000, days=1096)
    parser.add_argument("--rounds", type=int, default=7, help="requests for a page, 7 by default")
    parser.add_argument("--only", default="", help="only pages that have this in their title")
    parser.add_argument("--readers", type=int, default=50, help="at once, 50 by default")
    parser.add_argument(
        "--seconds", type=float, default=60, help="that readers look around, 60 by default; 0: none"
    )
    parser.add_argument("--tz", default="UTC", help="TIME_ZONE of the site, UTC by default")
    parser.add_argument("--bucket", type=int, default=3600, help="seconds, 3600 by default")
    parser.add_argument("--index", action="store_true", help="with the index of users in the docs")
    return parser.parse_args()


def fill(connection: BaseDatabaseWrapper, options: argparse.Namespace, folder: Path) -> None:
    """Make everything up that is not there yet, and what is always new."""
    made_up(connection, options, folder)
    # The local days of another time zone are built once.
    for _ in Digester().run():
        pass
    settle(connection)
    if not User.objects.filter(username="boss").exists():
        User.objects.create_superuser("boss")
        staff = User.objects.create_user("staff", is_staff=True)
        staff.user_permissions.set(Permission.objects.filter(codename="view_usage"))
    Souvenir.objects.filter(digested=False).delete()
    chance, now = Random(SEED), timezone.now()
    Souvenir.objects.bulk_create(
        Souvenir(
            user_id=chance.randrange(1, options.users),
            when=now - timedelta(seconds=chance.randrange(900)),
        )
        for _ in range(WAITING)
    )


@contextmanager
def indexed(connection: BaseDatabaseWrapper) -> Iterator[None]:
    """Give the table of users what registered and activated users can be counted from."""
    index = Index(fields=["date_joined", "is_active"], name="user_joined_active")
    with connection.schema_editor() as editor:
        editor.add_index(User, index)
    try:
        with connection.cursor() as cursor:
            cursor.execute(ANALYSE[connection.vendor].format(User._meta.db_table))
        yield
    finally:
        with connection.schema_editor() as editor:
            editor.remove_index(User, index)


def pages(days: int) -> Iterator[Page]:
    """Generate every page, in the ways that cost the most."""
    now = timezone.now()
    since = f"from={now - timedelta(days=days):%Y-%m-%d}"
    years, last_months = f"from={now.year - 6}-01-01", f"from={now - timedelta(days=59):%Y-%m-%d}"
    yield Page("overview, 12 months", USAGE, is_common=True)
    for preset in ("7d", "28d", "90d"):
        yield Page(f"overview, {preset}", f"{USAGE}?preset={preset}", is_common=True)
    yield Page("overview, 90 days by day", f"{USAGE}?preset=90d&interval=day")
    yield Page("overview, all that is known", f"{USAGE}?{since}")
    yield Page("overview, 7 years by week", f"{USAGE}?{years}&interval=week")
    for interval in ("day", "week", "month"):
        expected = f"{USAGE}?interval={interval}&only=expected"
        yield Page(f"overview, expected in the {interval}", expected)
    yield Page("overview, since 1926", f"{USAGE}?from=1926-01-01&interval=year")
    yield Page("overview, in Kolkata", f"{USAGE}?tz=Asia/Kolkata")
    yield Page("overview, 1 % of users", f"{USAGE}?segment=few", is_common=True)
    yield Page("overview, 90 % of users", f"{USAGE}?segment=most")
    yield Page("overview, only numbers", USAGE, "staff")
    yield Page("overview, only numbers, 1 %", f"{USAGE}?segment=few", "staff")

    retention = f"{USAGE}retention/"
    yield Page("retention, 12 months", retention, is_common=True)
    yield Page("retention, all that is known", f"{retention}?{since}")
    yield Page("retention, 60 days by day", f"{retention}?{last_months}&interval=day")
    yield Page("retention, registered", f"{retention}?cohort=joined", is_common=True)
    yield Page("retention, registered, all", f"{retention}?cohort=joined&{since}")
    yield Page("retention, in or later", f"{retention}?mode=in_or_later")
    yield Page("retention, 1 % of users", f"{retention}?segment=few")
    yield Page("retention, 90 % of users", f"{retention}?segment=most")
    yield Page("retention, only numbers, 1 %", f"{retention}?segment=few", "staff")
    yield from lists(f"{USAGE}people/?", now.strftime("%Y-%m"))

    billing = f"{USAGE}billing/?subscription_start={now.year - 2}-01-15"
    yield Page("billing, 24 months", billing, is_common=True)
    yield Page("billing, 400 days", f"{billing}&interval=day&recent=400")
    yield Page("health", f"{USAGE}health/", is_common=True)
    yield Page("health, only numbers", f"{USAGE}health/", "staff")
    yield Page("souvenirs", "/admin/souvenirs/souvenir/", is_common=True)
    yield Page("souvenirs, the last page", "/admin/souvenirs/souvenir/?p=100")
    users = "/admin/auth/user/"
    yield Page("users", users, is_common=True)
    yield Page("users, by last seen", f"{users}?o=-6")
    for value in ("recently", "90", "never"):
        yield Page(f"users, {value}", f"{users}?last-seen={value}", is_common=value == "90")
    yield Page("a user", f"{users}777/change/", is_common=True)


def lists(people: str, month: str) -> Iterator[Page]:
    yield Page("people, active in 28 days", people, is_common=True)
    active = f"{people}preset=12mo"
    yield Page("people, active in 12 months", active, is_common=True)
    for name, query in {
        "from z to a": "order=-name",
        "the latest first": "order=-joined",
        "by last seen": "order=seen",
        "by last seen, the latest first": "order=-seen",
        "by active days": "order=days",
        "by active days, the most active first": "order=-days",
        "search": "q=r77",
        "search in vain": "q=nobody",
        "search in this list": "q=r77&among=list",
        "page 200": "page=200",
        "1 % of users": "segment=few",
        "90 % of users": "segment=most",
    }.items():
        yield Page(f"people, active, {name}", f"{active}&{query}")
    for name in ("recent", "inactive", "never"):
        yield Page(f"people, {name}", f"{people}list={name}", is_common=True)
        yield Page(f"people, {name}, the latest first", f"{people}list={name}&order=-joined")
        yield Page(f"people, {name}, by last seen", f"{people}list={name}&order=-seen")
        yield Page(f"people, {name}, 1 % of users", f"{people}list={name}&segment=few")
    yield Page("people, never, search in vain", f"{people}list=never&q=nobody")
    yield Page("people, inactive for 3 years", f"{people}list=inactive&days=1090")
    for name in ("new", "retained", "resurrected", "churned", "cohort"):
        yield Page(f"people, {name}", f"{active}&interval=month&list={name}&of={month}")
    joined = f"{active}&interval=month&list=cohort&cohort=joined&of={month}"
    yield Page("people, cohort of registered", joined)


def measured(connection: BaseDatabaseWrapper, page: Page, rounds: int) -> list[str]:
    """A row of the table."""
    client = signed_in(page.reader)
    first, size = ask(client, page)
    with CaptureQueriesContext(connection) as queries:
        ask(client, page)
    count = len(queries)
    taken, busy = [], []
    for _ in range(rounds):
        began = process_time()
        taken.append(ask(client, page)[0])
        busy.append(process_time() - began)
    times = [first, median(taken), max(taken), min(taken), min(busy)]
    row = [page.title, str(count), *map(ms, times)]
    say("  " + ", ".join(row))
    return [*row, f"{size / 1e3:,.0f} kB"]


def signed_in(name: str) -> Client:
    client = Client()
    client.force_login(User.objects.get(username=name))
    return client


def ask(client: Client, page: Page) -> tuple[float, int]:
    """The seconds and the bytes of an answer."""
    began = perf_counter()
    response = client.get(page.url)
    taken = perf_counter() - began
    assert response.status_code == 200, (page, response.status_code)
    return taken, len(response.content)


class Visit(NamedTuple):
    seconds: float
    is_answered: bool


def print_readers(
    connection: BaseDatabaseWrapper, common: Sequence[Page], readers: int, seconds: float
) -> None:
    cookie = signed_in("boss").cookies[settings.SESSION_COOKIE_NAME].value
    rows = []
    with serving(connection) as port:
        # Every worker has compiled its templates.
        look_around(port, cookie, common, 2 * WORKERS * THREADS, 0, 10)
        for pause in PAUSES:
            say(f"{readers} readers, who look at a page for {pause:g} s...")
            began = perf_counter()
            visits = look_around(port, cookie, common, readers, pause, seconds)
            spent = perf_counter() - began
            taken = sorted(visit.seconds for visit in visits)
            errors = sum(not visit.is_answered for visit in visits)
            rows.append(
                [
                    f"{pause:g} s" if pause else "not at all",
                    f"{len(visits):,}",
                    f"{errors:,}",
                    f"{len(visits) / spent:.1f}",
                    *(ms(each) for each in (median(taken), quantiles(taken, n=20)[-1], taken[-1])),
                ]
            )
    print(
        f"{readers} concurrent readers of {len(common)} of these pages, in any order, for "
        f"{seconds:g} seconds, with gunicorn ({WORKERS} workers of {THREADS} threads) and the "
        "client on the same machine.\n"
    )
    headers = ["a reader loads a page every", "requests", "errors", "per second", "median", "95 %"]
    print_table([*headers, "longest"], rows)


@contextmanager
def serving(connection: BaseDatabaseWrapper) -> Iterator[int]:
    site: dict[str, Any] = SITE | {
        "SERVED_AS": "wsgi",
        "TIME_ZONE": settings.TIME_ZONE,
        "DATABASES": {"default": {**connection.settings_dict, "CONN_MAX_AGE": None}},
        "INSTALLED_APPS": settings.INSTALLED_APPS,
        "DEFAULT_AUTO_FIELD": settings.DEFAULT_AUTO_FIELD,
        "SECRET_KEY": settings.SECRET_KEY,
        "USE_TZ": True,
        "SOUVENIRS_RATELIMIT_SECONDS": WEEK,
    }
    server = start("gunicorn", "pages", site, WORKERS, THREADS)
    try:
        wait_for(server, "admin/login")
        yield server.port
    finally:
        server.stop()


def look_around(
    port: int, cookie: str, common: Sequence[Page], readers: int, pause: float, seconds: float
) -> list[Visit]:
    """What so many readers had to wait for their pages, each of whom begins no more after that."""
    end = perf_counter() + seconds

    def read(number: int) -> list[Visit]:
        chance = Random(number)
        sleep(chance.uniform(0, pause))
        visits = []
        while perf_counter() < end:
            began = perf_counter()
            # The server keeps none open for as long as somebody reads.
            connection = connect(port)
            try:
                url = chance.choice(common).url
                connection.request("GET", url, headers={"Cookie": f"sessionid={cookie}"})
                response = connection.getresponse()
                is_answered = response.status == 200 and b"</html>" in response.read()
            except (OSError, HTTPException):
                is_answered = False
            finally:
                connection.close()
            visits.append(Visit(perf_counter() - began, is_answered))
            sleep(chance.uniform(0.5, 1.5) * pause)
        return visits

    with ThreadPoolExecutor(readers) as pool:
        return [visit for visits in pool.map(read, range(readers)) for visit in visits]


if __name__ == "__main__":
    main()
