"""The argument that names a statement, and the columns about one."""

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


def row_of(statement: Statement) -> dict[str, Any]:
    """Return a statement as a row of CSV, without its days and its coverage."""
    content = statement.content
    customer = content["customer"] or {"of": None, "key": None, "label": None}
    return {
        "id": statement.pk,
        "customer": customer["label"],
        "of": customer["of"],
        "key": customer["key"],
        **{
            name: content[name]
            for name in (
                "number",
                "start",
                "end",
                "time_zone",
                "active_users",
                "plan",
                "quota",
                "issuer",
                "issued",
                "previous",
            )
        },
        "hash": statement.hash,
    }
