"""To be included: ``path("souvenirs/", include("souvenirs.dashboard.urls"))``."""

from __future__ import annotations

from django.urls import include, path

from ..api import ENDPOINTS, openapi
from ..pages import ROUTES

app_name = "souvenirs"

api = [
    *[path(each.name, each.view(), name=f"api-{each.name}") for each in ENDPOINTS],
    path("openapi.json", openapi, name="api-openapi"),
]
urlpatterns = [
    *[path(route, view, name=name) for name, (route, view) in ROUTES.items()],
    path("api/", include(api)),
]
