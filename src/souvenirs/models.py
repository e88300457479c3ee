from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils import timezone


class Souvenir(models.Model):
    """One sighting of an active user at a moment.

    The user is a reference without a constraint, and nothing cascades: the row of a deleted user
    stays, a number without a person, so that history keeps its counts; and the host's transactions
    neither wait for this table nor fail because of it.
    """

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        db_index=False,
    )
    when = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["-when"]
        indexes = [
            models.Index(fields=["when", "user"], name="souvenirs_when_user"),
            models.Index(fields=["user", "when"], name="souvenirs_user_when"),
        ]

    def __str__(self) -> str:
        return f"user={self.user_id} when={self.when}"
