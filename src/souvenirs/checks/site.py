"""Checks that the site lets the app count all users, at the expected cost."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.apps import apps
from django.conf import settings
from django.contrib.auth.middleware import AuthenticationMiddleware
from django.core.cache.backends.dummy import DummyCache
from django.core.cache.backends.filebased import FileBasedCache
from django.core.cache.backends.locmem import LocMemCache
from django.core.checks import CheckMessage, Warning
from django.core.exceptions import ImproperlyConfigured
from django.db import connections
from django.utils.module_loading import import_string

from ..conf import conf
from ..counting import (
    InvalidSegment,
    InvalidSegments,
    check_definition,
    check_segment,
    date_joined_field,
    fields_that_identify_users,
    has_fixed_segments,
    is_active_field,
    segment_definitions,
)
from ..digests import Status, faults
from ..middleware import SouvenirsMiddleware
from ..stores import get_store
from .migrations import check_migrated, has_tables, unapplied

#: Packages that give each tenant a schema of PostgreSQL.
TENANT_PACKAGES = ("django_tenants", "django_pgschemas", "tenant_schemas")

#: Age at which an undigested souvenir is a sign that digesting has stopped.
BEHIND = timedelta(days=2)


def check_site(**kwargs: Any) -> list[CheckMessage]:
    """Check the tenants, the middleware, the time zone, the cache and the user model."""
    return [
        *check_tenants(),
        *check_middleware(),
        *check_window_fits_time_zone(),
        *check_dummy_cache(),
        *check_bucket_fits_time_zone(),
        *check_user_model(),
        *check_group_by(),
    ]


def check_deployment(**kwargs: Any) -> list[CheckMessage]:
    """Check for configurations that are fine in development but not in production."""
    return [*check_shared_cache(), *check_sqlite()]


def check_database(databases: Sequence[str] | None = None, **kwargs: Any) -> list[CheckMessage]:
    """Check the tables and the segments, if the database of the app is one of ``databases``."""
    alias = get_store().alias
    if alias not in (databases or ()) or not has_tables(alias):
        return []
    connection = connections[alias]
    if unapplied(connection):  # the tables cannot be queried
        return list(check_migrated(connection))
    return [*check_digesting(), *check_agreement(), *check_segments()]


def check_tenants() -> Iterator[CheckMessage]:
    """Tenants have users with the same keys, who must not be taken for one."""
    alias = get_store().alias
    package = next(filter(apps.is_installed, TENANT_PACKAGES), None)
    if package and _valid("SCOPE") is None and not hasattr(connections[alias], "schema_name"):
        yield Warning(
            f"{package} is installed, but nothing keeps tenants apart: the connection to the "
            f"database {alias!r} has no schema_name.",
            hint="Set SOUVENIRS_SCOPE to a function that returns the schema of the tenant.",
            id="souvenirs.W015",
        )


def check_middleware() -> Iterator[CheckMessage]:
    kinds = [_imported(path) for path in settings.MIDDLEWARE]
    own = [place for place, kind in enumerate(kinds) if _is(kind, SouvenirsMiddleware)]
    if not own:
        yield Warning(
            "MIDDLEWARE does not contain souvenirs.middleware.SouvenirsMiddleware, so requests are "
            "not recorded.",
            hint="Add it, or silence this check if the site calls souvenez() itself.",
            id="souvenirs.W003",
        )
    elif any(_is(kind, AuthenticationMiddleware) for kind in kinds[own[0] :]):
        yield Warning(
            "SouvenirsMiddleware comes before AuthenticationMiddleware in MIDDLEWARE.",
            hint="Move souvenirs.middleware.SouvenirsMiddleware after it.",
            id="souvenirs.W004",
        )


def check_window_fits_time_zone() -> Iterator[CheckMessage]:
    """A user seen before and after midnight in the same window is missing from one of the days."""
    seconds = _valid("RATELIMIT_SECONDS")
    if not seconds:
        return
    if 86400 % seconds or any(offset % seconds for offset in _offsets(settings.TIME_ZONE)):
        yield Warning(
            f"SOUVENIRS_RATELIMIT_SECONDS is {seconds:g}, so some windows contain midnight in the "
            f"time zone {settings.TIME_ZONE}.",
            hint="Use 1800 if the UTC offset is a multiple of 30 minutes, else 900.",
            id="souvenirs.W001",
        )


def check_bucket_fits_time_zone() -> Iterator[CheckMessage]:
    """A bucket that contains a local midnight can be split between its days only by souvenirs."""
    seconds = _valid("BUCKET_SECONDS")
    if seconds and any(offset % seconds for offset in _offsets(settings.TIME_ZONE)):
        yield Warning(
            f"SOUVENIRS_BUCKET_SECONDS is {seconds}, so some buckets contain midnight in the time "
            f"zone {settings.TIME_ZONE}: once they are pruned, neither day can be counted.",
            hint="Use 1800 if the UTC offset is a multiple of 30 minutes, else 900.",
            id="souvenirs.W009",
        )


def check_dummy_cache() -> Iterator[CheckMessage]:
    if _is(_cache_backend(), DummyCache):
        yield Warning(
            f"The cache {conf.CACHE_NAME!r} stores nothing, so every process writes its own "
            "souvenir of each user and window.",
            hint="Name another cache in SOUVENIRS_CACHE_NAME. Counts are correct without one.",
            id="souvenirs.W005",
        )


def check_shared_cache() -> Iterator[CheckMessage]:
    if _is(_cache_backend(), (LocMemCache, FileBasedCache)):
        yield Warning(
            f"The cache {conf.CACHE_NAME!r} is not shared by processes or has no atomic add(), so "
            "they may write several souvenirs of one user and window.",
            hint="Use Redis, Memcached or the database cache. Counts are correct without one.",
            id="souvenirs.W006",
        )


def check_sqlite() -> Iterator[CheckMessage]:
    connection = connections[get_store().alias]
    mode = connection.settings_dict.get("OPTIONS", {}).get("transaction_mode") or "DEFERRED"
    if connection.vendor == "sqlite" and mode.upper() == "DEFERRED":
        yield Warning(
            f"The SQLite database {connection.alias!r} does not lock when a transaction begins, so "
            "a transaction that reads before it writes may fail if another one writes.",
            hint="Set 'transaction_mode': 'IMMEDIATE' in its OPTIONS.",
            id="souvenirs.W007",
        )


def check_digesting(progress: Status | None = None) -> Iterator[CheckMessage]:
    """Check that digesting has not stopped. With the status, this takes no query."""
    oldest = get_store().oldest_undigested() if progress is None else progress.oldest_waiting
    if oldest is None or datetime.now(UTC) - oldest <= BEHIND:
        return
    if get_store().has_digests() if progress is None else progress.has_digests:
        yield Warning(
            f"Digesting has fallen behind: the oldest undigested souvenir is from "
            f"{oldest:%Y-%m-%d %H:%M} UTC.",
            hint="Run manage.py digest_souvenirs regularly. Counts are correct without it.",
            id="souvenirs.W010",
        )


def check_agreement() -> Iterator[CheckMessage]:
    """Check that no table has been restored without the other, and that no digest is gone."""
    found = faults()
    if found:
        more = f" ({len(found) - 1:,} more like this)" if len(found) > 1 else ""
        yield Warning(
            f"{found[0]}{more}",
            hint="Run manage.py digest_souvenirs, which repairs it if the souvenirs still exist. "
            "Until then, counts are correct or refused, but take longer.",
            id="souvenirs.W016",
        )


def check_segments() -> Iterator[CheckMessage]:
    """Evaluate the segments. A warning, because an error would stop ``migrate``."""
    if _valid("SEGMENTS") is None:
        return
    try:
        definitions = segment_definitions()
    except InvalidSegments as error:
        yield _wrong_segments(
            error, "Correct the function: until then, nobody can ask for a segment."
        )
        return
    for name, definition in definitions.items():
        try:
            check_definition(name, definition)
            check_segment(name, definition)
        except ImproperlyConfigured as error:
            # Otherwise check_settings() reports it.
            if isinstance(error, InvalidSegment) or not has_fixed_segments():
                yield _wrong_segments(
                    error, "Correct its definition: reports, pages and the API refuse this segment."
                )


def _wrong_segments(error: Exception, hint: str) -> CheckMessage:
    return Warning(str(error), hint=hint, id="souvenirs.W012")


def check_user_model() -> Iterator[CheckMessage]:
    """A user model need not have these fields, but without them less is known."""
    if _is_missing(date_joined_field):
        yield Warning(
            f"The user model has no field {conf.DATE_JOINED_FIELD!r}, so the numbers of registered "
            "and activated users are unknown, and there are no cohorts by registration.",
            hint="Name its DateTimeField in SOUVENIRS_DATE_JOINED_FIELD. If it has none, silence "
            "this check.",
            id="souvenirs.W013",
        )
    if _is_missing(is_active_field):
        yield Warning(
            f"The user model has no field {conf.IS_ACTIVE_FIELD!r}, so all registered users count "
            "as activated: how many really are is unknown.",
            hint="Name its BooleanField in SOUVENIRS_IS_ACTIVE_FIELD. If it has none, silence this "
            "check.",
            id="souvenirs.W014",
        )


def check_group_by() -> Iterator[CheckMessage]:
    """A group of one user says what that user did."""
    try:
        paths = fields_that_identify_users()
    except ImproperlyConfigured:
        return
    for path in paths:
        yield Warning(
            f"SOUVENIRS_GROUP_BY lists {path!r}, whose values identify users, so that numbers by "
            "it are about single users.",
            hint="Remove it, or silence this check if whoever may see numbers may see users.",
            id="souvenirs.W017",
        )


def _offsets(zone: str) -> set[float]:
    """The UTC offsets of a zone in this January and July, in seconds."""
    year = datetime.now(UTC).year
    moments = (datetime(year, month, 1, tzinfo=ZoneInfo(zone)) for month in (1, 7))
    return {(moment.utcoffset() or timedelta()).total_seconds() for moment in moments}


def _valid(name: str) -> Any:
    """Return the value of a setting; None if the value is invalid, which another check reports."""
    try:
        return getattr(conf, name)
    except ImproperlyConfigured:
        return None


def _is_missing(field: Callable[[], Any]) -> bool:
    """Return whether the user model lacks a field. If a setting is wrong, another check says so."""
    try:
        return field() is None
    except ImproperlyConfigured:
        return False


def _cache_backend() -> Any:
    configuration = settings.CACHES.get(_valid("CACHE_NAME"), {})
    return _imported(configuration.get("BACKEND", ""))


def _imported(path: str) -> Any:
    """Return the object at a dotted path; None if it cannot be imported, which Django reports."""
    try:
        return import_string(path)
    except ImportError:
        return None


def _is(kind: Any, of: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, of)
