"""Ready-made functions for ``SOUVENIRS_USER_FUNCTION``.

Such a function takes the request, after the view, and returns its user (or a primary key), or None
to have it looked for as usual. It is called for every request, on the event loop of an async site:
it should look at what the view left on the request, and ask no database.
"""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest


def request_auth(request: HttpRequest) -> Any:
    """Return the user in ``request.auth``, where django-ninja leaves what authenticated a request.

    That is the user itself, or the ``user`` of a token or key.
    """
    auth = getattr(request, "auth", None)
    for candidate in (auth, getattr(auth, "user", None)):
        if getattr(candidate, "is_authenticated", False):
            return candidate
    return None
