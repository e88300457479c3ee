"""Findings of growth: souvenirs a month, and when a disk is full."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from django.contrib.auth import get_user_model
from django.db import models

from ..conf import conf
from ..stores import RowCount, TableSize, get_store
from .findings import Finding, State, about, counted, in_bytes

#: How many complete months are counted.
MONTHS = 3

#: Days of an average month.
DAYS = 365.2425 / 12

GIGABYTE = 1_000_000_000

#: With fewer souvenirs, half-empty pages outweigh the rows.
MEASURABLE = 10_000

#: Bytes of a souvenir with its indexes where they cannot be measured, by the type of the key.
BYTES_OF_NUMBERS, BYTES_OF_OTHERS = 300, 400

#: Months until the disk is full at which to warn, and at which it is an error.
WARN, ALARM = 6, 1

#: No forecast reaches further.
CENTURY = 1200


class Month(NamedTuple):
    """The souvenirs recorded in a month of UTC."""

    start: datetime
    recorded: RowCount


def growth(alias: str, disk: float | None = None) -> Iterator[Finding]:
    """Tell the souvenirs of the last complete months and, with a disk in GB, when it is full."""
    months = list(_months())
    mean = sum(month.recorded.rows for month in months) / len(months) if months else None
    yield _monthly(months, mean)
    if disk is not None:
        yield _forecast(mean, disk)


def _months() -> Iterator[Month]:
    """Generate the last complete months since history began, the latest first."""
    measures = get_store().measures()
    first = measures.first()
    end = datetime.now(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    for _ in range(MONTHS):
        start = (end - timedelta(days=1)).replace(day=1)
        if first is None or first >= start + timedelta(days=1):
            return
        yield Month(start, measures.recorded(start, end))
        end = start


def _monthly(months: list[Month], mean: float | None) -> Finding:
    if mean is None:
        message = "Unknown until souvenirs have been recorded for a complete month."
        return Finding("growth", "Souvenirs a month", State.OK, message, "", {"months": {}})
    written = ", ".join(map(_written, reversed(months)))
    return Finding(
        "growth",
        "Souvenirs a month",
        State.OK,
        f"{written[0].upper()}{written[1:]}: {mean:,.0f} a month.",
        "",
        {
            "months": {f"{each.start:%Y-%m}": each.recorded.rows for each in reversed(months)},
            "mean": round(mean),
        },
    )


def _written(month: Month) -> str:
    about = "about " if month.recorded.is_estimate else ""
    return f"{about}{month.recorded.rows:,} in {month.start:%Y-%m}"


def _forecast(mean: float | None, disk: float) -> Finding:
    tables = get_store().measures().tables()
    each, how = _bytes_a_row(tables[0])
    used = sum(table.size or 0 for table in tables)
    room = disk * GIGABYTE - used
    values = {"disk": round(disk * GIGABYTE), "used": used, "bytes_a_row": round(each)}
    on = f"a disk of {disk:g} GB"
    if room <= 0:
        message = f"The tables take {in_bytes(used)}, as much as {on} has."
        return _finding(State.ERROR, message, values)
    if not mean:
        message = f"{in_bytes(room)} of {on} are left; the growth is not known."
        return _finding(State.OK, message, values)
    rate = f"{mean:,.0f} souvenirs a month of {each:,.0f} bytes each{how}"
    kept = None if conf.KEEP_DAYS is None else mean * conf.KEEP_DAYS / DAYS * each
    if kept is not None and kept <= disk * GIGABYTE:
        message = (
            f"At {rate}, kept for {conf.KEEP_DAYS:g} days, the table takes {in_bytes(kept)}: "
            f"{on} does not fill up."
        )
        return _finding(State.OK, message, values)
    months = room / (mean * each)
    if months > CENTURY:
        return _finding(State.OK, f"At {rate}, {on} lasts for more than 100 years.", values)
    full = datetime.now(UTC) + timedelta(days=months * DAYS)
    return _finding(
        State.ERROR if months < ALARM else about(State.WARNING, months >= WARN),
        f"At {rate}, {on} is full in {counted(round(months), 'month')}, on {full:%Y-%m-%d}.",
        {**values, "months": round(months, 1), "full": full.isoformat()},
    )


def _finding(state: State, message: str, values: Mapping[str, object]) -> Finding:
    remedy = (
        "Set SOUVENIRS_KEEP_DAYS and run manage.py prune_souvenirs every day, or use a larger disk."
    )
    is_fine = state is State.OK
    return Finding("growth", "Disk", state, message, "" if is_fine else remedy, values)


def _bytes_a_row(table: TableSize) -> tuple[float, str]:
    """Return the bytes of a souvenir, and a note if they are not measured."""
    if table.size is not None and table.rows.rows >= MEASURABLE:
        return table.size / table.rows.rows, ""
    is_number = isinstance(get_user_model()._meta.pk, models.IntegerField)
    return BYTES_OF_NUMBERS if is_number else BYTES_OF_OTHERS, " (not measured)"
