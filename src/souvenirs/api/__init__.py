"""The API: parameters in a URL, a response in JSON or CSV."""

from .endpoints import BUSY, ENDPOINTS, GROWTH, HEALTH, RETENTION, STICKINESS, USAGE, Endpoint
from .openapi import document, openapi

__all__ = [
    "BUSY",
    "ENDPOINTS",
    "GROWTH",
    "HEALTH",
    "RETENTION",
    "STICKINESS",
    "USAGE",
    "Endpoint",
    "document",
    "openapi",
]
