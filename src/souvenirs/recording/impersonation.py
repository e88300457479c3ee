"""Users impersonated with django-hijack, django-impersonate or django-loginas."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib.auth.signals import user_logged_out
from django.dispatch import receiver
from django.http import HttpRequest

#: Set on a request that signed out an impersonated user: the session no longer records it.
IMPERSONATION_ENDED = "_souvenirs_impersonation_ended"


def is_impersonated(request: HttpRequest, user: Any) -> bool:
    """Whether the user of a request is impersonated."""
    if getattr(user, "is_impersonate", False) or getattr(user, "is_hijacked", False):
        return True
    attributes = request.__dict__
    if attributes.get("impersonator") is not None or IMPERSONATION_ENDED in attributes:
        return True
    # The user of a request whose session has not been loaded does not come from the session.
    data = getattr(getattr(request, "session", None), "_session_cache", None)
    return isinstance(data, dict) and is_impersonated_session(data)


def is_impersonated_session(data: dict[str, Any]) -> bool:
    """Whether the user in a session's data is impersonated."""
    flag = getattr(settings, "LOGINAS_FROM_USER_SESSION_FLAG", "loginas_from_user")
    return bool(data.get("hijack_history") or data.get(flag))


@receiver(user_logged_out, dispatch_uid="souvenirs.recording.impersonation.remember_impersonation")
def remember_impersonation(request: Any, user: Any, **kwargs: Any) -> None:
    """Mark the request before the session is flushed."""
    if request is not None and is_impersonated(request, user):
        setattr(request, IMPERSONATION_ENDED, True)
