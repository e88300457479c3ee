"""The charts and tables of each page."""

from . import health, overview, retention, usage, users

__all__ = ["health", "overview", "retention", "usage", "users"]
