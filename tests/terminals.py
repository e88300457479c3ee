"""Run commands on a terminal and in a script."""

import csv
import json
from io import StringIO

from django.core.management import call_command


class Terminal(StringIO):
    """A terminal with an encoding."""

    def __init__(self, encoding="utf-8"):
        super().__init__()
        self._encoding = encoding

    @property
    def encoding(self):
        return self._encoding

    def isatty(self):
        return True


def run(command, *arguments, out=None, **options):
    """Return what a command writes to ``out``, not a terminal by default, and to stderr."""
    out, err = StringIO() if out is None else out, StringIO()
    call_command(command, *arguments, stdout=out, stderr=err, **options)
    return out.getvalue(), err.getvalue()


def on_terminal(command, *arguments, encoding="utf-8"):
    """Return the lines on a terminal, and the notes."""
    out, err = run(command, *arguments, out=Terminal(encoding))
    return out.splitlines(), err


def table(command, *arguments):
    """Return the cells of each row of a plain table."""
    return [line.split() for line in run(command, *arguments)[0].splitlines()[2:]]


def csv_rows(command, *arguments):
    return list(csv.DictReader(StringIO(run(command, "--csv", *arguments)[0])))


def as_json(command, *arguments):
    return json.loads(run(command, "--json", *arguments)[0])


def as_text(rows):
    """Return rows of an insight as CSV has them."""

    def cell(value):
        if value is None:
            return ""
        if isinstance(value, bool):
            return "true" if value else "false"
        return value.isoformat() if hasattr(value, "isoformat") else str(value)

    return [{name: cell(value) for name, value in row.items()} for row in rows]


def as_data(value):
    """Return the dict of an insight as JSON has it."""
    return json.loads(json.dumps(value, default=lambda moment: moment.isoformat()))
