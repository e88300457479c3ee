"""The users whom the day, week or month under way is expected to have."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from ...calendar import outward
from ...insights import FORECASTS, forecast
from ..charts import Expected
from ..errors import error_context
from ..figures import FAULTS_OF_PARTS, Overview
from ..formats import number, percent
from ..links import PageRequest
from ..trend import Trends


def can_expect(found: Overview) -> bool:
    """Tell whether the last period of the chart is one of those that can be forecast."""
    trends = found.trend
    if not isinstance(trends, Trends) or trends.segments:
        return False
    trend = trends.everyone
    return (
        found.is_now
        and trend.figure == "active"
        and trend.interval in FORECASTS
        and bool(trend.periods)
        and trend.periods[-1].incomplete == "running"
        and trend.points[-1].value is not None
    )


def expected_part(trends: Trends, moment: datetime, page: PageRequest) -> dict[str, Any]:
    """Return the forecast of the period under way and a sentence with it, or why there is none."""
    last, point = trends.everyone.periods[-1], trends.everyone.points[-1]
    try:
        found = forecast(
            trends.everyone.interval,
            outward(moment),
            tz=page.parameters.zone,
            users=page.parameters.users,
        )
    except FAULTS_OF_PARTS as error:
        return {"said": error_context(error)["problem"]}
    if found.value is None or found.low is None or found.high is None:
        return {"said": _("There is no forecast yet, because the history is too short.")}
    # The forecast was made from whole hours; since then others may have come.
    so_far = int(point.value or 0)
    if so_far > found.high:
        return {"said": _("More users have come than were expected.")}
    value, low, high = (max(each, so_far) for each in (found.value, found.low, found.high))
    words = {"users": number(value), "low": number(low), "high": number(high)}
    said = ngettext(
        "%(users)s user is expected for %(period)s: from %(low)s to %(high)s, with a probability "
        "of %(probability)s.",
        "%(users)s users are expected for %(period)s: from %(low)s to %(high)s, with a probability "
        "of %(probability)s.",
        value,
    )
    more = {"period": last.label, "probability": percent(found.confidence)}
    written = _("%(users)s (%(low)s to %(high)s)") % words
    return {
        "said": said % {**words, **more},
        "expected": Expected(value, low, high, _("Expected"), written),
    }
