"""The life of a site from its first table on: ``python -m tests.sites.life``.

Runs with the settings of the site, starts its server, and compares what it says with brute force.
"""

from __future__ import annotations

import http.client
import json
import os
from collections import Counter
from contextlib import closing
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode, urlsplit

import django

NUMBERS = range(1, 13)
MANAGER, GHOST = 13, 14
ZONES = ["UTC", "America/New_York"]
DAY = timedelta(days=1)
PAGES = ["", "retention/", "people/", "billing/", "health/"]


class Life:
    """What has happened at one host of a site, and what the site should say of it."""

    def __init__(self, shape, host: str) -> None:
        from tests.oracle import UNITS, sightings

        self.shape, self.host = shape, host
        today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        self.start = UNITS["week"](today - 77 * DAY)
        #: ``(number, when)``: other ones at each host, and none today.
        seed = len(host) + ord(host[0])
        days = (today - self.start).days
        self.rows = sightings(seed, start=self.start - 20 * DAY, days=days + 20)
        self.cookies: dict[int, str] = {}

    def key(self, number: int):
        return self.shape.key(number)

    def begin(self) -> None:
        """Users register and are seen, before there is a server."""
        from django.conf import settings
        from django.contrib.auth import get_user_model
        from django.utils import timezone

        from tests.faults.people import session_of

        user_model = get_user_model()
        has_dates = hasattr(user_model, "date_joined")
        for number in [*NUMBERS, MANAGER]:
            joined = self.start + number * 5 * DAY
            joined = joined if settings.USE_TZ else timezone.make_naive(joined)
            user = user_model(
                pk=self.key(number),
                username=f"user {number}",
                password="!",
                is_superuser=number == MANAGER,
                **({"date_joined": joined} if has_dates else {}),
            )
            user.save(force_insert=True)
            self.cookies[number] = f"sessionid={session_of(user)}"
        self.shape.write_history([(self.key(number), when) for number, when in self.rows])

    def ask(self, web, path: str, number: int) -> tuple[int, bytes]:
        with closing(http.client.HTTPConnection(urlsplit(web.url).netloc, timeout=30)) as link:
            port = urlsplit(web.url).port
            headers = {"Cookie": self.cookies[number], "Host": f"{self.host}:{port}"}
            link.request("GET", path, headers=headers)
            response = link.getresponse()
            return response.status, response.read()

    def be_visited(self, web) -> None:
        """Some users come, each twice; one souvenir of each is left."""
        from tests.processes import wait_until

        visitors = NUMBERS[:5] if self.host != "two.localhost" else NUMBERS[3:]
        began = datetime.now(UTC)
        for number in [*visitors, *visitors]:
            status, body = self.ask(web, "/", number)
            assert (status, body.decode()) == (200, f"user {self.key(number)}"), (status, body)

        wait_until(lambda: len(self.new_rows(began)) >= len(visitors))
        found = self.new_rows(began)
        same(Counter(key for key, _ in found), Counter(map(self.key, visitors)), "recorded")
        numbers = {self.key(number): number for number in visitors}
        self.rows += [(numbers[key], when) for key, when in found]

    def new_rows(self, began) -> list[tuple]:
        from django.utils import timezone

        from souvenirs.models import Souvenir

        stored = Souvenir.objects.using(router_for_write(Souvenir)).values_list("user_id", "when")
        aware = (
            (key, when if timezone.is_aware(when) else timezone.make_aware(when))
            for key, when in stored
        )
        return [(key, when) for key, when in aware if when >= began]

    def be_late(self) -> None:
        """Souvenirs of days that have been digested arrive."""
        rows = [(number, self.start + (9 * number + 30) * DAY / 4) for number in NUMBERS]
        self.shape_write(rows)
        self.rows += rows

    def forget(self, number: int) -> None:
        """A user is erased, at this host only."""
        from django.core.management import call_command

        call_command("erase_user", str(self.key(number)), interactive=False)
        self.rows = [row for row in self.rows if row[0] != number]

    def shape_write(self, rows) -> None:
        from tests.sites.shapes import Shape

        Shape.write_history(self.shape, [(self.key(number), when) for number, when in rows])

    def compare(self, web, moment: str) -> None:
        """Every answer equals brute force."""
        from souvenirs.control import count_active_users
        from souvenirs.insights import active_series, growth, last_seen_many, retention, stickiness
        from souvenirs.reports import calendar_daily_usage, calendar_monthly_usage
        from tests.oracle import UNITS, Oracle

        self.shape.settle()
        now = datetime.now(UTC)
        start = self.start
        for zone in ZONES:
            for interval in UNITS:
                about = f"{self.host}, {moment}, {interval} in {zone}"
                oracle = Oracle(self.rows, start, now, interval, zone, now)
                options = {"interval": interval, "tz": zone}
                expected = oracle.series()
                same(active_series(start, now, **options).values, expected, f"series, {about}")
                same(
                    active_series(start, now, window="mau", **options).values,
                    oracle.series(30),
                    f"mau, {about}",
                )
                found = growth(start, now, **options).periods
                parts = ("active", "new", "retained", "resurrected", "churned")
                same(
                    [{part: getattr(each, part) for part in parts} for each in found],
                    [
                        {part: len(users) for part, users in each.items()}
                        for each in oracle.growth()
                    ],
                    f"growth, {about}",
                )
                same(
                    [cohort.cells for cohort in retention(start, now, **options).cohorts],
                    [
                        tuple(None if cell is None else len(cell) for cell in row)
                        for row in oracle.cells(oracle.first_seen())
                    ],
                    f"retention, {about}",
                )
                same(
                    [each.mean_dau for each in stickiness(start, now, **options).periods],
                    [oracle.mean_dau(days) for days in oracle.periods],
                    f"stickiness, {about}",
                )
                status, body = self.ask(
                    web,
                    "/souvenirs/api/series?"
                    + urlencode(
                        {
                            "from": start.isoformat(),
                            "to": now.isoformat(),
                            "interval": interval,
                            "tz": zone,
                        }
                    ),
                    MANAGER,
                )
                assert status == 200, (status, body)
                values = tuple(row["value"] for row in json.loads(body)["rows"])
                same(values, expected, f"API, {about}")

            for interval, report in (
                ("day", calendar_daily_usage),
                ("month", calendar_monthly_usage),
            ):
                oracle = Oracle(self.rows, start, now, interval, zone, now)
                rows = list(report(start, now, tz=zone))
                same(
                    tuple(row["usage"]["active_users"] for row in rows),
                    oracle.series(),
                    f"report, {self.host}, {moment}, {interval} in {zone}",
                )

        same(
            count_active_users(start, now),
            len({number for number, when in self.rows if start <= when < now}),
            f"count, {self.host}, {moment}",
        )
        seen = {}
        for number, when in self.rows:
            seen[self.key(number)] = max(when, seen.get(self.key(number), when))
        keys = [self.key(number) for number in [*NUMBERS, MANAGER]]
        found = last_seen_many(keys)
        same(
            {key: found[key] is not None for key in keys},
            {key: key in seen for key in keys},
            f"seen at all, {self.host}, {moment}",
        )
        for page in PAGES:
            status, body = self.ask(web, f"/souvenirs/{page}", MANAGER)
            assert status == 200, (page, status, body[:2_000])

    def compare_figures(self, moment: str, *, is_current: bool = True) -> None:
        """Every published figure that is final equals brute force."""
        from django.utils import timezone

        from souvenirs.models import Figure
        from tests.oracle import Oracle

        now, zone = datetime.now(UTC), timezone.get_default_timezone_name()
        first = min(when for _, when in self.rows)
        figures = Figure.objects.using(router_for_write(Figure)).filter(segment="")
        for interval in ("day", "week", "month"):
            oracle = Oracle(self.rows, first, now, interval, zone, now)
            expected = {
                (metric, days[0]): len(users)
                for days, growth in zip(oracle.periods, oracle.growth(), strict=True)
                for metric, users in growth.items()
            }
            found = figures.filter(interval=interval, is_final=True)
            values = {
                (metric, day): int(value)
                for metric, day, value in found.values_list("metric", "first_day", "value")
                if metric in ("active", "new", "retained", "resurrected", "churned")
            }
            about = f"figures, {self.host}, {moment}, {interval}"
            # A period that starts before the first souvenir begins with its own first day.
            known = {place: value for place, value in expected.items() if place in values}
            same({place: values[place] for place in known}, known, about)
            assert not is_current or len(known) > len(expected) / 2, about


