"""Numbers as text."""

from __future__ import annotations

from typing import TypeAlias

#: A number, or None if it is unknown.
Value: TypeAlias = float | None

#: Stands for a number that is unknown or undefined.
NO_VALUE = "-"


def number(value: int | None) -> str:
    """Return a whole number for a table."""
    return NO_VALUE if value is None else str(value)


def percent(share: Value) -> str:
    """Return a share, from 0 to 1, as a percentage; ``0%`` and ``100%`` are never rounded."""
    if share is None:
        return NO_VALUE
    shown = f"{share:.0%}"
    if shown == "0%" and share:
        return "<1%"
    return ">99%" if shown == "100%" and share < 1 else shown


def pluralize(count: int, noun: str) -> str:
    """Return a count with its noun, such as ``1 day`` and ``1,200 days``."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
