"""What the demos have in common: a login, reports, and a server on loopback."""

from __future__ import annotations

import os
import secrets
import socket
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.core.management.color import no_style
from django.db import connection

DEMO = Path(__file__).parent
LOGIN = DEMO / ".login"
HOST = "127.0.0.1"
NEVER = datetime(9999, 1, 1, tzinfo=UTC)


class DemoCommand(BaseCommand):
    """Fills the database, and serves the demo unless the environment has ``DEMO_SERVE=0``."""

    #: More fields of the login, such as a key that no other user has. Its registration, which no
    #: report counts, is yet to come.
    login_fields: dict[str, Any] = {}

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--verbose", action="store_true", help="show reports of all kinds")

    def handle(self, *args: Any, **options: Any) -> None:
        serves = os.environ.get("DEMO_SERVE") != "0"
        port = free_port() if serves else 0
        midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        call_command("migrate", verbosity=0)
        self.fill(midnight, verbose=options["verbose"])
        login = self.create_login()
        if serves:
            self.serve(login, port)

    def fill(self, midnight: datetime, *, verbose: bool) -> None:
        """Fill the database with what happened before a midnight, and show reports."""
        raise NotImplementedError

    def show(self, command: str, *arguments: str) -> None:
        self.heading(" ".join(["manage.py", command, *arguments]))
        call_command(command, *arguments, stdout=self.stdout, stderr=self.stderr)

    def create_login(self) -> str:
        """Return the name and password of a superuser, the same in every run."""
        if not LOGIN.exists():
            LOGIN.touch(mode=0o600)
            LOGIN.write_text(f"demo / {secrets.token_urlsafe(9)}")
        login = LOGIN.read_text()
        name, _, password = login.partition(" / ")
        user, _ = get_user_model().objects.get_or_create(
            username=name,
            defaults={
                "is_staff": True,
                "is_superuser": True,
                "date_joined": NEVER,
                **self.login_fields,
            },
        )
        if not user.check_password(password):
            user.set_password(password)
            user.save()
        # Users have been created with keys of their own, of which PostgreSQL knows nothing.
        with connection.cursor() as cursor:
            for statement in connection.ops.sequence_reset_sql(no_style(), [type(user)]):
                cursor.execute(statement)
        return login

    def serve(self, login: str, port: int) -> None:
        address = f"{HOST}:{port}"
        self.heading(f"http://{address}/  sign in as {login}")
        self.stdout.write(f"Your own activity, as recorded: http://{address}/you/")
        # The server takes over this process, as if started by hand; what is buffered would be lost.
        self.stdout.flush()
        manage = DEMO / "manage.py"
        os.execv(  # noqa: S606
            sys.executable, [sys.executable, str(manage), "runserver", "--noreload", address]
        )

    def heading(self, text: str) -> None:
        self.stdout.write(f"\n{self.style.MIGRATE_HEADING(text)}")


def free_port() -> int:
    """Return the port in DEMO_PORT. Raises CommandError if the demo cannot be served there."""
    text = os.environ.get("DEMO_PORT", "8000")
    reason = "not a port"
    if text.isdecimal() and 0 < int(text) < 2**16:
        try:
            with socket.socket() as server:
                server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as runserver does
                server.bind((HOST, int(text)))
                server.listen()
                return int(text)
        except OSError as error:
            reason = os.strerror(error.errno or 0)
    raise CommandError(
        f"Cannot serve on port {text} ({reason}): choose another one, as in make demo "
        "DEMO_PORT=8001."
    )
