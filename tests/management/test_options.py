"""The options that commands share."""

from collections import defaultdict
from datetime import datetime

import pytest
from django.core.management import BaseCommand, CommandError, get_commands, load_command_class

from souvenirs.management.commands._options import OPTIONS
from tests.terminals import run

COMMANDS = sorted(name for name, app in get_commands().items() if app == "souvenirs")


def options_of(command):
    """The help text of each option of a command, without those of Django."""
    own = load_command_class("souvenirs", command).create_parser("manage.py", command)
    common = BaseCommand().create_parser("manage.py", command)
    known = set(common._option_string_actions)
    return {
        option: action.help
        for option, action in own._option_string_actions.items()
        if option not in known
    }


def test_options_of_several_commands_are_declared_once():
    commands = defaultdict(list)
    for command in COMMANDS:
        for option in options_of(command):
            commands[option].append(command)
    assert {option for option, users in commands.items() if len(users) > 1} == OPTIONS.keys()


@pytest.mark.parametrize("command", COMMANDS)
def test_shared_options_are_explained_in_the_same_words(command):
    for option, text in options_of(command).items():
        assert text.startswith(OPTIONS.get(option, {}).get("help", ""))


@pytest.mark.django_db
@pytest.mark.parametrize("arguments", [["show_activity"], ["show_usage", "--calendar"]])
def test_naive_datetimes_are_refused_as_such(arguments):
    """A project's own code may give them to a command."""
    start, end = datetime(2016, 1, 1), datetime(2016, 2, 1)
    with pytest.raises(CommandError, match="--after is a naive datetime, 2016-01-01"):
        run(*arguments, after=start, before=end)
