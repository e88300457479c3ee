"""Errors that end a command, as one-sentence messages."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import CommandError


@contextmanager
def command_errors() -> Iterator[None]:
    """Raise CommandError with the message of a ValueError or ImproperlyConfigured."""
    try:
        yield
    except (ValueError, ImproperlyConfigured) as error:
        raise CommandError(str(error)) from error


@contextmanager
def interruptible() -> Iterator[None]:
    """Raise CommandError on Ctrl-C, for work that the next run continues."""
    try:
        yield
    except KeyboardInterrupt:
        raise CommandError(
            "Interrupted. Run the command again to continue.", returncode=130
        ) from None
