"""The history of git, moved by whole weeks so that it ends yesterday."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple

DATA = Path(__file__).parent / "data" / "gitgit_commits.csv.gz"
DAY, WEEK = timedelta(days=1), timedelta(weeks=1)


class Commit(NamedTuple):
    author: int
    when: datetime
    is_merge: bool


def commits() -> list[Commit]:
    """Return the history as it is in the file, in order."""
    with gzip.open(DATA, "rt", newline="") as lines:
        return [
            Commit(
                int(row["user_id"]), datetime.fromisoformat(row["when"]), row["activity"] == "merge"
            )
            for row in csv.DictReader(lines)
        ]


def moved(history: Sequence[Commit], midnight: datetime) -> tuple[int, list[Commit]]:
    """Return a number of weeks, and the history moved by it to end on the day before a midnight.

    Whole weeks keep the weekdays. The commits of the last weeks that are then too late are left
    out.
    """
    yesterday = (midnight - DAY).date()
    days = {commit.when.date() for commit in history}
    weeks = -((max(days) - yesterday) // WEEK)
    while yesterday - weeks * WEEK not in days:
        weeks += 1
    later = (commit._replace(when=commit.when + weeks * WEEK) for commit in history)
    return weeks, [commit for commit in later if commit.when < midnight]
