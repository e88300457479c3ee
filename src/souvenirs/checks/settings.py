"""Whether each setting has a value that it can have."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator
from difflib import get_close_matches
from functools import partial
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning
from django.core.exceptions import ImproperlyConfigured

from ..conf import PREFIX, SETTINGS, conf, function_in
from ..counting import date_joined_field, is_active_field, segment_definition, segment_names
from ..digests import bucket_seconds
from ..recording import is_window
from ..reports import usage_reports_function


def check_settings(**kwargs: Any) -> list[CheckMessage]:
    """Check every setting of the app."""
    return [message for check in SETTINGS_CHECKS for message in check()]


def check_unknown() -> Iterator[CheckMessage]:
    """A name that means nothing is mostly one that is misspelt."""
    known = [name.removeprefix(PREFIX) for name in SETTINGS]
    for name in sorted(set(dir(settings)) - SETTINGS.keys()):
        if name.startswith(PREFIX):
            close = get_close_matches(name.removeprefix(PREFIX), known, n=1)
            yield Warning(
                f"{name} is not a setting of souvenirs.",
                hint=f"Did you mean {PREFIX}{close[0]}?" if close else "Take it out.",
                id="souvenirs.W002",
            )


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
    yield from _error_unless_bool("ENABLED", id="souvenirs.E008")


def check_user_function() -> Iterator[CheckMessage]:
    yield from _error_from(
        lambda: function_in("USER_FUNCTION"),
        hint="Give the dotted path of a function that takes a request and returns its user.",
        id="souvenirs.E009",
    )


def check_bypass() -> Iterator[CheckMessage]:
    yield from _error_from(
        lambda: function_in("BYPASS"),
        hint="Give the dotted path of a function that takes a request and a user.",
        id="souvenirs.E010",
    )


def check_api_auth() -> Iterator[CheckMessage]:
    yield from _error_from(
        lambda: function_in("API_AUTH"),
        hint="Give the dotted path of a function that takes a request and returns its user.",
        id="souvenirs.E023",
    )


def check_ignore_paths() -> Iterator[CheckMessage]:
    yield from _error_unless_patterns("IGNORE_PATHS", r"^/health/$", id="souvenirs.E011")


def check_ignore_user_agents() -> Iterator[CheckMessage]:
    yield from _error_unless_patterns("IGNORE_USER_AGENTS", r"(?i)uptime", id="souvenirs.E012")


def check_ignore_methods() -> Iterator[CheckMessage]:
    methods = conf.IGNORE_METHODS
    if not _is_list_of(methods, str) or any(method != method.upper() for method in methods):
        yield Error(
            f"SOUVENIRS_IGNORE_METHODS should be a list of methods, not {methods!r}.",
            hint='Write them in capitals, like ["HEAD", "OPTIONS"].',
            id="souvenirs.E013",
        )


def check_ignore_status_codes() -> Iterator[CheckMessage]:
    if not _is_list_of(conf.IGNORE_STATUS_CODES, int):
        yield Error(
            "SOUVENIRS_IGNORE_STATUS_CODES should be a list of numbers, "
            f"not {conf.IGNORE_STATUS_CODES!r}.",
            hint="Write [404, *range(500, 600)] for missing pages and every failure of the site.",
            id="souvenirs.E014",
        )


def check_ignore_staff() -> Iterator[CheckMessage]:
    yield from _error_unless_bool("IGNORE_STAFF", id="souvenirs.E015")


def check_count_impersonated() -> Iterator[CheckMessage]:
    yield from _error_unless_bool("COUNT_IMPERSONATED", id="souvenirs.E016")


def check_timeout() -> Iterator[CheckMessage]:
    yield from _error_unless_positive("TIMEOUT", id="souvenirs.E017")


def check_breaker_seconds() -> Iterator[CheckMessage]:
    yield from _error_unless_positive("BREAKER_SECONDS", id="souvenirs.E018")


def check_bucket_seconds() -> Iterator[CheckMessage]:
    yield from _error_from(
        bucket_seconds,
        hint="An hour suits zones at whole hours from UTC, 1800 and 900 the others.",
        id="souvenirs.E019",
    )


def check_keep_days() -> Iterator[CheckMessage]:
    days = conf.KEEP_DAYS
    is_number = isinstance(days, int | float) and not isinstance(days, bool)
    if days is not None and not (is_number and 0 <= days < float("inf")):
        yield Error(
            f"SOUVENIRS_KEEP_DAYS should be a number of days or None, not {days!r}.",
            hint="prune_souvenirs deletes what is older; None keeps all souvenirs.",
            id="souvenirs.E020",
        )


def check_on_user_delete() -> Iterator[CheckMessage]:
    if conf.ON_USER_DELETE not in ("keep", "erase"):
        yield Error(
            f"SOUVENIRS_ON_USER_DELETE should be 'keep' or 'erase', not {conf.ON_USER_DELETE!r}.",
            hint="'keep' leaves a number without a person, 'erase' changes counts of the past.",
            id="souvenirs.E021",
        )


def check_segments() -> Iterator[CheckMessage]:
    for find in _what_segments_need():
        yield from _error_from(
            find,
            hint="Give a Q, or the dotted path of a function that returns a Q or a queryset.",
            id="souvenirs.E022",
        )


def _what_segments_need() -> list[Callable[[], object]]:
    try:
        return [partial(segment_definition, name) for name in segment_names()]
    except ImproperlyConfigured:
        return [segment_names]


SETTINGS_CHECKS = [
    check_unknown,
    check_ratelimit_seconds,
    check_cache_name,
    check_usage_reports_function,
    check_date_joined_field,
    check_is_active_field,
    check_week_start,
    check_gate_size,
    check_enabled,
    check_user_function,
    check_bypass,
    check_ignore_paths,
    check_ignore_user_agents,
    check_ignore_methods,
    check_ignore_status_codes,
    check_ignore_staff,
    check_count_impersonated,
    check_timeout,
    check_breaker_seconds,
    check_bucket_seconds,
    check_keep_days,
    check_on_user_delete,
    check_segments,
    check_api_auth,
]


def _error_unless_bool(name: str, id: str) -> Iterator[CheckMessage]:
    value = getattr(conf, name)
    if not isinstance(value, bool):
        yield Error(
            f"{PREFIX}{name} should be True or False, not {value!r}.",
            hint="A word from the environment is true, whatever it says: compare it first.",
            id=id,
        )


def _error_unless_positive(name: str, id: str) -> Iterator[CheckMessage]:
    value = getattr(conf, name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= 86400:
        yield Error(
            f"{PREFIX}{name} should be a number of seconds, not {value!r}.",
            hint=f"More than 0, at most a day. The default is {SETTINGS[PREFIX + name].default:g}.",
            id=id,
        )


def _error_unless_patterns(name: str, example: str, id: str) -> Iterator[CheckMessage]:
    patterns = getattr(conf, name)
    try:
        if not _is_list_of(patterns, str | re.Pattern):
            raise TypeError("it is no list of expressions")
        for pattern in patterns:
            re.compile(pattern)
    except (re.error, TypeError) as error:
        yield Error(
            f"{PREFIX}{name} should be a list of regular expressions, not {patterns!r}: {error}.",
            hint=f"Like [{example!r}].",
            id=id,
        )


def _is_list_of(values: Any, kind: Any) -> bool:
    return (
        isinstance(values, Collection)
        and not isinstance(values, str | bytes)
        and all(isinstance(value, kind) for value in values)
    )


def _error_from(function: Callable[[], object], hint: str, id: str) -> Iterator[CheckMessage]:
    try:
        function()
    except ImproperlyConfigured as error:
        yield Error(str(error), hint=hint, id=id)
