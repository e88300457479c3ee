"""What tests need and the machine may not have. No test is left out in silence for the want of it.

The closing lines of a run say what was missing and how many tests that left out; with ``CI=true``
only data that may not be copied into the project can be missing, and all else is a failure.
"""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import NoReturn

import pytest

IN_CI = os.environ.get("CI") == "true"

#: Where each run appends what it left out, for the closing lines of ``python -m tests``.
RECORD = os.environ.get("SOUVENIRS_TEST_LEFT_OUT")

REASON = re.compile(r"Missing: (.*)")


def leave_out(what: str) -> NoReturn:
    """End a test that needs what is not there."""
    if IN_CI:
        pytest.fail(f"Missing: {what}", pytrace=False)
    pytest.skip(f"Missing: {what}")


def leave_out_for_data(name: str) -> NoReturn:
    """End a test that needs a data set that may not be copied into the project."""
    pytest.skip(f"Missing: the data set {name}, which may not be copied into the project")


def left_out(reports: Iterable[pytest.TestReport]) -> Counter[str]:
    """How many of the skipped tests were left out for the want of what."""
    found: Counter[str] = Counter()
    for report in reports:
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else ""
        if missing := REASON.search(reason):
            found[missing[1]] += 1
    return found


def record(found: Counter[str]) -> None:
    if RECORD:
        with Path(RECORD).open("a") as lines:
            lines.write(json.dumps(found) + "\n")


def recorded(path: Path) -> Counter[str]:
    """What all runs together have left out."""
    found: Counter[str] = Counter()
    for line in path.read_text().splitlines():
        found.update(json.loads(line))
    return found


def sentences(found: Counter[str]) -> list[str]:
    """The closing lines, the most tests first."""
    return [
        f"Missing: {what}. That left out {number:,} test{'s' * (number != 1)}."
        for what, number in found.most_common()
    ]
