"""Slow or failing caches and databases do not hold up a request."""

from .breaker import cache_breaker, database_breaker
from .caches import bounded_cache, has_timeout
from .logs import ThrottledLogger
from .timeouts import bounded
