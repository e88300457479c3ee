"""Digesting, pruning and mail as tasks of Celery."""

from __future__ import annotations

from typing import Any

from celery import shared_task

from . import unattended

digest: Any = shared_task(name="souvenirs.celery.digest")(unattended.digest)
prune: Any = shared_task(name="souvenirs.celery.prune")(unattended.prune)
email: Any = shared_task(name="souvenirs.celery.email")(unattended.email)
