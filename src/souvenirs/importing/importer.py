"""Leave souvenirs of a stream of sightings, as live recording would have.

That is one souvenir per user and window, whatever the order of the sightings. Each batch is looked
up in the store and then written in a transaction of its own. So a second run adds nothing, and a
run after a killed one continues from there. Memory does not grow with the number of sightings.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import TypeAlias, TypeVar

from django.conf import settings
from django.db import reset_queries

from ..calendar import EPOCH, MICROSECOND
from ..recording import CLOCK_TOLERANCE
from ..stores import Sighting, UserRange, get_store
from .lines import Entry, Record, Unreadable
from .users import NO_USER, Unidentified, Users

T = TypeVar("T")

BATCH = 5_000
#: The number of windows with a souvenir that are remembered.
REMEMBERED = 100_000
#: The number of lines that are shown for a reason.
SHOWN = 10
#: The characters of a name that are shown.
NAME_SHOWN = 100

#: The ends of windows that reach beyond the years 1 to 9999; a day less, for all time zones.
CALENDAR = (datetime(1, 1, 2, tzinfo=UTC), datetime(9999, 12, 30, tzinfo=UTC))

#: A window of a user, by its number since 1970; a window of length 0 is one microsecond.
UserWindow: TypeAlias = "tuple[Hashable, int]"

BAD_LINE = "bad line"
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
    #: By reason, sentences: of the first bad lines by number, of the first names without a user.
    examples: dict[str, dict[Hashable, str]] = field(default_factory=dict)

    def skip(self, reason: str, key: Hashable = None, sentence: str = "") -> None:
        """Count a skipped line, whose sentence is kept if it is among the first different keys."""
        self.skipped[reason] += 1
        if sentence:
            shown = self.examples.setdefault(reason, {})
            if len(shown) < SHOWN:
                shown.setdefault(key, sentence)


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

        ``source`` names them in messages, such as ``seen.csv, line``; ``lookup`` is the field of
        the user model by which they identify users. Raises Stopped at an Unreadable and, if
        ``strict``, at any bad line.
        """
        self.summary = Summary()
        users = self._users.setdefault(lookup, Users(lookup))
        for batch in _batches(entries, BATCH):
            records = []
            for number, entry in batch:
                if isinstance(entry, Record):
                    records.append((number, entry))
                    continue
                text = f"{source} {number}: {entry}."
                if self.strict or isinstance(entry, Unreadable):
                    self._import(source, records, users)
                    raise Stopped(text)
                self.summary.read += 1
                self.summary.skip(BAD_LINE, number, text)
            self._import(source, records, users)
            yield self.summary

    def _import(self, source: str, records: list[tuple[int, Record]], users: Users) -> None:
        users.look_up({record.user for _, record in records if record.user is not None})
        first_in: dict[UserWindow, datetime] = {}
        sightings = 0
        for window, when in self._sightings(source, records, users):
            sightings += 1
            if window not in self._filled:
                first_in[window] = min(when, first_in.get(window, when))
        added = self._fill(first_in)
        # Counted after they are written, so that an interrupted run never reports too much.
        self.summary.read += len(records)
        self.summary.added += added
        self.summary.repeated += sightings - added
        if settings.DEBUG:
            reset_queries()  # Django would keep the last few thousand

    def _fill(self, first_in: dict[UserWindow, datetime]) -> int:
        """Leave a souvenir in each window without one, and return the number of souvenirs added."""
        windows = list(first_in)
        numbers = {number for _, number in windows}
        edges = {n: self._edge(n) for number in numbers for n in (number, number + 1)}
        ranges = [UserRange(user, edges[n], edges[n + 1]) for user, n in windows]
        taken = get_store().occupied(ranges) if ranges else set()
        free = [window for position, window in enumerate(windows) if position not in taken]
        if self._rehearsal is not None:
            added = self._rehearsal.add(free)
        else:
            get_store().add_many([Sighting(window[0], first_in[window]) for window in free])
            added = len(free)
        if len(self._filled) > REMEMBERED:
            self._filled.clear()
        self._filled.update(windows)
        return added

    def _sightings(
        self, source: str, records: list[tuple[int, Record]], users: Users
    ) -> Iterator[tuple[UserWindow, datetime]]:
        """Yield the window and the moment of each record that counts."""
        limit = datetime.now(UTC) + CLOCK_TOLERANCE
        width, summary = self._width, self.summary
        for number, (name, when) in records:
            user = NO_USER if name is None else users[name]
            if user is NO_USER:
                summary.skip(NO_USER.reason)
            elif (self.after and when < self.after) or (self.before and when >= self.before):
                summary.skip(OUT_OF_RANGE)
            elif when > limit:
                summary.skip(FUTURE)
            elif isinstance(user, Unidentified):
                text = f"{source} {number}: {user.reason} '{str(name)[:NAME_SHOWN]}'."
                summary.skip(user.reason, name, text)
            else:
                yield (user, (when - EPOCH) // width), when

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
