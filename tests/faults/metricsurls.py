"""The URLs of the site with its metrics."""

from django.urls import include, path

from tests.faults import site

urlpatterns = [*site.urlpatterns, path("metrics", include("souvenirs.metrics.urls"))]
