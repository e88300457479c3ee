from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser

from souvenirs.csvfiles import write_csv
from souvenirs.statements import (
    Statement,
    export_statement,
    issued_statements,
    statement_row,
    statement_users,
)

from .._terminal import NO_VALUE, TextTable, number, pluralize, printable
from ._errors import command_errors
from ._options import add_format_options
from ._reading import ReadingCommand
from ._statements import add_statement, parse_statement

HEADERS = ["ID", "customer", "number", "start", "end", "active", "hash"]


class Command(ReadingCommand):
    help = "Shows a statement, writes its file, or lists the statements that have been issued."

    def add_arguments(self, parser: CommandParser) -> None:
        add_statement(parser, nargs="?")
        parser.add_argument(
            "--file", metavar="PATH", help="write the file of the statement, which can be verified"
        )
        parser.add_argument(
            "--only",
            action="append",
            metavar="KEY",
            help="with --file: name only the user with this primary key; may be repeated",
        )
        add_format_options(parser)

    def handle(self, *args: Any, **options: Any) -> str | None:
        if options["only"] is not None and options["file"] is None:
            raise CommandError("--only is about the file: give --file.")
        if options["file"] is not None:
            self._write_file(options)
            return None
        if options["id"] is None:
            return self._list(options)
        statement = parse_statement(options)
        if options["json"]:
            users = sorted(map(str, statement_users(statement)))
            content = {"id": statement.pk, **statement.content, "hash": statement.hash}
            return json.dumps({**content, "users": users}, indent=2)
        if options["csv"]:
            self._write_csv([statement])
            return None
        return "\n".join(lines_about(statement))

    def _list(self, options: dict[str, Any]) -> str | None:
        found = list(issued_statements())
        if options["json"]:
            return json.dumps([statement_row(each) for each in found], indent=2)
        if options["csv"]:
            self._write_csv(found)
            return None
        self.notes.append(f"{pluralize(len(found), 'statement')}.")
        rows = [
            [
                str(each["id"]),
                printable(each["customer"] or "everyone"),
                number(each["number"]),
                each["start"],
                each["end"],
                number(each["active_users"]),
                each["hash"][:12],
            ]
            for each in map(statement_row, found)
        ]
        return "\n".join(TextTable(HEADERS, rows, names=2).lines())

    def _write_csv(self, statements: list[Statement]) -> None:
        rows = [statement_row(each) for each in statements]
        headers = list(rows[0]) if rows else []
        write_csv(self.stdout, headers, (row.values() for row in rows))

    def _write_file(self, options: dict[str, Any]) -> None:
        if options["id"] is None:
            raise CommandError("--file needs the ID of a statement.")
        if options["csv"] or options["json"]:
            raise CommandError("--file has one format: omit --json and --csv.")
        with command_errors():
            data = export_statement(parse_statement(options), options["only"])
        try:
            Path(options["file"]).write_bytes(data)
        except OSError as error:
            raise CommandError(f"{options['file']} cannot be written: {error.strerror}.") from error


def lines_about(statement: Statement) -> Iterator[str]:
    """Generate the lines of a statement as text."""
    content, coverage = statement.content, statement.content["coverage"]
    customer = content["customer"]
    whose = "everyone" if customer is None else printable(customer["label"])
    quota = "" if content["quota"] is None else f" of {content['quota']}"
    pruned = coverage["pruned"]
    yield f"Statement {content['number']} of {whose}"
    yield ""
    facts = {
        "active users": f"{content['active_users']}{quota}",
        "plan": content["plan"],
        "from": content["start"],
        "to": content["end"],
        "time zone": content["time_zone"],
        "counted": content["definition"],
        "group": None if customer is None else f"{customer['of']} {customer['key']}",
        "issuer": content["issuer"],
        "issued": content["issued"],
        "first souvenir": coverage["first_souvenir"],
        "digested": "yes" if coverage["digested"] else "no",
        "pruned": None if pruned is None else " to ".join(pruned),
        "period over": "yes" if coverage["over"] else "no",
        "days of grace": f"{coverage['grace_days']}, "
        + ("over" if coverage["grace_passed"] else "not over"),
        "erased users": number(content["active_users"] - len(statement_users(statement))),
        "previous": content["previous"],
        "hash": statement.hash,
    }
    for name, value in facts.items():
        yield f"{name:<16}{NO_VALUE if value is None else printable(value)}"
    yield ""
    days = [[day, number(count)] for day, count in sorted(content["days"].items())]
    yield from TextTable(["day", "active"], days).lines()
