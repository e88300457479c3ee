from __future__ import annotations

import json
from smtplib import SMTPException
from typing import Any

from django.core.exceptions import ValidationError
from django.core.mail import send_mail
from django.core.management.base import CommandError, CommandParser
from django.core.validators import validate_email
from django.db import DatabaseError

from souvenirs.alerts import Judgement, Limits, judge

from .._terminal import pluralize
from ._errors import command_errors
from ._insights import ExactEncoder
from ._options import add_options, parse_positive, parse_zone, positive
from ._reading import ReadingCommand

DEFAULTS = Limits()


class Alert(CommandError):
    """Something was found; other errors mean that the site could not be judged."""


class Command(ReadingCommand):
    help = (
        "Checks that users are recorded, that as many are active today as on the same weekdays, "
        "and that digesting goes on. Exits with 1 if something was found, and with 2 if the site "
        "could not be checked."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--windows",
            metavar="COUNT",
            help="how many windows may pass without a souvenir before it is judged "
            f"(default: {DEFAULTS.windows})",
        )
        parser.add_argument(
            "--tolerance",
            metavar="SPREADS",
            type=positive,
            default=DEFAULTS.tolerance,
            help="how far the active users of today may be from the expectation "
            f"(default: {DEFAULTS.tolerance})",
        )
        parser.add_argument(
            "--segment-drop",
            metavar="PERCENT",
            type=positive,
            help="find segments of SOUVENIRS_SEGMENTS that lose more than this in a week",
        )
        parser.add_argument(
            "--undigested",
            metavar="COUNT",
            help="find more undigested souvenirs than this",
        )
        parser.add_argument(
            "--email",
            metavar="ADDRESS",
            nargs="+",
            help="send what was found to these addresses, through the mail settings of Django",
        )
        add_options(parser, "--tz", "--json")

    def execute(self, *args: Any, **options: Any) -> str | None:
        try:
            return super().execute(*args, **options)
        except Alert:
            raise
        except CommandError as error:
            if error.returncode == 1:
                error.returncode = 2
            raise
        except DatabaseError as error:
            raise CommandError(f"The database failed: {error}", returncode=2) from error

    def handle(self, *args: Any, **options: Any) -> None:
        addresses = options["email"] or []
        _check(addresses)
        limits = Limits(
            windows=parse_positive(options["windows"], "--windows", DEFAULTS.windows),
            tolerance=options["tolerance"],
            segment_drop=options["segment_drop"],
            undigested=parse_positive(options["undigested"], "--undigested", None),
        )
        with command_errors():
            judgement = judge(limits, parse_zone(options["tz"]))
        self._write(judgement, options["json"])
        if judgement.findings:
            sentences = "\n".join(each.text for each in judgement.findings)
            found = f"{pluralize(len(judgement.findings), 'finding')}."
            if addresses:
                _send(f"Activity: {found}", sentences, addresses)
            raise Alert(found)

    def _write(self, judgement: Judgement, as_json: bool) -> None:
        if as_json:
            found = [each._asdict() for each in judgement.findings]
            data = {"findings": found, "not_judged": judgement.not_judged}
            self.stdout.write(json.dumps(data, cls=ExactEncoder, indent=2))
            return
        for finding in judgement.findings:
            self.stdout.write(finding.text)
        for sentence in judgement.not_judged:
            self.stdout.write(sentence)
        if not (judgement.findings or judgement.not_judged):
            self.stdout.write("Activity is as expected.")


def _check(addresses: list[str]) -> None:
    for address in addresses:
        try:
            validate_email(address)
        except ValidationError:
            raise CommandError(f"--email {address!r} is not an address.") from None


def _send(subject: str, text: str, addresses: list[str]) -> None:
    try:
        send_mail(subject, text, None, addresses)
    except (SMTPException, OSError) as error:
        raise CommandError(f"The email could not be sent: {error}") from error
