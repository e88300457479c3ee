"""A real mail server on loopback, which remembers what it has accepted, or refuses."""

from __future__ import annotations

import email
import email.policy
from contextlib import contextmanager

import django
from aiosmtpd.controller import Controller

from tests.processes import HOST, free_port


class Mailbox:
    """What the server has accepted; addresses in ``refused`` are not taken.

    After the content of a mail it answers ``answer``; without one, it closes the connection.
    """

    def __init__(self):
        self.mails, self.refused, self.answer = [], set(), "250 OK"

    async def handle_RCPT(self, server, session, envelope, address, options):
        if address in self.refused:
            return "550 No such user"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        message = email.message_from_bytes(envelope.content, policy=email.policy.default)
        self.mails.append((envelope.rcpt_tos, message))
        if self.answer is None:
            server.transport.abort()
        return self.answer or "250 OK"

    @property
    def recipients(self):
        return [address for addresses, _ in self.mails for address in addresses]


@contextmanager
def mail_server():
    """Run a server; yield its mailbox and its port."""
    mailbox, port = Mailbox(), free_port()
    controller = Controller(mailbox, hostname=HOST, port=port, ready_timeout=30)
    controller.start()
    try:
        yield mailbox, port
    finally:
        controller.stop(no_assert=True)


def mail_settings(port, seconds=60):
    """The mail settings that name the server, as each version of Django has them."""
    backend = "django.core.mail.backends.smtp.EmailBackend"
    if django.VERSION < (6, 1):
        return {
            "EMAIL_BACKEND": backend,
            "EMAIL_HOST": HOST,
            "EMAIL_PORT": port,
            "EMAIL_TIMEOUT": seconds,
        }
    options = {"host": HOST, "port": port, "timeout": seconds}
    return {"MAILERS": {"default": {"BACKEND": backend, "OPTIONS": options}}}


def use_mail_server(settings, port):
    """Name the server in the mail settings of a test."""
    for name, value in mail_settings(port, 30).items():
        setattr(settings, name, value)
