"""A small card with active users, on the index of the admin."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any, NamedTuple

from django.db import connections, transaction
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import get_language, get_language_bidi, ngettext
from django.utils.translation import gettext as _

from ..calendar import DAY, calendar_boundaries, checked, zone_for
from ..resilience import ThrottledLogger
from ..stores import Group, get_store
from ..web import VIEW_PEOPLE, VIEW_USAGE, Reader, may
from .formats import DASH, number
from .language import in_page_language

logger = ThrottledLogger(__name__)

#: The numbers of local days, up to today, in which users are counted.
DAYS = (1, 7, 28)


class Figure(NamedTuple):
    name: str
    value: str


def usage_card(request: HttpRequest | None) -> str:
    """Return the card as HTML, in at most three queries; empty without ``view_usage``.

    A limited reader gets the numbers of the users whom they may see.

    Whatever fails is logged, and the card says so in one line: the index shows the rest.
    """
    user = getattr(request, "user", None)
    if not may(user, VIEW_USAGE):
        return ""
    with in_page_language():
        context: dict[str, Any] = {"language": get_language(), "is_bidi": get_language_bidi()}
        try:
            context["overview_url"] = _url(request, "dashboard")
            if may(user, VIEW_PEOPLE):
                context["recent_url"] = f"{_url(request, 'people')}?list=recent&days=7"
            with _savepoint():
                context["figures"] = _figures(Reader(user).visible)
        except Exception:
            logger.exception("Could not count active users for the index of the admin.")
            context["problem"] = _("Active users could not be counted.")
        return render_to_string("souvenirs/dashboard/card.html", context)


def _url(request: HttpRequest | None, name: str) -> str:
    # Set by the admin site whose index this is.
    return reverse(f"admin:souvenirs_{name}", current_app=getattr(request, "current_app", None))


def _savepoint() -> AbstractContextManager[Any]:
    """Return a block whose database error leaves the site's transaction, if any, intact."""
    alias = get_store().alias
    is_inside = connections[alias].in_atomic_block
    return transaction.atomic(using=alias) if is_inside else nullcontext()


def _figures(users: Group) -> list[Figure]:
    now = checked(timezone.now(), "now")
    days = calendar_boundaries(now, DAY, zone_for(now, None))
    counted = get_store().count_each([(days.boundary(1 - length), now) for length in DAYS], users)
    names = [
        _("Today"),
        *(ngettext("%(days)s day", "%(days)s days", n) % {"days": n} for n in DAYS[1:]),
    ]
    return [
        Figure(name, DASH if counted.first is None else number(count))
        for name, count in zip(names, counted.counts, strict=True)
    ]
