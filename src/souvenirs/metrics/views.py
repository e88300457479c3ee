"""The view that Prometheus scrapes."""

from __future__ import annotations

from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import ImproperlyConfigured
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.utils.crypto import constant_time_compare
from django.views.decorators.csrf import csrf_exempt
from prometheus_client.exposition import choose_encoder

from ..api import for_api
from ..conf import conf
from ..decorators import souvenirs_exempt
from ..web import VIEW_USAGE, Reader, error_response, private, refused_method
from .registries import registry


# Without a transaction, which would need the database, and no time limits inside it.
@csrf_exempt
@login_not_required
@souvenirs_exempt
@transaction.non_atomic_requests
def metrics(request: HttpRequest) -> HttpResponse:
    """Return all metrics of the site in the format that the client accepts.

    With ``SOUVENIRS_METRICS_TOKEN`` in the header ``Authorization``, no database is needed.
    Anybody else needs the permission ``view_usage``, as in the API, and to see all users.
    """
    if not _has_token(request):
        return _for_users(request)
    return private(refused_method(request) or _exposition(request))


def _has_token(request: HttpRequest) -> bool:
    token = conf.METRICS_TOKEN
    given = request.headers.get("Authorization", "")
    return token is not None and constant_time_compare(given, f"Bearer {token}")


def _exposition(request: HttpRequest) -> HttpResponse:
    try:
        found = registry()
    except ImproperlyConfigured as error:
        return error_response(503, "PROMETHEUS_MULTIPROC_DIR", str(error))
    try:
        encode, content_type = choose_encoder(request.headers.get("Accept", ""))
    except (TypeError, ValueError):  # a version that is none
        encode, content_type = choose_encoder("")
    return HttpResponse(encode(found), content_type=content_type)


@for_api(VIEW_USAGE)
def _for_users(request: HttpRequest, reader: Reader) -> HttpResponse:
    reader.check_unlimited()
    return _exposition(request)
