"""The options about segments: whom a report is about, and what it is broken down by."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.core.management.base import CommandError

from souvenirs.counting import (
    BY_SETTING,
    active_users_each,
    first_match,
    groups_by,
    listed_fields,
    most_active,
    restricted,
    segment_names,
)

from ._options import VALUES, add_options, parse_positive


def add_segment_options(parser: Any) -> None:
    """Add the options that break a report down by segment."""
    add_options(parser, "--by-segment", "--by", "--top", "--exclusive")


def has_segments(options: dict[str, Any]) -> bool:
    """Whether the report is broken down."""
    return bool(options.get("by_segment")) or options.get("by") is not None


def parse_segments(
    options: dict[str, Any], start: datetime | None, end: datetime | None, notes: list[str]
) -> dict[str, Any]:
    """Return the options as arguments of an insight or a report on a range.

    A note is added if some values of a field are left out.
    """
    _check(options)
    users, exclusive = restricted(None, options["segment"]), options["exclusive"]
    path = options.get("by")
    if path is None:
        by = BY_SETTING if options["by_segment"] else None
        return {"users": users, "by": by, "exclusive": exclusive}
    top = parse_positive(options.get("top"), "--top", _default_top(options))
    groups = groups_by(path)
    if not groups:
        raise CommandError(f"No user has a value of {path}.")
    # Before some of them are chosen: a user is in the first of all.
    groups = first_match(groups) if exclusive else groups
    [active] = active_users_each([(start, end)], users, rounded=True)
    chosen = most_active(groups, active, top)
    others = len(groups) - len(chosen)
    if others:
        notes.append(
            f"{path} has {others:,} more {'values' if others > 1 else 'value'}, which "
            f"{'have' if others > 1 else 'has'} no more active users: see --top."
        )
    return {"users": users, "by": chosen, "exclusive": False}


def _check(options: dict[str, Any]) -> None:
    path = options.get("by")
    if options["by_segment"] and path is not None:
        raise CommandError("Cannot use --by-segment and --by together.")
    if options["exclusive"] and not has_segments(options):
        raise CommandError("--exclusive requires --by-segment or --by.")
    if options.get("top") is not None and path is None:
        raise CommandError("--top requires --by.")
    if options["by_segment"] and not segment_names():
        raise CommandError("--by-segment requires segments in SOUVENIRS_SEGMENTS.")
    if path is not None and path not in listed_fields():
        known = ", ".join(listed_fields())
        raise CommandError(
            f"--by {path!r} is not a field in SOUVENIRS_GROUP_BY: "
            + (f"choose one of {known}." if known else "add it there.")
        )


def _default_top(options: dict[str, Any]) -> int | None:
    return None if options.get("csv") or options.get("json") else VALUES
