"""Slow or failing caches and databases do not hold up a request."""

from .breaker import (
    CircuitBreaker,
    cache_breaker,
    database_breaker,
    open_breakers,
    watch_breakers,
)
from .caches import has_timeout, time_limited_cache
from .logs import ThrottledLogger
from .timeouts import time_limited
