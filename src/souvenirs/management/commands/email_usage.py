from __future__ import annotations

import re
import smtplib
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.mail.backends.base import BaseEmailBackend
from django.core.management.base import CommandError, CommandParser
from django.core.validators import validate_email
from django.db import Error as DatabaseError
from django.utils import timezone
from django.utils.translation import override

from souvenirs.calendar import INTERVALS, stored
from souvenirs.mail import (
    KEPT,
    Claim,
    Deliveries,
    Letter,
    Mailing,
    NothingToReport,
    PeriodUsage,
    mailer,
    may_see_people,
    printable,
    site_name,
    usage_of_last_period,
)
from souvenirs.pages import page_language

from .._terminal import pluralize
from ._errors import command_errors
from ._options import add_options, parse_date, parse_zone
from ._reading import ReadingCommand

INTERVAL = "week"

#: What a mail server answers, or what keeps a connection from it: nothing has been sent.
REFUSALS = (
    smtplib.SMTPResponseException,
    smtplib.SMTPRecipientsRefused,
    smtplib.SMTPNotSupportedError,
    UnicodeError,
)


class Unsent(Exception):
    """Why a mail has not been sent to an address, or may not have been."""


class Command(ReadingCommand):
    writes = True
    help = (
        "Sends the numbers of the last whole week, or of another interval, to each address: at "
        "most once for each period, however often it is run."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "addresses", metavar="ADDRESS", nargs="*", help="email address of a reader"
        )
        add_options(parser, "--interval", "--tz", interval=f" (default: {INTERVAL})")
        parser.add_argument(
            "--as-of",
            metavar="DATE",
            help="send the last period that was over by this date (default: now)",
        )
        parser.add_argument(
            "--with-segment",
            metavar="NAME",
            action="append",
            help="also a row with the active users in this segment of SOUVENIRS_SEGMENTS; may be "
            "repeated",
        )
        parser.add_argument(
            "--language",
            metavar="CODE",
            help="language of the mail, such as de (default: LANGUAGE_CODE)",
        )
        parser.add_argument(
            "--site",
            metavar="NAME",
            help="name of the site (default: that of django.contrib.sites, or else the domain of "
            "DEFAULT_FROM_EMAIL)",
        )
        parser.add_argument(
            "--again",
            action="store_true",
            help="send the mail even to those to whom it has been sent",
        )
        shown = parser.add_mutually_exclusive_group()
        shown.add_argument(
            "--print",
            action="store_true",
            help="send nothing, print the mail to each address as text",
        )
        shown.add_argument(
            "--print-html",
            action="store_true",
            help="send nothing, print the mail to one address as HTML",
        )

    def handle(self, *args: Any, **options: Any) -> str | None:
        #: What a task returns.
        self.outcome = {"sent": 0}
        addresses = list(_addresses(options["addresses"]))
        language = _language(options["language"])
        usage = self._usage(options)
        if usage is None:
            return None
        site = options["site"] or site_name()
        if not printable(site):
            raise CommandError(f"--site {site!r} is not a name.")

        def letter(address: str | None) -> Letter:
            with_people = address is not None and may_see_people(address)
            return Letter.about(usage, site, language=language, with_people=with_people)

        if options["print_html"]:
            if len(addresses) > 1:
                raise CommandError(
                    f"--print-html prints one mail: give one address, not {len(addresses)}."
                )
            return letter(addresses[0] if addresses else None).html
        if options["print"]:
            readers: list[str | None] = [*addresses] or [None]
            return "\n".join(_shown(letter(each), each) for each in readers)
        if not addresses:
            raise CommandError("Give the address of a reader, or --print.")
        mailing = Mailing(
            usage.interval,
            usage.first_day,
            str(usage.zone),
            tuple(usage.segments),
            language,
        )
        self._send({each: letter(each) for each in addresses}, mailing, again=options["again"])
        return None

    def _usage(self, options: dict[str, Any]) -> PeriodUsage | None:
        zone = parse_zone(options["tz"])
        interval = options["interval"] or INTERVAL
        before: datetime | None = parse_date(options["as_of"], "--as-of", zone)
        segments = list(dict.fromkeys(options["with_segment"] or ()))
        try:
            with command_errors():
                return usage_of_last_period(interval, zone, before, segments)
        except NothingToReport:
            unit = interval if interval in INTERVALS else "period"
            self.stdout.write(
                f"Nothing to send: no whole {unit} has ended since the first souvenir."
            )
            return None

    def _send(self, letters: dict[str, Letter], mailing: Mailing, *, again: bool) -> None:
        deliveries = Deliveries()
        deliveries.forget(timezone.now() - KEPT)
        done, failures = [], []
        for address, letter in letters.items():
            try:
                done.append(_deliver(letter, address, deliveries, mailing, again=again))
            except Unsent as failure:
                failures.append(f"{address}: {failure}")
        self.outcome["sent"] = sum(sentence.endswith(": sent.") for sentence in done)
        # At the end: a closed pipe keeps no mail from being sent.
        for sentence in done:
            self.stdout.write(sentence)
        if failures:
            count = pluralize(len(failures), "mail")
            sentences = "\n".join(failures)
            raise CommandError(f"{count} of {len(letters)} not sent.\n{sentences}")


