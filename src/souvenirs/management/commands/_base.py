"""The base of all commands."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError

from souvenirs.checks import migrated


class SouvenirsCommand(BaseCommand):
    """Base of all commands: what is wrong with the site is one sentence, not a traceback."""

    def execute(self, *args: Any, **options: Any) -> str | None:
        try:
            with migrated():
                return super().execute(*args, **options)
        except ImproperlyConfigured as error:
            raise CommandError(str(error)) from error
