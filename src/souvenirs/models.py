"""The tables: souvenirs, digests and the numbers of users."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from .sql import FalseIndex


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
    #: Whether it is in the digest of its bucket.
    digested = models.BooleanField(default=False, db_default=False, editable=False)

    class Meta:
        ordering = ["-when"]
        indexes = [
            models.Index(fields=["when", "user"], name="souvenirs_when_user"),
            models.Index(fields=["user", "when"], name="souvenirs_user_when"),
            FalseIndex(fields=["digested", "when", "user"], name="souvenirs_undigested"),
        ]
        permissions = [
            ("view_usage", "Can view how many users are active"),
            ("view_people", "Can view which users are active"),
        ]

    def __str__(self) -> str:
        return f"user={self.user_id} when={self.when}"


class Usage(Souvenir):
    """The entry in the admin that leads to the pages; it has no rows of its own."""

    class Meta:
        proxy = True
        default_permissions = ()
        verbose_name = _("usage")
        verbose_name_plural = _("usage")


class Digest(models.Model):
    """The users seen in a bucket, a day or a month of UTC, as one set.

    The rows of a day and a month are stale from the moment when a bucket of theirs changes until
    they are made anew from their parts; nobody reads a stale one. ``version`` counts the changes.
    """

    ACTIVE = "active"

    kind = models.CharField(max_length=16, default=ACTIVE)
    #: The length of the cell in seconds, see :mod:`souvenirs.calendar.grid`.
    level = models.PositiveIntegerField()
    #: The moment at which it starts, in seconds since 1970-01-01T00:00Z.
    start = models.BigIntegerField()
    version = models.PositiveBigIntegerField(default=0)
    count = models.PositiveBigIntegerField(default=0)
    #: Of the count, which is read without the body.
    checksum = models.BigIntegerField(default=0)
    is_stale = models.BooleanField(default=True)
    #: Whether souvenirs of it have been deleted: what is left of them tells nothing.
    is_pruned = models.BooleanField(default=False)
    body = models.BinaryField(default=b"")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["kind", "level", "start"], name="souvenirs_digest_of_cell"
            )
        ]

    def __str__(self) -> str:
        return f"{self.kind} level={self.level} start={self.start} count={self.count}"


class UserNumber(models.Model):
    """The number, in digests, of a user whose primary key does not fit into them as it is."""

    number = models.AutoField(primary_key=True)
    user = models.OneToOneField(
        settings.AUTH_USER_MODEL,
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        related_name="+",
    )

    def __str__(self) -> str:
        return f"user={self.user_id} number={self.number}"
