"""Run the whole suite: ``python -m tests``, or with pytest's arguments for a part of it.

Everything runs on SQLite; what touches the database runs again on each server that answers, and,
but for the thorough part, with other user models. With ``CI=true`` a server that does not answer is
a failure.
"""

from __future__ import annotations

import os
import subprocess
import sys

from tests import servers

USER_MODEL = "auth.User"
#: What a user model lacks is the same on each engine; how keys are stored is not: UUIDs have a type
#: of their own on PostgreSQL, and text has a collation on MariaDB.
OTHER_USER_MODELS = {
    "sqlite": ["users.UUIDUser", "users.CharUser", "users.BareUser"],
    "postgresql": ["users.UUIDUser"],
    "mariadb": ["users.CharUser"],
}


def main(arguments: list[str]) -> int:
    versions = {name: servers.version(name) for name in servers.VERSIONS}
    missing = [name for name, version in versions.items() if version is None]
    if missing and os.environ.get("CI") == "true":
        print(f"Not answering: {', '.join(missing)}. In CI the whole suite has to run.")
        return 1
    databases = [name for name in servers.DATABASES if versions[name]]
    runs = [(name, USER_MODEL) for name in databases]
    runs += [(name, user_model) for name in databases for user_model in OTHER_USER_MODELS[name]]

    coverage = [sys.executable, "-m", "coverage"]
    subprocess.run([*coverage, "erase"], check=True)
    failed = []
    for database, user_model in runs:
        print(f"\n== {database} {versions[database]}, {user_model}", flush=True)
        environment = {
            "SOUVENIRS_TEST_DATABASE": database,
            "SOUVENIRS_TEST_USER": user_model,
            "SOUVENIRS_TEST_MISSING": ",".join(missing),
        }
        marked = [] if user_model == USER_MODEL else ["-m", "not thorough"]
        command = [*coverage, "run", "-m", "pytest", "--no-header", "-q", *marked, *arguments]
        result = subprocess.run(command, env={**os.environ, **environment}, check=False)
        if result.returncode not in (0, 5):  # 5: the arguments chose no test in this run
            failed.append(f"{database}, {user_model}")

    subprocess.run([*coverage, "combine", "--quiet"], check=True)
    if not arguments:
        report = subprocess.run([*coverage, "report"], check=False)
        if report.returncode:
            failed.append("coverage")

    print()
    for name, version in versions.items():
        print(f"{name}: {f'ran on {version}' if version else 'NOT RUN, no server answered'}")
    print(f"Failed: {'; '.join(failed)}" if failed else "Everything passed.")
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
