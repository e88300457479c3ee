"""What is wrong with the site, not with the request: status 503."""

from __future__ import annotations

from ..checks import NotMigrated
from ..counting import InvalidSegment, InvalidSegments
from ..sets import CorruptDigest
from ..stores import get_store

#: The names of the faulty parts, by the error that they raise.
PARTS: dict[type[Exception], str] = {
    CorruptDigest: "digests",
    InvalidSegment: "segment",
    InvalidSegments: "segments",
    NotMigrated: "database",
}

FAULTS = tuple(PARTS)


def part_of(fault: Exception) -> str:
    """Return the name of the part of the site that is faulty."""
    return next(part for kind, part in PARTS.items() if isinstance(fault, kind))


def sentence_of(fault: Exception) -> str:
    """Return what is wrong and the remedy, without what a site's own function raised."""
    if isinstance(fault, InvalidSegment):
        return (
            f"The segment {fault.name!r} cannot be evaluated: manage.py check --database "
            f"{get_store().alias} explains why."
        )
    if isinstance(fault, InvalidSegments):
        return (
            "The function in SOUVENIRS_SEGMENTS does not return segments: manage.py check "
            f"--database {get_store().alias} explains why."
        )
    return str(fault)
