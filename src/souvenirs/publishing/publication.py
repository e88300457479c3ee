"""What is published: ``SOUVENIRS_PUBLISH``."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import NamedTuple

from django.core.exceptions import ImproperlyConfigured
from django.utils import timezone

from ..calendar import INTERVALS, zone_named
from ..conf import conf
from ..counting import GROUP, has_fixed_segments, segment_names

DEFAULT_INTERVALS = ("day", "week", "month")


class Publication(NamedTuple):
    """The intervals, time zones and segments whose figures are published, besides everyone's."""

    intervals: tuple[str, ...]
    time_zones: tuple[str, ...]
    segments: tuple[str, ...]


#: The most characters in the name of a segment.
SEGMENT_LENGTH = 200

#: MariaDB takes all characters after this one for the same.
LAST_LETTER = "\uffff"

#: Of a site that publishes nothing.
NOTHING = Publication((), (), ())


def publication() -> Publication:
    """Return what is published: by default days, weeks and months in the site's time zone.

    Raises ImproperlyConfigured for an unknown interval, time zone or segment.
    """
    lists = conf.PUBLISH
    if lists is None:
        return NOTHING
    found = Publication(
        _or(lists.get("intervals"), DEFAULT_INTERVALS),
        _or(lists.get("time_zones"), (timezone.get_default_timezone_name(),)),
        _or(lists.get("segments"), ()),
    )
    for interval in found.intervals:
        if interval not in INTERVALS:
            known = ", ".join(INTERVALS)
            raise ImproperlyConfigured(
                f"SOUVENIRS_PUBLISH has the interval {interval!r}: use one of {known}."
            )
    for name in found.time_zones:
        _check_zone(name)
    _check_segments(found.segments)
    return found


def _or(names: Sequence[str] | None, default: tuple[str, ...]) -> tuple[str, ...]:
    return default if names is None else tuple(dict.fromkeys(names))


def _check_zone(name: str) -> None:
    try:
        zone_named(name)
    except ValueError as error:
        raise ImproperlyConfigured(f"SOUVENIRS_PUBLISH: {error}") from error


def _check_segments(names: Sequence[str]) -> None:
    # A function in the setting is not called: its names may change.
    known = segment_names() if has_fixed_segments() else names
    same: dict[str, str] = {}
    for name in names:
        if name not in known and not name.startswith(GROUP):
            raise ImproperlyConfigured(
                f"SOUVENIRS_PUBLISH has the segment {name!r}, which is not in SOUVENIRS_SEGMENTS: "
                f"add it there, or write {GROUP}NAME for a group of users."
            )
        if not name.strip() or not name.isprintable() or max(name) > LAST_LETTER:
            raise ImproperlyConfigured(
                f"SOUVENIRS_PUBLISH has the segment {name!a}, whose name some databases cannot "
                "store or compare: use letters, digits and punctuation, and no emoji."
            )
        if len(name) > SEGMENT_LENGTH:
            raise ImproperlyConfigured(
                f"SOUVENIRS_PUBLISH has a segment of {len(name):,} characters, {name[:20]!r}...: "
                f"shorten it to {SEGMENT_LENGTH}."
            )
        other = same.setdefault(_folded(name), name)
        if other != name:
            raise ImproperlyConfigured(
                f"SOUVENIRS_PUBLISH has the segments {other!r} and {name!r}, which some databases "
                "take for the same: rename one."
            )


def _folded(name: str) -> str:
    """Return a name as a collation that ignores case and accents compares it."""
    letters = unicodedata.normalize("NFKD", name.casefold())
    return "".join(each for each in letters if not unicodedata.combining(each)).rstrip()
