"""Run the suite: ``python -m tests``, or with pytest's arguments for a part of it.

The app's whole behaviour is tested on SQLite; what meets the database, on each server that answers
too. ``--rest`` runs what this leaves out: tests marked ``thorough``, other user models, the browser
and broken servers; ``--all`` runs both. Several runs go on at once. With ``CI=true`` a server that
does not answer is a failure. ``--coverage`` also measures the runs that together cover everything.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field, replace
from pathlib import Path

from tests import missing, servers

USER_MODEL = "auth.User"
#: How keys are stored is tried where it differs most: UUIDs have a type of their own on PostgreSQL,
#: and text has a collation on MariaDB. What a user model lacks is the same on each engine.
OTHER_USER_MODELS = [
    ("mariadb", "users.CharUser"),
    ("postgresql", "users.UUIDUser"),
    ("sqlite", "users.BareUser"),
]
PYTEST = ["-m", "pytest", "--no-header", "-q"]
AT_ONCE = len(servers.DATABASES)

BASIC = "not (thorough or browser or faults)"
THROUGH_THE_STORE = f"through_the_store and {BASIC}"
THOROUGH = "thorough and not (browser or faults)"
WHOLE = "not (browser or faults)"

#: Each worker collects the tests and makes its databases, which takes it ten seconds: only what
#: would otherwise go on long after all else is shared by two of them.
TWO_WORKERS = ("-n", "2", "--dist", "worksteal")


@dataclass(frozen=True)
class Run:
    """The suite, or a part of it, on one database and with one user model."""

    database: str
    user_model: str
    marked: str
    #: pytest's options for workers; without any, one test goes on at a time.
    workers: tuple[str, ...] = field(default=(), repr=False)
    #: Whether it reaches lines that no other run does.
    is_measured: bool = field(default=False, repr=False)

    @property
    def name(self) -> str:
        return f"{self.database}, {self.user_model}, {self.marked}"

    def __call__(
        self, arguments: list[str], environment: dict[str, str], *, is_measured: bool = False
    ) -> tuple[bool, str]:
        """Whether all is well, and what pytest printed."""
        coverage = ["-m", "coverage", "run"] if is_measured and self.is_measured else []
        done = subprocess.run(
            [sys.executable, *coverage, *PYTEST, "-m", self.marked, *self.workers, *arguments],
            env={
                **os.environ,
                **environment,
                "SOUVENIRS_TEST_DATABASE": self.database,
                "SOUVENIRS_TEST_USER": self.user_model,
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        return done.returncode in (0, 5), done.stdout  # 5: the arguments chose no test in this run


#: It mostly waits.
BREAKING = Run("sqlite", USER_MODEL, "browser or faults")


def basic() -> Iterator[Run]:
    """The longest first, here and below."""
    for name in servers.DATABASES:
        workers = TWO_WORKERS if name == "sqlite" else ()
        yield Run(name, USER_MODEL, BASIC, workers, is_measured=True)


def rest() -> Iterator[Run]:
    yield BREAKING
    for name in servers.DATABASES:
        yield Run(name, USER_MODEL, THOROUGH)
    yield from other_runs()


def everything() -> Iterator[Run]:
    """Both of them, with the databases of each engine made once, and as many tests as runs.

    UUIDs on PostgreSQL are left to the run on the second newest Django, see ``.ci/session``.
    """
    yield BREAKING
    for name in servers.DATABASES:
        workers = TWO_WORKERS if name == "sqlite" else ()
        yield Run(name, USER_MODEL, WHOLE, workers, is_measured=True)
    for run in other_runs():
        if (run.database, run.user_model) != ("postgresql", "users.UUIDUser"):
            yield run


def other_runs() -> Iterator[Run]:
    for name, user_model in OTHER_USER_MODELS:
        yield Run(name, user_model, BASIC, is_measured=user_model != "users.UUIDUser")
        if name != "sqlite":
            yield Run("sqlite", user_model, THROUGH_THE_STORE)


def number_of_tests(run: Run, arguments: list[str]) -> int:
    """How many tests a run would have, had it its database."""
    _, printed = replace(run, workers=())([*arguments, "--collect-only"], {})
    found = re.search(r"^(\d+)(?:/\d+)? tests? collected", printed, re.MULTILINE)
    return int(found[1]) if found else 0


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests", description=__doc__)
    chosen_runs = parser.add_mutually_exclusive_group()
    for option, runs_of_it, described in (
        ("--rest", rest, "run what is left out otherwise"),
        ("--all", everything, "run both"),
    ):
        chosen_runs.add_argument(
            option, action="store_const", const=runs_of_it, dest="runs", help=described
        )
    parser.add_argument("--coverage", action="store_true", help="measure coverage")
    options, arguments = parser.parse_known_args(arguments)

    began = time.monotonic()
    versions = {name: servers.version(name) for name in servers.VERSIONS}
    silent = [name for name, version in versions.items() if version is None]
    if silent and missing.IN_CI:
        print(f"Not answering: {', '.join(silent)}. In CI the whole suite has to run.")
        return 1
    chosen = list((options.runs or basic)())
    runs = [run for run in chosen if versions[run.database]]
    left_out: Counter[str] = Counter()
    failed = []

    with (
        tempfile.NamedTemporaryFile("r", prefix="souvenirs-tests-") as record,
        ThreadPoolExecutor(AT_ONCE) as pool,
    ):
        environment = {
            "SOUVENIRS_TEST_MISSING": ",".join(silent),
            "SOUVENIRS_TEST_LEFT_OUT": record.name,
        }
        print(f"{len(runs)} runs; each is shown when it is over.", flush=True)
        running = {
            pool.submit(run, arguments, environment, is_measured=options.coverage): run
            for run in runs
        }
        for done in as_completed(running):
            run, (is_well, printed) = running[done], done.result()
            print(f"\n== {run.name}, after {time.monotonic() - began:.0f} s\n{printed}", flush=True)
            if not is_well:
                failed.append(run.name)
        for run in set(chosen) - set(runs):
            left_out[f"{run.database}, no server answered"] += number_of_tests(run, arguments)
        left_out += missing.recorded(Path(record.name))

    print()
    ran_on = [f"{name} {version}" for name, version in versions.items() if version]
    print(f"Ran on {', '.join(ran_on)} in {time.monotonic() - began:.0f} s.")
    for sentence in missing.sentences(left_out):
        print(sentence)
    print(f"Failed: {'; '.join(failed)}" if failed else "Everything passed.")
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
