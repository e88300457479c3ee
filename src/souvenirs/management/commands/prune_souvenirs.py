from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.template.defaultfilters import filesizeformat
from django.utils import timezone

from souvenirs.conf import conf
from souvenirs.digests import NotInDigest, Pruner
from souvenirs.sets import CorruptDigest
from souvenirs.stores import get_store

from .._terminal import Progress, pluralize
from ._base import SouvenirsCommand
from ._errors import command_errors, interruptible
from ._options import add_options


class Command(SouvenirsCommand):
    writes = True
    help = (
        "Deletes old souvenirs that are in digests. This cannot be undone. Counts stay exact for "
        "ranges that start and end on a bucket boundary; other ranges are refused."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--older-than",
            metavar="DAYS",
            help="delete souvenirs older than this many days (default: SOUVENIRS_KEEP_DAYS)",
        )
        add_options(parser, "--dry-run")

    def handle(self, *args: Any, **options: Any) -> None:
        pruner = Pruner(_horizon(options["older_than"]))
        size = get_store().souvenir_size()
        progress = Progress(self.stderr, pruner.waiting(), "souvenir")
        souvenirs = 0
        try:
            with interruptible():
                for step in pruner.run(options["dry_run"]):
                    souvenirs += step.souvenirs
                    progress.update(souvenirs + pruner.left, souvenirs)
        except (CorruptDigest, NotInDigest) as error:
            raise CommandError(
                f"{error} Run manage.py digest_souvenirs --rebuild, then prune again."
            ) from error
        finally:
            progress.finish()
            #: What a task returns.
            self.outcome = {"souvenirs": souvenirs, "kept": pruner.left}
            self._report("Would delete" if options["dry_run"] else "Deleted", souvenirs, size)
            if pruner.left:
                self.stdout.write(
                    f"Kept {pluralize(pruner.left, 'souvenir')} from hours that are not fully "
                    "digested: run manage.py digest_souvenirs, then prune again."
                )

    def _report(self, deleted: str, souvenirs: int, size: float | None) -> None:
        room = f", about {filesizeformat(souvenirs * size)}" if souvenirs and size else ""
        line = f"{deleted} {pluralize(souvenirs, 'souvenir')}{room}."
        self.stdout.write(line.replace("\xa0", " "))  # filesizeformat() writes no-break spaces


def _horizon(older_than: str | float | None) -> datetime:
    """Return the instant before which souvenirs are deleted."""
    option, days = "--older-than", older_than
    if days is None:
        option = "SOUVENIRS_KEEP_DAYS"
        with command_errors():
            days = conf.KEEP_DAYS
    if days is None:
        raise CommandError("Use --older-than DAYS, or set SOUVENIRS_KEEP_DAYS.")
    try:
        age = timedelta(days=float(days))
        if age >= timedelta(0):
            return timezone.now() - age
    except (TypeError, ValueError, OverflowError):
        pass
    raise CommandError(f"{option} must be a number of days, 0 or more, not {days!r}.")
