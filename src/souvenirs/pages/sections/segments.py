"""The segments, or groups of users, side by side."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...counting import GROUP, InvalidSegment
from ..charts import paths
from ..errors import error_context
from ..formats import number
from ..keyfigures import SegmentFigures
from ..links import PageRequest
from .keyfigures import change, direction


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
