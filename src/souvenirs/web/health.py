"""The system checks that fail on this site."""

from __future__ import annotations

from collections.abc import Iterator

from django.core.checks import CheckMessage
from django.core.exceptions import ImproperlyConfigured

from ..checks import (
    check_agreement,
    check_digesting,
    check_middleware,
    check_settings,
    check_site,
)
from ..conf import conf
from ..digests import Status

#: The settings without which no request can be recorded.
OF_RECORDING = (
    "ENABLED",
    "USER_FUNCTION",
    "RATELIMIT_SECONDS",
    "IGNORE_STAFF",
    "IGNORE_METHODS",
    "IGNORE_STATUS_CODES",
    "IGNORE_PATHS",
    "IGNORE_USER_AGENTS",
    "COUNT_IMPERSONATED",
    "BYPASS",
)


def failed_checks(progress: Status) -> list[CheckMessage]:
    """Return the app's system checks that fail and are not silenced, sorted by id."""
    messages = [
        *check_settings(),
        *check_site(),
        *check_digesting(progress),
        *check_agreement(),
    ]
    failed = [message for message in messages if not message.is_silenced()]
    return sorted(failed, key=lambda message: str(message.id))


def recording_problems() -> Iterator[str]:
    """Generate what keeps requests from being recorded, with the remedy, in English."""
    try:
        values = {name: getattr(conf, name) for name in OF_RECORDING}
    except ImproperlyConfigured as error:
        yield str(error)
    else:
        if not values["ENABLED"]:
            yield "SOUVENIRS_ENABLED is False, so nothing is recorded: remove it."
    for message in check_middleware():
        if not message.is_silenced():
            yield f"{message.msg} {message.hint}"
