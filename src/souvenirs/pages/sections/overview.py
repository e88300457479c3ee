"""The parts of the overview; what is wrong with one of them is shown in its place."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
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
from . import accounts, busy, expected, growth, keyfigures, retention, segments, slipping, trend

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
    marks = _marks(found, page)

    def summary(figures: Any) -> dict[str, Any]:
        now = None if isinstance(found.active_now, FAULTS_OF_PARTS) else found.active_now
        return {
            "sentence": keyfigures.sentence(now, figures, end),
            "figures": keyfigures.key_figures(found, figures, page),
        }

    def of_trend(trends: Any) -> dict[str, Any]:
        before, notes = found.before, trend.trend_notes(trends, found.before, page)
        if isinstance(before, FAULTS_OF_PARTS):
            notes.append(error_context(before)["problem"])
            before = None
        can_expect = expected.can_expect(found)
        part: dict[str, Any] = {}
        if can_expect and opened == "expected":
            part = expected.expected_part(trends, found.moment, page)
        return {
            "chart": trend.trend_chart(trends, before, marks, part.get("expected"), page),
            "can_expect": can_expect,
            "expected": part.get("said"),
            "notes": notes,
            "groups_url": trend.url_of_groups(trends, page),
            "table": trend.trend_table(trends, before, page) if opened == "trend" else None,
        }

    def of_growth(result: Growth) -> dict[str, Any]:
        bars = growth.growth_bars(result, marks, page)
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
        "menu": trend.trend_downloads(found.trend, page) if isinstance(found.trend, Trends) else [],
    }


def overview_file(found: Overview, page: PageRequest) -> tuple[Sequence[str], list[dict[str, Any]]]:
    """Return the columns and rows of a file with the data of the chart.

    Raises the error of the chart or of the earlier time.
    """
    trends, before = found.trend, found.before
    if isinstance(trends, FAULTS_OF_PARTS):
        raise trends
    if isinstance(before, FAULTS_OF_PARTS):
        raise before
    return trend.trend_file(trends, before, page)


def _part(result: T | Fault | None, make: Callable[[T], dict[str, Any]]) -> dict[str, Any]:
    if result is None:
        return {}
    return error_context(result) if isinstance(result, FAULTS_OF_PARTS) else make(result)


def _marks(found: Overview, page: PageRequest) -> list[Mark]:
    """Return the annotations of the site's owner, each in its period.

    They are about the whole site: limited readers do not see them.
    """
    if not isinstance(found.trend, Trends) or not found.trend.everyone.periods:
        return []
    if page.reader.is_limited:
        return []
    periods = found.trend.everyone.periods
    firsts = [_local(period.start, page).date() for period in periods]
    end = checked(periods[-1].end, "end")
    last = busyhours.just_before(end, page.parameters.zone).date()
    return [
        Mark(bisect_right(firsts, each.day) - 1, f"{day(each.day)}: {each.text}")
        for each in annotations_between(firsts[0], last)
    ]


def _local(moment: datetime, page: PageRequest) -> datetime:
    return local(checked(moment, "moment"), page.parameters.zone)
