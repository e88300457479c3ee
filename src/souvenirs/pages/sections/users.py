"""A list of users."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from ...calendar import checked, local
from ...web import Parameters, name_of, shared
from ..formats import DASH, incomplete_word, isolated, minute, number
from ..links import PageRequest
from ..tables import Column, Download, PageTable, TableCell
from ..userlists import (
    DAYS,
    MAX_DAYS,
    MAX_ROWS,
    SEEN,
    UserPage,
    has_days,
    orders,
    searches_everyone,
)
from .common import sorted_column


def people_table(people: UserPage, page: PageRequest) -> PageTable:
    """Return a page of a list."""
    parameters = page.parameters
    has_joined, now = "joined" in orders(), timezone.now()
    days = people.active_days

    def column(name: str, label: str, *, is_number: bool = False) -> Column:
        # The greatest number of days is asked for first.
        return sorted_column(page, name, label, is_number=is_number, is_descending=name == DAYS)

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
            TableCell(isolated(name_of(user)), is_header=True, url=page.user_url(user)),
            *([word(registered(getattr(user, orders()["joined"])))] if has_joined else []),
            word(seen(people.last_seen[user.pk])),
            *([] if days is None else [TableCell(number(days.get(user.pk, 0)))]),
        ]
        for user in people.users
    ]
    return PageTable(
        caption=_caption(parameters, people),
        columns=[
            column("name", _("User")),
            *([column("joined", _("Registered"))] if has_joined else []),
            column(SEEN, _("Last seen")),
            *([] if days is None else [column(DAYS, _("Active days"), is_number=True)]),
        ],
        rows=rows,
        notes=list(_notes(parameters, people)),
        downloads=[
            Download(name, page.here(page=None, format=name.lower())) for name in ("CSV", "JSON")
        ],
        kind="people",
        nothing=_("No users."),
    )


def _notes(parameters: Parameters, people: UserPage) -> Iterator[str]:
    if people.total is None:
        yield _("More than %(users)s users.") % {"users": number(MAX_ROWS)}
    else:
        counted = ngettext("%(users)s user.", "%(users)s users.", people.total)
        if people.counts_deleted:
            counted = ngettext(
                "%(users)s user. Deleted users are counted, but not listed.",
                "%(users)s users. Deleted users are counted, but not listed.",
                people.total,
            )
        yield counted % {"users": number(people.total)}
    if people.active_days is None and parameters.list not in shared.OF_DAYS:
        if has_days(parameters):
            yield _(
                "The active days are unknown in this time zone: a digest of pruned souvenirs spans "
                "midnight."
            )
        else:
            yield _("Active days are only counted in ranges of up to %(most)s days.") % {
                "most": number(MAX_DAYS)
            }


def _caption(parameters: Parameters, people: UserPage) -> str:
    if searches_everyone(parameters):
        return _("Search for “%(words)s” among all users") % {"words": isolated(parameters.q)}
    days = ngettext("in the last day", "in the last %(days)s days", parameters.days) % {
        "days": number(parameters.days)
    }
    captions = {
        "active": _("Users active in the range"),
        "recent": _("Users seen %(days)s"),
        "inactive": _("Users who were seen, but not %(days)s"),
        "slipping": _("Regulars, active in each of four weeks, who were not seen for 14 days"),
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
    caption %= {"days": days, "period": parameters.of, "offset": parameters.offset}
    if people.incomplete:
        caption = f"{caption} ({incomplete_word(people.incomplete)})"
    if parameters.q:
        return _("Search for “%(words)s”: %(list)s") % {
            "words": isolated(parameters.q),
            "list": caption,
        }
    return caption
