from __future__ import annotations

import csv
import os
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import ClassVar

from django.contrib.auth import get_user_model
from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import Group
from django.core.management import call_command

from demo.command import DEMO, HOST, DemoCommand
from demo.history import Commit, commits, moved
from souvenirs.models import Souvenir

HISTORY = Path(os.path.relpath(DEMO / "history.csv"))

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


class Command(DemoCommand):
    help = (
        "Loads the history of git, 21 years of real activity that end yesterday, and serves the "
        f"demo on {HOST}. The environment may set DEMO_PORT (default: 8000), and DEMO_SERVE=0 to "
        "load the history only."
    )
    login_fields: ClassVar = {"pk": 10_000}  # no author has this key

    def fill(self, midnight: datetime, *, verbose: bool) -> None:
        weeks, history = moved(commits(), midnight)
        self.stdout.write(f"The history of git, moved by {weeks} weeks so that it ends yesterday.")
        start = self.load(history)
        for report in [REPORT, *(REPORTS if verbose else ())]:
            self.show(*report.format(start=start.date()).split())

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
