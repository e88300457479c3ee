"""Slow or failing caches and databases do not hold up a request."""

from .breaker import cache_breaker, database_breaker
from .caches import impatient_caches, is_bounded
from .logs import RareLog
from .timeouts import bounded

__all__ = [
    "RareLog",
    "bounded",
    "cache_breaker",
    "database_breaker",
    "impatient_caches",
    "is_bounded",
]
