"""The charts and tables of each page."""

from . import health, overview, retention, segments, slipping, start, usage, users

__all__ = [
    "health",
    "overview",
    "retention",
    "segments",
    "slipping",
    "start",
    "usage",
    "users",
]
