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
from typing import Any, TypeVar

from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError

from ..instants import utc
from ..ratelimit import window_of
from ..recording import CLOCK_TOLERANCE
from ..stores import Sighting, Span, get_store
from .readers import Reading, Record

T = TypeVar("T")

BATCH = 5_000
USERS_REMEMBERED = 100_000
BAD_LINES_SHOWN = 10

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
INSTANT = timedelta(microseconds=1)

BAD_LINE = "bad line"
NO_USER = "no user"
UNKNOWN_USER = "unknown user"
OUTSIDE = "outside --after and --before"
FUTURE = "in the future"


class StoppedAtBadLine(Exception):
    """A strict import met a line that cannot be read; all lines before it are in."""


@dataclass
class Summary:
    """What became of the lines."""

    read: int = 0
    added: int = 0
    known: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    bad_lines: list[str] = field(default_factory=list)


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
        self._users: dict[tuple[str, str], Hashable | None] = {}
        self._rehearsal = _Rehearsal() if self.dry_run else None

    def close(self) -> None:
        if self._rehearsal is not None:
            self._rehearsal.close()

    def run(
        self, source: str, readings: Iterable[tuple[int, Reading]], lookup: str = "pk"
    ) -> Iterator[Summary]:
        """Import what a source says and yield the summary so far after each batch.

        ``lookup`` is the field of the user model by which the source names users. Raises
        StoppedAtBadLine in a strict import.
        """
        self.summary = Summary()
        for batch in _batches(readings, BATCH):
            good = []
            for number, reading in batch:
                if isinstance(reading, Record):
                    good.append(reading)
                    continue
                text = f"{source}, line {number}: {reading}."
                if self.strict:
                    self._import(good, lookup)
                    raise StoppedAtBadLine(text)
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
        first_of: dict[Span, datetime] = {}
        for sighting in sightings:
            span = self._span(sighting)
            first_of[span] = min(sighting.when, first_of.get(span, sighting.when))
        spans = list(first_of)
        taken = get_store().occupied(spans) if spans else set()
        new = [span for position, span in enumerate(spans) if position not in taken]
        if self._rehearsal is not None:
            added = self._rehearsal.add(new)
        else:
            get_store().add_many(Sighting(span.user, first_of[span]) for span in new)
            added = len(new)
        # Counted once they are in, so that an interrupted run never claims too much.
        self.summary.read += len(records)
        self.summary.added += added
        self.summary.known += len(sightings) - added

    def _sightings(self, records: list[Record], lookup: str) -> Iterator[Sighting]:
        self._look_up({record.user for record in records if record.user is not None}, lookup)
        limit = datetime.now(UTC) + CLOCK_TOLERANCE
        for name, when in records:
            moment = utc(when)
            user = None if name is None else self._users[lookup, name]
            if name is None:
                self.summary.skipped[NO_USER] += 1
            elif (self.after and moment < self.after) or (self.before and moment >= self.before):
                self.summary.skipped[OUTSIDE] += 1
            elif moment > limit:
                self.summary.skipped[FUTURE] += 1
            elif user is None:
                self.summary.skipped[UNKNOWN_USER] += 1
            else:
                yield Sighting(user, moment)

    def _look_up(self, names: set[str], lookup: str) -> None:
        if len(self._users) > USERS_REMEMBERED:
            self._users.clear()
        asked: dict[Any, list[str]] = {}
        for name in names:
            if (lookup, name) not in self._users:
                self._users[lookup, name] = None
                asked.setdefault(_value(lookup, name), []).append(name)
        asked.pop(None, None)
        users = get_user_model()._default_manager.filter(**{f"{lookup}__in": list(asked)})
        for value, pk in users.order_by().values_list(lookup, "pk"):
            for name in asked.get(value, ()):  # a database may compare names without their case
                self._users[lookup, name] = pk

    def _span(self, sighting: Sighting) -> Span:
        if not self.window:
            return Span(sighting.user, sighting.when, sighting.when + INSTANT)
        number = window_of(sighting.when, self.window).number
        return Span(sighting.user, self._edge(number), self._edge(number + 1))

    def _edge(self, number: int) -> datetime:
        try:
            return EPOCH + timedelta(seconds=number * self.window)
        except OverflowError:
            return datetime.min.replace(tzinfo=UTC)


def _value(lookup: str, name: str) -> Any:
    """What the field would hold for a name; None where it can hold no such thing."""
    meta = get_user_model()._meta
    column: Any = meta.pk if lookup == "pk" else meta.get_field(lookup)
    try:
        return column.to_python(name)
    except ValidationError:
        return None


class _Rehearsal:
    """The spans that a dry run would have filled; on disk, for they may not fit in memory."""

    def __init__(self) -> None:
        self._database = sqlite3.connect("")
        self._database.execute("CREATE TABLE span (name TEXT PRIMARY KEY) WITHOUT ROWID")

    def add(self, spans: Iterable[Span]) -> int:
        """Add spans and return how many were not there."""
        before = self._database.total_changes
        self._database.executemany(
            "INSERT OR IGNORE INTO span VALUES (?)",
            ((f"{span.user}\n{span.start.isoformat()}",) for span in spans),
        )
        return self._database.total_changes - before

    def close(self) -> None:
        self._database.close()


def _batches(items: Iterable[T], size: int) -> Iterator[list[T]]:
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch
