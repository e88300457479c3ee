"""The table of digests, and the lock under which it is changed.

The lock is a row lock on the digest of the month. It is taken before reading anything that goes
into a digest of that month, and held until the change is committed. A change to a bucket marks its
day, its local days and its month as stale in the same transaction; rebuilding them clears the mark.
So a digest of these that is not stale contains everything that has been committed to its buckets.

Each local day lies in one month, so no change needs a second lock. Those of every time zone are
marked that are in the table: another process may have another one.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from typing import Any

from django.db import connections, models

from ..calendar import (
    BUCKETS,
    DAY_LEVEL,
    INVENTORY_LEVEL,
    LOCAL_LEVEL,
    LOCAL_LEVELS,
    MONTH_LEVEL,
    GridCell,
    Span,
    cell_of,
    joined,
    moment_of,
    second_of,
    stored,
)
from ..models import Digest
from ..resilience import ThrottledLogger
from ..sets import CorruptDigest, UserSet
from .figures import mark_figures
from .seals import (
    IS_UNKNOWN,
    Agreement,
    Inventory,
    agreement,
    apart,
    apart_sentence,
    by_month,
    missing_sentence,
    next_seal,
)
from .souvenirs import put_seal, sealed_in, souvenirs_in
from .transactions import Contended, locking

logger = ThrottledLogger(__name__)

AGREED = Agreement.AGREED

#: The levels of all digests but the inventories.
LEVELS = [*BUCKETS, DAY_LEVEL, MONTH_LEVEL, *LOCAL_LEVELS]

#: The columns that a new version changes.
WRITTEN = ("version", "count", "checksum", "body", "is_stale")


def is_of_souvenirs(kind: str) -> bool:
    """Whether the digests of a kind are folded from souvenirs."""
    return kind == Digest.ACTIVE


class _Length(models.Func):
    function = "LENGTH"
    output_field = models.BigIntegerField()


class DigestTable:
    """The digests of one kind in a database."""

    def __init__(self, alias: str, kind: str) -> None:
        self.alias, self.kind = alias, kind
        self.is_of_souvenirs = is_of_souvenirs(kind)

    def kinds(self) -> list[DigestTable]:
        """Return this table, and one for each other kind in the database."""
        kinds = Digest.objects.using(self.alias).order_by("kind").values_list("kind", flat=True)
        tables, last = [self], ""
        # By an index probe for each kind; DISTINCT would read the whole index.
        while last := kinds.filter(kind__gt=last).first() or "":
            if last != self.kind:
                tables.append(DigestTable(self.alias, last))
        return tables

    def totals(self) -> list[dict[str, Any]]:
        """Return sums of the digests of each kind and level, those of this kind first.

        The keys are ``kind``, ``level``, ``rows``, ``stale`` (rows), ``members``, ``size`` in
        bytes, and ``last`` and ``last_pruned``, the latest starts. All local days are of the level
        ``LOCAL_LEVEL`` here.
        """
        digests = Digest.objects.using(self.alias).filter(level__in=LEVELS)
        # In the order of an index, which is not that of an expression.
        totals = (
            digests.order_by("kind", "level")
            .values("kind", "level")
            .annotate(
                rows=models.Count("pk"),
                stale=models.Count("pk", filter=models.Q(is_stale=True)),
                members=models.Sum("count"),
                size=models.Sum(_Length("body")),
                last=models.Max("start"),
                last_pruned=models.Max("start", filter=models.Q(is_pruned=True)),
            )
        )
        found: dict[tuple[str, int], dict[str, Any]] = {}
        for each in map(dict[str, Any], totals):
            each["level"] = min(each["level"], LOCAL_LEVEL)
            of_level = found.setdefault((each["kind"], each["level"]), each)
            if of_level is not each:
                # Local days of another length.
                for name in ("rows", "stale", "members", "size"):
                    of_level[name] += each[name]
                of_level["last"] = max(of_level["last"], each["last"])
        return sorted(found.values(), key=lambda each: each["kind"] != self.kind)

    def describe(self, subject: GridCell | str) -> str:
        """Return the subject with the kind of these digests, unless they are of souvenirs."""
        return f"{subject}" if self.is_of_souvenirs else f"{subject} ({self.kind})"

    def all(self) -> models.QuerySet[Digest]:
        return self._rows().exclude(level=INVENTORY_LEVEL)

    def _rows(self) -> models.QuerySet[Digest]:
        """Return all digests, and the inventories."""
        return Digest.objects.using(self.alias).filter(kind=self.kind)

    def of(self, cell: GridCell) -> models.QuerySet[Digest]:
        """Return the digest of a cell: one or none."""
        return self.all().filter(level=cell.level, start=cell.start)

    def inside(self, cell: GridCell) -> models.QuerySet[Digest]:
        """Return the digests of all levels that start in a cell, its own included, in order."""
        started = self.all().filter(start__gte=cell.start, start__lt=cell.end)
        return started.order_by("level", "start")

    def buckets_in(self, cell: GridCell) -> models.QuerySet[Digest]:
        """Return the digests of the buckets in a day or a month, in order."""
        return self.inside(cell).filter(level__in=BUCKETS).order_by("start")

    def starts_in(self, cell: GridCell) -> list[int]:
        """Return the starts of the buckets in a day or a month, also of those that are gone."""
        there = self.buckets_in(cell).values_list("start", flat=True)
        return [*there, *(bucket.start for bucket in self.missing_in(cell))]

    def days_in(self, month: GridCell) -> models.QuerySet[Digest]:
        return self.inside(month).filter(level=DAY_LEVEL)

    def strays_in(self, cell: GridCell) -> models.QuerySet[Digest]:
        """Return the digests that start in a cell and whose level does not exist: damaged ones."""
        return self.inside(cell).exclude(level__in=LEVELS)

    def starts_of(self, level: int) -> list[int]:
        return list(self.all().filter(level=level).values_list("start", flat=True))

    def local_days(self) -> models.QuerySet[Digest]:
        return self.all().filter(level__gt=LOCAL_LEVEL, level__lte=LOCAL_LEVELS[-1])

    def longer_eras(self, bucket: int) -> dict[int, Span]:
        """Return the spans from the first to the last bucket of each level longer than this."""
        buckets = self.all().filter(level__in=[level for level in BUCKETS if level > bucket])
        eras = buckets.values("level").annotate(models.Min("start"), models.Max("start"))
        return {
            level: (first, last + level)
            for level, first, last in eras.values_list("level", "start__min", "start__max")
        }

    def months(self) -> list[GridCell]:
        return [GridCell(MONTH_LEVEL, start) for start in self.starts_of(MONTH_LEVEL)]

    def stale(self) -> list[GridCell]:
        """Return the days, local days and months to be rebuilt, in order of their starts."""
        stale = self.all().filter(level__gte=DAY_LEVEL, is_stale=True).order_by("start")
        return [GridCell(level, start) for level, start in stale.values_list("level", "start")]

    def inventory(self, month: GridCell) -> Inventory | None:
        """Return the inventory of a month; None if there is none, or if it is corrupt."""
        row = self._inventories().filter(start=month.start).first()
        try:
            return Inventory.from_bytes(self.kind, month, row.version, row.body) if row else None
        except CorruptDigest:
            logger.exception("An inventory of digests is corrupt.")
            return None

    def pruned_in(self, cell: GridCell) -> list[int]:
        """Return the starts of the buckets of a day or month that its inventory says are pruned."""
        inventory = self.inventory(cell_of(MONTH_LEVEL, cell.start))
        buckets = inventory.buckets if inventory else {}
        return [bucket.start for bucket, is_pruned in buckets.items() if is_pruned]

    def missing_in(self, cell: GridCell) -> dict[GridCell, bool]:
        """Return the buckets in a day or month whose digest is gone, and whether it was pruned."""
        inventory = self.inventory(cell_of(MONTH_LEVEL, cell.start))
        if inventory is None:
            return {}
        there = set(self.buckets_in(cell).values_list("level", "start"))
        return {
            bucket: inventory.buckets[bucket]
            for bucket in inventory.within(cell)
            if bucket not in there
        }

    def missing(self) -> list[GridCell]:
        """Return the buckets, according to the inventories, whose digests are gone."""
        return self._missing(self._stored_inventories()) if self.is_of_souvenirs else []

    def apart(self) -> dict[GridCell, Agreement]:
        """Return the months whose digests and souvenirs do not belong together, and how."""
        return self._apart(self._stored_inventories()) if self.is_of_souvenirs else {}

    def faults(self) -> list[str]:
        """Describe the months apart, and the buckets whose digests are gone."""
        if not self.is_of_souvenirs:
            return []
        rows = self._stored_inventories()
        months = [apart_sentence(month, how) for month, how in self._apart(rows).items()]
        return [*months, *map(missing_sentence, self._missing(rows))]

    def _stored_inventories(self) -> list[tuple[int, int, Any]]:
        """Return the start, the seal and the body of each inventory."""
        return list(self._inventories().values_list("start", "version", "body"))

    def _missing(self, rows: list[tuple[int, int, Any]]) -> list[GridCell]:
        buckets = self.all().filter(level__in=BUCKETS).values_list("level", "start")
        there = {GridCell(level, start) for level, start in buckets}
        found: list[GridCell] = []
        for start, seal, body in rows:
            month = GridCell(MONTH_LEVEL, start)
            with suppress(CorruptDigest):
                inventory = Inventory.from_bytes(self.kind, month, seal, body)
                found += inventory.buckets.keys() - there
        return sorted(found, key=lambda bucket: bucket.start)

    def _apart(self, rows: list[tuple[int, int, Any]]) -> dict[GridCell, Agreement]:
        seals = by_month([(start, seal) for start, seal, _ in rows])
        found = apart(seals, by_month(sealed_in(self.alias)))
        return {month: how for month in found if (how := self.agreement(month)) is not AGREED}

    def agreement(self, cell: GridCell) -> Agreement:
        """Return how the digests and the souvenirs of the month of a cell belong together."""
        if not self.is_of_souvenirs:
            return Agreement.AGREED
        month = cell_of(MONTH_LEVEL, cell.start)
        inventory = self.inventory(month)
        seals = by_month(sealed_in(self.alias))
        how = agreement(inventory and inventory.seal, seals.get(month))
        if how is not Agreement.SEAL_IS_GONE:
            return how
        # Deleted by hand if others are left, lost with all others if the whole table is older.
        is_left = souvenirs_in(self.alias).in_cell(month).digested().exists()
        is_older = seals and max(seals.values()) <= self._newest_seal()
        return Agreement.SOUVENIRS_OLDER if is_left or is_older else Agreement.UNKNOWN

    def _newest_seal(self) -> int:
        return max(self._inventories().values_list("version", flat=True), default=0)

    def _inventories(self) -> models.QuerySet[Digest]:
        return self._rows().filter(level=INVENTORY_LEVEL)

    def days_in_use(self, since: datetime | None, until: datetime | None) -> list[GridCell]:
        """Return the days with a digest or digested souvenirs that overlap ``[since, until)``."""
        others = self.all().exclude(level__in=[MONTH_LEVEL, *LOCAL_LEVELS])
        starts = others.values_list("start", flat=True)
        days = {cell_of(DAY_LEVEL, start) for start in starts}
        if self.is_of_souvenirs:
            days.update(souvenirs_in(self.alias).digested().cells(DAY_LEVEL))
        return sorted(day for day in days if day.overlaps(since, until))

    @contextmanager
    def locked(self, cell: GridCell) -> Iterator[Digest]:
        """Lock all digests in the month of a cell, in a transaction of its own.

        Yields the digest of the cell, a new one if there is none. Raises RuntimeError inside
        another transaction, because the lock would last until that one ends.
        """
        month = cell_of(MONTH_LEVEL, cell.start)
        rows = self.of(month)
        if not rows.exists():
            self.create_missing([self.new(month)])
        with locking(self.alias):
            if connections[self.alias].features.has_select_for_update:
                lock = rows.select_for_update().defer("body").get()
            else:
                # Without row locks, the first to write keeps all others from writing.
                rows.update(version=models.F("version"))
                lock = rows.defer("body").get()
            yield lock if cell == month else self.of(cell).first() or self.new(cell)

    def new(self, cell: GridCell) -> Digest:
        """Return a digest of a cell that is not in the database yet."""
        return Digest(kind=self.kind, level=cell.level, start=cell.start)

    # The methods below need the lock of the month.

    def buckets(self, cells: Collection[GridCell]) -> dict[GridCell, Digest]:
        """Return the digests of buckets, at least one, of one length; new ones if there is none."""
        first, last = min(cells), max(cells)
        there = self.all().filter(level=first.level, start__range=(first.start, last.start))
        known = {digest.cell: digest for digest in there.iterator()}
        return {cell: known.get(cell) or self.new(cell) for cell in cells}

    def create_missing(self, digests: Collection[Digest]) -> None:
        """Create digests unless another process just has. Needs no lock."""
        Digest.objects.using(self.alias).bulk_create(digests, ignore_conflicts=True)

    def create(self, digests: Collection[Digest]) -> None:
        Digest.objects.using(self.alias).bulk_create(digests)

    def write(self, digest: Digest, users: UserSet, *, is_stale: bool | None = None) -> None:
        """Replace the users of a digest; raises Contended if it was changed since it was read."""
        self.write_many([(digest, users)], is_stale=is_stale)

    def write_many(
        self, digests: Sequence[tuple[Digest, UserSet]], *, is_stale: bool | None = None
    ) -> None:
        """Replace the users of several digests at once; see :meth:`write`."""
        if not digests:
            return
        connection = connections[self.alias]
        quoted = connection.ops.quote_name
        columns = ", ".join(f"{quoted(name)} = %s" for name in WRITTEN)
        fields: list[Any] = [Digest._meta.get_field(name) for name in WRITTEN]
        rows = []
        for digest, users in digests:
            read = digest.version
            if is_stale is not None:
                digest.is_stale = is_stale
            digest.put(users)
            values = [getattr(digest, name) for name in WRITTEN]
            prepared = zip(fields, values, strict=True)
            row = [field.get_db_prep_save(value, connection) for field, value in prepared]
            rows.append([*row, digest.pk, read])
        table = quoted(Digest._meta.db_table)
        with connection.cursor() as cursor:
            cursor.executemany(f"UPDATE {table} SET {columns} WHERE id = %s AND version = %s", rows)
            if cursor.rowcount != len(rows):
                raise Contended(f"{len(rows) - cursor.rowcount} of {len(rows)} digests")

    def mark_stale(
        self, days: Collection[GridCell], changed: Collection[GridCell] | None = None
    ) -> None:
        """Mark these days of a month, and the month, so that they are not read until rebuilt.

        So are the local days of which a part is in the cells ``changed``, by default in the days.
        """
        starts = {day.start for day in days}
        digests = self.all().filter(level=DAY_LEVEL, start__in=starts)
        missing = starts.difference(digests.values_list("start", flat=True))
        digests.update(is_stale=True, checksum=0)
        self.create([self.new(GridCell(DAY_LEVEL, start)) for start in sorted(missing)])
        for month in {cell_of(MONTH_LEVEL, start) for start in starts}:
            self.of(month).update(is_stale=True, checksum=0)
        self._mark_local_days(days if changed is None else changed)

    def _mark_local_days(self, changed: Collection[GridCell]) -> None:
        spans = joined((cell.start, cell.end) for cell in changed)
        for month in {cell_of(MONTH_LEVEL, start) for start, _ in spans}:
            within = self.local_days().filter(start__gte=month.start, start__lt=month.end)
            there = within.values_list("pk", "level", "start")
            marked = [pk for pk, *place in there if any(map(GridCell(*place).meets, spans))]
            if marked:
                self.all().filter(pk__in=marked).update(is_stale=True, checksum=0)

    def mark_figures(self, changed: Collection[GridCell]) -> None:
        """Mark the published figures that depend on the users of these cells.

        At the end of a transaction: others who mark figures wait for it.
        """
        mark_figures(self.alias, [(cell.start, cell.end) for cell in changed])

    def mark_pruned(self, cell: GridCell, starts: Collection[int] | None = None) -> None:
        """Mark the buckets of a cell permanently: their souvenirs may be deleted.

        With ``starts``, only the buckets that start at these seconds.
        """
        unmarked = self.buckets_in(cell).filter(is_pruned=False)
        if starts is not None:
            unmarked = unmarked.filter(start__in=starts)
        unmarked.update(is_pruned=True)

    def seal(
        self,
        cell: GridCell,
        *,
        changed: Collection[GridCell] = (),
        sealed: int | None = None,
        apart_from: GridCell | None = None,
        kept: Collection[GridCell] = (),
    ) -> None:
        """Give the month of a cell a new seal, after a change to its souvenirs or digests.

        ``changed`` has the buckets that were created, deleted or pruned. ``sealed`` is the id of a
        digested souvenir of the month; without it one is found, though not in ``apart_from`` unless
        it is in one of the hours ``kept``.
        """
        month = cell_of(MONTH_LEVEL, cell.start)
        inventory = self.inventory(month)
        buckets: dict[GridCell, bool] = dict(inventory.buckets) if inventory else {}
        there = self.buckets_in(month)
        if inventory is not None:
            there = there.filter(start__in=[bucket.start for bucket in changed])
            for bucket in changed:
                buckets.pop(bucket, None)
        for level, start, is_pruned in there.values_list("level", "start", "is_pruned"):
            buckets.setdefault(GridCell(level, start), is_pruned)
        if sealed is None:
            sealed = self._to_be_sealed(month, apart_from, kept)
        seals = by_month(sealed_in(self.alias))
        if max(seals.values(), default=0) > self._newest_seal():
            self._keep_unknown(month)
        seal = next_seal(
            max(seals.get(month, 0), inventory.seal if inventory else 0),
            has_souvenir=sealed is not None,
            has_pruned=any(buckets.values()),
        )
        if not put_seal(month, seal, sealed, self.alias):
            raise Contended(f"The souvenir to be sealed in {month} has just been deleted.")
        self._store(month, Inventory(seal, buckets))

    def _store(self, month: GridCell, inventory: Inventory) -> None:
        place: dict[str, Any] = {"kind": self.kind, "level": INVENTORY_LEVEL, "start": month.start}
        row = Digest(**place, version=inventory.seal - 1, is_stale=False)
        row.put(inventory.users(month))
        if (
            not self._rows()
            .filter(**place)
            .update(**{name: getattr(row, name) for name in WRITTEN})
        ):
            self.create([row])

    def _keep_unknown(self, month: GridCell) -> None:
        """Mark the other months that are unknown because the digests are older, before they get a
        seal that is new. Nobody else changes such a month.
        """
        for other, how in self.apart().items():
            inventory = self.inventory(other)
            if how is Agreement.UNKNOWN and inventory and other != month:
                self._store(other, Inventory(inventory.seal | IS_UNKNOWN, inventory.buckets))

    def seal_first(self, since: datetime | None = None) -> None:
        """Seal the month of the first digested souvenir since a moment, on that souvenir.

        Before or after the last digested souvenirs of other months are deleted. A seal that stays
        then shows that these digests are not newer than the souvenirs. Takes the lock.
        """
        kept = souvenirs_in(self.alias).digested().between(since, None).order_by("when")
        if (first := kept.first()) is None:
            return
        month = cell_of(MONTH_LEVEL, second_of(stored(first.when)))
        with self.locked(month):
            is_there = kept.filter(pk=first.pk).exists()
            if is_there and self.agreement(month) is AGREED:
                self.seal(month, sealed=first.pk)

    def _to_be_sealed(
        self, month: GridCell, apart_from: GridCell | None, kept: Collection[GridCell]
    ) -> int | None:
        digested = souvenirs_in(self.alias).digested()
        spans = [(month.start, month.end)]
        if apart_from is not None:
            # Rather a later one, which is pruned later.
            spans = [(apart_from.end, month.end), (month.start, apart_from.start)]
            spans += [(hour.start, hour.end) for hour in kept]
        for start, end in spans:
            within = digested.between(moment_of(start), moment_of(end)).order_by("when")
            if (found := within.values_list("pk", flat=True).first()) is not None:
                return found
        return None
