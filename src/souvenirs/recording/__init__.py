"""One request becomes one souvenir."""

from .ignorerules import ignores_request, ignores_user, ignores_visit
from .impersonation import is_impersonated_session
from .ratelimit import Window, rate_limiter, window_now
from .recorder import CLOCK_TOLERANCE, asouvenez, souvenez, souvenez_visit
from .requestuser import has_no_user, keep_accessed, loaded_user, unwrap
from .sessions import session_data, user_key_in, verified_user

__all__ = [
    "CLOCK_TOLERANCE",
    "Window",
    "asouvenez",
    "has_no_user",
    "ignores_request",
    "ignores_user",
    "ignores_visit",
    "is_impersonated_session",
    "keep_accessed",
    "loaded_user",
    "rate_limiter",
    "session_data",
    "souvenez",
    "souvenez_visit",
    "unwrap",
    "user_key_in",
    "verified_user",
    "window_now",
]
