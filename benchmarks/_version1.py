"""What version 1.0.2 did, written anew for the Django of today: the baseline of every ratio."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.cache import caches
from django.db import models
from django.utils import timezone

Row = tuple[datetime, datetime, int, int, int]


class OldSouvenir(models.Model):
    """The table of version 1: a constraint on the user, and an index on each column alone."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    when = models.DateTimeField(default=timezone.now, db_index=True)

    class Meta:
        app_label = "version1"
        ordering = ["-when"]

    def __str__(self) -> str:
        return f"user={self.user_id} when={self.when}"


def souvenez(user: Any) -> str:
    """Ask the cache when the user was seen last; if too long ago, tell it and write a row."""
    now = timezone.now()
    cache = caches[getattr(settings, "SOUVENIRS_CACHE_NAME", "default")]
    key = f"{getattr(settings, 'SOUVENIRS_CACHE_PREFIX', 'souvenir.')}.{user.pk}"
    limit = timedelta(seconds=getattr(settings, "SOUVENIRS_RATELIMIT_SECONDS", 3600))
    seen = cache.get(key)
    if seen and now - seen < limit:
        return "rate-limited"
    cache.set(key, now)
    OldSouvenir(user_id=user.pk, when=now).save()
    return "added"


class Middleware:
    """Looks at the user of every request, before the view."""

    def __init__(self, get_response: Any) -> None:
        self.get_response = get_response

    def __call__(self, request: Any) -> Any:
        if request.user.is_authenticated:
            souvenez(request.user)
        return self.get_response(request)


def count_active_users(
    start: datetime, end: datetime, model: type[models.Model] = OldSouvenir
) -> int:
    """One query for one period. ``model`` is the table, and with it the indexes, to count in."""
    souvenirs = model._default_manager.filter(when__gte=start, when__lt=end)
    return souvenirs.values("user").distinct().count()


def usage(
    periods: Iterable[tuple[datetime, datetime]], model: type[models.Model] = OldSouvenir
) -> Iterator[Row]:
    """Three queries for each period: registered, activated and active users."""
    for start, end in periods:
        users = get_user_model().objects.filter(date_joined__lt=end)
        registered, activated = users.count(), users.filter(is_active=True).count()
        yield start, end, registered, activated, count_active_users(start, end, model)
