"""To be included: ``path("metrics", include("souvenirs.metrics.urls"))``."""

from __future__ import annotations

from django.urls import path

from .views import metrics

app_name = "souvenirs_metrics"

urlpatterns = [path("", metrics, name="metrics")]
