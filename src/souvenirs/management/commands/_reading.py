"""The base of the commands that only read."""

from __future__ import annotations

import os
import sys
from typing import Any

from django.core.management.base import CommandError

from ._base import SouvenirsCommand


class ReadingCommand(SouvenirsCommand):
    """Base of commands that read and print; a closed pipe and Ctrl-C end them without a traceback.

    Sentences that ``handle()`` appends to ``notes`` are written to stderr, below the output.
    """

    def execute(self, *args: Any, **options: Any) -> str | None:
        self.notes: list[str] = []
        try:
            output = super().execute(*args, **options)
            self.stdout.flush()
        except BrokenPipeError:
            if vars(self.stdout)["_out"] is sys.stdout:
                # Python flushes it once more on exit, and would report the closed pipe again.
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return None
        except KeyboardInterrupt:
            raise CommandError("Interrupted.", returncode=130) from None
        except UnicodeEncodeError as error:
            raise CommandError(
                f"{error.object[error.start]!a} cannot be encoded in {error.encoding}: "
                "set PYTHONIOENCODING=utf-8."
            ) from None
        for note in self.notes:
            self.stderr.write(note, style_func=str)
        return output
