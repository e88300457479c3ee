"""Whether the site around the app lets it count everyone, and costs what it should."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django.contrib.auth.middleware import AuthenticationMiddleware
from django.core.cache.backends.dummy import DummyCache
from django.core.cache.backends.filebased import FileBasedCache
from django.core.cache.backends.locmem import LocMemCache
from django.core.checks import CheckMessage, Warning
from django.core.exceptions import ImproperlyConfigured
from django.db import connections
from django.db.migrations.executor import MigrationExecutor
from django.utils.module_loading import import_string

from ..conf import conf
from ..middleware import SouvenirsMiddleware
from ..stores import get_store

#: How old a souvenir that is not digested may be, where others are digested.
BEHIND = timedelta(days=2)


def check_site(**kwargs: Any) -> list[CheckMessage]:
    """Check what the site does with the app."""
    return [
        *check_middleware(),
        *check_window_fits_time_zone(),
        *check_dummy_cache(),
        *check_bucket_fits_time_zone(),
    ]


def check_deployment(**kwargs: Any) -> list[CheckMessage]:
    """Check what is fine on a developer's machine, and costs something on a large site."""
    return [*check_shared_cache(), *check_sqlite()]


def check_database(databases: Sequence[str] | None = None, **kwargs: Any) -> list[CheckMessage]:
    """Check what is in the tables, where their database is among those that may be asked."""
    alias = get_store().alias
    if alias not in (databases or ()):
        return []
    # What the tables do not have cannot be looked into.
    return list(check_migrated(alias)) or list(check_digesting())


def check_middleware() -> Iterator[CheckMessage]:
    kinds = [_imported(path) for path in settings.MIDDLEWARE]
    own = [place for place, kind in enumerate(kinds) if _is(kind, SouvenirsMiddleware)]
    if not own:
        yield Warning(
            "MIDDLEWARE has no souvenirs.middleware.SouvenirsMiddleware, so that no request leaves "
            "a souvenir.",
            hint="Add it, or silence this where souvenez() is called in other ways.",
            id="souvenirs.W003",
        )
    elif any(_is(kind, AuthenticationMiddleware) for kind in kinds[own[0] :]):
        yield Warning(
            "SouvenirsMiddleware comes before AuthenticationMiddleware in MIDDLEWARE.",
            hint="Put souvenirs.middleware.SouvenirsMiddleware after it.",
            id="souvenirs.W004",
        )


def check_window_fits_time_zone() -> Iterator[CheckMessage]:
    """A window across local midnight would leave a user out of one of the two days."""
    seconds = _valid("RATELIMIT_SECONDS")
    if not seconds:
        return
    if 86400 % seconds or any(offset % seconds for offset in _offsets(settings.TIME_ZONE)):
        yield Warning(
            f"SOUVENIRS_RATELIMIT_SECONDS is {seconds:g}, so that a window lies across midnight "
            f"in the time zone {settings.TIME_ZONE}.",
            hint="Set it to 1800 for zones at half an hour, to 900 for zones at a quarter.",
            id="souvenirs.W001",
        )


def check_bucket_fits_time_zone() -> Iterator[CheckMessage]:
    """A bucket across local midnight tells one of the two days from the other by its souvenirs."""
    seconds = _valid("BUCKET_SECONDS")
    if seconds and any(offset % seconds for offset in _offsets(settings.TIME_ZONE)):
        yield Warning(
            f"SOUVENIRS_BUCKET_SECONDS is {seconds}, so that a bucket lies across midnight in the "
            f"time zone {settings.TIME_ZONE}: once it is pruned, neither day can be counted.",
            hint="Set it to 1800 for zones at half an hour, to 900 for zones at a quarter.",
            id="souvenirs.W009",
        )


def check_dummy_cache() -> Iterator[CheckMessage]:
    if _is(_cache_backend(), DummyCache):
        yield Warning(
            f"The cache {conf.CACHE_NAME!r} remembers nothing, so that each process leaves a "
            "souvenir of each user and window.",
            hint="Name a real cache in SOUVENIRS_CACHE_NAME. Counts are right without one.",
            id="souvenirs.W005",
        )


def check_shared_cache() -> Iterator[CheckMessage]:
    if _is(_cache_backend(), (LocMemCache, FileBasedCache)):
        yield Warning(
            f"The cache {conf.CACHE_NAME!r} does not keep processes to one souvenir for each user "
            "and window: they share no memory, or no lock.",
            hint="Use Redis, Memcached or the database cache. Counts are right without one.",
            id="souvenirs.W006",
        )


def check_sqlite() -> Iterator[CheckMessage]:
    connection = connections[get_store().alias]
    mode = connection.settings_dict.get("OPTIONS", {}).get("transaction_mode") or "DEFERRED"
    if connection.vendor == "sqlite" and mode.upper() == "DEFERRED":
        yield Warning(
            f"The SQLite database {connection.alias!r} begins its transactions without a lock, so "
            "that one that reads first fails when another writes in between.",
            hint="Set 'transaction_mode': 'IMMEDIATE' in its OPTIONS.",
            id="souvenirs.W007",
        )


def check_migrated(alias: str) -> Iterator[CheckMessage]:
    executor = MigrationExecutor(connections[alias])
    targets = [key for key in executor.loader.graph.leaf_nodes() if key[0] == "souvenirs"]
    if executor.migration_plan(targets):
        yield Warning(
            f"The table of souvenirs in the database {alias!r} is not up to date.",
            hint=f"Run manage.py migrate souvenirs --database {alias}.",
            id="souvenirs.W008",
        )


def check_digesting() -> Iterator[CheckMessage]:
    oldest = get_store().oldest_undigested()
    if oldest is None or datetime.now(UTC) - oldest <= BEHIND:
        return
    if get_store().has_digests():
        yield Warning(
            f"Digesting has fallen behind: the oldest souvenir that is not digested is of "
            f"{oldest:%Y-%m-%d %H:%M} UTC.",
            hint="Run manage.py digest_souvenirs regularly. Counts are right without it.",
            id="souvenirs.W010",
        )


def _offsets(zone: str) -> set[float]:
    """The zone's distances from UTC this winter and this summer, in seconds."""
    year = datetime.now(UTC).year
    moments = (datetime(year, month, 1, tzinfo=ZoneInfo(zone)) for month in (1, 7))
    return {(moment.utcoffset() or timedelta()).total_seconds() for moment in moments}


def _valid(name: str) -> Any:
    """The value of a setting; None if it has an error of its own."""
    try:
        return getattr(conf, name)
    except ImproperlyConfigured:
        return None


def _cache_backend() -> Any:
    configuration = settings.CACHES.get(_valid("CACHE_NAME"), {})
    return _imported(configuration.get("BACKEND", ""))


def _imported(path: str) -> Any:
    """What a dotted path names; None where that is for Django to complain about."""
    try:
        return import_string(path)
    except ImportError:
        return None


def _is(kind: Any, of: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, of)
