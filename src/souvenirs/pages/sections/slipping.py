"""Regulars who stay away."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.utils import timezone
from django.utils.translation import ngettext

from ...calendar import checked, local, outward, utc
from ...counting import ActiveUsers
from ...insights import last_seen_many, slipping_away
from ...web import name_of
from ..errors import error_context
from ..figures import FAULTS_OF_PARTS
from ..formats import DASH, day, number
from ..links import PageRequest

#: How many of them the overview names.
MOST = 8

#: The days after which the link to inactive users counts somebody as one.
INACTIVE = 90


def slipping_rows(end: datetime | None, page: PageRequest) -> dict[str, Any]:
    """Return how many regulars stay away up to a moment, and the names of the first."""
    zone = page.parameters.zone
    is_past = end is not None and utc(end) < utc(checked(timezone.now(), "now"))
    try:
        found = slipping_away(
            None if end is None else outward(end),
            tz=zone,
            users=page.parameters.users,
        )
        users = list(ActiveUsers(found.page(0, MOST)).users())
        seen = last_seen_many(users)
    except FAULTS_OF_PARTS as error:
        return error_context(error)

    def written(moment: datetime | None) -> str:
        return DASH if moment is None else day(local(checked(moment, "moment"), zone))

    said = ngettext(
        "%(users)s regular, active in each of four weeks, was not seen in the last 14 days.",
        "%(users)s regulars, active in each of four weeks, were not seen in the last 14 days.",
        len(found),
    )
    return {
        "said": said % {"users": number(len(found))},
        "rows": [
            {"name": name_of(user), "url": page.user_url(user), "seen": written(seen[user.pk])}
            for user in users
        ],
        # These lists are about today.
        "url": "" if is_past else page.people(list="slipping"),
        "inactive": "" if is_past else page.people(list="inactive", days=INACTIVE),
        "days": number(INACTIVE),
    }
