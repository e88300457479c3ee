"""The base of all commands."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError

from souvenirs.checks import migrated
from souvenirs.stores import committing


class SouvenirsCommand(BaseCommand):
    """Base of all commands: what is wrong with the site is one sentence, not a traceback."""

    #: Whether it writes to the tables of the app. Then it does so outside of any transaction.
    writes = False

    def execute(self, *args: Any, **options: Any) -> str | None:
        try:
            with migrated(), committing() if self.writes else nullcontext():
                return super().execute(*args, **options)
        except ImproperlyConfigured as error:
            raise CommandError(str(error)) from error
