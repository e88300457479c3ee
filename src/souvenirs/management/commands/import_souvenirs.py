from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Iterable
from contextlib import closing
from datetime import datetime, tzinfo
from pathlib import Path
from typing import Any

from django.contrib.auth import get_user_model
from django.core.exceptions import FieldDoesNotExist
from django.core.management.base import BaseCommand, CommandError, CommandParser

from souvenirs.conf import conf
from souvenirs.importing import readers
from souvenirs.importing.importer import Importer, StoppedAtBadLine, Summary
from souvenirs.instants import checked_range

from ._helpers import Progress, errors_in_words, parse_date, parse_zone

FORMATS = {
    "csv": re.compile(r"\.csv$"),
    "json": re.compile(r"\.(jsonl|ndjson|json)$"),
    "log": re.compile(r"log"),
}

TABLES: dict[str, Callable[[], Iterable[tuple[int, readers.Reading]]]] = {
    "last_login": readers.last_logins,
    "admin_log": readers.admin_log,
}


class Command(BaseCommand):
    help = (
        "Brings in history from CSV, JSON lines and web access logs, plain or gzipped, or from "
        "what Django already knows. One souvenir per user and window, as in live recording; what "
        "is there is left alone, so that a run can be repeated, also after it was interrupted."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "files", nargs="*", metavar="FILE", help="file to read; - is standard input"
        )
        parser.add_argument(
            "--from",
            dest="table",
            choices=sorted(TABLES),
            help="read each user's last login, or the log of the admin, instead of files",
        )
        parser.add_argument(
            "--format",
            choices=sorted(FORMATS),
            help="format of the files, where their names do not tell",
        )
        parser.add_argument(
            "--columns",
            metavar="NAME,NAME",
            help="columns of a CSV file without a heading, user_id and when among them",
        )
        parser.add_argument(
            "--user-regex",
            metavar="REGEX",
            help="find the user in a log line by the first group of REGEX "
            "(default: the authenticated user of the log)",
        )
        parser.add_argument(
            "--lookup",
            metavar="FIELD",
            help="field by which the files name users "
            "(default: the primary key; in logs the username field)",
        )
        parser.add_argument(
            "--window",
            type=float,
            metavar="SECONDS",
            help="one souvenir per user in so many seconds, 0 for every moment "
            "(default: SOUVENIRS_RATELIMIT_SECONDS)",
        )
        parser.add_argument("--after", metavar="DATE", help="leave out what is earlier (inclusive)")
        parser.add_argument("--before", metavar="DATE", help="leave out what is later (exclusive)")
        parser.add_argument(
            "--tz", metavar="ZONE", help="time zone of times without one (default: the site's)"
        )
        parser.add_argument(
            "--dry-run", action="store_true", help="write nothing; say what would be added"
        )
        parser.add_argument(
            "--strict",
            action="store_true",
            help="stop at the first line that cannot be read, after importing those before it",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        zone = parse_zone(options["tz"])
        files, table = options["files"], options["table"]
        if bool(files) == bool(table):
            raise CommandError("Give the files to import, or --from last_login or admin_log.")
        window = conf.RATELIMIT_SECONDS if options["window"] is None else options["window"]
        if window < 0:
            raise CommandError(f"--window must not be negative, but is {window:g}.")
        after, before = self._range(options, zone)
        sources = [(name, self._format(name, options["format"])) for name in files]

        importer = Importer(window, after, before, options["dry_run"], options["strict"])
        with closing(importer):
            if table:
                self._import_table(table, importer)
            for name, form in sources:
                with errors_in_words():
                    parser = self._parser(form, options, zone)
                self._import_file(name, parser, importer, self._lookup(options["lookup"], form))

    def _range(
        self, options: dict[str, Any], zone: tzinfo
    ) -> tuple[datetime | None, datetime | None]:
        after = parse_date(options["after"], "--after", zone)
        before = parse_date(options["before"], "--before", zone)
        with errors_in_words():
            return checked_range(after, before)

    def _format(self, name: str, given: str | None) -> str:
        if name != "-" and not Path(name).is_file():
            raise CommandError(f"{name} is not a file.")
        if given:
            return given
        plain = Path(name).name.lower().removesuffix(".gz")
        for form, pattern in FORMATS.items():
            if pattern.search(plain):
                return form
        raise CommandError(f"The name {name} does not tell its format: add --format.")

    def _parser(self, form: str, options: dict[str, Any], zone: tzinfo) -> readers.Parser:
        if form == "log":
            return readers.log_parser(options["user_regex"])
        if form == "json":
            return readers.json_parser(zone)
        columns = options["columns"]
        return readers.csv_parser(columns.split(",") if columns else None, zone)

    def _lookup(self, given: str | None, form: str) -> str:
        user_model = get_user_model()
        lookup = given or (user_model.USERNAME_FIELD if form == "log" else "pk")
        try:
            if lookup != "pk":
                user_model._meta.get_field(lookup)
        except FieldDoesNotExist:
            raise CommandError(f"{user_model._meta.label} has no field {lookup!r}.") from None
        return lookup

    def _import_table(self, table: str, importer: Importer) -> None:
        try:
            for _ in importer.run(table, TABLES[table]()):
                pass
        except LookupError:
            raise CommandError("--from admin_log needs django.contrib.admin.") from None
        self._report(table, importer.summary, importer.dry_run)

    def _import_file(
        self, name: str, parser: readers.Parser, importer: Importer, lookup: str
    ) -> None:
        size = 0 if name == "-" else Path(name).stat().st_size
        progress = Progress(self.stderr, size, "lines")
        try:
            with readers.open_text(name) as (lines, position), errors_in_words():
                readings = readers.read_lines(lines, parser)
                for summary in importer.run(name, readings, lookup):
                    progress.update(position(), summary.read)
        except StoppedAtBadLine as error:
            raise CommandError(str(error)) from error
        except (OSError, EOFError, zlib.error) as error:
            raise CommandError(
                f"{name} cannot be read after line {importer.summary.read}: {error}."
            ) from error
        finally:
            progress.finish()
            self._report(name, importer.summary, importer.dry_run)

    def _report(self, source: str, summary: Summary, dry_run: bool) -> None:
        added = "Would add" if dry_run else "Added"
        self.stdout.write(f"{source}: read {summary.read:,} lines.")
        self.stdout.write(f"  {added} {summary.added:,} souvenirs.")
        if summary.known:
            self.stdout.write(f"  {summary.known:,} in a window that has a souvenir.")
        for reason, count in summary.skipped.most_common():
            self.stdout.write(f"  Skipped {count:,}: {reason}.")
        for text in summary.bad_lines:
            self.stdout.write(f"    {text}")
        if summary.skipped["bad line"] > len(summary.bad_lines):
            self.stdout.write("    ...")
