"""ETags, by which clients recognize an answer that they have already.

The ETag is a hash of the body, so a 304 saves the transfer, but not the queries. No cheaper
validator would be right. An answer depends on souvenirs, digests, users, segments that may read
anything, settings, the code and the time, and nothing tells cheaply that none of them changed. The
greatest id of the souvenirs misses deletions, and a transaction that took a lower id but commits
later; their number misses a deletion together with an insertion. User models have no time of
change, and ``QuerySet.update()``, SQL and a restored backup send no signals. A wrong 304 would be a
wrong number.
"""

from __future__ import annotations

from collections.abc import Collection
from hashlib import sha256

from django.http import HttpRequest, HttpResponse
from django.utils.cache import patch_vary_headers
from django.views.decorators.http import etag

from ..web import VIEW_USAGE, error_response, private


def may_be_stored(permissions: Collection[str]) -> bool:
    """Return whether a client may store answers that need any of these permissions: no users."""
    return VIEW_USAGE in permissions


def validated(request: HttpRequest, response: HttpResponse) -> HttpResponse:
    """Return an answer with its ETag, or a response with status 304 if the client has that answer.

    A client has to ask before each use of an answer that it stored, and is authenticated and
    authorized each time. The status is 412 if ``If-Match`` has other ETags.
    """
    tag = f'"{sha256(response.content).hexdigest()}"'
    found: HttpResponse = etag(lambda request: tag)(lambda request: response)(request)
    if found.status_code == 412:
        return private(error_response(412, "If-Match", "The answer has another ETag."))
    private(found)["Cache-Control"] = "private, no-cache"
    patch_vary_headers(found, ("Authorization", "Cookie"))
    return found
