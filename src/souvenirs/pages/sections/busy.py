"""The heat map of the hours of the week."""

from __future__ import annotations

from django.utils.dates import WEEKDAYS, WEEKDAYS_ABBR
from django.utils.translation import gettext as _

from ...api import BUSY
from ...web import busyhours
from ..formats import day, number
from ..links import PageRequest
from ..tables import Column, PageTable, TableCell, shade
from .common import downloads, period_notes


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
