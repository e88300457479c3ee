from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import CommandParser
from django.utils import timezone

from souvenirs.counting import restricted
from souvenirs.insights import Insight, MostActive, most_active

from .._terminal import NO_VALUE, TextTable, number, pluralize, printable
from ._insights import InsightCommand
from ._options import add_options, parse_length, parse_limit
from ._periods import parse_ends, start_of_last

DEFAULT_LAST = "28d"


@dataclass(frozen=True)
class Listing(Insight):
    """The most active users, with their names; None for users who have been deleted."""

    found: MostActive
    names: dict[Any, str]

    def rows(self) -> list[dict[str, Any]]:
        """Return a row for each user."""
        return [
            {"pk": user, "name": self.names.get(user), "days": days}
            for user, days in self.found.users
        ]

    def _common(self) -> dict[str, Any]:
        return {name: value for name, value in self.found.to_dict().items() if name != "rows"}


class Command(InsightCommand):
    help = "Lists the users who were active on the most days, with the number of days."
    headers = ("pk", "name", "days")

    def add_arguments(self, parser: CommandParser) -> None:
        add_options(
            parser,
            "--after",
            "--before",
            "--last",
            "--limit",
            before=" (default: now)",
            last=f" (default: {DEFAULT_LAST})",
        )
        super().add_arguments(parser)

    def answer(self, options: dict[str, Any]) -> Listing:
        limit = parse_limit(options)
        zone, start, end = parse_ends(options)
        if start is None:
            count, unit = parse_length(options["last"] or DEFAULT_LAST, "--last")
            start = start_of_last(count, unit, timezone.now() if end is None else end, zone)
        group = restricted(None, options["segment"])
        found = most_active(start, end, limit=limit, tz=options["tz"], users=group)
        users = get_user_model()._base_manager.in_bulk([user for user, _ in found.users])
        return Listing(found, {key: user.get_username() for key, user in users.items()})

    def show(self, answer: Listing, options: dict[str, Any]) -> Iterable[str]:
        found = answer.found
        rows = [
            [str(user), printable(answer.names.get(user, NO_VALUE)), number(days)]
            for user, days in found.users
        ]
        of_days = f"in {pluralize(found.days, 'day')}"
        shown = "" if len(rows) == found.total else f", showing {len(rows):,}"
        self.note(f"{pluralize(found.total, 'user')} active {of_days}{shown}.")
        table = TextTable(["pk", "name", "days"], rows, names=2)
        if self.display is None:
            return table.lines()
        days = [user.days for user in found.users]
        return self.fitted(table, self.display).with_bars(days, found.days, self.display)
