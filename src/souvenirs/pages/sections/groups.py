"""The values of a listed field, such as organizations, and their seats."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from ...api import GROUPS
from ...calendar import checked, local
from ...counting import field_labels
from ...web import fields, grouplists
from ..formats import incomplete_word, isolated, minute, number, percent
from ..links import PageRequest
from ..tables import PageTable, TableCell
from .common import downloads, sorted_column

#: As many groups as a file has.
IN_A_FILE = 10_000


def groups_table(found: grouplists.GroupPage, page: PageRequest) -> PageTable:
    """Return a page of a list."""
    columns = {
        "name": field_labels()[page.parameters.of],
        "active": _("Active seats"),
        "seats": _("Seats"),
        "share": _("Share"),
        **({"days": _("Days per seat")} if found.has_days else {}),
        "seen": _("Last seen"),
    }
    return PageTable(
        caption=_caption(found, page),
        columns=[
            sorted_column(
                page,
                name,
                label,
                is_number=name not in ("name", "seen"),
                is_descending=name != "name",
            )
            for name, label in columns.items()
        ],
        rows=[_cells(each, page, found.has_days) for each in found.groups],
        notes=list(_notes(found)),
        downloads=downloads(page, GROUPS, page="", per_page=IN_A_FILE),
        kind="people",
        nothing=_("No groups."),
    )


def _cells(group: grouplists.ListedGroup, page: PageRequest, has_days: bool) -> list[TableCell]:
    seats, segment = group.seats, f"{page.parameters.of}:{group.name}"
    overview = people = ""
    if len(segment) <= fields.MAX_LENGTH:
        chosen = {**page.common, "segment": segment}
        overview = page.mount.url("overview", {**page.range, **chosen})
        people = page.people(**page.range, segment=segment) if seats.active else ""
    return [
        TableCell(isolated(group.name), is_header=True, url=overview),
        TableCell(number(seats.active), url=people),
        TableCell(number(seats.provisioned)),
        TableCell(percent(seats.share)),
        *([TableCell(number(seats.days_per_seat, 1))] if has_days else []),
        TableCell(_seen(group.last_seen, page), kind="word"),
    ]


def _seen(moment: datetime | None, page: PageRequest) -> str:
    if moment is None:
        return _("never")
    return minute(local(checked(moment, "moment"), page.parameters.zone))


def _caption(found: grouplists.GroupPage, page: PageRequest) -> str:
    parameters = page.parameters
    days = ngettext("in the last day", "in the last %(days)s days", parameters.days) % {
        "days": number(parameters.days)
    }
    caption = {
        "all": _("All groups, with the users active in the range"),
        "active": _("Groups with users active in the range"),
        "inactive": _("Groups that were seen, but not %(days)s"),
        "slipping": _("Groups active in each of four weeks that were not seen for 14 days"),
        "never": _("Groups that were never seen"),
    }[parameters.list] % {"days": days}
    if found.incomplete and parameters.list in ("all", "active"):
        caption = f"{caption} ({incomplete_word(found.incomplete)})"
    if parameters.q:
        words = {"words": isolated(parameters.q), "list": caption}
        return _("Search for “%(words)s”: %(list)s") % words
    return caption


def _notes(found: grouplists.GroupPage) -> Iterator[str]:
    said = ngettext(
        "%(groups)s group, %(active)s of them active in the range.",
        "%(groups)s groups, %(active)s of them active in the range.",
        found.total,
    )
    yield said % {"groups": number(found.total), "active": number(found.active)}
    yield _("Users belong to the groups of today. Seats are their active accounts.")
    if not found.has_days:
        yield _("Active days are not counted in this range.")
