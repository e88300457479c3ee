from __future__ import annotations

import gc
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from datetime import timedelta, tzinfo
from pathlib import Path
from typing import Any, NamedTuple

from django.contrib.auth import get_user_model
from django.core.management.base import CommandError, CommandParser

from souvenirs.conf import conf
from souvenirs.importing import (
    BAD_LINE,
    FORMATS,
    NO_USER,
    TABLES,
    Entry,
    Importer,
    Stopped,
    Summary,
    Unreadable,
    format_of,
    mapping_of,
    open_entries,
    parser_of,
)

from .._terminal import Progress, pluralize, printable
from ._base import SouvenirsCommand
from ._errors import command_errors
from ._options import add_options, parse_range, parse_zone


@contextmanager
def _rare_collections() -> Iterator[None]:
    """Let the garbage collector, which finds nothing in an import, search a hundredth as often."""
    often, *others = gc.get_threshold()
    gc.set_threshold(often * 100, *others)
    try:
        yield
    finally:
        gc.set_threshold(often, *others)


class Source(NamedTuple):
    """A file or table to import.

    ``unit`` is a noun for one of its entries, ``lookup`` the field by which it identifies users.
    ``opened`` yields its entries, and a function that returns how much of ``size`` has been read.
    """

    name: str
    unit: str
    lookup: str
    size: int
    opened: AbstractContextManager[tuple[Iterator[tuple[int, Entry]], Callable[[], int]]]


