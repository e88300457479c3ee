"""Notes of the site's owner at a day, such as a release."""

from __future__ import annotations

import unicodedata
from datetime import date, datetime

from django.db import DatabaseError, connections, router, transaction
from django.utils import timezone

from .calendar import checked, local
from .models import Annotation

MAX_LENGTH = Annotation.TEXT_LENGTH

#: Categories of characters that a line of text cannot contain, such as line feeds.
NOT_IN_A_LINE = {"Cc", "Cs", "Zl", "Zp"}


def annotate(day: date, text: str) -> Annotation:
    """Note at a day what happened to the site, such as ``"2.0 released"``; return the annotation.

    ``day`` is a date, or a datetime, whose date is then that in the site's ``TIME_ZONE``.
    ``text`` is one line of at most 100 characters; spaces around it are removed.

    The same day and text twice give one annotation, so a deployment may repeat the call. MariaDB
    and MySQL, which ignore case by default, take ``"v2"`` and ``"V2"`` for the same text.

    Raises TypeError or ValueError for a day or text that cannot be noted.
    """
    noted, _ = Annotation.objects.get_or_create(day=_day_of(day, "day"), text=_line(text))
    return noted


def annotations_between(first: date, last: date) -> list[Annotation]:
    """Return the annotations from one day to another, both inclusive, in order of their days.

    The days are as in :func:`annotate`. Those of one day are in the order in which they were noted.
    There are none if ``first`` is later than ``last``, and none in a database without their table,
    as before it is migrated.
    """
    days = (_day_of(first, "first"), _day_of(last, "last"))
    alias = router.db_for_read(Annotation)
    connection = connections[alias]
    try:
        if not connection.in_atomic_block:
            return _between(alias, *days)
        with transaction.atomic(using=alias):  # an error would abort the transaction of the site
            return _between(alias, *days)
    except DatabaseError:
        with connection.cursor() as cursor:
            if Annotation._meta.db_table in connection.introspection.table_names(cursor):
                raise
        return []


def _between(alias: str, first: date, last: date) -> list[Annotation]:
    return list(Annotation.objects.using(alias).filter(day__gte=first, day__lte=last))


def _day_of(value: object, name: str) -> date:
    """Return the argument ``name`` as a date of the site's time zone."""
    if isinstance(value, datetime):
        return local(checked(value, name), timezone.get_default_timezone()).date()
    if not isinstance(value, date):
        raise TypeError(f"{name} must be a date or a datetime, not {value!r}.")
    return value


def _line(text: object) -> str:
    if not isinstance(text, str):
        raise TypeError(f"text must be a str, not {text!r}.")
    line = text.strip()
    if not line:
        raise ValueError(f"text is empty, {text!r}: say what happened, for example '2.0 released'.")
    if len(line) > MAX_LENGTH:
        raise ValueError(
            f"text has {len(line):,} characters, {line[:20]!r}...: shorten it to {MAX_LENGTH}."
        )
    if any(unicodedata.category(each) in NOT_IN_A_LINE for each in line):
        raise ValueError(f"text is not a line of text, {line!r}: remove line breaks and controls.")
    return line
