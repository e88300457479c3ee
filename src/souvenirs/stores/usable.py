"""Which digests a reading may use: those that are not stale, not corrupt and not missing.

A stale digest of a day, local day or month is not in the catalog. A corrupt one raises
UnusableDigest, and so does one that is missing when it is read.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper

from ..calendar import (
    BUCKETS,
    DAY_LEVEL,
    INVENTORY_LEVEL,
    LOCAL_LEVEL,
    LOCAL_LEVELS,
    MONTH_LEVEL,
    GridCell,
    Span,
    joined,
    moment_of,
    second_of,
    stored,
)
from ..sets import CorruptDigest, Label, UserSet, checksum_of
from ..sql import converter, values_table
from .digesttable import is_of_souvenirs
from .queries import WHEN, Names, fetch, nested
from .seals import Inventory, by_month

NUMBER: models.Field[Any, Any] = models.BigIntegerField()


class UnusableDigest(Exception):
    """A digest is corrupt or missing: its parts or its souvenirs are read, if they still exist."""

    def __init__(self, cell: GridCell, reason: str) -> None:
        super().__init__(reason)
        self.cell = cell


class DigestCount(NamedTuple):
    """The number of users in a digest, which is known without reading them."""

    version: int
    users: int
    checksum: int


class Catalog(NamedTuple):
    """The earliest moment that is known, and the digests that may be read."""

    kind: str
    first: datetime | None
    #: The lengths of buckets that have a digest, with the span from the first of them to the last.
    levels: dict[int, Span]
    #: Days, local days and months that are not stale.
    days: dict[GridCell, DigestCount]
    local_days: dict[GridCell, DigestCount]
    months: dict[GridCell, DigestCount]
    #: The seal of each month, in its inventory and in a souvenir; neither has been verified.
    inventories: dict[GridCell, int]
    seals: dict[GridCell, int]

    def count_of(self, cell: GridCell) -> int:
        """Return the number of users in a day, local day or month.

        Raises UnusableDigest if it is corrupt, or if the digest is stale in spite of its mark.
        """
        of_level = {DAY_LEVEL: self.days, MONTH_LEVEL: self.months}
        known = of_level.get(cell.level, self.local_days)[cell]
        if known.checksum != checksum_of(label_of(self.kind, cell, known.version), known.users):
            raise UnusableDigest(cell, f"The stored count of {cell} is corrupt.")
        return known.users


class DigestRow(NamedTuple):
    """A digest as it is stored; the users in ``body`` have not been verified."""

    kind: str
    cell: GridCell
    version: int
    is_pruned: bool
    body: Any

    def users(self) -> UserSet:
        """Return the users; raises UnusableDigest if they are not those that were stored."""
        try:
            return UserSet.from_bytes(self.body, label_of(self.kind, self.cell, self.version))
        except CorruptDigest as error:
            raise UnusableDigest(self.cell, str(error)) from error

    def inventory(self) -> Inventory:
        """Return the inventory that this is; if it is corrupt, one without buckets."""
        month = GridCell(MONTH_LEVEL, self.cell.start)
        try:
            return Inventory.from_bytes(self.kind, month, self.version, self.body)
        except CorruptDigest:
            return Inventory(0, {})


def catalog(
    connection: BaseDatabaseWrapper, kind: str, span: Span = (0, 0), has_local: bool = False
) -> Catalog:
    """Return the digests of a kind that can be read, and the days and months that start in a span.

    With ``has_local``, the local days too.

    The earliest moment is that of the first souvenir. If that has been pruned, or if the kind is
    not folded from souvenirs, it is the start of the first bucket.
    """
    names = Names(connection)
    digests = f"FROM {names.digests} WHERE kind = %s AND level"
    selects = []
    params: list[Any] = []
    if is_of_souvenirs(kind):
        selects = [
            f"SELECT MIN({names.when}), 0, NULL, NULL, NULL, NULL FROM {names.souvenirs}",
            f"SELECT {names.when}, 0, seal, 0, 0, 0 FROM {names.souvenirs} WHERE seal > 0",
            f"SELECT NULL, level, start, version, 0, 0 {digests} = {INVENTORY_LEVEL}",
        ]
        params = [kind]
    selects += [
        # If the first bucket is not pruned, its souvenirs are the earliest.
        *(
            "SELECT NULL, b.level, b.start, CASE WHEN b.is_pruned THEN 1 ELSE 0 END,"
            f" (SELECT MAX(start) {digests} = {level}), 0"
            f" FROM (SELECT level, start, is_pruned {digests} = {level} ORDER BY start LIMIT 1) b"
            for level in BUCKETS
        ),
    ]
    params += [kind] * 2 * len(BUCKETS)
    wanted = [f"IN ({DAY_LEVEL}, {MONTH_LEVEL})"]
    wanted += [f"BETWEEN {LOCAL_LEVELS[0]} AND {LOCAL_LEVELS[-1]}"] * has_local
    for among in wanted:
        selects.append(
            f"SELECT NULL, level, start, version, {names.count}, checksum {digests} {among}"
            " AND start >= %s AND start < %s AND NOT is_stale"
        )
        params += [kind, *span]
    sql = " UNION ALL ".join(selects) + " ORDER BY 3, 2"
    levels: dict[int, Span] = {}
    firsts: list[datetime] = []
    seals: list[tuple[int, int]] = []
    inventories: dict[GridCell, int] = {}
    fresh: dict[int, dict[GridCell, DigestCount]] = {
        DAY_LEVEL: {},
        MONTH_LEVEL: {},
        LOCAL_LEVEL: {},
    }
    convert = converter(WHEN, connection)
    for moment, level, start, *count in fetch(connection, sql, params):
        if start is None:
            firsts += [] if moment is None else [stored(convert(moment))]
        elif moment is not None:
            seals.append((second_of(stored(convert(moment))), int(start)))
        elif level == INVENTORY_LEVEL:
            inventories[GridCell(MONTH_LEVEL, int(start))] = int(count[0])
        elif level in BUCKETS:
            levels[int(level)] = int(start), int(count[1]) + int(level)
            if count[0] or not is_of_souvenirs(kind):
                firsts.append(moment_of(int(start)))
        else:
            # Some drivers make decimals of numbers that come beside a NULL.
            cell = GridCell(int(level), int(start))
            fresh[min(cell.level, LOCAL_LEVEL)][cell] = DigestCount(*map(int, count))
    return Catalog(
        kind,
        min(firsts, default=None),
        levels,
        fresh[DAY_LEVEL],
        {cell: count for cell, count in fresh[LOCAL_LEVEL].items() if cell.level in LOCAL_LEVELS},
        fresh[MONTH_LEVEL],
        inventories,
        by_month(seals),
    )


def digests_in(
    connection: BaseDatabaseWrapper,
    kind: str,
    cells: Collection[GridCell],
    levels: Iterable[int],
    buckets: Sequence[Span],
) -> Iterator[DigestRow]:
    """Generate these days, local days, months and inventories, and the buckets that start in spans.

    Buckets are of these lengths. All come in the order of their starts, an inventory before the
    buckets of its month.
    """
    names = Names(connection)
    wanted = [(level, start, end) for level in levels for start, end in joined(buckets)]
    spans: dict[int, list[Span]] = {}
    for cell in cells:
        spans.setdefault(cell.level, []).append((cell.start, cell.end))
    for level, of_level in spans.items():
        wanted += [(level, start, end) for start, end in joined(of_level)]
    table, params = values_table(connection, [NUMBER, NUMBER, NUMBER], wanted)
    columns = "s.level, s.start, s.version, s.is_pruned, s.body"
    conditions = ["s.kind = %s", "s.level = v.c0", "s.start >= v.c1", "s.start < v.c2"]
    sql = nested(connection.vendor, columns, table, names.digests, conditions)
    sql += " ORDER BY s.start, s.level DESC"
    for level, start, *rest in fetch(connection, sql, [*params, kind], is_binary=True):
        yield DigestRow(kind, GridCell(level, start), *rest)


def label_of(kind: str, cell: GridCell, version: int) -> Label:
    return Label(kind, cell.level, moment_of(cell.start), version)
