"""The argument that names a statement."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandError

from souvenirs.statements import Statement, issued_statements


def add_statement(parser: Any, **keywords: Any) -> None:
    """Add the argument that names a statement."""
    parser.add_argument("id", type=int, metavar="ID", help="ID of a statement", **keywords)


def parse_statement(options: dict[str, Any]) -> Statement:
    """Return the statement with the ID that is given."""
    found = issued_statements().filter(pk=options["id"]).first()
    if found is None:
        raise CommandError(
            f"There is no statement with the ID {options['id']}: show_statement lists them."
        )
    return found
