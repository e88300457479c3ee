"""The settings that exclude requests and users from being recorded."""

from __future__ import annotations

import re
from typing import Any

from django.http import HttpRequest
from django.http.response import HttpResponseBase

from ..conf import Patterns, conf
from ..decorators import EXEMPT
from .impersonation import is_impersonated
from .requestuser import keep_accessed


def ignores_request(request: HttpRequest, response: HttpResponseBase | None) -> bool:
    """Whether a request with this response does not count for any user.

    The response of a cancelled request is None.
    """
    if request.method in conf.IGNORE_METHODS or EXEMPT in request.__dict__:
        return True
    if response is not None and response.status_code in conf.IGNORE_STATUS_CODES:
        return True
    if conf.IGNORE_PATHS and _matches(conf.IGNORE_PATHS, request.path_info):
        return True
    agents = conf.IGNORE_USER_AGENTS
    return bool(agents) and _matches(agents, request.headers.get("user-agent", ""))


def _matches(patterns: Patterns, text: object) -> bool:
    # The tests of a project pass a mock as the request.
    searched = str(text)
    return any(re.search(pattern, searched) for pattern in patterns)


def ignores_user(user: Any) -> bool:
    """Whether no request of this user counts."""
    return conf.IGNORE_STAFF and getattr(user, "is_staff", False)


def ignores_visit(request: HttpRequest, user: Any) -> bool:
    """Whether this request does not count for this user."""
    if not conf.COUNT_IMPERSONATED and is_impersonated(request, user):
        return True
    if conf.BYPASS is None:
        return False
    with keep_accessed(request):
        return bool(conf.BYPASS(request, user))
