"""The words and numbers of a mail, as strings in the active language."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from email.utils import parseaddr
from typing import NamedTuple

from django.apps import apps
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured, ObjectDoesNotExist
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from ..counting import InvalidSegment
from ..pages import DASH, day, number, percent, signed
from ..stores import ActiveUsers
from ..web import name_of
from .usage import Compared, PeriodUsage, first_day_of

#: How many of the regulars who stay away are named.
MOST = 8


class Row(NamedTuple):
    """A line of a table."""

    name: str
    value: str
    change: str


class Table(NamedTuple):
    heading: str
    rows: list[Row]


class Bar(NamedTuple):
    """A bar of the picture; its length is from 0 to 100."""

    name: str
    value: str
    length: int


@dataclass(frozen=True, slots=True)
class Wording:
    """All that a mail says, without markup."""

    site: str
    period: str
    #: The active users, and their change.
    headline: str
    comparison: str
    columns: tuple[str, str]
    tables: list[Table]
    picture_heading: str
    bars: list[Bar]
    slipping_heading: str
    #: How many regulars stay away; empty if none do, or if that is unknown.
    slipping: str
    names: list[str]
    notes: list[str]
    footer: str

    @property
    def subject(self) -> str:
        return f"{self.site}: {self.headline}, {self.period}"


def word(usage: PeriodUsage, site: str, *, with_people: bool) -> Wording:
    """Return the mail about a period in the active language, with or without names of users."""
    active = usage.numbers["active"]
    return Wording(
        site=printable(site),
        period=_period(usage.interval, usage.first_day, usage.last_day),
        headline=ngettext("%(users)s active user", "%(users)s active users", active.value or 0)
        % {"users": number(active.value)},
        comparison=_comparison(active),
        columns=(_("Users"), _("Difference")),
        tables=list(_tables(usage)),
        picture_heading=_by_interval(usage.interval) % {"figure": _("Active users")},
        bars=_bars(usage),
        slipping_heading=_("Slipping away"),
        slipping=_slipping(usage.slipping),
        names=list(_names(usage.slipping)) if with_people and usage.slipping else [],
        notes=list(_notes(usage)),
        footer=_("Sent once for each period by manage.py email_usage."),
    )


def site_name() -> str:
    """Return the name of the site: of ``django.contrib.sites``, or the domain of its mails."""
    if apps.is_installed("django.contrib.sites"):
        from django.contrib.sites.shortcuts import get_current_site

        try:
            return str(get_current_site(None).name)
        except (ImproperlyConfigured, ObjectDoesNotExist, AttributeError):
            pass  # SITE_ID is missing, or names no site
    return domain()


def domain() -> str:
    """Return the domain that mails are sent from."""
    _name, address = parseaddr(settings.DEFAULT_FROM_EMAIL)
    return address.rpartition("@")[2] or "localhost"


def printable(text: str) -> str:
    """Return a text of the site as one line, without control characters."""
    line = " ".join(text.split())
    return "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in line)


def _period(interval: str, first: date, last: date) -> str:
    if interval == "day":
        return day(first)
    if interval == "month":
        return date_format(first, "YEAR_MONTH_FORMAT")
    if interval == "year":
        return str(first.year)
    return f"{day(first)} – {day(last)}"  # noqa: RUF001


def _by_interval(interval: str) -> str:
    return {
        "day": _("%(figure)s by day"),
        "week": _("%(figure)s by week"),
        "month": _("%(figure)s by month"),
        "quarter": _("%(figure)s by quarter"),
        "year": _("%(figure)s by year"),
    }[interval]


def _change(compared: Compared) -> str:
    """Return a change with its sign, and as a percentage of the number before."""
    change, before = compared.change, compared.before
    if change is None:
        return DASH
    text = signed(change, number(abs(change)))
    share = abs(change) / before if before else 0
    # Less than half a percent is not said.
    return f"{text} ({signed(change, percent(share))})" if share >= 0.005 else text


def _comparison(active: Compared) -> str:
    if active.change is None:
        return ""
    return _("%(change)s on the period before") % {"change": _change(active)}


def _row(name: str, compared: Compared) -> Row:
    return Row(name, number(compared.value), _change(compared))


def _tables(usage: PeriodUsage) -> Iterator[Table]:
    numbers = usage.numbers
    days = _("Active in the last %(days)s days")
    yield Table(
        _("Growth"),
        [
            _row(_("New"), numbers["new"]),
            _row(_("Retained"), numbers["retained"]),
            _row(_("Resurrected"), numbers["resurrected"]),
            _row(_("Churned"), numbers["churned"]),
        ],
    )
    yield Table(
        _("Up to %(day)s") % {"day": day(usage.last_day)},
        [
            _row(_("Active on the last day"), numbers["dau"]),
            _row(days % {"days": number(7)}, numbers["wau"]),
            _row(days % {"days": number(30)}, numbers["mau"]),
            _row(_("Registered"), numbers["registered"]),
        ],
    )
    rows = [
        _row(printable(name.removeprefix("group:")), found)
        for name, found in usage.segments.items()
        if isinstance(found, Compared)
    ]
    if rows:
        yield Table(_("Segments"), rows)


def _bars(usage: PeriodUsage) -> list[Bar]:
    highest = max(each or 0 for each in usage.active) or 1
    return [
        Bar(
            _short(usage.interval, first_day_of(period, usage.zone)),
            number(active),
            round(100 * (active or 0) / highest),
        )
        for period, active in zip(usage.periods, usage.active, strict=True)
    ]


def _short(interval: str, first: date) -> str:
    """Return the name of a period beside its bar: mostly its first day."""
    if interval == "year":
        return str(first.year)
    if interval in ("month", "quarter"):
        return date_format(first, "YEAR_MONTH_FORMAT")
    return date_format(first, "MONTH_DAY_FORMAT")


def _slipping(found: ActiveUsers | None) -> str:
    if not found:
        return ""
    said = ngettext(
        "%(users)s regular, active in each of four weeks, was not seen in the last 14 days.",
        "%(users)s regulars, active in each of four weeks, were not seen in the last 14 days.",
        len(found),
    )
    return said % {"users": number(len(found))}


def _names(found: ActiveUsers) -> Iterator[str]:
    named = [printable(name_of(user)) for user in ActiveUsers(found.page(0, MOST)).users()]
    yield from sorted(named)
    if len(found) > len(named):
        yield _("and %(users)s more") % {"users": number(len(found) - len(named))}


def _notes(usage: PeriodUsage) -> Iterator[str]:
    """Generate what the reader has to know about the numbers."""
    numbers = usage.numbers
    if numbers["active"].value == 0:
        yield _("Nobody was seen. Run manage.py check_activity to find out whether that is true.")
    if numbers["active"].before is None:
        yield _("– means unknown: there is no data before the first souvenir.")  # noqa: RUF001
    if numbers["registered"].value is None:
        yield _("The user model of this site has no date of registration.")
    if usage.is_pruned:
        yield _("Some numbers are missing, because souvenirs of their days have been pruned.")
    for name, found in usage.segments.items():
        if isinstance(found, InvalidSegment):
            sentence = _("The segment %(name)s cannot be evaluated: see Health.")
            yield sentence % {"name": printable(name)}
    if sum(isinstance(found, Compared) for found in usage.segments.values()) > 1:
        yield _("A user of several segments counts in each of them.")
    yield _("Time zone: %(zone)s") % {"zone": usage.zone}
