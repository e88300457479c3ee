from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.template.defaultfilters import filesizeformat
from django.utils import timezone

from souvenirs.conf import conf
from souvenirs.digests import NotInDigest, Pruner, bytes_of_souvenir
from souvenirs.sets import CorruptDigest

from ._helpers import Progress, counted, errors_in_words, interruptible


class Command(BaseCommand):
    help = (
        "Deletes old souvenirs that are in digests. Counts stay exact where ranges begin and end "
        "with a bucket, and others are refused there. What is deleted does not come back."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--older-than",
            type=float,
            metavar="DAYS",
            help="delete what is older than so many days (default: SOUVENIRS_KEEP_DAYS)",
        )
        parser.add_argument("--dry-run", action="store_true", help="only say what would be deleted")

    def handle(self, *args: Any, **options: Any) -> None:
        pruner = Pruner(_horizon(options["older_than"]))
        size = bytes_of_souvenir()
        progress = Progress(self.stderr, pruner.waiting(), "souvenirs")
        souvenirs = 0
        try:
            with interruptible():
                for step in pruner.run(options["dry_run"]):
                    souvenirs += step.souvenirs
                    progress.update(souvenirs + pruner.left, souvenirs)
        except (CorruptDigest, NotInDigest) as error:
            raise CommandError(
                f"{error} Run manage.py digest_souvenirs --rebuild, then this again."
            ) from error
        finally:
            progress.finish()
            self._report("Would delete" if options["dry_run"] else "Deleted", souvenirs, size)
            if pruner.left:
                self.stdout.write(
                    f"Left alone {counted(pruner.left, 'souvenir')} of hours that are not wholly "
                    "digested: run manage.py digest_souvenirs, then this again."
                )

    def _report(self, deleted: str, souvenirs: int, size: float | None) -> None:
        # Without the space that never breaks.
        room = f", about {filesizeformat(souvenirs * size)}" if souvenirs and size else ""
        self.stdout.write(f"{deleted} {counted(souvenirs, 'souvenir')}{room}.".replace("\xa0", " "))


def _horizon(days: float | None) -> datetime:
    """The moment before which souvenirs are too old."""
    option = "--older-than"
    if days is None:
        option = "SOUVENIRS_KEEP_DAYS"
        with errors_in_words():
            days = conf.KEEP_DAYS
    if days is None:
        raise CommandError("Give --older-than DAYS, or set SOUVENIRS_KEEP_DAYS.")
    try:
        if days >= 0:
            return timezone.now() - timedelta(days=days)
    except (TypeError, OverflowError):
        pass
    raise CommandError(f"{option} must be a number of days, 0 or more, not {days!r}.")
