"""The API: parameters in a URL, JSON or CSV as the answer."""

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
