"""A list of users."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from ...calendar import checked, local
from ...web import Parameters, name_of
from ..formats import DASH, minute, number
from ..links import PageRequest
from ..tables import Column, Download, PageTable, TableCell
from ..userlists import SEEN, UserPage, orders


def people_table(people: UserPage, page: PageRequest, own: Mapping[str, str]) -> PageTable:
    """Return a page of a list; ``own`` are the parameters to keep in its links."""
    parameters, mount = page.parameters, page.mount
    has_joined, now = "joined" in orders(), timezone.now()

    def column(name: str, label: str) -> Column:
        is_current = parameters.order.removeprefix("-") == name
        is_reverse = parameters.order.startswith("-")
        order = ("descending" if is_reverse else "ascending") if is_current else ""
        following = f"-{name}" if is_current and not is_reverse else name
        url = mount.url("people", {**own, "order": following})
        return Column(label, is_number=False, url=url, order=order)

    def word(text: str) -> TableCell:
        return TableCell(text, kind="word")

    def moment(value: datetime) -> str:
        return minute(local(checked(value, "moment"), parameters.zone))

    def registered(value: datetime | None) -> str:
        if value is None:
            return DASH
        # As they are counted, users are registered from that moment on.
        return moment(value) if value <= now else _("not yet")

    def seen(value: datetime | None) -> str:
        return _("never") if value is None else moment(value)

    rows = [
        [
            TableCell(name_of(user), is_header=True, url=page.user_url(user)),
            *([word(registered(getattr(user, orders()["joined"])))] if has_joined else []),
            word(seen(people.last_seen[user.pk])),
        ]
        for user in people.users
    ]
    notes = []
    if people.total is not None:
        notes.append(
            ngettext(
                "%(users)s user. Deleted users are counted, but not listed.",
                "%(users)s users. Deleted users are counted, but not listed.",
                people.total,
            )
            % {"users": number(people.total)}
        )
    return PageTable(
        caption=_caption(parameters),
        columns=[
            column("name", _("User")),
            *([column("joined", _("Registered"))] if has_joined else []),
            column(SEEN, _("Last seen")),
        ],
        rows=rows,
        notes=notes,
        downloads=[
            Download(name, mount.url("people", {**own, "format": name.lower()}))
            for name in ("CSV", "JSON")
        ],
        nothing=_("No users."),
    )


def _caption(parameters: Parameters) -> str:
    days = ngettext("in the last day", "in the last %(days)s days", parameters.days) % {
        "days": number(parameters.days)
    }
    captions = {
        "active": _("Users active in the range"),
        "recent": _("Users seen %(days)s"),
        "inactive": _("Users who were seen, but not %(days)s"),
        "never": _("Users who were never seen"),
        "new": _("Users first seen in %(period)s"),
        "retained": _("Users active in %(period)s and in the period before"),
        "resurrected": _("Users active in %(period)s, not in the period before, but earlier"),
        "churned": _("Users active in the period before %(period)s, but not in it"),
        "cohort": _("Users of the cohort %(period)s"),
    }
    caption = captions[parameters.list]
    if parameters.list == "cohort" and parameters.offset is not None:
        caption = ngettext(
            "Users of the cohort %(period)s who were active %(offset)s period later",
            "Users of the cohort %(period)s who were active %(offset)s periods later",
            parameters.offset,
        )
    return caption % {"days": days, "period": parameters.of, "offset": parameters.offset}
