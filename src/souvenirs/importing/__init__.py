"""History from files and from what Django already knows."""

from .formats import csv_parser, json_parser, log_parser
from .importer import BAD_LINE, Importer, Stopped, Summary
from .lines import Parser, Reading, open_text, read_lines
from .tables import admin_log, last_logins

__all__ = [
    "BAD_LINE",
    "Importer",
    "Parser",
    "Reading",
    "Stopped",
    "Summary",
    "admin_log",
    "csv_parser",
    "json_parser",
    "last_logins",
    "log_parser",
    "open_text",
    "read_lines",
]
