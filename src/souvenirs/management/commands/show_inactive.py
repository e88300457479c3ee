from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from typing import Any

from django.contrib.auth.base_user import AbstractBaseUser
from django.core.management.base import CommandError, CommandParser
from django.db.models import QuerySet
from django.utils import timezone

from souvenirs.calendar import Boundaries, checked, interval_named, local, utc
from souvenirs.counting import queryset_of, restricted
from souvenirs.insights import Insight, inactive, last_seen_many, never_seen, recently_seen

from .._terminal import NO_VALUE, TextTable, Value, pluralize, printable
from ._insights import InsightCommand
from ._options import (
    UNITS_HELP,
    add_options,
    parse_length,
    parse_limit,
    parse_positive,
    parse_zone,
)

DEFAULT_FOR = "90d"


@dataclass(frozen=True)
class Listing(Insight):
    """A page of the users found, in order of primary key."""

    #: A description of the users, such as "never seen".
    what: str
    #: The number of users on all pages.
    total: int
    #: The number of users on earlier pages.
    skipped: int
    #: Primary key, name and last sighting of each user on the page.
    users: list[tuple[Any, str, datetime | None]]

    def rows(self) -> list[dict[str, Any]]:
        """Return a row for each user."""
        return [{"pk": pk, "name": name, "last_seen": seen} for pk, name, seen in self.users]

    def _common(self) -> dict[str, Any]:
        return {"what": self.what, "total": self.total}


class Command(InsightCommand):
    help = (
        "Lists the users who have not been seen for a while, have never been seen, or have been "
        "seen recently, in order of primary key."
    )
    headers = ("pk", "name", "last_seen")

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--for",
            dest="for_",
            metavar="90d",
            help=f"list users not seen for this number of {UNITS_HELP} (default: {DEFAULT_FOR})",
        )
        parser.add_argument("--never", action="store_true", help="list users who were never seen")
        parser.add_argument(
            "--seen-within",
            metavar="30d",
            help="list users seen within this time, units as for --for",
        )
        add_options(parser, "--limit", limit=", on each page")
        parser.add_argument("--page", metavar="NUM", help="page to show (default: 1)")
        super().add_arguments(parser)

    def answer(self, options: dict[str, Any]) -> Listing:
        what, users = self._users(options)
        if options["segment"] is not None:
            members = queryset_of(restricted(None, options["segment"]))
            users = users.filter(pk__in=members.order_by().values("pk"))
        limit = parse_limit(options)
        page = parse_positive(options["page"], "--page", 1)
        if limit is None and page > 1:
            raise CommandError("--page requires --limit.")
        skipped = 0 if limit is None else (page - 1) * limit
        total = users.count()
        shown = list(users.order_by("pk")[skipped : None if limit is None else skipped + limit])
        seen = last_seen_many(shown)
        return Listing(
            what, total, skipped, [(user.pk, user.get_username(), seen[user.pk]) for user in shown]
        )

    def _users(self, options: dict[str, Any]) -> tuple[str, QuerySet[AbstractBaseUser]]:
        given = [CONFLICTING[name] for name in CONFLICTING if options[name] not in (None, False)]
        if len(given) > 1:
            one, other = given[:2]
            raise CommandError(f"Cannot use {one} and {other} together.")
        if options["never"]:
            return "never seen", never_seen()
        zone = parse_zone(options["tz"])
        if (within := options["seen_within"]) is not None:
            return f"seen within {within}", recently_seen(_length(within, "--seen-within", zone))
        for_ = DEFAULT_FOR if options["for_"] is None else options["for_"]
        return f"not seen for {for_}", inactive(_length(for_, "--for", zone))

    def show(self, answer: Listing, options: dict[str, Any]) -> Iterable[str]:
        zone = parse_zone(options["tz"])
        rows = [[str(pk), printable(name), _date(seen, zone)] for pk, name, seen in answer.users]
        self.note(_summary(answer))
        table = TextTable(["pk", "name", "last seen"], rows, names=2)
        if self.display is None:
            return table.lines()
        days = [_days_since(seen) for _, _, seen in answer.users]
        maximum = max((value or 0 for value in days), default=0)
        return self.fitted(table, self.display).with_bars(days, maximum, self.display)


#: Options that exclude each other, by the names they are stored under.
CONFLICTING = {"for_": "--for", "never": "--never", "seen_within": "--seen-within"}


def _summary(listing: Listing) -> str:
    """Return a sentence with the number of users, and which of them are shown."""
    users = f"{pluralize(listing.total, 'user')} {listing.what}"
    shown = len(listing.users)
    if shown == listing.total:
        return f"{users}."
    if not shown:
        return f"{users}, none on this page."
    first, last = listing.skipped + 1, listing.skipped + shown
    numbers = f"numbers {first:,} to {last:,}" if shown > 1 else f"number {first:,}"
    more = "; use --page for more" if last < listing.total else ""
    return f"{users}, showing {numbers}{more}."


def _date(seen: datetime | None, zone: tzinfo) -> str:
    if seen is None:
        return NO_VALUE
    return str(local(checked(seen, "last_seen"), zone).date())


def _days_since(seen: datetime | None) -> Value:
    if seen is None:
        return None
    return (utc(checked(timezone.now(), "now")) - utc(checked(seen, "last_seen"))).days


def _length(text: str, option: str, zone: tzinfo) -> timedelta:
    """Return the duration of a number of days, weeks, months, quarters or years up to now."""
    count, interval = parse_length(text, option)
    now = checked(timezone.now(), "now")
    return utc(now) - utc(Boundaries(now, interval_named(interval).step, zone).boundary(-count))
