"""How many accounts there are."""

from __future__ import annotations

from datetime import datetime

from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from ...calendar import checked, earlier, local, utc
from ...counting import accounts_as_of
from ..formats import day, number, percent
from ..links import PageRequest


def accounts_sentence(end: datetime | None, page: PageRequest) -> str:
    """Return how many accounts are registered, and the share of them that is activated."""
    zone = page.parameters.zone
    now = checked(timezone.now(), "now")
    moment = earlier(end or now, now)
    [accounts] = accounts_as_of([moment], page.parameters.users)
    if accounts.registered is None or accounts.activated is None:
        return _("The user model of this site has no date of registration.")
    share = accounts.activated / accounts.registered if accounts.registered else None
    words = {
        "registered": number(accounts.registered),
        "activated": number(accounts.activated),
        "share": percent(share),
        "end": day(local(moment, zone)),
    }
    if utc(moment) == now:
        said = ngettext(
            "%(registered)s user is registered; activated: %(activated)s (%(share)s).",
            "%(registered)s users are registered; activated: %(activated)s (%(share)s).",
            accounts.registered,
        )
    else:
        said = ngettext(
            "%(registered)s user was registered before %(end)s; activated by now: %(activated)s "
            "(%(share)s).",
            "%(registered)s users were registered before %(end)s; activated by now: %(activated)s "
            "(%(share)s).",
            accounts.registered,
        )
    return said % words
