from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from typing import Any

from django.contrib.auth.base_user import AbstractBaseUser
from django.core.management.base import CommandError, CommandParser
from django.db.models import QuerySet
from django.utils import timezone

from souvenirs.calendar import Boundaries, checked, interval_named, local, utc
from souvenirs.counting import segment
from souvenirs.insights import Insight, inactive, last_seen_many, never_seen, recently_seen

from ._helpers import counted, parse_zone
from ._insights import UNKNOWN, InsightCommand, Table, parse_last
from ._pictures import BOLD, Value, painted, printable, with_bars

FOR = "90d"
LIMIT = 50


@dataclass(frozen=True)
class Listing(Insight):
    """A page of the users that were asked for, by primary key, and how many there are."""

    what: str
    total: int
    first: int
    #: Their primary keys, names, and when they were last seen.
    users: list[tuple[Any, str, datetime | None]]

    def rows(self) -> list[dict[str, Any]]:
        """Return a row for each user."""
        return [{"pk": pk, "name": name, "last_seen": seen} for pk, name, seen in self.users]

    def _common(self) -> dict[str, Any]:
        return {"what": self.what, "total": self.total}


class Command(InsightCommand):
    help = "Lists users not seen for so long, or never, or seen lately, in order of primary key."
    headers = ("pk", "name", "last_seen")

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--for",
            dest="for_",
            metavar="90d",
            help="seen, but not for so many days (d), weeks (w), months (m), quarters (q) or years "
            f"(y) (default: {FOR})",
        )
        parser.add_argument("--never", action="store_true", help="instead, those never seen")
        parser.add_argument(
            "--seen-within", metavar="30d", help="instead, those seen in the last so many days ..."
        )
        parser.add_argument(
            "--limit",
            metavar="NUM",
            help=f"so many users (default: {LIMIT} in a table, all in CSV and JSON)",
        )
        parser.add_argument("--page", metavar="NUM", help="those on this page (default: 1)")
        super().add_arguments(parser)

    def answer(self, options: dict[str, Any]) -> Listing:
        what, users = self._users(options)
        if options["segment"] is not None:
            members = segment(options["segment"]).users()
            users = users.filter(pk__in=members.order_by().values("pk"))
        is_data = options["csv"] or options["json"]
        limit = _whole(options["limit"], "--limit", None if is_data else LIMIT)
        page = _whole(options["page"], "--page", 1)
        if limit is None and page > 1:
            raise CommandError("--page requires --limit.")
        first = 0 if limit is None else (page - 1) * limit
        total = users.count()
        shown = list(users.order_by("pk")[first : None if limit is None else first + limit])
        seen = last_seen_many(shown)
        return Listing(
            what, total, first, [(user.pk, user.get_username(), seen[user.pk]) for user in shown]
        )

    def _users(self, options: dict[str, Any]) -> tuple[str, QuerySet[AbstractBaseUser]]:
        given = [name for name in CHOICES if options[name] not in (None, False)]
        if len(given) > 1:
            one, other = (CHOICES[name] for name in given[:2])
            raise CommandError(f"Cannot use {one} and {other} together.")
        if options["never"]:
            return "never seen", never_seen()
        zone = parse_zone(options["tz"])
        if (within := options["seen_within"]) is not None:
            return f"seen within {within}", recently_seen(_length(within, "--seen-within", zone))
        for_ = FOR if options["for_"] is None else options["for_"]
        return f"not seen for {for_}", inactive(_length(for_, "--for", zone))

    def show(self, answer: Listing, options: dict[str, Any]) -> Iterable[str]:
        zone = parse_zone(options["tz"])
        rows = [[str(pk), printable(name), _date(seen, zone)] for pk, name, seen in answer.users]
        self.note(_extent(answer))
        table = Table(["pk", "name", "last seen"], rows, names=2)
        if self.look is None:
            return table.lines()
        laid = self.laid_out(table, self.look)
        days = [_days_since(seen) for _, _, seen in answer.users]
        most = max((value or 0 for value in days), default=0)
        return [painted(laid.header, BOLD, self.look), *with_bars(laid, days, most, self.look)]


CHOICES = {"for_": "--for", "never": "--never", "seen_within": "--seen-within"}


def _extent(listing: Listing) -> str:
    """Which of how many users these are."""
    users = f"{counted(listing.total, 'user')} {listing.what}"
    shown = len(listing.users)
    if shown == listing.total:
        return f"{users}."
    if not shown:
        return f"{users}: none on this page."
    last = listing.first + shown
    more = ", more by --page" if last < listing.total else ""
    return f"{users}: {listing.first + 1:,} to {last:,} of them{more}."


def _date(seen: datetime | None, zone: tzinfo) -> str:
    if seen is None:
        return UNKNOWN
    return str(local(checked(seen, "last_seen"), zone).date())


def _days_since(seen: datetime | None) -> Value:
    if seen is None:
        return None
    return (utc(checked(timezone.now(), "now")) - utc(checked(seen, "last_seen"))).days


def _length(text: str, option: str, zone: tzinfo) -> timedelta:
    """How long ago so many periods of the calendar are by now."""
    number, interval = parse_last(text, option)
    now = checked(timezone.now(), "now")
    return utc(now) - utc(Boundaries(now, interval_named(interval).step, zone).boundary(-number))


def _whole(text: object, option: str, default: Any) -> Any:
    """The number that a person wrote, from 1 on. Raises CommandError."""
    if text is None:
        return default
    if not re.fullmatch(r"[1-9][0-9]{0,8}", str(text).strip()):
        raise CommandError(f"{option} must be a whole number from 1 on, not {str(text)[:100]!r}.")
    return int(str(text))
