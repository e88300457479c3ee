"""Checks of the settings."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from difflib import get_close_matches
from functools import partial
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning
from django.core.exceptions import ImproperlyConfigured

from ..conf import PREFIX, SETTINGS, Setting, conf
from ..counting import (
    check_definition,
    check_listed,
    date_joined_field,
    has_fixed_segments,
    is_active_field,
    segment_definitions,
)
from ..publishing import publication
from ..reports import usage_reports_function


def check_settings(**kwargs: Any) -> list[CheckMessage]:
    """Check every setting of the app, and that there are no unknown ones."""
    errors = (error for setting in SETTINGS.values() for error in _errors(setting))
    return [*check_unknown(), *errors]


def check_unknown() -> Iterator[CheckMessage]:
    """An unknown setting is usually misspelled."""
    known = [name.removeprefix(PREFIX) for name in SETTINGS]
    for name in sorted(set(dir(settings)) - SETTINGS.keys()):
        if name.startswith(PREFIX):
            close = get_close_matches(name.removeprefix(PREFIX), known, n=1)
            yield Warning(
                f"{name} is not a setting of souvenirs.",
                hint=f"Did you mean {PREFIX}{close[0]}?" if close else "Remove it.",
                id="souvenirs.W002",
            )


def _errors(setting: Setting[Any]) -> Iterator[CheckMessage]:
    for message in _messages([setting.cleaned]) or _messages(FURTHER.get(setting.name, list)()):
        yield Error(message, hint=setting.kind.hint, id=setting.id)


def _messages(checks: list[Callable[[], object]]) -> list[str]:
    messages = []
    for check in checks:
        try:
            check()
        except ImproperlyConfigured as error:
            messages.append(str(error))
    return messages


def _named_cache() -> None:
    if conf.CACHE_NAME not in list(settings.CACHES):
        raise ImproperlyConfigured(
            f"SOUVENIRS_CACHE_NAME should be a name in CACHES, not {conf.CACHE_NAME!r}: "
            f"CACHES has {', '.join(sorted(settings.CACHES))}."
        )


def _fields() -> list[Callable[[], object]]:
    """Return a check of each field in ``SOUVENIRS_GROUP_BY``."""
    return [partial(check_listed, path) for path in conf.GROUP_BY]


def _definitions() -> list[Callable[[], object]]:
    """Return a check of each segment. A function in the setting may query the database."""
    if not has_fixed_segments():
        return []
    return [partial(check_definition, *each) for each in segment_definitions().items()]


#: Further checks of a value of the right kind.
FURTHER: dict[str, Callable[[], list[Callable[[], object]]]] = {
    "SOUVENIRS_CACHE_NAME": lambda: [_named_cache],
    "SOUVENIRS_USAGE_REPORTS_FUNCTION": lambda: [usage_reports_function],
    "SOUVENIRS_DATE_JOINED_FIELD": lambda: [date_joined_field],
    "SOUVENIRS_IS_ACTIVE_FIELD": lambda: [is_active_field],
    "SOUVENIRS_GROUP_BY": _fields,
    "SOUVENIRS_PUBLISH": lambda: [publication],
    "SOUVENIRS_SEGMENTS": _definitions,
}
