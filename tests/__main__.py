"""Run the whole suite: ``python -m tests``, or with pytest's arguments for a part of it.

Everything runs on SQLite; what touches the database runs again on each server that answers, and,
but for the thorough part, with other user models. As many runs go on at once as there are
processors; the tests that break servers of their own come last and alone, because they watch how
long requests take. With ``CI=true`` a server that does not answer is a failure.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass

from tests import servers

USER_MODEL = "auth.User"
#: How keys are stored is tried where it differs most: UUIDs have a type of their own on PostgreSQL,
#: and text has a collation on MariaDB. What a user model lacks is the same on each engine.
OTHER_USER_MODELS = [
    ("mariadb", "users.CharUser"),
    ("postgresql", "users.UUIDUser"),
    ("sqlite", "users.BareUser"),
]
COVERAGE = [sys.executable, "-m", "coverage"]


@dataclass(frozen=True)
class Run:
    """The suite, or a part of it, on one database and with one user model."""

    database: str
    user_model: str
    marked: str

    @property
    def name(self) -> str:
        return f"{self.database}, {self.user_model}, {self.marked}"

    def __call__(self, arguments: list[str], missing: list[str]) -> tuple[bool, str]:
        """Whether all is well, and what pytest printed."""
        environment = {
            **os.environ,
            "SOUVENIRS_TEST_DATABASE": self.database,
            "SOUVENIRS_TEST_USER": self.user_model,
            "SOUVENIRS_TEST_MISSING": ",".join(missing),
        }
        pytest = [*COVERAGE, "run", "-m", "pytest", "--no-header", "-q", "-m", self.marked]
        done = subprocess.run(
            [*pytest, *arguments],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        return done.returncode in (0, 5), done.stdout  # 5: the arguments chose no test in this run


def main(arguments: list[str]) -> int:
    began = time.monotonic()
    versions = {name: servers.version(name) for name in servers.VERSIONS}
    missing = [name for name, version in versions.items() if version is None]
    if missing and os.environ.get("CI") == "true":
        print(f"Not answering: {', '.join(missing)}. In CI the whole suite has to run.")
        return 1
    # What takes longest comes first.
    at_once = [Run(name, USER_MODEL, "not faults") for name in servers.DATABASES if versions[name]]
    at_once += [
        Run(name, user_model, "not thorough")
        for name, user_model in OTHER_USER_MODELS
        if versions[name]
    ]
    alone = Run("sqlite", USER_MODEL, "faults")

    subprocess.run([*COVERAGE, "erase"], check=True)
    failed = []

    def tell(run: Run, is_well: bool, printed: str) -> None:
        print(f"\n== {run.name}, after {time.monotonic() - began:.0f} s\n{printed}", flush=True)
        if not is_well:
            failed.append(run.name)

    print(f"{len(at_once) + 1} runs; each is shown when it is over.", flush=True)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        running = {pool.submit(run, arguments, missing): run for run in at_once}
        for done in as_completed(running):
            tell(running[done], *done.result())
    tell(alone, *alone(arguments, missing))

    subprocess.run([*COVERAGE, "combine", "--quiet"], check=True)
    if not arguments:
        report = subprocess.run([*COVERAGE, "report"], check=False)
        if report.returncode:
            failed.append("coverage")

    print()
    for name, version in versions.items():
        print(f"{name}: {f'ran on {version}' if version else 'NOT RUN, no server answered'}")
    print(f"Failed: {'; '.join(failed)}" if failed else "Everything passed.")
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