def _addresses(given: list[str]) -> Iterator[str]:
    """Generate each address once, however its letters are written."""
    seen = set()
    for address in given:
        try:
            validate_email(address)
        except ValidationError:
            raise CommandError(f"{address!r} is not an email address.") from None
        if address.lower() not in seen:
            seen.add(address.lower())
            yield address


def _language(code: str | None) -> str:
    """Return the language of the mail; CommandError if there is no translation into it."""
    if code is None:
        return settings.LANGUAGE_CODE
    if re.fullmatch(r"[A-Za-z]{2,3}([-_][A-Za-z0-9]+)*", code):
        code = code.lower().replace("_", "-")
        with override(code):
            if page_language() == code:
                return code
    raise CommandError(
        f"There is no translation into {code!r}: use a language such as de, es or fr."
    )


def _shown(letter: Letter, address: str | None) -> str:
    to = f"To: {address}\n" if address else ""
    return f"{to}Subject: {letter.subject}\n\n{letter.text}"


def _deliver(
    letter: Letter, address: str, deliveries: Deliveries, mailing: Mailing, *, again: bool
) -> str:
    """Send a mail unless it has been sent; return what has been done."""
    connection = mailer()
    try:
        # Before the claim: if nobody answers, nothing has been sent.
        connection.open()
        claim = deliveries.claim(mailing, address, again=again)
        if not isinstance(claim, Claim):
            if claim.is_overdue:
                began = f"{stored(claim.claimed):%Y-%m-%d %H:%M} UTC"
                raise Unsent(
                    f"a run that began at {began} was killed, perhaps before it had sent the mail. "
                    "If it did not arrive, run the command with --again and only this address."
                )
            return f"{address}: {'already sent' if claim.sent else 'another run is sending it'}."
        _transmit(letter, address, connection, deliveries, claim)
        deliveries.mark_sent(claim)
    except (smtplib.SMTPException, OSError) as error:
        raise Unsent(f"the mail server cannot be used: {error}") from error
    except DatabaseError as error:
        raise Unsent(
            f"the database failed: {error}. If the mail did not arrive, run the command with "
            "--again and only this address."
        ) from error
    finally:
        with suppress(smtplib.SMTPException, OSError):
            connection.close()
    return f"{address}: sent."


def _transmit(
    letter: Letter, address: str, connection: BaseEmailBackend, deliveries: Deliveries, claim: Claim
) -> None:
    try:
        count = letter.send(address, connection)
    except REFUSALS as error:
        deliveries.release(claim)
        raise Unsent(f"the mail server refused it: {error}") from error
    except Exception as error:
        # The server may have accepted it before the connection broke.
        raise Unsent(
            f"sending failed, perhaps after the mail had been accepted: {error}. If it did not "
            "arrive, run the command with --again and only this address."
        ) from error
    if count == 0:
        deliveries.release(claim)
        raise Unsent("the mail backend sent nothing.")
