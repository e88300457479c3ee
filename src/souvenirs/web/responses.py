"""CSV responses, and timestamps in CSV and JSON."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta, tzinfo
from typing import Any

from django.http import HttpResponse

from ..calendar import checked, local, utc
from ..csvfiles import write_csv

MINUTE = timedelta(minutes=1)


#: Without it, Excel does not read a file as UTF-8.
BYTE_ORDER_MARK = "\ufeff"


def csv_response(
    name: str,
    columns: Sequence[str],
    rows: Iterable[Mapping[str, Any]],
    *,
    for_excel: bool = False,
) -> HttpResponse:
    """Return the columns of rows as a file to download; for Excel, with a byte order mark."""
    response = HttpResponse(
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="souvenirs-{name}.csv"'},
    )
    if for_excel:
        response.write(BYTE_ORDER_MARK)
    write_csv(response, columns, ([row[column] for column in columns] for row in rows))
    return response


def timestamp(moment: datetime | None, zone: tzinfo | None = None) -> str | None:
    """Return a moment in the format of RFC 3339, in a time zone or as it is; None for None.

    It is written in UTC if its offset has seconds, which RFC 3339 does not allow.
    """
    if moment is None:
        return None
    if zone is not None:
        moment = local(checked(moment, "moment"), zone)
    offset = moment.utcoffset() or timedelta()
    return (utc(moment) if offset % MINUTE else moment).isoformat()


def clock_time(moment: datetime | None, zone: tzinfo) -> str | None:
    """Return what the clock of a time zone shows at a moment, to the second; None for None.

    Excel reads this as a time. It has no time zones, and reads RFC 3339 as text.
    """
    if moment is None:
        return None
    reading = local(checked(moment, "moment"), zone).replace(tzinfo=None)
    return reading.isoformat(" ", "seconds")
