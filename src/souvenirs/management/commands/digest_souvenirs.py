from __future__ import annotations

import time
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from souvenirs.digests.digester import Digester
from souvenirs.digests.verifying import Verifier
from souvenirs.instants import checked_range
from souvenirs.stores.reading import words
from souvenirs.usersets import CorruptDigest

from ._helpers import Progress, counted, parse_date, parse_zone


class Command(BaseCommand):
    help = (
        "Folds souvenirs into digests, from which reports are answered in milliseconds. Run it "
        "every few minutes; it does what there is to do and ends. Running it twice at once, and "
        "killing it, does no harm."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        work = parser.add_mutually_exclusive_group()
        work.add_argument(
            "--status", action="store_true", help="say how far digesting has come, and end"
        )
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
        work.add_argument("--dry-run", action="store_true", help="only say what there is to do")
        parser.add_argument(
            "--since", metavar="DATE", help="leave out days that end earlier (inclusive)"
        )
        parser.add_argument(
            "--until", metavar="DATE", help="leave out days that start later (exclusive)"
        )
        parser.add_argument(
            "--tz", metavar="ZONE", help="time zone of dates without one (default: the site's)"
        )
        parser.add_argument(
            "--max-seconds", type=seconds, metavar="SECONDS", help="begin nothing new after so long"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["status"]:
            self._status()
            return
        zone = parse_zone(options["tz"])
        since = parse_date(options["since"], "--since", zone)
        until = parse_date(options["until"], "--until", zone)
        try:
            since, until = checked_range(since, until)
        except ValueError:
            raise CommandError(f"--since {since} is later than --until {until}.") from None
        limit = time.monotonic() + (options["max_seconds"] or float("inf"))
        if options["verify"]:
            self._verify(Verifier(since, until), limit)
        else:
            self._digest(Digester(since, until), limit, options)

    def _digest(self, digester: Digester, limit: float, options: dict[str, Any]) -> None:
        waiting = digester.waiting()
        if options["dry_run"]:
            self.stdout.write(f"Would digest {counted(waiting, 'souvenir')}.")
            return
        progress = Progress(self.stderr, waiting, "souvenirs")
        done = cells = 0
        is_over = False
        steps = digester.rebuild() if options["rebuild"] else digester.run()
        try:
            for step in steps:
                done += step.souvenirs
                cells += not step.souvenirs
                progress.update(done, done)
                if time.monotonic() >= limit:
                    is_over = True
                    break
        except CorruptDigest as error:
            raise CommandError(
                f"{error} Its souvenirs have been deleted: restore it from a backup."
            ) from error
        finally:
            progress.finish()
            self.stdout.write(
                f"Digested {counted(done, 'souvenir')}, made {counted(cells, 'day or month')} anew."
            )
        if is_over:
            self.stdout.write("Time is up: the rest is left to the next run.")
        if digester.failed:
            raise CommandError(
                f"{words(digester.failed[0])} could not be made anew, because a digest in it is "
                f"corrupt ({counted(len(digester.failed), 'such period')}): "
                "run digest_souvenirs --rebuild."
            )
