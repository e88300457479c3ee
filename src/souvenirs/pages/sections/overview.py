"""The parts of the overview; what is wrong with one of them is shown in its place."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeVar

from ...annotations import annotations_between
from ...calendar import checked, local
from ...insights import Growth
from ...web import busyhours
from ..charts import Mark
from ..errors import error_context
from ..figures import FAULTS_OF_PARTS, Fault, Overview
from ..formats import day, number
from ..links import PageRequest
from ..trend import Trends
from . import accounts, busy, growth, keyfigures, retention, segments, slipping, trend

T = TypeVar("T")

#: Parts that take queries of their own: each is read when it is asked for.
APART = ("segments", "slipping", "busy", "accounts")


def part_apart(
    name: str | None, end: datetime | None, first_souvenir: datetime, page: PageRequest
) -> dict[str, Any]:
    """Return the context of the parts ``APART``, of which only the named one has been read."""
    found: dict[str, Any] = dict.fromkeys(APART)
    if name == "segments":
        found["segments"] = segments.segment_part(end, first_souvenir, page)
    elif name == "slipping" and page.sees_people:
        found["slipping"] = slipping.slipping_rows(end, page)
    elif name == "busy":
        found["busy"] = busy.busy_part(end, page)
    elif name == "accounts":
        found["accounts"] = accounts.accounts_sentence(end, page)
    return found


def overview_parts(
    found: Overview, page: PageRequest, opened: str | None, end: str
) -> dict[str, Any]:
    """Return the context of each part; ``opened`` is the one whose table is shown.

    ``end`` is the end of a range in the past, as text.
    """
    marks = _marks(found.growth, page)

    def summary(figures: Any) -> dict[str, Any]:
        now = None if isinstance(found.active_now, FAULTS_OF_PARTS) else found.active_now
        return {
            "sentence": keyfigures.sentence(now, figures, end),
            "figures": keyfigures.key_figures(found, figures, page),
        }

    def of_trend(trends: Any) -> dict[str, Any]:
        before, notes = found.before, trend.trend_notes(trends)
        if isinstance(before, FAULTS_OF_PARTS):
            notes.append(error_context(before)["problem"])
            before = None
        return {
            "chart": trend.trend_chart(trends, before, marks, page),
            "notes": notes,
            "table": trend.trend_table(trends, before, page) if opened == "trend" else None,
        }

    def of_growth(result: Growth) -> dict[str, Any]:
        bars = growth.growth_bars(result, marks)
        return {
            "bars": bars,
            "top": number(bars.top),
            "bottom": number(bars.bottom) if bars.bottom else "",
            "table": growth.growth_table(result, page) if opened == "growth" else None,
        }

    return {
        "summary": _part(found.figures, summary),
        "trend": _part(found.trend, of_trend),
        "growth": _part(found.growth, of_growth),
        "retention": _part(
            found.retention,
            lambda result: {
                "chart": retention.retention_curve(result),
                "url": retention.url_of_cohorts(result, page),
            },
        ),
        "marks": marks,
        "menu": trend.trend_downloads(found.trend.everyone, page)
        if isinstance(found.trend, Trends)
        else [],
    }


def _part(result: T | Fault, make: Callable[[T], dict[str, Any]]) -> dict[str, Any]:
    return error_context(result) if isinstance(result, FAULTS_OF_PARTS) else make(result)


def _marks(result: Growth | Fault, page: PageRequest) -> list[Mark]:
    """Return the annotations of the site's owner, each in its period."""
    if isinstance(result, FAULTS_OF_PARTS) or not result.periods:
        return []
    periods = [each.period for each in result.periods]
    firsts = [_local(period.start, page).date() for period in periods]
    end = checked(periods[-1].end, "end")
    last = busyhours.just_before(end, page.parameters.zone).date()
    return [
        Mark(bisect_right(firsts, each.day) - 1, f"{day(each.day)}: {each.text}")
        for each in annotations_between(firsts[0], last)
    ]


def _local(moment: datetime, page: PageRequest) -> datetime:
    return local(checked(moment, "moment"), page.parameters.zone)
