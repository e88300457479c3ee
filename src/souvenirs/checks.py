"""System checks, each with an id of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning
from django.core.exceptions import ImproperlyConfigured

from .accounts import date_joined_field, is_active_field
from .conf import conf
from .ratelimit import is_window
from .reports import usage_reports_function


def check_settings(**kwargs: Any) -> list[CheckMessage]:
    """Check every setting of the app."""
    return [message for check in SETTINGS_CHECKS for message in check()]


def check_ratelimit_seconds() -> Iterator[CheckMessage]:
    seconds = conf.RATELIMIT_SECONDS
    if not isinstance(seconds, int | float) or (seconds and not is_window(seconds)):
        yield Error(
            f"SOUVENIRS_RATELIMIT_SECONDS should be a number of seconds, not {seconds!r}.",
            hint="An hour is 3600; 0 records every request.",
            id="souvenirs.E001",
        )


def check_cache_name() -> Iterator[CheckMessage]:
    if conf.CACHE_NAME not in list(settings.CACHES):
        yield Error(
            f"SOUVENIRS_CACHE_NAME should be one of CACHES, not {conf.CACHE_NAME!r}.",
            hint=f"CACHES has {', '.join(sorted(settings.CACHES))}.",
            id="souvenirs.E002",
        )


def check_usage_reports_function() -> Iterator[CheckMessage]:
    yield from _error_from(
        usage_reports_function,
        hint="Give the dotted path of a function that takes periods, like 'app.module.function'.",
        id="souvenirs.E003",
    )


def check_date_joined_field() -> Iterator[CheckMessage]:
    yield from _error_from(
        date_joined_field,
        hint="Name the DateTimeField that says when a user registered.",
        id="souvenirs.E004",
    )


def check_is_active_field() -> Iterator[CheckMessage]:
    yield from _error_from(
        is_active_field,
        hint="Name the BooleanField that says whether a user is activated.",
        id="souvenirs.E005",
    )


def check_week_start() -> Iterator[CheckMessage]:
    if conf.WEEK_START not in range(1, 8):
        yield Error(
            f"SOUVENIRS_WEEK_START should be from 1 to 7, not {conf.WEEK_START!r}.",
            hint="1 is Monday and 7 is Sunday, as in ISO 8601.",
            id="souvenirs.E006",
        )


def check_gate_size() -> Iterator[CheckMessage]:
    if not isinstance(conf.GATE_SIZE, int) or conf.GATE_SIZE < 1:
        yield Error(
            f"SOUVENIRS_GATE_SIZE should be a number of users, not {conf.GATE_SIZE!r}.",
            hint="The default remembers 50,000 users in a few megabytes.",
            id="souvenirs.E007",
        )


def check_enabled() -> Iterator[CheckMessage]:
    if not isinstance(conf.ENABLED, bool):
        yield Error(
            f"SOUVENIRS_ENABLED should be True or False, not {conf.ENABLED!r}.",
            hint="A word from the environment is true, whatever it says: compare it first.",
            id="souvenirs.E008",
        )


def check_window_fits_time_zone() -> Iterator[CheckMessage]:
    """A window across local midnight would leave a user out of one of the two days."""
    seconds = conf.RATELIMIT_SECONDS
    if not isinstance(seconds, int | float) or not is_window(seconds):
        return
    if 86400 % seconds or any(offset % seconds for offset in _offsets(settings.TIME_ZONE)):
        yield Warning(
            f"SOUVENIRS_RATELIMIT_SECONDS is {seconds:g}, so that a window lies across midnight "
            f"in the time zone {settings.TIME_ZONE}.",
            hint="Set it to 1800 for zones at half an hour, to 900 for zones at a quarter.",
            id="souvenirs.W001",
        )


SETTINGS_CHECKS = [
    check_ratelimit_seconds,
    check_cache_name,
    check_usage_reports_function,
    check_date_joined_field,
    check_is_active_field,
    check_week_start,
    check_gate_size,
    check_enabled,
    check_window_fits_time_zone,
]


def _offsets(zone: str) -> set[float]:
    """The zone's distances from UTC this winter and this summer, in seconds."""
    year = datetime.now(UTC).year
    moments = (datetime(year, month, 1, tzinfo=ZoneInfo(zone)) for month in (1, 7))
    return {(moment.utcoffset() or timedelta()).total_seconds() for moment in moments}


def _error_from(function: Callable[[], object], hint: str, id: str) -> Iterator[CheckMessage]:
    try:
        function()
    except ImproperlyConfigured as error:
        yield Error(str(error), hint=hint, id=id)
