from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from datetime import timedelta, tzinfo
from pathlib import Path
from typing import Any, NamedTuple

from django.contrib.auth import get_user_model
from django.core.management.base import (
    BaseCommand,
    CommandError,
    CommandParser,
)

from souvenirs.conf import conf
from souvenirs.importing import BAD_LINE, Importer, Stopped, Summary, readers

from ._helpers import Progress, counted, errors_in_words, parse_range, parse_zone

#: What a file's name, without .gz, tells of its format.
FORMATS = {
    "csv": re.compile(r"\.csv$"),
    "json": re.compile(r"\.(jsonl|ndjson|json)$"),
    "log": re.compile(r"([._-]|^)log([._-]|$)"),
}

Readings = Iterable[tuple[int, readers.Reading]]

TABLES: dict[str, Callable[[], Readings]] = {
    "last_login": readers.last_logins,
    "admin_log": readers.admin_log,
}


class Source(NamedTuple):
    """What is read: its name, the kind of its units, and the field by which it names users.

    ``opened`` gives its readings and a function that tells how much of ``size`` is behind them.
    """

    name: str
    unit: str
    lookup: str
    size: int
    opened: AbstractContextManager[tuple[Readings, Callable[[], int]]]


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
        files, table = options["files"], options["table"]
        if bool(files) == bool(table):
            raise CommandError("Give the files to import, or --from last_login or admin_log.")
        zone = parse_zone(options["tz"])
        window = self._window(options["window"])
        after, before = parse_range(options, "after", "before", zone)
        sources = [self._file(name, options, zone) for name in files] or [self._table(table)]
        with closing(
            Importer(window, after, before, options["dry_run"], options["strict"])
        ) as importer:
            for source in sources:
                self._import(source, importer)

    def _window(self, given: float | None) -> float:
        window = conf.RATELIMIT_SECONDS if given is None else given
        if not 0 <= window < timedelta.max.total_seconds():
            raise CommandError(f"--window must be a number of seconds, 0 or more, not {window:g}.")
        return window

    def _table(self, name: str) -> Source:
        try:
            readings = TABLES[name]()
        except LookupError as error:
            raise CommandError(f"Cannot import --from {name}: {error.args[0]}") from None
        return Source(name, "row", "pk", 0, nullcontext((readings, lambda: 0)))

    def _file(self, name: str, options: dict[str, Any], zone: tzinfo) -> Source:
        if Path(name).is_dir():
            raise CommandError(f"{name} is a directory: name the files in it.")
        if name != "-" and not os.access(name, os.R_OK):
            raise CommandError(f"There is no file {name} that can be read.")
        form = options["format"] or self._format(name)
        with errors_in_words():
            parser = self._parser(form, options, zone)
        lookup = self._lookup(options["lookup"], form)
        size = 0 if name == "-" else Path(name).stat().st_size
        return Source(name, "line", lookup, size, _opened(name, parser))

    def _format(self, name: str) -> str:
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
        columns = {field.name for field in user_model._meta.concrete_fields}
        if lookup not in {"pk", *columns}:
            raise CommandError(f"{user_model._meta.label} has no field {lookup!r}.")
        return lookup

    def _import(self, source: Source, importer: Importer) -> None:
        progress = Progress(self.stderr, source.size, f"{source.unit}s")
        with source.opened as (readings, position):
            try:
                for summary in importer.run(source.name, readings, source.lookup):
                    progress.update(position(), summary.read)
            except Stopped as error:
                raise CommandError(str(error)) from error
            finally:
                progress.finish()
                self._report(source, importer.summary, importer.dry_run)

    def _report(self, source: Source, summary: Summary, dry_run: bool) -> None:
        added = "Would add" if dry_run else "Added"
        self.stdout.write(f"{source.name}: read {counted(summary.read, source.unit)}.")
        self.stdout.write(f"  {added} {counted(summary.added, 'souvenir')}.")
        if summary.known:
            self.stdout.write(f"  {summary.known:,} in a window that has a souvenir.")
        for reason, count in summary.skipped.most_common():
            self.stdout.write(f"  Skipped {count:,}: {reason}.")
        for text in summary.bad_lines:
            self.stdout.write(f"    {text}")
        if summary.skipped[BAD_LINE] > len(summary.bad_lines):
            self.stdout.write("    ...")


@contextmanager
def _opened(name: str, parser: readers.Parser) -> Iterator[tuple[Readings, Callable[[], int]]]:
    with readers.open_text(name) as (lines, position):
        yield readers.read_lines(lines, parser), position
