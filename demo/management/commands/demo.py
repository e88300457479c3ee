from __future__ import annotations

import csv
import os
import secrets
import socket
import sys
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import Group
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.core.management.color import no_style
from django.db import connection

from demo.history import Commit, commits, moved
from demo.settings import DEMO
from souvenirs.models import Souvenir

HISTORY = Path(os.path.relpath(DEMO / "history.csv"))
LOGIN = DEMO / ".login"
HOST = "127.0.0.1"

#: Authors who have committed on more days than this are regulars.
CASUAL_DAYS = 3

REPORT = "show_retention --interval year --last 5y"

#: The reports that --verbose adds.
REPORTS = (
    "digest_souvenirs --status",
    "show_usage --calendar --yearly",
    "show_usage --subscription-start {start} --quarterly --recent 12",
    "show_activity --last 12q",
    "show_activity --last 4y --by-segment",
    "show_growth --last 21y",
    "show_retention --last 21y --day-n 1,7,30,365",
    "show_inactive --for 1y --limit 10",
)

#: The login is not an author: no author has its key. Its registration, which no report counts, is
#: yet to come.
NOT_AN_AUTHOR = {"pk": 10_000, "date_joined": datetime(9999, 1, 1, tzinfo=UTC)}


class Command(BaseCommand):
    help = (
        "Loads the history of git, 21 years of real activity that end yesterday, and serves the "
        f"demo on {HOST}. The environment may set DEMO_PORT (default: 8000), and DEMO_SERVE=0 to "
        "load the history only."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--verbose", action="store_true", help="show reports of all kinds")

    def handle(self, *args: Any, **options: Any) -> None:
        serves = os.environ.get("DEMO_SERVE") != "0"
        port = free_port() if serves else 0
        midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        call_command("migrate", verbosity=0)
        weeks, history = moved(commits(), midnight)
        self.stdout.write(f"The history of git, moved by {weeks} weeks so that it ends yesterday.")
        start = self.load(history)
        for report in [REPORT, *(REPORTS if options["verbose"] else ())]:
            self.show(*report.format(start=start.date()).split())
        login = self.create_login()
        if serves:
            self.serve(login, port)

    def load(self, history: Sequence[Commit]) -> datetime:
        """Leave the souvenirs of the history, and return when it starts."""
        start = history[0].when
        first = Souvenir.objects.order_by("when").first()
        if first and first.when != start:  # loaded in another week
            call_command("flush", interactive=False, verbosity=0)
        self.create_users(history)
        with HISTORY.open("w", newline="") as file:
            lines = csv.writer(file)
            lines.writerow(["user_id", "when"])
            lines.writerows((commit.author, commit.when.isoformat()) for commit in history)
        self.show("import_souvenirs", str(HISTORY))
        self.show("digest_souvenirs")
        return start

    def create_users(self, history: Sequence[Commit]) -> None:
        """Create the authors, registered at their first commit, and their groups."""
        user_model = get_user_model()
        unusable = make_password(None)
        first_commits: dict[int, datetime] = {}
        days: defaultdict[int, set[date]] = defaultdict(set)
        for commit in history:
            first_commits.setdefault(commit.author, commit.when)
            days[commit.author].add(commit.when.date())
        user_model.objects.bulk_create(
            [
                user_model(
                    pk=pk, username=f"author-{pk:04d}", date_joined=joined, password=unusable
                )
                for pk, joined in first_commits.items()
            ],
            ignore_conflicts=True,
        )
        casual = {author for author, each in days.items() if len(each) <= CASUAL_DAYS}
        groups = {
            "mergers": {commit.author for commit in history if commit.is_merge},
            "regulars": days.keys() - casual,
            "casual": casual,
        }
        for name, members in groups.items():
            self.create_group(name, members)
        sizes = [f"{len(members):,} {name}" for name, members in groups.items()]
        self.stdout.write(f"{len(first_commits):,} users: {', '.join(sizes)}.")

    def create_group(self, name: str, members: Iterable[int]) -> None:
        group, _ = Group.objects.get_or_create(name=name)
        membership = get_user_model().groups.through
        membership.objects.filter(group_id=group.pk).exclude(user_id__in=members).delete()
        rows = [membership(user_id=pk, group_id=group.pk) for pk in sorted(members)]
        membership.objects.bulk_create(rows, ignore_conflicts=True)

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
            username=name, defaults={"is_staff": True, "is_superuser": True, **NOT_AN_AUTHOR}
        )
        if not user.check_password(password):
            user.set_password(password)
            user.save()
        # Users have been created with keys of their own, of which PostgreSQL knows nothing.
        with connection.cursor() as cursor:
            for statement in connection.ops.sequence_reset_sql(no_style(), [type(user)]):
                cursor.execute(statement)
        return login

    def serve(self, login: str, port: int) -> None:
        address = f"{HOST}:{port}"
        self.heading(f"http://{address}/  sign in as {login}")
        self.stdout.write(f"Your own activity, as recorded: http://{address}/you/")
        # The server takes over this process, as if started by hand; what is buffered would be lost.
        self.stdout.flush()
        manage = Path(__file__).parents[2] / "manage.py"
        os.execv(  # noqa: S606
            sys.executable, [sys.executable, str(manage), "runserver", "--noreload", address]
        )

    def heading(self, text: str) -> None:
        self.stdout.write(f"\n{self.style.MIGRATE_HEADING(text)}")


def free_port() -> int:
    """Return the port in DEMO_PORT. Raises CommandError if the demo cannot be served there."""
    text = os.environ.get("DEMO_PORT", "8000")
    reason = "not a port"
    if text.isdecimal() and 0 < int(text) < 2**16:
        try:
            with socket.socket() as server:
                server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as runserver does
                server.bind((HOST, int(text)))
                server.listen()
                return int(text)
        except OSError as error:
            reason = os.strerror(error.errno or 0)
    raise CommandError(
        f"Cannot serve on port {text} ({reason}): choose another one, as in make demo "
        "DEMO_PORT=8001."
    )
