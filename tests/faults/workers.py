"""Workers of task queues, which run what is unattended: Celery's, and that of django-tasks-db."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from tests.processes import ROOT, Server, family, module


class Command:
    """Commands of a site, each in a process of its own."""

    def __init__(self, environment: dict[str, str]) -> None:
        path = os.pathsep.join(filter(None, [os.environ.get("PYTHONPATH"), str(ROOT)]))
        self.environment = {**os.environ, **environment, "PYTHONPATH": path}

    def start(self, *words: str) -> subprocess.Popen:
        return subprocess.Popen(self.words(words), **self.place(), stdout=subprocess.DEVNULL)

    def __call__(self, *words: str) -> str:
        """Run a command to its good end, and return what it prints."""
        done = subprocess.run(
            self.words(words), **self.place(), check=False, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def words(self, words: Sequence[str]) -> list[str]:
        return [sys.executable, "-m", "django", *words]

    def place(self) -> dict[str, Any]:
        return {"cwd": ROOT, "env": self.environment}


class CeleryWorker(Server):
    """A worker with two processes for tasks, and with ``beat`` also what sends them on time."""

    def __init__(self, environment: dict[str, str], *, beat: bool = False) -> None:
        super().__init__()
        self.settings, self.beat = environment, beat

    def command(self) -> list[str]:
        words = ["-A", "tests.faults.celeryapp", "worker", "--concurrency=2", "--loglevel=INFO"]
        beat = ["--beat", f"--schedule={self.directory / 'beat'}"] if self.beat else []
        return [sys.executable, "-m", module("celery"), *words, *beat]

    def environment(self) -> dict[str, str]:
        return {**Command(self.settings).environment, "HOME": str(self.directory)}

    def working_directory(self):
        return ROOT

    def answers(self) -> bool:
        return " ready." in self.log

    def kill(self) -> None:
        """End all its processes as the kernel does where memory is short."""
        kill(self.pid)
        self.process.wait()


def kill(pid: int) -> None:
    for member in family(pid):
        with suppress(ProcessLookupError):
            os.kill(member, signal.SIGKILL)


def with_settings(environment: dict[str, str], **settings: object) -> dict[str, str]:
    """The environment of a site with more settings, under their full names."""
    known = json.loads(environment["SITE_SETTINGS"])
    return {**environment, "SITE_SETTINGS": json.dumps(known | settings)}
