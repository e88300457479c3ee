from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.utils import timezone

from souvenirs.counting import restricted
from souvenirs.insights import Seats, seats

from .._terminal import NO_VALUE, TextTable, number, pluralize, printable
from ._insights import InsightCommand
from ._options import add_options, parse_length
from ._periods import of_note, parse_ends, start_of_last

DEFAULT_LAST = "28d"
HEADERS = ["group", "seats", "active", "share", "days", "days a seat"]


class Command(InsightCommand):
    help = (
        "Shows how many seats each group of users, such as an organization, has and uses, and on "
        "how many days. An active seat is a user of the group who was active in the range."
    )
    headers = ("group", "provisioned", "active", "share", "days", "days_per_seat")

    def add_arguments(self, parser: CommandParser) -> None:
        add_options(
            parser,
            "--of",
            "--after",
            "--before",
            "--last",
            before=" (default: now)",
            last=f" (default: {DEFAULT_LAST})",
        )
        parser.add_argument(
            "--provisioned",
            metavar="FIELD",
            help="field with the number of seats of a group, such as organization__seats (default: "
            "its active accounts)",
        )
        super().add_arguments(parser)

    def answer(self, options: dict[str, Any]) -> Seats:
        if options["of"] is None:
            raise CommandError("--of is missing: name a field, such as --of organization.")
        zone, start, end = parse_ends(options)
        if start is None:
            count, unit = parse_length(options["last"] or DEFAULT_LAST, "--last")
            start = start_of_last(count, unit, timezone.now() if end is None else end, zone)
        return seats(
            options["of"],
            start,
            end,
            provisioned=options["provisioned"],
            tz=options["tz"],
            users=restricted(None, options["segment"]),
        )

    def show(self, answer: Seats, options: dict[str, Any]) -> Iterable[str]:
        rows = [
            [
                printable(str(each.group)),
                number(each.provisioned),
                number(each.active),
                NO_VALUE if each.share is None else f"{each.share:.0%}",
                number(each.days),
                NO_VALUE if each.days_per_seat is None else f"{each.days_per_seat:.1f}",
            ]
            for each in answer.groups
        ]
        self.note(f"{pluralize(len(rows), 'group')}, {_active(answer)} with an active seat.")
        self.note(of_note(answer.of))
        table = TextTable(HEADERS, rows)
        if self.display is None:
            return table.lines()
        used = [each.active for each in answer.groups]
        return self.fitted(table, self.display).with_bars(used, max(used, default=0), self.display)


def _active(answer: Seats) -> int:
    return sum(each.active > 0 for each in answer.groups)
