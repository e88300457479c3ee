from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Iterator
from datetime import datetime
from typing import Any, TypeVar

from django.core.management.base import CommandError, CommandParser
from tabulate import tabulate

from souvenirs.calendar import DAY_LEVEL, LOCAL_LEVELS, GridCell
from souvenirs.digests import Batch, Digester, Level, Verifier, faults, status
from souvenirs.publishing import Published, Publisher, publication

from .._terminal import Progress, pluralize
from ._base import SouvenirsCommand
from ._errors import interruptible
from ._options import add_options, parse_range, parse_zone, positive

T = TypeVar("T")


class Command(SouvenirsCommand):
    writes = True
    help = (
        "Folds souvenirs into digests, which make reports fast, and publishes figures. Run it "
        "every few minutes: it exits when all souvenirs are digested. It is safe to kill, and to "
        "run twice at the same time."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        work = parser.add_mutually_exclusive_group()
        work.add_argument(
            "--status", action="store_true", help="show what is digested and what is not, and exit"
        )
        add_options(work, "--dry-run")
        work.add_argument(
            "--verify",
            action="store_true",
            help="compare digests with the souvenirs still stored; exit with 1 if they differ",
        )
        work.add_argument(
            "--rebuild",
            action="store_true",
            help="rebuild digests from the souvenirs still stored",
        )
        parser.add_argument("--since", metavar="DATE", help="only UTC days that end after DATE")
        parser.add_argument("--until", metavar="DATE", help="only UTC days that start before DATE")
        add_options(parser, "--tz")
        parser.add_argument(
            "--max-seconds",
            type=positive,
            metavar="SECONDS",
            help="stop before the step that would end later",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        since, until = parse_range(options, parse_zone(options["tz"]), "since", "until")
        #: What a task returns.
        self.outcome = {"souvenirs": 0, "digests": 0, "figures": 0, "finished": False}
        self.deadline = time.monotonic() + (options["max_seconds"] or float("inf"))
        self.is_late = False
        if options["status"]:
            self.show_status()
        elif options["verify"]:
            self.verify(Verifier(since, until))
        elif options["dry_run"]:
            self.show_plan(Digester(since, until))
        else:
            wanted = publication()  # refuses a wrong setting before anything is done
            digester = Digester(since, until)
            if self.digest(digester, rebuild=options["rebuild"]):
                self.publish(Publisher(wanted))
            self.outcome["finished"] = not self.is_late
            _refuse_failures(digester)

    def show_plan(self, digester: Digester) -> None:
        self.stdout.write(
            f"Would digest {pluralize(digester.waiting(), 'souvenir')}, "
            f"rebuild {_digests(digester.due())}."
        )

    def digest(self, digester: Digester, rebuild: bool) -> bool:
        """Fold souvenirs, and return whether there was time for everything."""
        if rebuild:
            # Two steps for each day: its buckets, then the day itself.
            steps, total, unit = digester.rebuild(), 2 * len(digester.days), "step"
        else:
            steps, total, unit = digester.run(), digester.waiting(), "souvenir"
        progress = Progress(self.stderr, total, unit)
        souvenirs = done = 0
        rebuilt: set[GridCell] = set()
        try:
            with interruptible():
                for step in self.in_time(steps, progress):
                    souvenirs += step.souvenirs
                    if not step.souvenirs:
                        rebuilt.add(step.cell)
                    done += 1 if rebuild else step.souvenirs
                    progress.update(done, done)
        finally:
            progress.finish()
            self.outcome.update(souvenirs=souvenirs, digests=len(rebuilt))
            self.stdout.write(
                f"Digested {pluralize(souvenirs, 'souvenir')}, rebuilt {_digests(rebuilt)}."
            )
        return not self.is_late

    def publish(self, publisher: Publisher) -> None:
        """Bring the published figures up to date."""
        progress = Progress(self.stderr, 0, "figure")
        figures = 0
        try:
            with interruptible():
                for step in self.in_time(publisher.run(), progress):
                    figures += step.figures
        finally:
            progress.finish()
            self.outcome["figures"] = figures
            if figures:
                self.stdout.write(f"Published {pluralize(figures, 'figure')}.")
        if publisher.failed:
            raise CommandError(
                f"Some figures could not be published: {publisher.failed[0]}"
                f"{_and_others(publisher.failed)}"
            )

    def verify(self, verifier: Verifier) -> None:
        progress = Progress(self.stderr, len(verifier.cells), "digest")
        compared: list[GridCell] = []
        differences = 0
        try:
            with interruptible():
                for verified in self.in_time(verifier.run(), progress):
                    compared.append(verified.cell)
                    for sentence in verified.differences:
                        progress.finish()
                        self.stdout.write(sentence)
                    differences += len(verified.differences)
                    progress.update(len(compared), len(compared))
        finally:
            progress.finish()
            self.stdout.write(
                f"Verified {_digests(compared)}, found {pluralize(differences, 'difference')}."
            )
        if differences:
            raise CommandError(
                "Digests and souvenirs differ: run manage.py digest_souvenirs --rebuild.",
                returncode=1,
            )

    def in_time(self, steps: Iterable[T], progress: Progress) -> Iterator[T]:
        """Generate the steps until another one could end after ``--max-seconds``."""
        began = time.monotonic()
        for step in steps:
            seconds = time.monotonic() - began
            if isinstance(step, Batch | Published):
                seconds = step.seconds
            yield step
            began = time.monotonic()
            if began + seconds >= self.deadline:
                progress.finish()
                self.stdout.write("Stopped after --max-seconds; the next run continues.")
                self.is_late = True
                return

    def show_status(self) -> None:
        found = status()
        self.stdout.write(_digested(found.digested_until))
        self.stdout.write(_waiting(found.souvenirs_waiting, found.oldest_waiting))
        self.stdout.write(_pruned(found.pruned_until))
        for fault in faults():
            self.stdout.write(fault)
        if found.levels:
            table = tabulate(
                [_line(level) for level in found.levels],
                ["level", "digests", "stale", "members", "bytes", "per member"],
                intfmt=",",
                floatfmt=",.1f",
            )
            self.stdout.write(f"\n{table}")


MOMENT = "%Y-%m-%d %H:%M UTC"


def _digested(until: datetime | None) -> str:
    return f"Digested up to {until:{MOMENT}}." if until else "Nothing has been digested."


def _waiting(souvenirs: int, oldest: datetime | None) -> str:
    if oldest is None:
        return "No souvenirs are waiting to be digested."
    return (
        f"Waiting to be digested: {pluralize(souvenirs, 'souvenir')}, the oldest from "
        f"{oldest:{MOMENT}}."
    )


def _pruned(until: datetime | None) -> str:
    return f"Pruned up to {until:{MOMENT}}." if until else "Nothing has been pruned."


def _line(level: Level) -> list[Any]:
    share = level.size / level.members if level.members else None
    return [level.name, level.rows, level.stale, level.members, level.size, share]


def _digests(cells: Collection[GridCell]) -> str:
    days = sum(cell.level == DAY_LEVEL for cell in cells)
    local = sum(cell.level in LOCAL_LEVELS for cell in cells)
    monthly = pluralize(len(cells) - days - local, "monthly digest")
    daily = f"{days:,} daily, {local:,} local daily" if local else f"{days:,} daily"
    return f"{daily} and {monthly}"


def _refuse_failures(digester: Digester) -> None:
    """Raise CommandError for digests that could not be updated, now that all others are."""
    if digester.apart:
        raise CommandError(
            f"{digester.apart[0]} Restore both tables from one backup, or accept the digests as "
            f"they are with manage.py digest_souvenirs --rebuild{_and_others(digester.apart)}."
        )
    if digester.unrecoverable:
        raise CommandError(
            f"{digester.unrecoverable[0]} Its souvenirs have been deleted: restore it from a backup"
            f"{_and_others(digester.unrecoverable)}."
        )
    if digester.failed:
        raise CommandError(
            f"The digest of {digester.failed[0]} could not be rebuilt, because one of its "
            f"parts is corrupt{_and_others(digester.failed)}: "
            "run manage.py digest_souvenirs --rebuild."
        )


def _and_others(found: Collection[Any]) -> str:
    return f" ({len(found) - 1:,} more like this)" if len(found) > 1 else ""
