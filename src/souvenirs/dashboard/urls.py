"""To be included: ``path("souvenirs/", include("souvenirs.dashboard.urls"))``."""

from __future__ import annotations

from django.urls import include, path, re_path

from ..api import ENDPOINTS, index, not_found, openapi
from ..pages import ROUTES

app_name = "souvenirs"

api = [
    path("", index, name="api-index"),
    *[path(each.name, each.view(), name=f"api-{each.name}") for each in ENDPOINTS],
    path("openapi.json", openapi, name="api-openapi"),
    # Anything else. A path converter does not match a newline.
    re_path(r"(?P<path>[\s\S]+)", not_found, name="api-not-found"),
]
urlpatterns = [
    *[path(route, view, name=name) for name, (route, view) in ROUTES.items()],
    # Without a redirect to the slash, which would repeat a token in the query.
    path("api", index, name="api-root"),
    path("api/", include(api)),
]
