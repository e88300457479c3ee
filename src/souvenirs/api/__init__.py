"""The API: parameters in a URL, JSON or CSV as the answer."""

from .endpoints import ENDPOINTS, Endpoint
from .forms import BUSY, GROWTH, HEALTH, RETENTION, STICKINESS, USAGE
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
