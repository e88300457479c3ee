"""One request becomes one souvenir."""

from .exclusions import ignores_request, ignores_user, ignores_visit
from .identity import (
    carries_nobody,
    is_impersonating,
    key_in,
    loaded,
    session_data,
    untouched,
    user_in,
    user_on,
)
from .ratelimit import Window, gate, window_now
from .recorder import CLOCK_TOLERANCE, asouvenez, souvenez, souvenez_on

__all__ = [
    "CLOCK_TOLERANCE",
    "Window",
    "asouvenez",
    "carries_nobody",
    "gate",
    "ignores_request",
    "ignores_user",
    "ignores_visit",
    "is_impersonating",
    "key_in",
    "loaded",
    "session_data",
    "souvenez",
    "souvenez_on",
    "untouched",
    "user_in",
    "user_on",
    "window_now",
]