class Command(SouvenirsCommand):
    writes = True
    help = (
        "Imports history from CSV files, JSON lines and web access logs, plain or compressed, or "
        "from Django's own tables. Adds one souvenir per user and window, like live recording, and "
        "never changes existing ones, so it is safe to run again, even after an interruption."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "files", nargs="*", metavar="FILE", help="file to read; - is standard input"
        )
        parser.add_argument(
            "--from",
            dest="table",
            choices=sorted(TABLES),
            help="import the last login of each user, or the admin log, instead of files",
        )
        parser.add_argument(
            "--format",
            choices=sorted(FORMATS),
            help="format of the files (default: from their names)",
        )
        parser.add_argument(
            "--columns",
            metavar="NAME,NAME",
            help="columns of a CSV file without a header row, including user_id and when or those "
            "of --map",
        )
        parser.add_argument(
            "--map",
            metavar="user=NAME,when=NAME",
            help="where a line has its user and its time: the names of columns, of keys of JSON, "
            "within each other as in request.user, or of fields of a W3C log "
            "(default: user_id and when; in W3C logs, cs-username and date with time)",
        )
        parser.add_argument(
            "--encoding",
            metavar="NAME",
            help="character encoding of the files, such as cp1252 "
            "(default: UTF-8, or UTF-16 or UTF-32 if a file shows it)",
        )
        parser.add_argument(
            "--user-regex",
            metavar="REGEX",
            help="identify the user of a log line by the first group of REGEX "
            "(default: the authenticated user of the line)",
        )
        add_options(parser, "--lookup", lookup=" (default: the primary key; in logs, the username)")
        parser.add_argument(
            "--window",
            type=float,
            metavar="SECONDS",
            help="length of the window in which a user gets one souvenir, 0 to keep every moment "
            "(default: SOUVENIRS_RATELIMIT_SECONDS)",
        )
        add_options(parser, "--after", "--before", "--tz", "--dry-run")
        note = "stop at the first bad line, after importing the lines before it"
        add_options(parser, "--strict", strict=note)

    def handle(self, *args: Any, **options: Any) -> None:
        files, table = options["files"], options["table"]
        if bool(files) == bool(table):
            raise CommandError("Specify files to import, or --from last_login or admin_log.")
        zone = parse_zone(options["tz"])
        window = self._window(options["window"])
        after, before = parse_range(options, zone)
        sources = [self._file(name, options, zone) for name in files] or [self._table(table)]
        importing = closing(Importer(window, after, before, options["dry_run"], options["strict"]))
        with importing as importer, _rare_collections():
            done = [self._import(source, importer) for source in sources]
        bad_lines = sum(summary.skipped[BAD_LINE] for summary in done)
        if bad_lines and not any(summary.added or summary.repeated for summary in done):
            raise CommandError(f"Nothing was imported: {pluralize(bad_lines, 'bad line')}.")

    def _window(self, given: float | None) -> float:
        window = conf.RATELIMIT_SECONDS if given is None else given
        if not 0 <= window < timedelta.max.total_seconds():
            raise CommandError(f"--window must be a number of seconds, 0 or more, not {window:g}.")
        return window

    def _table(self, name: str) -> Source:
        try:
            entries = TABLES[name]()
        except LookupError as error:
            raise CommandError(f"Cannot import --from {name}: {error.args[0]}") from None
        return Source(name, "row", "pk", 0, nullcontext((entries, lambda: 0)))

    def _file(self, name: str, options: dict[str, Any], zone: tzinfo) -> Source:
        if Path(name).is_dir():
            raise CommandError(f"{name} is a directory: specify the files in it.")
        if name != "-" and not os.access(name, os.R_OK):
            raise CommandError(f"{name} does not exist or cannot be read.")
        form = options["format"] or format_of(Path(name).name)
        if form is None:
            raise CommandError(f"The format of {name} is not clear from its name: use --format.")
        columns = options["columns"].split(",") if options["columns"] else None
        with command_errors():
            names = mapping_of(options["map"]) if options["map"] else None
            parser = parser_of(form, zone, names, columns, options["user_regex"])
        encoding = self._encoding(options["encoding"])
        lookup = self._lookup(options["lookup"], form)
        size = 0 if name == "-" else Path(name).stat().st_size
        return Source(name, "line", lookup, size, open_entries(name, parser, encoding))

    def _encoding(self, name: str | None) -> str | None:
        try:
            "".encode(name or "utf-8")
        except (LookupError, ValueError):
            raise CommandError(
                f"Unknown encoding {name!r}: use a name like 'cp1252' or 'utf-16'."
            ) from None
        return name

    def _lookup(self, given: str | None, form: str) -> str:
        user_model = get_user_model()
        lookup = given or (user_model.USERNAME_FIELD if form == "log" else "pk")
        columns = {field.name for field in user_model._meta.concrete_fields}
        if lookup not in {"pk", *columns}:
            raise CommandError(f"{user_model._meta.label} has no field {lookup!r}.")
        return lookup

    def _import(self, source: Source, importer: Importer) -> Summary:
        name = f"{source.name}, {source.unit}"
        progress = Progress(self.stderr, source.size, source.unit)
        try:
            with source.opened as (entries, position):
                try:
                    for summary in importer.run(name, entries, source.lookup):
                        progress.update(position(), summary.read)
                finally:
                    progress.finish()
                    self._report(source, importer.summary, importer.dry_run)
        except Stopped as error:
            raise CommandError(printable(str(error))) from error
        except Unreadable as error:
            raise CommandError(f"{source.name}: {error}.") from error
        return importer.summary

    def _report(self, source: Source, summary: Summary, dry_run: bool) -> None:
        added = "Would add" if dry_run else "Added"
        self.stdout.write(f"{source.name}: read {pluralize(summary.read, source.unit)}.")
        self.stdout.write(f"  {added} {pluralize(summary.added, 'souvenir')}.")
        if summary.repeated:
            self.stdout.write(f"  Skipped {summary.repeated:,}: the window already has a souvenir.")
        for reason, count in summary.skipped.most_common():
            self.stdout.write(f"  Skipped {count:,}: {reason}.")
            if reason == NO_USER.reason and count == summary.read:
                self.stdout.write("    Tell where the user is with --map or --user-regex.")
            examples = summary.examples.get(reason, {})
            for sentence in examples.values():
                self.stdout.write(f"    {printable(sentence)}")
            if examples and (more := count - len(examples)):
                self.stdout.write(f"    ... and {pluralize(more, 'more line')} like these.")
