"""Leave souvenirs of a stream of sightings, as live recording would have.

That is one souvenir per user and window, whatever the order of the sightings. Each batch is looked
up in the store and then written in a transaction of its own. So a second run adds nothing, and a
run after a killed one continues from there. Memory does not grow with the number of sightings.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any, NamedTuple, TypeVar

from django.conf import settings
from django.db import reset_queries

from ..calendar import EPOCH, MICROSECOND
from ..recording import CLOCK_TOLERANCE
from ..stores import Sighting, UserRange, get_store
from .lines import Entry, Record, Unreadable
from .users import Unidentified, Users

T = TypeVar("T")

BATCH = 5_000
#: The number of windows with a souvenir that are remembered.
REMEMBERED = 100_000
BAD_LINES_SHOWN = 10

#: The ends of windows that reach beyond the years 1 to 9999; a day less, for all time zones.
CALENDAR = (datetime(1, 1, 2, tzinfo=UTC), datetime(9999, 12, 30, tzinfo=UTC))

BAD_LINE = "bad line"
NO_USER = "no user"
OUT_OF_RANGE = "outside --after and --before"
FUTURE = "in the future"


class Stopped(Exception):
    """The import stopped at a line, after importing the lines before it. The message says why."""


@dataclass
class Summary:
    """The number of lines read, how many were added or skipped, and why."""

    read: int = 0
    #: Souvenirs added.
    added: int = 0
    #: Sightings in a window that already has a souvenir.
    repeated: int = 0
    #: Lines skipped, by reason.
    skipped: Counter[str] = field(default_factory=Counter)
    #: The first bad lines, each as a sentence.
    bad_lines: list[str] = field(default_factory=list)


class UserWindow(NamedTuple):
    """A window of a user, by its number since 1970; a window of length 0 is one microsecond."""

    user: Any
    number: int


@dataclass
class Importer:
    """Imports sightings into the store; call :meth:`close` at the end.

    ``window`` is in seconds; 0 keeps every distinct time. Sightings outside ``[after, before)``,
    aware datetimes, are skipped; None leaves an end open. ``summary`` is that of the last source.
    """

    window: float
    after: datetime | None = None
    before: datetime | None = None
    dry_run: bool = False
    strict: bool = False

    def __post_init__(self) -> None:
        self.summary = Summary()
        self._width = timedelta(seconds=self.window) or MICROSECOND
        self._users: dict[str, Users] = {}
        self._filled: set[UserWindow] = set()
        self._rehearsal = _Rehearsal() if self.dry_run else None

    def close(self) -> None:
        if self._rehearsal is not None:
            self._rehearsal.close()

    def run(
        self, source: str, entries: Iterable[tuple[int, Entry]], lookup: str = "pk"
    ) -> Iterator[Summary]:
        """Import numbered entries, and yield the summary so far after each batch.

        ``source`` names them in messages, ``lookup`` is the field of the user model by which they
        identify users. Raises Stopped at an Unreadable and, if ``strict``, at any bad line.
        """
        self.summary = Summary()
        users = self._users.setdefault(lookup, Users(lookup))
        for batch in _batches(entries, BATCH):
            records = []
            for number, entry in batch:
                if isinstance(entry, Record):
                    records.append(entry)
                    continue
                text = f"{source}, line {number}: {entry}."
                if self.strict or isinstance(entry, Unreadable):
                    self._import(records, users)
                    raise Stopped(text)
                self._note_bad_line(text)
            self._import(records, users)
            yield self.summary

    def _note_bad_line(self, text: str) -> None:
        self.summary.read += 1
        self.summary.skipped[BAD_LINE] += 1
        if len(self.summary.bad_lines) < BAD_LINES_SHOWN:
            self.summary.bad_lines.append(text)

    def _import(self, records: list[Record], users: Users) -> None:
        sightings = list(self._sightings(records, users))
        first_in: dict[UserWindow, datetime] = {}
        for sighting in sightings:
            window = self._window_of(sighting)
            if window not in self._filled:
                first_in[window] = min(sighting.when, first_in.get(window, sighting.when))
        added = self._fill(first_in)
        # Counted after they are written, so that an interrupted run never reports too much.
        self.summary.read += len(records)
        self.summary.added += added
        self.summary.repeated += len(sightings) - added
        if settings.DEBUG:
            reset_queries()  # Django would keep the last few thousand

    def _fill(self, first_in: dict[UserWindow, datetime]) -> int:
        """Leave a souvenir in each window without one, and return the number of souvenirs added."""
        windows = list(first_in)
        taken = get_store().occupied([self._range(each) for each in windows]) if windows else set()
        free = [window for position, window in enumerate(windows) if position not in taken]
        if self._rehearsal is not None:
            added = self._rehearsal.add(free)
        else:
            get_store().add_many(Sighting(window.user, first_in[window]) for window in free)
            added = len(free)
        if len(self._filled) > REMEMBERED:
            self._filled.clear()
        self._filled.update(windows)
        return added

    def _sightings(self, records: list[Record], users: Users) -> Iterator[Sighting]:
        users.look_up({record.user for record in records if record.user is not None})
        limit = datetime.now(UTC) + CLOCK_TOLERANCE
        skipped = self.summary.skipped
        for name, when in records:
            user = None if name is None else users[name]
            if user is None:
                skipped[NO_USER] += 1
            elif (self.after and when < self.after) or (self.before and when >= self.before):
                skipped[OUT_OF_RANGE] += 1
            elif when > limit:
                skipped[FUTURE] += 1
            elif isinstance(user, Unidentified):
                skipped[user.reason] += 1
            else:
                yield Sighting(user, when)

    def _window_of(self, sighting: Sighting) -> UserWindow:
        return UserWindow(sighting.user, (sighting.when - EPOCH) // self._width)

    def _range(self, window: UserWindow) -> UserRange:
        return UserRange(window.user, self._edge(window.number), self._edge(window.number + 1))

    def _edge(self, number: int) -> datetime:
        try:
            return EPOCH + number * self._width
        except OverflowError:
            return CALENDAR[number > 0]


class _Rehearsal:
    """The windows that a dry run would have filled; on disk, as they may not fit in memory."""

    def __init__(self) -> None:
        self._database = sqlite3.connect("")
        self._database.execute("CREATE TABLE filled (name TEXT PRIMARY KEY) WITHOUT ROWID")

    def add(self, windows: Iterable[UserWindow]) -> int:
        """Add windows, and return how many of them are new."""
        before = self._database.total_changes
        self._database.executemany(
            "INSERT OR IGNORE INTO filled VALUES (?)", ((f"{user}\n{n}",) for user, n in windows)
        )
        return self._database.total_changes - before

    def close(self) -> None:
        self._database.close()


def _batches(items: Iterable[T], size: int) -> Iterator[list[T]]:
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch
