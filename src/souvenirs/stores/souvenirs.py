"""The table of souvenirs, as a queryset with methods for the app's queries."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from datetime import datetime
from typing import Any

from django.db import connections, models

from ..calendar import MONTH_LEVEL, GridCell, bound, cell_of, moment_of, second_of, stored
from ..models import Souvenir

#: Largest number of ids in a statement.
IDS = 5_000

#: How many moments are read at once to find the cells that they lie in.
MOMENTS = 500


class SouvenirQuerySet(models.QuerySet[Souvenir]):
    """Souvenirs, unordered."""

    def digested(self) -> SouvenirQuerySet:
        return self.filter(digested=True)

    def undigested(self) -> SouvenirQuerySet:
        return self.filter(digested=False)

    def of_user(self, key: Any) -> SouvenirQuerySet:
        return self.filter(user_id=key)

    def between(self, start: datetime | None, end: datetime | None) -> SouvenirQuerySet:
        """Return those in ``[start, end)``, aware datetimes; None leaves an end open."""
        souvenirs = self if start is None else self.filter(when__gte=bound(start))
        return souvenirs if end is None else souvenirs.filter(when__lt=bound(end))

    def in_cell(self, cell: GridCell) -> SouvenirQuerySet:
        return self.between(moment_of(cell.start), moment_of(cell.end))

    def first_moment(self) -> datetime | None:
        """Return the moment of the earliest souvenir; None if there is none."""
        first = self.aggregate(first=models.Min("when"))["first"]
        return None if first is None else stored(first)

    def moments(self) -> list[datetime]:
        """Return the moment of each souvenir, in ascending order."""
        return [stored(when) for when in self.order_by("when").values_list("when", flat=True)]

    def users(self) -> list[Hashable]:
        """Return the distinct primary keys of their users."""
        return list(self.values_list("user_id", flat=True).distinct())

    def cells(self, level: int) -> Iterator[GridCell]:
        """Generate the cells of a level that contain a souvenir, in ascending order.

        A souvenir added meanwhile may be left to the next call.
        """
        rest = self
        while moments := rest.order_by("when").values_list("when", flat=True)[:MOMENTS]:
            cells = dict.fromkeys(cell_of(level, second_of(stored(when))) for when in moments)
            yield from cells
            rest = self.between(moment_of(max(cells).end), None)


def souvenirs_in(alias: str) -> SouvenirQuerySet:
    """Return all souvenirs of a database, unordered."""
    return SouvenirQuerySet(Souvenir, using=alias).order_by()


def mark_digested(ids: Sequence[int], alias: str) -> int:
    """Mark these souvenirs as digested, and no others, which may have been added meanwhile."""
    return _for_ids("UPDATE {table} SET digested = TRUE WHERE id IN ({ids})", ids, alias)


def delete_souvenirs(ids: Sequence[int], alias: str) -> int:
    """Delete those of these souvenirs that have no seal, and return how many were deleted."""
    return _for_ids("DELETE FROM {table} WHERE id IN ({ids}) AND seal IS NULL", ids, alias)


def sealed_in(alias: str) -> list[tuple[int, int]]:
    """Return the second and the seal of each souvenir that has one, about one a month."""
    sealed = souvenirs_in(alias).filter(seal__gt=0).values_list("when", "seal")
    return [(second_of(stored(when)), seal or 0) for when, seal in sealed]


def put_seal(month: GridCell, seal: int, souvenir: int | None, alias: str) -> bool:
    """Put the seal of a month into one souvenir, or into none, in place of its previous seal.

    Returns False if that souvenir has been deleted.
    """
    souvenirs = souvenirs_in(alias)
    sealed = souvenirs.filter(seal__gt=0).values_list("pk", "when")
    earlier = [pk for pk, when in sealed if cell_of(MONTH_LEVEL, second_of(stored(when))) == month]
    souvenirs.filter(pk__in=earlier).update(seal=None)
    return souvenir is None or bool(souvenirs.filter(pk=souvenir).update(seal=seal))


def _for_ids(sql: str, ids: Sequence[int], alias: str) -> int:
    table = connections[alias].ops.quote_name(Souvenir._meta.db_table)
    done = 0
    with connections[alias].cursor() as cursor:
        for first in range(0, len(ids), IDS):
            named = ",".join(map(str, ids[first : first + IDS]))
            cursor.execute(sql.format(table=table, ids=named))
            done += cursor.rowcount
    return done
