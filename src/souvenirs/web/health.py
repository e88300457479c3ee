"""The system checks that fail on this site."""

from __future__ import annotations

from django.core.checks import CheckMessage

from ..checks import check_agreement, check_digesting, check_settings, check_site
from ..digests import Status


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
