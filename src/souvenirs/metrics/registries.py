"""The metrics that a scrape shows."""

from __future__ import annotations

import os
from pathlib import Path

import prometheus_client
from django.core.exceptions import ImproperlyConfigured
from prometheus_client.multiprocess import MultiProcessCollector

from .collector import SouvenirsCollector

#: What is in the database, which does not depend on the process.
DATABASE = SouvenirsCollector()


def checked_directory() -> str | None:
    """Return the directory in which prometheus-client adds up processes; None without one."""
    directory = os.environ.get("PROMETHEUS_MULTIPROC_DIR")
    if directory and not Path(directory).is_dir():
        raise ImproperlyConfigured(
            f"PROMETHEUS_MULTIPROC_DIR should be a directory, not {directory!r}: "
            "create it before the server starts."
        )
    return directory or None


def registry() -> prometheus_client.CollectorRegistry:
    """Return the registry that a scrape of this site shows, with the metrics of other packages.

    It is the default registry of prometheus-client or, with ``PROMETHEUS_MULTIPROC_DIR``, a new one
    that adds up all processes, and has what is read from the database once. Raises
    ImproperlyConfigured if that is no directory.
    """
    if checked_directory() is None:
        return prometheus_client.REGISTRY
    found = prometheus_client.CollectorRegistry()
    MultiProcessCollector(found)  # type: ignore[no-untyped-call]
    found.register(DATABASE)
    return found
