"""History from files and from what Django already knows."""

from .importer import BAD_LINE, Importer, Stopped, Summary

__all__ = [
    "BAD_LINE",
    "Importer",
    "Stopped",
    "Summary",
]
