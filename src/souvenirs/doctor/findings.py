"""A finding: one thing about the site that is fine or not, and what to do."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Any


class State(Enum):
    """How bad it is, in ascending order."""

    OK = "ok"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True)
class Finding:
    """One plain sentence about a part of the site, and the remedy if it is not fine."""

    area: str
    title: str
    state: State
    message: str
    remedy: str = ""
    #: What the sentence is about, for programs: numbers, text, and moments in ISO 8601.
    values: Mapping[str, Any] = field(default_factory=dict)
    #: Whether the sentence quotes an error of the site, which may contain a secret.
    quotes_error: bool = False


def worst(findings: Iterable[Finding]) -> State:
    """Return the state of the worst finding."""
    ranks = list(State)
    return max((finding.state for finding in findings), key=ranks.index, default=State.OK)


def about(state: State, is_fine: bool) -> State:
    """Return ``OK`` if all is fine, else the state."""
    return State.OK if is_fine else state


def sentence(error: Exception) -> str:
    """Return what an error says, on one line and without a full stop."""
    return " ".join(str(error).split()).rstrip(".") or type(error).__name__


def minute(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"


def length(seconds: float) -> str:
    """Return a length of time, such as ``3 hours``."""
    for name, unit in (("day", 86400), ("hour", 3600), ("minute", 60)):
        if seconds >= unit:
            return counted(int(seconds // unit), name)
    return counted(int(seconds), "second")


def counted(number: int, noun: str) -> str:
    """Return a number with its noun, such as ``1 day`` and ``1,200 days``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def in_bytes(size: float) -> str:
    """Return a size such as ``1.2 GB``, of 1,000,000,000 bytes each."""
    for name, unit in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if size >= unit:
            return f"{size / unit:.1f} {name}"
    return counted(round(size), "byte")
