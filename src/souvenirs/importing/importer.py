"""Leave the souvenirs of a stream of sightings, as live recording would have.

One souvenir per user and window, whatever the order of the sightings. Every batch is looked up in
the store before it is written and written in a transaction of its own, so that a second run adds
nothing and a run after a killed one goes on where that one stopped. Memory does not grow with the
number of sightings.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any, NamedTuple, TypeVar

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError
from django.db import models, reset_queries

from ..recording import CLOCK_TOLERANCE
from ..stores import Sighting, UserRange, get_store
from .readers import Reading, Record, Unreadable

T = TypeVar("T")

BATCH = 5_000
#: Of users, and of windows that have their souvenir.
REMEMBERED = 100_000
BAD_LINES_SHOWN = 10

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
INSTANT = timedelta(microseconds=1)

#: Where windows end that reach beyond the calendar: a day inside it, for every time zone's sake.
CALENDAR = (datetime(1, 1, 2, tzinfo=UTC), datetime(9999, 12, 30, tzinfo=UTC))

BAD_LINE = "bad line"
NO_USER = "no user"
OUTSIDE = "outside --after and --before"
FUTURE = "in the future"


class Stopped(Exception):
    """The import ended at a line; what was before it is in. The text names the line and why."""


@dataclass
class Summary:
    """What became of the lines."""

    read: int = 0
    added: int = 0
    known: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    bad_lines: list[str] = field(default_factory=list)


class Unclear(NamedTuple):
    """Why a name stands for no user."""

    reason: str


UNKNOWN = Unclear("unknown user")
SHARED = Unclear("several users of that name")


class Slot(NamedTuple):
    """A user's window, by its number since 1970, or with windows of no length the instant."""

    user: Any
    number: int


