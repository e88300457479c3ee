"""Sightings in Django's own tables."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.apps import apps
from django.contrib.auth import get_user_model
from django.core.exceptions import FieldDoesNotExist
from django.db import models, router

from ..calendar import checked, utc
from .lines import Record

#: The number of rows of a table in memory at a time.
ROWS = 5_000


def last_logins() -> Iterator[tuple[int, Record]]:
    """Yield the last login of each user who has ever signed in, numbered from 1.

    Raises LookupError if the user model does not store it.
    """
    user_model = get_user_model()
    try:
        user_model._meta.get_field("last_login")
    except FieldDoesNotExist:
        raise LookupError(f"{user_model._meta.label} has no field last_login.") from None
    users = rows_of(user_model).exclude(last_login=None)
    return _records(users, "pk", "last_login")


def admin_log() -> Iterator[tuple[int, Record]]:
    """Yield each action in Django's admin log, numbered from 1.

    Raises LookupError if the admin is not installed.
    """
    if not apps.is_installed("django.contrib.admin"):
        raise LookupError("django.contrib.admin is not installed.")
    return _records(rows_of(apps.get_model("admin", "LogEntry")), "user_id", "action_time")


def rows_of(model: type[models.Model]) -> models.QuerySet[Any, Any]:
    """Return all rows of a model, from the database they are written to: a replica may lag."""
    return model._default_manager.using(router.db_for_write(model))


def _records(rows: models.QuerySet[Any, Any], user: str, when: str) -> Iterator[tuple[int, Record]]:
    for number, (key, moment) in enumerate(_paged(rows, user, when), 1):
        yield number, Record(str(key), utc(checked(moment, when)))


def _paged(rows: models.QuerySet[Any, Any], *fields: str) -> Iterator[tuple[Any, ...]]:
    """Yield the rows in order of primary key, read in many short queries.

    A single long query would keep its snapshot while souvenirs are written, and SQLite refuses to
    write from a snapshot if another process has written since.
    """
    # As expressions: some versions of Django omit a field that is named twice.
    ordered = rows.order_by("pk").values_list("pk", *map(models.F, fields))
    page = list(ordered[:ROWS])
    while page:
        yield from (row[1:] for row in page)
        page = list(ordered.filter(pk__gt=page[-1][0])[:ROWS])


#: The tables that can be imported, by name.
TABLES = {"last_login": last_logins, "admin_log": admin_log}
