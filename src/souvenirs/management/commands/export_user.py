from __future__ import annotations

import json
from typing import Any

from django.core.management.base import CommandError, CommandParser

from souvenirs.digests import export_user
from souvenirs.sets import CorruptDigest

from ._base import SouvenirsCommand
from ._options import add_user, parse_user


class Command(SouvenirsCommand):
    help = (
        "Writes everything stored about a user to stdout, as JSON. The account may already have "
        "been deleted."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        add_user(parser)

    def handle(self, *args: Any, **options: Any) -> str:
        try:
            return json.dumps(export_user(parse_user(options)), indent=2)
        except CorruptDigest as error:
            raise CommandError(
                f"{error} Run manage.py digest_souvenirs --rebuild, then export again."
            ) from error
