"""How much a process remembers: a million users and a million sessions pass by in one window."""

from __future__ import annotations

import argparse
import json
import platform
import random
import resource
import subprocess
import sys
import tracemalloc
import uuid
from collections.abc import Callable, Hashable
from time import perf_counter

from _common import WEEK, print_table, say

from souvenirs.conf import conf
from souvenirs.recording.ratelimit import rate_limiter, window_now

PASSING = 1_000_000
#: Megabytes.
GOAL = 16
#: Seconds that one process may take.
LONG = 300

numbers = random.Random(0)


def a_uuid() -> uuid.UUID:
    return uuid.UUID(int=numbers.getrandbits(128), version=4)


#: What a key looks like; each is made anew, as when a user is loaded.
KINDS: dict[str, Callable[[int], Hashable]] = {
    "integers": lambda number: 10**6 + number,
    "UUIDs": lambda number: a_uuid(),
    "strings of 36 characters": lambda number: str(a_uuid()),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--passing", type=int, default=PASSING, help="users, and sessions")
    parser.add_argument("--measure", choices=KINDS, help=argparse.SUPPRESS)
    parser.add_argument("--traced", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        print(json.dumps(measure(arguments.measure, arguments.passing, arguments.traced)))
        return

    rows = []
    for kind in KINDS:
        say(f"Remembering {kind}...")
        # Tracing takes memory of its own.
        traced, untraced = (afresh(kind, arguments.passing, traced) for traced in (True, False))
        figures = [traced["peak"], untraced["grown"]]
        met = "yes" if max(figures) <= GOAL * 2**20 else "no"
        rows.append([kind, *map(mb, figures), f"{untraced['ns']:,.0f} ns", met])
    print(f"## Memory\n\nPython {platform.python_version()}.\n")
    print(
        f"{arguments.passing:,} users and as many sessions in one window, with a "
        f"`SOUVENIRS_GATE_SIZE` of {conf.GATE_SIZE:,}:\n"
    )
    headers = ["primary keys", "peak allocated", "process grows by", "each pair", f"<= {GOAL} MB"]
    print_table(headers, rows)


def afresh(kind: str, passing: int, traced: bool) -> dict[str, float]:
    command = [sys.executable, __file__, "--measure", kind, "--passing", str(passing)]
    command += ["--traced"] if traced else []
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, timeout=LONG)
    return json.loads(done.stdout)


def measure(kind: str, passing: int, traced: bool) -> dict[str, float]:
    make = KINDS[kind]
    window = window_now(WEEK)
    pass_by(make, 1)
    rate_limiter.forget()
    if traced:
        tracemalloc.start()
    before = resident()
    began = perf_counter()
    pass_by(make, passing)
    taken = perf_counter() - began
    assert rate_limiter.remembers(LAST[0], window)
    peak = tracemalloc.get_traced_memory()[1] if traced else 0
    return {"peak": peak, "grown": resident() - before, "ns": taken / passing * 1e9}


#: The user who came last, for whoever checks that they are remembered.
LAST: list[Hashable] = [None]


def pass_by(make: Callable[[int], Hashable], passing: int) -> None:
    """What the middleware tells the gate of as many users, each with a session of their own."""
    window = window_now(WEEK)
    for number in range(passing):
        user = make(number)
        rate_limiter.remember(user, window)
        rate_limiter.sessions.remember(window, hash(f"{numbers.getrandbits(160):x}"))
        LAST[0] = user


def resident() -> int:
    """The most memory that the process has had so far."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def mb(size: float) -> str:
    return f"{size / 2**20:,.1f} MB"


if __name__ == "__main__":
    main()
