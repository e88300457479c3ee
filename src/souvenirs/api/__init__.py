"""The API: parameters in a URL, a response in JSON or CSV."""

from .access import for_api
from .endpoints import BUSY, ENDPOINTS, GROUPS, GROWTH, HEALTH, RETENTION, SERIES, USAGE, Endpoint
from .index import index, not_found
from .openapi import document, openapi

__all__ = [
    "BUSY",
    "ENDPOINTS",
    "GROUPS",
    "GROWTH",
    "HEALTH",
    "RETENTION",
    "SERIES",
    "USAGE",
    "Endpoint",
    "document",
    "for_api",
    "index",
    "not_found",
    "openapi",
]
