"""Lines imported a second, all of them new, into SQLite; beside another version of the app."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from time import perf_counter, process_time

USERS = 2_000
HERE = Path(__file__).resolve()

LINES = {
    "csv": "{user},{when:%Y-%m-%dT%H:%M:%SZ}\n",
    "log": '192.0.2.1 - user{user} [{when:%d/%b/%Y:%H:%M:%S +0000}] "GET /{n} HTTP/1.1" 200 512 '
    '"-" "Mozilla/5.0 (X11; Linux x86_64)"\n',
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lines", type=int, default=60_000, help="lines of each file")
    parser.add_argument(
        "--rounds", type=int, default=5, help="alternating rounds; shows the medians"
    )
    parser.add_argument("--baseline", type=Path, help="checkout of another version to compare with")
    parser.add_argument("--file", help=argparse.SUPPRESS)  # the run of one import
    options = parser.parse_args()
    if options.file:
        measure(options.file, options.lines)
        return
    sources = {"this version": HERE.parents[1] / "src"}
    if options.baseline:
        sources = {"baseline": options.baseline / "src"} | sources
    print(f"| {options.lines:,} new lines | version | lines/s | lines/s of CPU time |")
    print("|:--|:--|--:|--:|")
    with tempfile.TemporaryDirectory() as folder:
        for form, line in LINES.items():
            path = Path(folder, f"new.{form}")
            write(path, "user_id,when\n" if form == "csv" else "", line, options.lines)
            rates: dict[str, list[tuple[float, float]]] = {version: [] for version in sources}
            for _ in range(options.rounds):
                for version, source in sources.items():
                    rates[version].append(rate(source, path, options.lines))
            for version, found in rates.items():
                wall, cpu = (median(each) for each in zip(*found, strict=True))
                print(f"| {form} | {version} | {wall:,.0f} | {cpu:,.0f} |", flush=True)


def write(path: Path, header: str, line: str, lines: int) -> None:
    """Write each user once an hour, in the order of time."""
    start = datetime(2016, 1, 1, tzinfo=UTC)
    with path.open("w") as file:
        file.write(header)
        for n in range(lines):
            hour, user = divmod(n, USERS)
            when = start + timedelta(hours=hour, seconds=user * 3600 // USERS)
            file.write(line.format(n=n, user=user + 1, when=when))


def rate(source: Path, path: Path, lines: int) -> tuple[float, float]:
    """Return the lines a second of one import in a process of its own."""
    command = [sys.executable, str(HERE), "--file", str(path), "--lines", str(lines)]
    environment = {**os.environ, "PYTHONPATH": str(source)}
    output = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    wall, cpu = map(float, output.stdout.split())
    return wall, cpu


def measure(path: str, lines: int) -> None:
    """Import a file into a new database, and print the lines a second."""
    import django
    from django.conf import settings
    from django.core.management import call_command

    settings.configure(
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": f"{path}.sqlite3"}},
        INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "souvenirs"],
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        USE_TZ=True,
    )
    django.setup()
    from django.contrib.auth.models import User

    from souvenirs.models import Souvenir

    Path(f"{path}.sqlite3").unlink(missing_ok=True)
    call_command("migrate", verbosity=0)
    User.objects.bulk_create(
        [User(pk=n, username=f"user{n}") for n in range(1, USERS + 1)], batch_size=500
    )
    with Path(os.devnull).open("w") as nowhere:
        wall, cpu = perf_counter(), process_time()
        call_command("import_souvenirs", path, stdout=nowhere)
        wall, cpu = perf_counter() - wall, process_time() - cpu
    assert Souvenir.objects.count() == lines
    print(lines / wall, lines / cpu)


if __name__ == "__main__":
    main()
