"""How often alerts are false, what losses they find, and how often forecasts are right.

Each file is gzipped CSV of ``user_id,when``. Its days are those of UTC, and each is judged from the
days before it.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path

from _common import print_table, say
from _rolling import Firsts, alerts_of, coverage, days_of, made_up, read

from souvenirs.insights.forecast import HISTORIES

DATA = Path(__file__).parents[1] / "tests/data"
FILES = [DATA / "gitgit_commits_original_offset.csv.gz", DATA / "weblog_clients.csv.gz"]


def main() -> None:
    options = arguments()
    sites = {path.name.partition(".")[0]: read(path) for path in options.files}
    alerts, forecasts = [], []
    for name, seen in sites.items():
        say(name)
        alerts.append(row_of_alerts(name, days_of(seen)))
        forecasts += [
            row for interval in HISTORIES for row in rows_of_forecast(name, seen, interval)
        ]
    for users in options.made_up:
        say(f"{users} users a day")
        alerts.append(row_of_alerts(f"made up, {users:,} a day", made_up(users)))
    print("## Alerts\n")
    columns = ["data", "days judged", "alerts", "in 30 days", "loss of 30 % found within the day"]
    print_table(columns, alerts)
    print("## Forecasts\n")
    print_table(
        ["data", "forecasts", "within the limits of 80 %", "limits that are one number"], forecasts
    )


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", nargs="*", type=Path, default=FILES)
    parser.add_argument(
        "--made-up",
        type=lambda text: [int(each) for each in text.split(",") if each],
        default=[100, 300, 1000],
        help="users a day of sites with random activity (default: 100,300,1000)",
    )
    return parser.parse_args()


def row_of_alerts(name: str, days: Sequence[Firsts]) -> list[str]:
    found = alerts_of(days)
    if not found.days:
        return [name, "0", "", "", ""]
    rate = 30 * found.alerts / found.days
    return [
        name,
        f"{found.days:,}",
        f"{found.alerts:,}",
        f"{rate:.2f}",
        f"{found.found / found.days:.0%}",
    ]


def rows_of_forecast(
    name: str, seen: Sequence[tuple[datetime, int]], interval: str
) -> Iterator[list[str]]:
    checked = coverage(seen, interval)
    if checked:
        right = sum(is_right for is_right, _ in checked) / len(checked)
        single = sum(is_single for _, is_single in checked) / len(checked)
        yield [f"{name}, {interval}", f"{len(checked):,}", f"{right:.1%}", f"{single:.0%}"]


if __name__ == "__main__":
    main()
