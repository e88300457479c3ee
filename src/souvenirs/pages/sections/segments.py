"""The segments, or groups of users, side by side."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from ...counting import GROUP, InvalidSegment, InvalidSegments, has_groups
from ...web import busyhours
from ..charts import paths
from ..errors import error_context
from ..figures import FAULTS_OF_PARTS, figures_of_segments
from ..formats import incomplete_word, number
from ..keyfigures import SegmentFigures
from ..links import PageRequest
from .keyfigures import change, direction


def segment_part(
    end: datetime | None, first_souvenir: datetime, page: PageRequest
) -> dict[str, Any]:
    """Return the rows of the table, or why it cannot be shown."""
    try:
        has_segments = bool(page.reader.segments)
        if not has_segments and not has_groups():
            return {"rows": []}
        by = "segment" if has_segments else "groups"
        found = figures_of_segments(
            end, page.parameters.zone, first_souvenir, by, page.reader.visible
        )
    except (*FAULTS_OF_PARTS, InvalidSegments) as error:
        return error_context(error)
    return {"rows": segment_rows(found, by, page), "last": _last(found, page)}


def _last(
    found: Mapping[str, SegmentFigures | InvalidSegment], page: PageRequest
) -> tuple[str, str] | None:
    """Return the last day of the lines and what is said of it, if it is incomplete."""
    for figures in found.values():
        if isinstance(figures, SegmentFigures) and figures.last:
            last = busyhours.just_before(figures.weeks.end, page.parameters.zone)
            return last.date().isoformat(), incomplete_word(figures.last)
    return None


def segment_rows(
    found: Mapping[str, SegmentFigures | InvalidSegment], by: str, page: PageRequest
) -> list[dict[str, Any]]:
    """Return a row for each segment, with its users on each of the last 28 days as a line."""
    return [_row(name, figures, by, page) for name, figures in found.items()]


def _row(
    name: str, figures: SegmentFigures | InvalidSegment, by: str, page: PageRequest
) -> dict[str, Any]:
    row = {"name": name}
    if isinstance(figures, InvalidSegment):
        return {**row, **error_context(figures)}
    weeks, line = figures.weeks, figures.line
    segment = name if by == "segment" else f"{GROUP}{name}"
    top = max((value for value in line if value is not None), default=0)
    return {
        **row,
        "choose": page.here(segment=segment),
        "value": number(weeks.value),
        "change": change(weeks, is_share=False),
        "direction": direction(weeks),
        "paths": paths(line, top, int(figures.last is not None), 30),
    }
