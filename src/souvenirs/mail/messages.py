"""A mail, ready to be sent."""

from __future__ import annotations

from typing import NamedTuple

from django.core import mail
from django.core.mail import EmailMultiAlternatives
from django.core.mail.backends.base import BaseEmailBackend
from django.template.loader import render_to_string
from django.utils.translation import get_language, override

from ..pages import page_language
from .text import as_text
from .usage import PeriodUsage
from .wording import domain, word

TEMPLATE = "souvenirs/mail/usage.html"


class Letter(NamedTuple):
    """The mail about a period to one reader, in one language."""

    subject: str
    text: str
    html: str

    @classmethod
    def about(
        cls, usage: PeriodUsage, site: str, *, language: str | None, with_people: bool
    ) -> Letter:
        """Write the mail in a language, or in English if there is no translation into it."""
        with override(language), override(page_language()):
            wording = word(usage, site, with_people=with_people)
            context = {"wording": wording, "language": get_language() or "en"}
            return cls(wording.subject, as_text(wording), render_to_string(TEMPLATE, context))

    def send(self, address: str, connection: BaseEmailBackend) -> int | None:
        """Send the mail; return how many mails the backend says it has sent."""
        message = EmailMultiAlternatives(
            self.subject,
            self.text,
            to=[address],
            headers={
                "Auto-Submitted": "auto-generated",
                "List-Id": f"<souvenirs-usage.{domain()}>",
            },
        )
        message.attach_alternative(self.html, "text/html")
        return connection.send_messages([message])


def mailer() -> BaseEmailBackend:
    """Return a connection to the mail server of the site, not yet open."""
    mailers = getattr(mail, "mailers", None)  # since Django 6.1
    found: BaseEmailBackend = mail.get_connection() if mailers is None else mailers.default
    return found
