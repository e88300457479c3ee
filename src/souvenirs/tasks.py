"""Digesting, pruning and mail as tasks of ``django.tasks``."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from typing import Any, NoReturn

from django.core.exceptions import ImproperlyConfigured

from . import unattended
from .unattended import Outcome

if find_spec("celery"):
    # Celery looks for the tasks of an app in its module of this name.
    from . import celery  # noqa: F401


class Unavailable:
    """Stands for a task that Django does not have, and refuses to be run as one."""

    def __init__(self, function: Callable[..., Any], reason: str) -> None:
        self.name, self.reason = function.__name__, reason

    def enqueue(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise ImproperlyConfigured(
            f"souvenirs.tasks.{self.name} {self.reason}, or use souvenirs.celery.{self.name}."
        )

    aenqueue = call = acall = using = enqueue


def task(function: Callable[..., Any]) -> Any:
    """Return a function as a task of Django, or of the package that has it for older versions.

    This is never an error: Celery imports this module in any case.
    """
    for name in ("django.tasks", "django_tasks"):
        if find_spec(name):
            try:
                return import_module(name).task(function)
            except Exception as error:  # noqa: BLE001 - of whatever backend
                sentence = str(error).rstrip(".")
                return Unavailable(
                    function, f"is refused by TASKS ({sentence}): give it a queue 'default'"
                )
    return Unavailable(
        function, "needs Django 6.0 or the package django-tasks: install one of them"
    )


@task
def digest(max_seconds: float | None = None) -> Outcome:
    """Do the same as :func:`souvenirs.unattended.digest`."""
    return unattended.digest(max_seconds)


@task
def prune(older_than: float | None = None) -> Outcome:
    """Do the same as :func:`souvenirs.unattended.prune`."""
    return unattended.prune(older_than)


@task
def email(*addresses: str, interval: str | None = None, language: str | None = None) -> Outcome:
    """Do the same as :func:`souvenirs.unattended.email`."""
    return unattended.email(*addresses, interval=interval, language=language)
