"""Digesting, pruning and mail as functions that return what they have done."""

from __future__ import annotations

import logging
from io import StringIO
from typing import Any, TypeAlias

from django.core.management import call_command, load_command_class

logger = logging.getLogger("souvenirs.tasks")

#: What a run has done, as JSON has it.
Outcome: TypeAlias = dict[str, int | bool]


def digest(max_seconds: float | None = None) -> Outcome:
    """Fold souvenirs into digests, then publish figures.

    With ``max_seconds``, stop before the step that would end later; the next run continues.
    Returns the numbers of ``souvenirs`` digested, ``digests`` rebuilt and ``figures`` published,
    and whether it ``finished``. Raises CommandError if some of it could not be done, and
    RuntimeError inside a transaction.
    """
    return _outcome_of("digest_souvenirs", max_seconds=max_seconds)


def prune(older_than: float | None = None) -> Outcome:
    """Delete digested souvenirs older than this many days; by default ``SOUVENIRS_KEEP_DAYS``.

    Returns the number of ``souvenirs`` deleted, and of those ``kept`` because their hour is not
    fully digested. Raises CommandError if a digest lacks a user, whose souvenirs are kept, and
    RuntimeError inside a transaction.
    """
    return _outcome_of("prune_souvenirs", older_than=older_than)


def email(*addresses: str, interval: str | None = None, language: str | None = None) -> Outcome:
    """Mail the numbers of the last whole week, or of another interval, to these addresses.

    Returns how many mails were ``sent``: a reader gets at most one for each period. Raises
    CommandError if one could not be sent, after all others.
    """
    return _outcome_of("email_usage", *addresses, interval=interval, language=language)


def _outcome_of(name: str, *arguments: str, **options: Any) -> Outcome:
    """Run a command, log what it prints, and return what it has done.

    Its errors are raised: a task that fails is what its queue shows and alerts on.
    """
    command: Any = load_command_class("souvenirs", name)
    given = {name: value for name, value in options.items() if value is not None}
    # As words, which the command checks and converts.
    words = [f"--{name.replace('_', '-')}={value}" for name, value in given.items()]
    words += ["--", *arguments] if arguments else []
    printed = StringIO()
    try:
        call_command(command, *words, stdout=printed, stderr=StringIO())
    finally:
        for line in printed.getvalue().splitlines():
            logger.info("%s", line)
    outcome: Outcome = command.outcome
    return outcome
