"""The charts and tables of each page."""

from . import groups, health, overview, retention, segments, slipping, start, usage, users

__all__ = [
    "groups",
    "health",
    "overview",
    "retention",
    "segments",
    "slipping",
    "start",
    "usage",
    "users",
]
