"""Metrics for Prometheus: active users, digesting, and what became of visits."""

try:
    import prometheus_client
except ModuleNotFoundError:
    raise ModuleNotFoundError(
        "souvenirs.metrics needs prometheus-client: "
        "run pip install 'django-souvenirs[prometheus]'.",
        name="prometheus_client",
    ) from None

from .counters import count_visits
from .registries import DATABASE, registry

__all__ = ["registry"]

prometheus_client.REGISTRY.register(DATABASE)
count_visits()
