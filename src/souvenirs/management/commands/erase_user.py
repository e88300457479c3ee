from __future__ import annotations

from typing import Any

from django.core.management.base import CommandError, CommandParser

from souvenirs.digests import erase_user

from .._terminal import pluralize
from ._base import SouvenirsCommand
from ._errors import command_errors
from ._options import add_user, parse_user


class Command(SouvenirsCommand):
    writes = True
    help = (
        "Erases a user from all souvenirs, digests and statements; past counts change. The "
        "account may already have been deleted."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        add_user(parser)
        parser.add_argument(
            "--no-input",
            "--noinput",
            action="store_false",
            dest="interactive",
            help="do not ask for confirmation",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        key = parse_user(options)
        if options["interactive"] and not self._is_confirmed(key):
            raise CommandError("Nothing was erased.")
        with command_errors():
            erased = erase_user(key)
        places = pluralize(erased.digests, "digest")
        if erased.statements:
            places += f" and {pluralize(erased.statements, 'statement')}"
        self.stdout.write(
            f"Erased {pluralize(erased.souvenirs, 'souvenir')}, and user {key} from {places}."
        )

    def _is_confirmed(self, key: Any) -> bool:
        question = (
            f"This erases user {key} from all souvenirs, digests and statements; past counts "
            "change.\n"
            "It cannot be undone. Type 'yes' to continue: "
        )
        try:
            return input(question) == "yes"
        except EOFError:
            return False
