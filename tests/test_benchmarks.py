"""Every benchmark runs, on next to nothing: what it measures may have got another name."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.missing import leave_out

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
SITE = ["--rows=1000", "--users=50", "--days=90", "--seconds=0"]

OPTIONS = {
    "alerts": ["tests/data/weblog_clients.csv.gz", "--made-up=20"],
    "count": [*SITE, "--engines=sqlite"],
    "figures": [*SITE, "--engines=sqlite"],
    "growth": ["--rows=500,1000", *SITE[1:], "--engines=sqlite"],
    "importing": ["--lines=100", "--rounds=1"],
    "insights": [*SITE, "--months=2", "--engines=sqlite"],
    "keys": [*SITE, "--engines=sqlite", "--kinds=integer,UUID"],
    "memory": ["--passing=100"],
    "organizations": [*SITE[:2], "--organizations=5", "--seconds=0", "--engines=sqlite"],
    "pages": [
        *("--rows=11000", "--users=800", "--days=90", "--engines=sqlite"),
        *("--rounds=1", "--readers=2", "--seconds=1"),
    ],
    "publish": [*SITE[:3], "--engines=sqlite", "--rounds=1"],
    "record": ["--requests=12", "--engines=sqlite"],
    "serve": ["--users=20", "--seconds=1", "--rounds=1", "--servers=gunicorn"],
    "size": [*SITE[:3], "--engines=sqlite", "--shuffled", "--one-by-one"],
    "statements": [*SITE[:3], "--engines=sqlite"],
    "upgrade": ["--rows=1000", "sqlite"],
    "usersets": ["--users=1000", "--seconds=0"],
    "zones": [*SITE[:3], "--engines=sqlite", "--rounds=2"],
}

pytestmark = pytest.mark.thorough


def test_every_benchmark_is_run():
    assert set(OPTIONS) == {path.stem for path in BENCHMARKS.glob("[!_]*.py")}


@pytest.mark.parametrize("name", OPTIONS)
def test_benchmark_prints_a_table(name):
    if name == "serve" and not shutil.which("wrk"):
        leave_out("wrk, which is not installed")
    # A benchmark sets Django up by itself.
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": ""}
    done = subprocess.run(
        [sys.executable, BENCHMARKS / f"{name}.py", *OPTIONS[name]],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "\n|:-" in done.stdout
