from __future__ import annotations

import json
from typing import Any

from django.core.management.base import CommandParser

from souvenirs.statements import Recount, recount_statement

from ._errors import command_errors
from ._options import add_options
from ._reading import ReadingCommand
from ._statements import add_statement, parse_statement


class Command(ReadingCommand):
    help = (
        "Shows what would be different in a statement if it were issued now, and why. Changes "
        "nothing."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        add_statement(parser)
        add_options(parser, "--json")

    def handle(self, *args: Any, **options: Any) -> str:
        with command_errors():
            recount = recount_statement(parse_statement(options))
        if options["json"]:
            return json.dumps(as_data(recount), indent=2)
        return "\n".join(recount.sentences())


def as_data(recount: Recount) -> dict[str, Any]:
    """Return a recount as JSON has it, users by their primary keys as text."""
    return {
        "id": recount.statement.pk,
        "then": recount.statement.content["active_users"],
        "now": recount.draft.content["active_users"],
        "differs": recount.differs,
        "erased": recount.erased,
        **{
            kind: {reason: sorted(map(str, users)) for reason, users in found.items()}
            for kind, found in (("added", recount.added), ("removed", recount.removed))
        },
        "days": {day: {"then": then, "now": now} for day, (then, now) in recount.days.items()},
    }
