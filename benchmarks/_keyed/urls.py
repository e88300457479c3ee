"""The pages of the app, at the root."""

from django.urls import include, path

urlpatterns = [path("", include("souvenirs.dashboard.urls"))]
