from __future__ import annotations

from typing import Any

from django.core.management.base import CommandError, CommandParser

from souvenirs.statementfile import (
    NOT_COUNTED,
    InvalidStatement,
    StatementFile,
    add_arguments,
    sentence_about,
    summary,
    verified_files,
)
from souvenirs.statements import faults_of_stored

from .._terminal import pluralize
from ._reading import ReadingCommand


class Command(ReadingCommand):
    requires_system_checks = ()
    help = (
        "Verifies statement files, as python -m souvenirs.statementfile does; without a file, all "
        "statements that are stored. Exits with 1 if a byte has changed, and with 3 if --user is "
        "not in the count."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        add_arguments(parser, nargs="*")

    def handle(self, *args: Any, **options: Any) -> None:
        names = options["files"]
        if not names:
            if options["hash"] is not None or options["user"] is not None:
                raise CommandError("--hash and --user are about a FILE: name it.")
            self._verify_stored()
            return
        try:
            found = verified_files(names, options["hash"])
        except InvalidStatement as error:
            raise CommandError(str(error)) from None
        for name, statement in zip(names, found, strict=True):
            self.stdout.write(f"{name} is intact: {summary(statement.content, statement.hash)}.")
        if options["user"] is not None:
            self._answer(options["user"], found[-1])

    def _answer(self, user: str, statement: StatementFile) -> None:
        sentence = sentence_about(user, statement)
        if not statement.counts(user):
            raise CommandError(sentence, returncode=NOT_COUNTED)
        self.stdout.write(sentence)

    def _verify_stored(self) -> None:
        count = wrong = 0
        for statement, fault in faults_of_stored():
            count += 1
            if fault is not None:
                wrong += 1
                self.stderr.write(
                    f"The statement with the ID {statement.pk} is not intact. {fault}"
                )
        if wrong:
            raise CommandError(f"Not intact: {wrong:,} of {pluralize(count, 'statement')}.")
        self.stdout.write(f"{pluralize(count, 'statement')}, all of them intact.")
