"""Functions for ``SOUVENIRS_USER_FUNCTION``.

Such a function is called with each request after the view. It returns the user, a primary key, or
None to find the user as without the function. On an async site it runs on the event loop, so it
should only read the request, not query a database.
"""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest


def request_auth(request: HttpRequest) -> Any:
    """Return the user in ``request.auth``, where django-ninja stores the result of authentication.

    That is a user, or a token or key with a ``user``.
    """
    auth = getattr(request, "auth", None)
    for candidate in (auth, getattr(auth, "user", None)):
        if getattr(candidate, "is_authenticated", False):
            return candidate
    return None
