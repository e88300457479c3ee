"""One request becomes one souvenir."""

from . import backlog
from .catchup import catch_up, catch_up_at_exit, count_failure, is_passing, may_catch_up
from .connections import closing_opened
from .ignorerules import ignores_request, ignores_user, ignores_visit
from .impersonation import is_impersonated, is_impersonated_session
from .ratelimit import Window, rate_limiter, window_now
from .recorder import (
    CLOCK_TOLERANCE,
    asouvenez,
    keep_unidentified,
    keep_visit,
    souvenez,
    souvenez_visit,
)
from .requestuser import has_no_user, keep_accessed, loaded_user, unwrap
from .sessions import session_data, user_key_in, verified_user
from .tally import FAILURES, OUTCOMES, tally
