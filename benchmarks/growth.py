"""How the time of a count grows with the number of souvenirs, of the same users and days."""

from __future__ import annotations

import argparse
import tempfile
from datetime import timedelta
from functools import partial
from pathlib import Path

from _common import (
    ENGINES,
    NAME,
    TITLES,
    alternate,
    answering,
    machine,
    ms,
    print_table,
    say,
    scratch,
)
from _data import END, Files, load
from _version1 import OldSouvenir
from _version1 import count_active_users as old_count
from count import digest

from souvenirs.control import count_active_users

MONTH = END - timedelta(days=30), END


def main() -> None:
    options = arguments()
    engines = answering(options.engines)
    print(f"## Growth\n\n{machine(engines)}.\n")
    print(
        f"Active users in the last 30 of {options.days} days, of {options.users:,} users. Version "
        "2 has digested everything. Each time is the best of all rounds.\n"
    )
    curves: dict[str, dict[int, tuple[float, float]]] = {engine: {} for engine in engines}
    for rows in options.rows:
        with tempfile.TemporaryDirectory(prefix=NAME) as folder:
            say(f"Making up {rows:,} souvenirs...")
            files = Files(Path(folder), rows, options.users, options.days)
            for engine in engines:
                print(measured(engine, files, options.seconds, curves[engine]), flush=True)
    for engine, curve in curves.items():
        table = [
            [f"{rows:,}", ms(old), ms(new), times_of(curve, rows, 0), times_of(curve, rows, 1)]
            for rows, (old, new) in curve.items()
        ]
        headers = [f"{TITLES[engine]}, souvenirs", "1.0.2", "version 2"]
        print_table([*headers, "1.0.2, of the first", "version 2, of the first"], table)
    if options.plot:
        plot(curves, options.plot)


def arguments() -> argparse.Namespace:
    def numbers(text: str) -> list[int]:
        return [int(number) for number in text.split(",")]

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=numbers, default=[100_000, 1_000_000])
    parser.add_argument("--users", type=int, default=100_000)
    parser.add_argument("--days", type=int, default=365)
    parser.add_argument("--engines", type=lambda names: names.split(","), default=ENGINES)
    parser.add_argument("--seconds", type=float, default=2, help="how long to repeat a question")
    parser.add_argument("--plot", type=Path, help="write a picture there; needs matplotlib")
    return parser.parse_args()


def measured(
    engine: str, files: Files, seconds: float, curve: dict[int, tuple[float, float]]
) -> str:
    """Put the times of both into the curve; return what digesting took."""
    with scratch(engine) as connection:
        say(f"Loading them into {TITLES[engine]}...")
        load(connection, files)
        say("Digesting them...")
        digested = digest(connection, files.rows)
        say("Counting...")
        both = [partial(old_count, *MONTH, OldSouvenir), partial(count_active_users, *MONTH)]
        answers, (old, new) = alternate(both, seconds)
        assert answers[0] == answers[1] > 0
        curve[files.rows] = old, new
    return f"{TITLES[engine]}, {files.rows:,} souvenirs, {answers[0]:,} users: {digested}"


def times_of(curve: dict[int, tuple[float, float]], rows: int, place: int) -> str:
    return f"{curve[rows][place] / curve[min(curve)][place]:.2f} x"


def plot(curves: dict[str, dict[int, tuple[float, float]]], path: Path) -> None:
    from matplotlib import pyplot

    pyplot.rcParams["svg.hashsalt"] = NAME  # the same figures make the same file
    figure, axes = pyplot.subplots(figsize=(6.4, 4))
    for engine, curve in curves.items():
        for place, (name, marker) in enumerate([("1.0.2", "o"), ("version 2", "s")]):
            milliseconds = [taken[place] * 1e3 for taken in curve.values()]
            axes.plot(list(curve), milliseconds, marker=marker, label=f"{name}, {TITLES[engine]}")
    axes.set(xscale="log", yscale="log", xlabel="souvenirs", ylabel="milliseconds")
    axes.set_title("Active users of 30 days")
    axes.grid(which="major", alpha=0.3)
    axes.legend()
    figure.savefig(path, bbox_inches="tight", metadata={"Date": None})


if __name__ == "__main__":
    main()
