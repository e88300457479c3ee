from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.utils import timezone

from souvenirs.calendar import Boundaries, calendar_boundaries, checked, interval_named
from souvenirs.statementfile import summary
from souvenirs.statements import AlreadyIssued, draft_statement, group_keys, issue_statement

from .._terminal import pluralize, printable
from ._base import SouvenirsCommand
from ._errors import command_errors
from ._options import add_options, parse_date, parse_range, parse_zone

INTERVAL = "month"


class Command(SouvenirsCommand):
    writes = True
    help = (
        "Issues the statement of a customer, or of everyone, about a period that is over: it is "
        "stored once, and never changed."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "group",
            nargs="?",
            metavar="GROUP",
            help="customer, as a value of the field that --of names, such as the primary key of an "
            "organization (default: everyone)",
        )
        parser.add_argument(
            "--all",
            action="store_true",
            help="issue the statements of all groups, without those that have one of the period",
        )
        add_options(
            parser,
            "--of",
            "--after",
            "--before",
            "--subscription-start",
            "--interval",
            "--tz",
            after=" (default: that of the last period that is over)",
            before=" (default: that of the last period that is over)",
            of="; the customer is one of them",
            interval=f" (default: {INTERVAL})",
        )
        parser.add_argument(
            "--grace",
            type=int,
            metavar="DAYS",
            help="days after the period that are left for late imports (default: "
            "SOUVENIRS_STATEMENT_GRACE_DAYS)",
        )
        parser.add_argument(
            "--early", action="store_true", help="issue it even before these days are over"
        )
        parser.add_argument(
            "--label", metavar="NAME", help="name of the customer (default: that of the group)"
        )
        parser.add_argument("--plan", metavar="NAME", help="plan of the customer")
        parser.add_argument("--quota", type=int, metavar="NUM", help="number of users in the plan")
        parser.add_argument("--issuer", metavar="NAME", help="who issues the statement")
        add_options(parser, "--dry-run")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["all"] and (options["of"] is None or options["group"] or options["label"]):
            raise CommandError("--all needs --of, and neither a GROUP nor --label.")
        with command_errors():
            period = self._period(options)
            terms = {
                name: options[name]
                for name in ("of", "tz", "grace", "label", "plan", "quota", "issuer")
            }
            if options["dry_run"]:
                self._draft(period, terms, options)
            elif options["all"]:
                self._issue_all(period, terms, options)
            else:
                statement = issue_statement(
                    options["group"], period, early=options["early"], **terms
                )
                self._report(statement)

    def _period(self, options: dict[str, Any]) -> tuple[datetime, datetime]:
        """Return the period that the options name, or the last one that is over."""
        zone = parse_zone(options["tz"])
        start, end = parse_range(options, zone)
        if start is not None and end is not None:
            for name in ("interval", "subscription_start"):
                if options[name] is not None:
                    option = f"--{name.replace('_', '-')}"
                    raise CommandError(f"{option} finds a period: leave out --after and --before.")
            return start, end
        if start is not None or end is not None:
            raise CommandError("--after and --before belong together: give both, or none.")
        step = interval_named(options["interval"] or INTERVAL).step
        now = checked(timezone.now(), "now")
        begun = parse_date(options["subscription_start"], "--subscription-start", zone)
        if begun is None:
            boundaries = calendar_boundaries(now, step, zone)
        else:
            boundaries = Boundaries(begun, step, options["tz"])
        last = boundaries.number(now) - 1
        if begun is not None and last < 0:
            raise CommandError(f"No period of a subscription that starts on {begun} is over.")
        return boundaries.boundary(last), boundaries.boundary(last + 1)

    def _draft(
        self, period: tuple[datetime, datetime], terms: dict[str, Any], options: dict[str, Any]
    ) -> None:
        for group in self._groups(options):
            draft = draft_statement(group, period, **terms)
            count = draft.content["active_users"]
            whose = "everyone" if group is None else draft.content["customer"]["label"]
            users = "unknown active users" if count is None else pluralize(count, "active user")
            self.stdout.write(
                f"Draft of {printable(whose)}: {users} from {draft.content['start']} to "
                f"{draft.content['end']}."
            )
            if draft.obstacle is not None:
                self.stdout.write(draft.obstacle)

    def _issue_all(
        self, period: tuple[datetime, datetime], terms: dict[str, Any], options: dict[str, Any]
    ) -> None:
        there = 0
        for group in self._groups(options):
            try:
                self._report(issue_statement(group, period, early=options["early"], **terms))
            except AlreadyIssued:
                there += 1
        if there:
            self.stderr.write(f"{pluralize(there, 'statement')} had been issued before.")

    def _groups(self, options: dict[str, Any]) -> Iterator[Any]:
        yield from group_keys(options["of"]) if options["all"] else [options["group"]]

    def _report(self, statement: Any) -> None:
        said = summary(statement.content, statement.hash)
        self.stdout.write(f"Issued {said}, with the ID {statement.pk}.")
