"""The dashboards for Grafana, and the queries of their panels."""

import json
import re
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

FOLDER = Path(__file__).parents[2] / "docs/grafana"


class Query(NamedTuple):
    panel: str
    text: str

    def __str__(self) -> str:
        return self.panel


def dashboard(name: str) -> dict[str, Any]:
    return json.loads((FOLDER / f"{name}.json").read_text())


def queries(name: str, key: str) -> list[Query]:
    """The queries of all panels, by title."""
    return [
        Query(panel["title"], target[key])
        for panel in dashboard(name)["panels"]
        for target in panel["targets"]
    ]


def macros(vendor: str, since: datetime, until: datetime) -> dict[str, str]:
    """What Grafana replaces the macros by, in its data source for an engine."""
    if vendor == "postgresql":
        return {
            r"\$__timeEpoch\((\w+)\)": r'extract(epoch from \1) as "time"',
            r"\$__timeFilter\((\w+)\)": rf"\1 BETWEEN '{since:%FT%TZ}' AND '{until:%FT%TZ}'",
        }
    if vendor == "mysql":
        return {
            r"\$__timeEpoch\((\w+)\)": r"UNIX_TIMESTAMP(\1) as time_sec",
            r"\$__timeFilter\((\w+)\)": rf"\1 BETWEEN FROM_UNIXTIME({since.timestamp():.0f}) "
            rf"AND FROM_UNIXTIME({until.timestamp():.0f})",
        }
    # Grafana has no such data source; what remains is standard SQL.
    return {
        r"\$__timeEpoch\((\w+)\)": r"CAST(strftime('%s', \1) AS INTEGER) AS time",
        r"\$__timeFilter\((\w+)\)": rf"\1 BETWEEN '{since:%F}' AND '{until:%F}'",
    }


def query_sent(query: str, vendor: str, since: datetime, until: datetime) -> str:
    """The query that the database gets, of a range and the time zone UTC."""
    sql = query.replace("$time_zone", "UTC")
    for macro, text in macros(vendor, since, until).items():
        sql = re.sub(macro, text, sql)
    assert "$" not in sql
    return sql
