"""The heat map of the hours of the week."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.utils import timezone
from django.utils.dates import WEEKDAYS, WEEKDAYS_ABBR
from django.utils.translation import gettext as _

from ...api import BUSY
from ...calendar import checked
from ...web import busyhours
from ..errors import error_context
from ..figures import FAULTS_OF_PARTS
from ..formats import day, number
from ..links import PageRequest
from ..tables import Column, PageTable, TableCell, shade
from .common import downloads, period_notes


def busy_part(end: datetime | None, page: PageRequest) -> dict[str, Any]:
    """Return the table of the hours up to a moment, or why it cannot be shown."""
    users = page.parameters.users
    moment = checked(timezone.now(), "now") if end is None else end
    try:
        found = busyhours.busy_hours(moment, page.parameters.zone, users)
    except FAULTS_OF_PARTS as error:
        return error_context(error)
    return {"table": busy_table(found, page)}


def busy_table(busy: busyhours.BusyHours, page: PageRequest) -> PageTable:
    """Return the heat map of the hours of the week."""
    unknown: tuple[float | None, ...] = (None,) * 24
    means = {weekday: (busy.means or {}).get(weekday, unknown) for weekday in busy.days}
    top = max((value or 0 for row in means.values() for value in row), default=0)
    digits = 0 if top >= 10 else 1
    return PageTable(
        caption=_("Users active in each hour of the week, on average from %(start)s to %(end)s")
        % {"start": day(busy.start), "end": day(busy.last_day)},
        columns=[
            Column(_("Hour"), is_number=False),
            *(Column(f"{hour:02d}") for hour in range(24)),
        ],
        rows=[
            [
                TableCell(
                    str(WEEKDAYS_ABBR[weekday - 1]),
                    spoken=str(WEEKDAYS[weekday - 1]),
                    is_header=True,
                ),
                *(
                    TableCell(number(value, digits), kind=shade(value, top))
                    for value in means[weekday]
                ),
            ]
            for weekday in busy.days
        ],
        downloads=downloads(page, BUSY),
        notes=period_notes([], (value for row in means.values() for value in row)),
        kind="heat",
    )
