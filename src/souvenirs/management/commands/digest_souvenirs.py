from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Iterator
from datetime import datetime
from typing import Any, TypeVar

from django.core.management.base import BaseCommand, CommandError, CommandParser
from tabulate import tabulate

from souvenirs.calendar import DAY_LEVEL, Cell
from souvenirs.digests import Digester, Level, Verifier, status

from ._helpers import Progress, counted, interruptible, parse_range, parse_zone, positive

T = TypeVar("T")


class Command(BaseCommand):
    help = (
        "Folds souvenirs into digests, from which reports are answered in milliseconds. Run it "
        "every few minutes: it does what there is to do and ends. Running it twice at once, and "
        "killing it, does no harm."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        work = parser.add_mutually_exclusive_group()
        work.add_argument(
            "--status", action="store_true", help="say how far digesting has come, and end"
        )
        work.add_argument("--dry-run", action="store_true", help="only say what there is to do")
        work.add_argument(
            "--verify",
            action="store_true",
            help="compare digests with souvenirs, where these exist; exit with 1 on a difference",
        )
        work.add_argument(
            "--rebuild",
            action="store_true",
            help="make digests anew from souvenirs, where these exist",
        )
        parser.add_argument("--since", metavar="DATE", help="leave out days that end by then")
        parser.add_argument(
            "--until", metavar="DATE", help="leave out days that start then or later"
        )
        parser.add_argument(
            "--tz", metavar="ZONE", help="time zone of these dates (default: the site's)"
        )
        parser.add_argument(
            "--max-seconds",
            type=positive,
            metavar="SECONDS",
            help="begin nothing new after so long",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        since, until = parse_range(options, "since", "until", parse_zone(options["tz"]))
        self.deadline = time.monotonic() + (options["max_seconds"] or float("inf"))
        if options["status"]:
            self.show_status()
        elif options["verify"]:
            self.verify(Verifier(since, until))
        elif options["dry_run"]:
            self.show_plan(Digester(since, until))
        else:
            self.digest(Digester(since, until), rebuild=options["rebuild"])

    def show_plan(self, digester: Digester) -> None:
        self.stdout.write(
            f"Would digest {counted(digester.waiting(), 'souvenir')}, "
            f"make anew {_periods(digester.due())}."
        )

    def digest(self, digester: Digester, rebuild: bool) -> None:
        if rebuild:
            # Each day twice: its buckets, then the day itself.
            steps, total, unit = digester.rebuild(), 2 * len(digester.days), "steps"
        else:
            steps, total, unit = digester.run(), digester.waiting(), "souvenirs"
        progress = Progress(self.stderr, total, unit)
        souvenirs = done = 0
        made: set[Cell] = set()
        try:
            with interruptible():
                for step in self.in_time(steps, progress):
                    souvenirs += step.souvenirs
                    if not step.souvenirs:
                        made.add(step.cell)
                    done += 1 if rebuild else step.souvenirs
                    progress.update(done, done)
        finally:
            progress.finish()
            self.stdout.write(
                f"Digested {counted(souvenirs, 'souvenir')}, made anew {_periods(made)}."
            )
        _refuse_failures(digester)

    def verify(self, verifier: Verifier) -> None:
        progress = Progress(self.stderr, len(verifier.cells), "days and months")
        looked_at: list[Cell] = []
        differences = 0
        try:
            with interruptible():
                for verified in self.in_time(verifier.run(), progress):
                    looked_at.append(verified.cell)
                    for sentence in verified.differences:
                        progress.finish()
                        self.stdout.write(sentence)
                    differences += len(verified.differences)
                    progress.update(len(looked_at), len(looked_at))
        finally:
            progress.finish()
            self.stdout.write(
                f"Looked at {_periods(looked_at)}, found {counted(differences, 'difference')}."
            )
        if differences:
            raise CommandError("Run manage.py digest_souvenirs --rebuild.", returncode=1)

    def in_time(self, steps: Iterable[T], progress: Progress) -> Iterator[T]:
        """Generate these steps until the time is up, and say so if it is."""
        for step in steps:
            yield step
            if time.monotonic() >= self.deadline:
                progress.finish()
                self.stdout.write("Time is up: what is left is for the next run.")
                return

    def show_status(self) -> None:
        found = status()
        self.stdout.write(_digested(found.digested_until))
        self.stdout.write(_waiting(found.souvenirs_waiting, found.oldest_waiting))
        if found.pruned_until:
            self.stdout.write(f"Souvenirs have been pruned until {found.pruned_until:{MOMENT}}.")
        else:
            self.stdout.write("No souvenirs have been pruned.")
        if found.levels:
            table = tabulate(
                [_line(level) for level in found.levels],
                ["of a", "digests", "stale", "sightings", "bytes", "per sighting"],
                intfmt=",",
                floatfmt=",.1f",
            )
            self.stdout.write(f"\n{table}")


MOMENT = "%Y-%m-%d %H:%M UTC"


def _digested(until: datetime | None) -> str:
    return f"Digested until {until:{MOMENT}}." if until else "Nothing has been digested."


def _waiting(souvenirs: int, oldest: datetime | None) -> str:
    if oldest is None:
        return "No souvenir is left to digest."
    return f"Left to digest: {counted(souvenirs, 'souvenir')}, the oldest of {oldest:{MOMENT}}."


def _line(level: Level) -> list[Any]:
    share = level.size / level.sightings if level.sightings else None
    return [level.name, level.rows, level.stale, level.sightings, level.size, share]


def _periods(cells: Collection[Cell]) -> str:
    days = sum(cell.level == DAY_LEVEL for cell in cells)
    return f"{counted(days, 'day')} and {counted(len(cells) - days, 'month')}"


def _refuse_failures(digester: Digester) -> None:
    """Say what could not be digested, now that all the rest is."""
    if digester.lost:
        raise CommandError(
            f"{digester.lost[0]} Its souvenirs have been deleted: restore it from a backup"
            f"{_and_others(digester.lost)}."
        )
    if digester.failed:
        raise CommandError(
            f"{digester.failed[0]} could not be made anew, because a digest in it is "
            f"corrupt{_and_others(digester.failed)}: run manage.py digest_souvenirs --rebuild."
        )


def _and_others(found: Collection[Any]) -> str:
    return f" ({len(found) - 1:,} more like this)" if len(found) > 1 else ""
