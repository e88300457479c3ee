from __future__ import annotations

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from souvenirs.digests import export_user
from souvenirs.sets import CorruptDigest

from ._helpers import user_key


class Command(BaseCommand):
    help = "Writes all that is stored about a user, who may have been deleted, as JSON to stdout."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("user", metavar="PK", help="primary key of the user")

    def handle(self, *args: Any, **options: Any) -> str:
        try:
            return json.dumps(export_user(user_key(options["user"])), indent=2)
        except CorruptDigest as error:
            raise CommandError(
                f"{error} Run manage.py digest_souvenirs --rebuild, then this again."
            ) from error
