"""The URLs of the site with django-prometheus, as the guide has them, and with ours."""

from django.urls import include, path

import souvenirs.metrics  # noqa: F401
from tests.faults import site

urlpatterns = [
    *site.urlpatterns,
    path("", include("django_prometheus.urls")),
    path("ours", include("souvenirs.metrics.urls")),
]
