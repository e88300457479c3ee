from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from souvenirs.digests import erase_user

from ._helpers import counted, errors_in_words, user_key


class Command(BaseCommand):
    help = (
        "Takes a user, who may have been deleted, out of all souvenirs and digests. Counts of the "
        "past change accordingly."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("user", metavar="PK", help="primary key of the user")
        parser.add_argument(
            "--no-input",
            "--noinput",
            action="store_false",
            dest="interactive",
            help="do not ask for confirmation",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        key = user_key(options["user"])
        if options["interactive"] and not self._is_confirmed(key):
            raise CommandError("Nothing was erased.")
        with errors_in_words():
            erased = erase_user(key)
        self.stdout.write(
            f"Erased {counted(erased.souvenirs, 'souvenir')}, and user {key} from "
            f"{counted(erased.digests, 'digest')}."
        )

    def _is_confirmed(self, key: Any) -> bool:
        question = (
            f"This takes user {key} out of all souvenirs and digests, so that counts of the past "
            "change.\nIt cannot be undone. Type 'yes' to go on: "
        )
        try:
            return input(question) == "yes"
        except EOFError:
            return False
