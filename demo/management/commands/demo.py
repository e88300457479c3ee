from __future__ import annotations

import csv
import gzip
import os
import secrets
import sys
from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import Group
from django.core.management import call_command
from django.core.management.base import BaseCommand

from demo.settings import DEMO

HISTORY = Path(os.path.relpath(DEMO / "data" / "gitgit_commits.csv.gz"))
LOGIN = DEMO / ".login"

#: Authors who have committed on more days than this are regulars.
CASUAL_DAYS = 3

#: The history ends in August 2026.
REPORTS = (
    "show_usage --calendar --yearly",
    "show_usage --subscription-start 2005-04-07 --quarterly --recent 12",
    "show_activity --last 12q --before 2026-07-01",
    "show_activity --interval year --after 2022 --before 2026 --by-segment",
    "show_growth --interval year --after 2005 --before 2026",
    "show_retention --interval year --after 2005 --before 2026",
    "show_retention --after 2005 --before 2026 --day-n 1,7,30,365",
    "show_inactive --for 1y --limit 10",
)


class Command(BaseCommand):
    help = "Loads 21 years of real activity, reports on it and serves the demo on 127.0.0.1."

    def handle(self, *args: Any, **options: Any) -> None:
        call_command("migrate", verbosity=0)
        self.heading("Users: the authors of git, joined at their first commit")
        self.create_users()
        self.heading(f"manage.py import_souvenirs {HISTORY}")
        call_command("import_souvenirs", str(HISTORY), stdout=self.stdout, stderr=self.stderr)
        self.digest()
        for command in REPORTS:
            self.show(*command.split())
        login = self.create_login()
        if os.environ.get("DEMO_SERVE") != "0":
            self.serve(login)

    def create_users(self) -> None:
        user_model = get_user_model()
        unusable = make_password(None)
        first_commits: dict[int, datetime] = {}
        days: defaultdict[int, set[str]] = defaultdict(set)
        mergers: set[int] = set()
        with gzip.open(HISTORY, "rt", newline="") as lines:
            for row in csv.DictReader(lines):
                author, when = int(row["user_id"]), datetime.fromisoformat(row["when"])
                first_commits.setdefault(author, when)
                days[author].add(when.date().isoformat())
                if row["activity"] == "merge":
                    mergers.add(author)
        user_model.objects.bulk_create(
            [
                user_model(
                    pk=pk, username=f"author-{pk:04d}", date_joined=joined, password=unusable
                )
                for pk, joined in first_commits.items()
            ],
            ignore_conflicts=True,
        )
        self.stdout.write(f"{len(first_commits):,} users.")
        casual = {author for author, each in days.items() if len(each) <= CASUAL_DAYS}
        self.create_group("mergers", mergers)
        self.create_group("regulars", days.keys() - casual)
        self.create_group("casual", casual)

    def create_group(self, name: str, members: Iterable[int]) -> None:
        group, _ = Group.objects.get_or_create(name=name)
        membership = get_user_model().groups.through
        rows = [membership(user_id=pk, group_id=group.pk) for pk in sorted(members)]
        membership.objects.bulk_create(rows, ignore_conflicts=True)
        self.stdout.write(f"  {len(rows):,} in the group {name}.")

    def digest(self) -> None:
        for arguments in [], ["--status"]:
            self.show("digest_souvenirs", *arguments)

    def show(self, command: str, *arguments: str) -> None:
        self.heading(" ".join(["manage.py", command, *arguments]))
        call_command(command, *arguments, stdout=self.stdout, stderr=self.stderr)

    def create_login(self) -> str:
        """Return the name and password of a superuser, the same in every run."""
        if not LOGIN.exists():
            LOGIN.touch(mode=0o600)
            LOGIN.write_text(f"demo / {secrets.token_urlsafe(9)}")
        login = LOGIN.read_text()
        name, _, password = login.partition(" / ")
        user, _ = get_user_model().objects.get_or_create(
            username=name, defaults={"is_staff": True, "is_superuser": True}
        )
        if not user.check_password(password):
            user.set_password(password)
            user.save()
        return login

    def serve(self, login: str) -> None:
        address = f"127.0.0.1:{os.environ.get('DEMO_PORT', '8000')}"
        self.heading(f"http://{address}/  sign in as {login}")
        self.stdout.write("It opens with the last year of activity of the authors of git.")
        self.stdout.write(f"Your own activity, as recorded: http://{address}/you/")
        # The server takes over this process, as if started by hand.
        manage = Path(__file__).parents[2] / "manage.py"
        os.execv(  # noqa: S606
            sys.executable, [sys.executable, str(manage), "runserver", "--noreload", address]
        )

    def heading(self, text: str) -> None:
        self.stdout.write(f"\n{self.style.MIGRATE_HEADING(text)}")