def router_for_write(model) -> str:
    from django.db import router

    return router.db_for_write(model)


def same(found, expected, about: str) -> None:
    """Say what differs, and where."""
    assert found == expected, f"{about}:\n  found    {found}\n  expected {expected}"


def main() -> None:
    django.setup()

    from django.conf import settings
    from django.core.management import call_command

    from tests.processes import Web

    shape = settings.SHAPE
    shape.prepare()
    lives = [Life(shape, host) for host in shape.hosts()]

    def each(step, *arguments, **options) -> None:
        for life in lives:
            with shape.tenant(life.host):
                step(life, *arguments, **options)

    def command(life, name, **options) -> None:
        print(f"{life.host}: {name} {options or ''}", flush=True)
        call_command(name, **options)

    each(Life.begin)
    with Web(dict(os.environ), kind=shape.server, threads=4) as web:
        each(Life.compare, web, "at first")
        each(Life.be_visited, web)
        each(Life.compare, web, "after visits")
        each(command, "digest_souvenirs")
        each(command, "digest_souvenirs", verify=True)
        each(Life.compare_figures, "digested")
        each(Life.compare, web, "digested")
        each(Life.be_late)
        each(Life.compare, web, "late souvenirs")
        each(command, "digest_souvenirs")
        each(Life.compare_figures, "digested again")
        each(command, "prune_souvenirs", older_than=30)
        each(Life.compare, web, "pruned")
        with shape.tenant(lives[0].host):
            lives[0].forget(12)
            lives[0].compare_figures("erased", is_current=False)
        each(Life.compare, web, "erased")
        each(command, "digest_souvenirs", verify=True)
        each(command, "check", databases=list(settings.DATABASES))
    print("The site's answers equal brute force.")


if __name__ == "__main__":
    main()
