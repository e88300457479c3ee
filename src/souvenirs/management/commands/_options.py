"""What the commands have in common."""

from __future__ import annotations

import os
import sys
import time
import warnings
from argparse import ArgumentTypeError
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from datetime import datetime, tzinfo
from io import TextIOBase
from typing import Any

import dateutil.parser
from dateutil.parser import UnknownTimezoneWarning
from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError, CommandParser, OutputWrapper
from django.utils import timezone

from souvenirs.calendar import checked, checked_range, outward, zone_named
from souvenirs.counting import SETTING, restricted, segment_names
from souvenirs.sets import primary_key


class ReadingCommand(BaseCommand):
    """Base of commands that read and show: a reader that goes away and Ctrl-C end them quietly.

    What ``handle()`` appends to ``notes`` goes to stderr, below the output.
    """

    def execute(self, *args: Any, **options: Any) -> str | None:
        self.notes: list[str] = []
        try:
            output = super().execute(*args, **options)
            self.stdout.flush()
        except BrokenPipeError:
            if vars(self.stdout)["_out"] is sys.stdout:
                # Python would complain once more when it flushes on its way out.
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return None
        except KeyboardInterrupt:
            raise CommandError("Interrupted.", returncode=130) from None
        except UnicodeEncodeError as error:
            raise CommandError(
                f"{error.object[error.start]!a} cannot be written in {error.encoding}: "
                "set PYTHONIOENCODING=utf-8."
            ) from None
        for note in self.notes:
            self.stderr.write(note, style_func=str)
        return output


def parse_zone(name: str | None) -> tzinfo:
    """Return the named time zone, or the current one. Raises CommandError where there is none."""
    if name is None:
        return timezone.get_current_timezone()
    with errors_in_words():
        return zone_named(name)


def parse_date(value: str | datetime | None, option: str, zone: tzinfo) -> datetime | None:
    """Return the moment that a person wrote: the wall clock of ``zone`` unless it has an offset.

    What is left out is the first of its kind: ``2016`` is 2016-01-01 00:00. Raises CommandError.
    """
    if value is None or isinstance(value, datetime):
        return value
    try:
        moment = _parsed(str(value))
        moment = moment if moment.tzinfo else timezone.make_aware(moment, zone)
        return outward(checked(moment, option))
    except (ValueError, OverflowError, TypeError, UnknownTimezoneWarning):
        raise CommandError(
            f"{option} {str(value)[:100]!r} is not a date: write it like 2016-01-31."
        ) from None


def parse_range(
    options: dict[str, Any], first: str, last: str, zone: tzinfo
) -> tuple[datetime | None, datetime | None]:
    """Return the two ends of a range, given as options of these names. Raises CommandError."""
    start, end = (parse_date(options[name], f"--{name}", zone) for name in (first, last))
    try:
        return checked_range(start, end)
    except ValueError:
        raise CommandError(f"--{first} {start} is later than --{last} {end}.") from None


def add_segment(parser: CommandParser) -> None:
    """Add the option that restricts a command to a segment."""
    parser.add_argument(
        "--segment", metavar="NAME", help="only users of this one of SOUVENIRS_SEGMENTS"
    )


def add_by_segment(parser: CommandParser) -> None:
    """Add the options that have a command show each segment."""
    parser.add_argument(
        "--by-segment",
        action="store_true",
        help="each of SOUVENIRS_SEGMENTS and everyone; segments can overlap",
    )
    parser.add_argument(
        "--exclusive",
        action="store_true",
        help="with --by-segment: each user in their first segment only",
    )


def parse_segments(options: dict[str, Any]) -> dict[str, Any]:
    """Return what these options mean to an insight or a report. Raises CommandError."""
    if options["exclusive"] and not options["by_segment"]:
        raise CommandError("--exclusive requires --by-segment.")
    if options["by_segment"] and not segment_names():
        raise CommandError("--by-segment needs segments: name some in SOUVENIRS_SEGMENTS.")
    return {
        "users": restricted(None, options["segment"]),
        "by": SETTING if options["by_segment"] else None,
        "exclusive": options["exclusive"],
    }


def positive(text: str) -> float:
    """Return the number that was written, for argparse; it has to be more than 0."""
    number = float(text)
    if not 0 < number < float("inf"):
        raise ArgumentTypeError(f"must be a number above 0, not {text}")
    return number


def _parsed(text: str) -> datetime:
    """What was written, and nothing but that: without a year it is no date."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", UnknownTimezoneWarning)
        one, other = (
            dateutil.parser.parse(text, default=datetime(year, 1, 1))  # noqa: DTZ001
            for year in (2000, 2004)
        )
    if one != other:
        raise ValueError
    return one


@contextmanager
def errors_in_words() -> Iterator[None]:
    """Turn what the public functions refuse into the one sentence they say about it."""
    try:
        yield
    except (ValueError, ImproperlyConfigured) as error:
        raise CommandError(str(error)) from error


def user_key(text: str) -> Hashable:
    """Return the primary key of a user that a person wrote. Raises CommandError for what is none.

    No such user has to be there.
    """
    with errors_in_words():
        return primary_key(text)


def counted(number: int, noun: str) -> str:
    """Return a number of things in words."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


@contextmanager
def interruptible() -> Iterator[None]:
    """Have Ctrl-C end a command in one sentence; what was under way has been rolled back."""
    try:
        yield
    except KeyboardInterrupt:
        raise CommandError(
            "Interrupted: the rest is left to the next run.", returncode=130
        ) from None


class Progress:
    """A line on a terminal that says how far a command is; nothing elsewhere."""

    INTERVAL = 0.2

    def __init__(self, stream: Any, total: int, unit: str) -> None:
        while isinstance(stream, OutputWrapper):
            stream = stream._out  # without what ends each write with a line
        self._stream: TextIOBase = stream
        self._total = total
        self._unit = unit
        self._shown = self._stream.isatty()
        self._started = self._drawn = time.monotonic()

    def update(self, done: int, units: int) -> None:
        """Say that ``done`` of the total and so many units are behind us."""
        now = time.monotonic()
        if self._shown and now - self._drawn >= self.INTERVAL:
            self._drawn = now
            self._draw(done, units, now - self._started)

    def finish(self) -> None:
        """Take the line off the terminal."""
        if self._shown:
            self._stream.write("\r\x1b[K")
            self._stream.flush()

    def _draw(self, done: int, units: int, elapsed: float) -> None:
        line = f"{units:,} {self._unit}, {units / elapsed:,.0f}/s"
        if done and self._total:
            left = elapsed * max(0, self._total - done) / done
            share = min(1, done / self._total)
            bar = ("#" * round(share * 30)).ljust(30)
            line = f"[{bar}] {share:4.0%}  {line}, {left / 60:.0f}:{left % 60:02.0f} left"
        self._stream.write(f"\r\x1b[K{line}")
        self._stream.flush()
