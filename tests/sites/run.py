"""Run a site in a database of its own, which is gone afterwards."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.processes import ROOT
from tests.servers import new_database
from tests.sites.shapes import SHAPES


def run(name: str) -> subprocess.CompletedProcess[str]:
    """The site's life, in a process of its own; what it printed is in ``stdout``."""
    shape = SHAPES[name]
    with tempfile.TemporaryDirectory() as folder, _database(shape, name, Path(folder)) as url:
        environment = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "tests.sites.settings",
            "SITE": name,
            "SITE_DATABASE": url,
            "SITE_FILE": str(Path(folder, "activity.sqlite3")),
        }
        with shape.servers(environment) as environment:
            return subprocess.run(
                [sys.executable, "-m", "tests.sites.life"],
                cwd=ROOT,
                env=environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                check=False,
            )


@contextmanager
def _database(shape, name: str, folder: Path) -> Iterator[str]:
    if shape.database == "sqlite":
        yield f"sqlite:///{folder / 'site.sqlite3'}"
    else:
        with new_database(shape.database, f"souvenirs_site_{name}_{os.getpid()}") as url:
            yield url