@dataclass
class Importer:
    """Imports sightings into the store; to be closed.

    ``window`` is in seconds; 0 keeps every distinct moment. ``after`` and ``before`` are aware and
    half-open. ``summary`` tells what became of the source that was read last.
    """

    window: float
    after: datetime | None = None
    before: datetime | None = None
    dry_run: bool = False
    strict: bool = False

    def __post_init__(self) -> None:
        self.summary = Summary()
        self._width = timedelta(seconds=self.window) or INSTANT
        self._users: dict[tuple[str, str], Hashable | Unclear] = {}
        self._filled: set[Slot] = set()
        self._rehearsal = _Rehearsal() if self.dry_run else None

    def close(self) -> None:
        if self._rehearsal is not None:
            self._rehearsal.close()

    def run(
        self, source: str, readings: Iterable[tuple[int, Reading]], lookup: str = "pk"
    ) -> Iterator[Summary]:
        """Import what a source says and yield the summary so far after each batch.

        ``lookup`` is the field of the user model by which the source names users. Raises Stopped
        where the source cannot be read on, and in a strict import at the first bad line.
        """
        self.summary = Summary()
        for batch in _batches(readings, BATCH):
            good = []
            for number, reading in batch:
                if isinstance(reading, Record):
                    good.append(reading)
                    continue
                text = f"{source}, line {number}: {reading}."
                if self.strict or isinstance(reading, Unreadable):
                    self._import(good, lookup)
                    raise Stopped(text)
                self._note_bad_line(text)
            self._import(good, lookup)
            yield self.summary

    def _note_bad_line(self, text: str) -> None:
        self.summary.read += 1
        self.summary.skipped[BAD_LINE] += 1
        if len(self.summary.bad_lines) < BAD_LINES_SHOWN:
            self.summary.bad_lines.append(text)

    def _import(self, records: list[Record], lookup: str) -> None:
        sightings = list(self._sightings(records, lookup))
        first_of: dict[Slot, datetime] = {}
        for sighting in sightings:
            slot = self._slot(sighting)
            if slot not in self._filled:
                first_of[slot] = min(sighting.when, first_of.get(slot, sighting.when))
        added = self._fill(first_of)
        # Counted once they are in, so that an interrupted run never claims too much.
        self.summary.read += len(records)
        self.summary.added += added
        self.summary.known += len(sightings) - added
        if settings.DEBUG:
            reset_queries()  # Django would keep the last thousands of them

    def _fill(self, first_of: dict[Slot, datetime]) -> int:
        """Leave a souvenir in every slot that has none and return how many did not."""
        slots = list(first_of)
        taken = get_store().occupied([self._span(slot) for slot in slots]) if slots else set()
        free = [slot for position, slot in enumerate(slots) if position not in taken]
        if self._rehearsal is not None:
            added = self._rehearsal.add(free)
        else:
            get_store().add_many(Sighting(slot.user, first_of[slot]) for slot in free)
            added = len(free)
        if len(self._filled) > REMEMBERED:
            self._filled.clear()
        self._filled.update(slots)
        return added

    def _sightings(self, records: list[Record], lookup: str) -> Iterator[Sighting]:
        self._look_up({record.user for record in records if record.user is not None}, lookup)
        limit = datetime.now(UTC) + CLOCK_TOLERANCE
        skipped = self.summary.skipped
        for name, when in records:
            user = None if name is None else self._users[lookup, name]
            if user is None:
                skipped[NO_USER] += 1
            elif (self.after and when < self.after) or (self.before and when >= self.before):
                skipped[OUTSIDE] += 1
            elif when > limit:
                skipped[FUTURE] += 1
            elif isinstance(user, Unclear):
                skipped[user.reason] += 1
            else:
                yield Sighting(user, when)

    def _look_up(self, names: set[str], lookup: str) -> None:
        if len(self._users) > REMEMBERED:
            self._users.clear()
        asked: dict[Any, list[str]] = {}
        for name in names:
            if (lookup, name) not in self._users:
                self._users[lookup, name] = UNKNOWN
                asked.setdefault(_value(lookup, name), []).append(name)
        asked.pop(None, None)
        if not asked:
            return
        users = get_user_model()._default_manager.filter(**{f"{lookup}__in": list(asked)})
        # As an expression: some versions of Django leave a field out that is named twice.
        for value, pk in users.order_by().values_list(models.F(lookup), "pk"):
            for name in asked.get(value, ()):  # a database may compare names without their case
                found = self._users[lookup, name] is not UNKNOWN
                self._users[lookup, name] = SHARED if found else pk

    def _slot(self, sighting: Sighting) -> Slot:
        return Slot(sighting.user, (sighting.when - EPOCH) // self._width)

    def _span(self, slot: Slot) -> UserRange:
        return UserRange(slot.user, self._edge(slot.number), self._edge(slot.number + 1))

    def _edge(self, number: int) -> datetime:
        try:
            return EPOCH + number * self._width
        except OverflowError:
            return CALENDAR[number > 0]


def _value(lookup: str, name: str) -> Any:
    """What the field would hold for a name; None where it can hold no such thing."""
    meta = get_user_model()._meta
    column: Any = meta.pk if lookup == "pk" else meta.get_field(lookup)
    column = getattr(column, "target_field", column)
    try:
        value = column.to_python(name)
        if isinstance(column, models.IntegerField):
            column.run_validators(value)  # which know the range of the database
        elif "\0" in name or not name.encode():
            return None
    except (ValueError, ValidationError):
        return None
    return value


class _Rehearsal:
    """The slots that a dry run would have filled; on disk, for they may not fit in memory."""

    def __init__(self) -> None:
        self._database = sqlite3.connect("")
        self._database.execute("CREATE TABLE slot (name TEXT PRIMARY KEY) WITHOUT ROWID")

    def add(self, slots: Iterable[Slot]) -> int:
        """Add slots and return how many were not there."""
        before = self._database.total_changes
        self._database.executemany(
            "INSERT OR IGNORE INTO slot VALUES (?)", ((f"{user}\n{n}",) for user, n in slots)
        )
        return self._database.total_changes - before

    def close(self) -> None:
        self._database.close()


def _batches(items: Iterable[T], size: int) -> Iterator[list[T]]:
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch
