"""The charts and tables of each page."""

from . import health, overview, retention, start, usage, users

__all__ = ["health", "overview", "retention", "start", "usage", "users"]
