"""The management commands, from their argument parsers."""

from __future__ import annotations

import re
from argparse import SUPPRESS, Action, HelpFormatter
from collections.abc import Iterable
from functools import partial

from django.core.management import get_commands, load_command_class
from django.core.management.base import CommandParser

from .markdown import WIDTH, fence, filled, linked, table

#: In a usage line, an option with its value, or the alternatives in brackets.
WORD = re.compile(r"\[(?:[^][]|\[[^][]*\])*\]|\S+")
INDENT = " " * 6

OPTION = re.compile(r"(?<![\w-])(--[a-z][a-z-]*)")


def known() -> list[str]:
    return [name for name, app in get_commands().items() if app == "souvenirs"]


def render(names: Iterable[str]) -> str:
    return "\n\n".join(map(_section, names))


def _section(name: str) -> str:
    command = load_command_class("souvenirs", name)
    # Not of create_parser(), which adds the options that every command of Django has.
    parser = CommandParser(
        prog=f"python manage.py {name}",
        formatter_class=partial(HelpFormatter, width=10_000),
        add_help=False,
    )
    command.add_arguments(parser)
    options = table(
        ["argument", "meaning"],
        [(f"`{_invocation(action)}`", _meaning(action)) for action in _actions(parser)],
    )
    parts = (f"## {name}", _marked_up(command.help), fence(_usage(parser), "console"), options)
    return "\n\n".join(parts)


def _actions(parser: CommandParser) -> list[Action]:
    return [action for action in parser._actions if action.help != SUPPRESS]


def _usage(parser: CommandParser) -> str:
    line = parser.format_usage().removeprefix(f"usage: {parser.prog}").strip()
    lines = filled([f"$ {parser.prog}", *WORD.findall(line)], " ", WIDTH - len(INDENT))
    return f"\n{INDENT}".join(lines)


def _invocation(action: Action) -> str:
    if not action.option_strings:
        return str(action.metavar or action.dest)
    names = ", ".join(action.option_strings)
    if action.nargs == 0:
        return names
    value = action.metavar or _choices(action) or action.dest.upper()
    return f"{names} [{value}]" if action.nargs == "?" else f"{names} {value}"


def _choices(action: Action) -> str:
    return f"{{{','.join(map(str, action.choices))}}}" if action.choices else ""


def _meaning(action: Action) -> str:
    meaning = (action.help or "") % vars(action)
    if action.nargs != 0 and action.default is not None and "default" not in meaning:
        meaning += f" (default: {action.default})"
    return _marked_up(meaning)


def _marked_up(text: str) -> str:
    return linked(OPTION.sub(r"`\1`", text))
