"""The tables: souvenirs, digests, the numbers of users, and annotations."""

from __future__ import annotations

from typing import Any

from django.apps import apps
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from .calendar import DAY_LEVEL, GridCell, moment_of
from .sets import Label, UserSet, checksum_of
from .sql import FalseIndex, SetIndex

if not apps.is_installed("souvenirs"):
    raise ImproperlyConfigured('"souvenirs" is missing from INSTALLED_APPS: add it.')


class Souvenir(models.Model):
    """The record that a user was seen at a moment.

    The user is a reference without a constraint, and nothing cascades: the souvenirs of a deleted
    user stay, so past counts do not change, and the site's transactions neither wait for this table
    nor fail because of it.
    """

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        db_index=False,
    )
    when = models.DateTimeField(default=timezone.now)
    #: Whether its user is in the digest of its bucket.
    digested = models.BooleanField(default=False, db_default=False, editable=False)
    #: In one souvenir of each month: the seal of its inventory, see :mod:`souvenirs.stores.seals`.
    seal = models.BigIntegerField(null=True, editable=False)

    class Meta:
        ordering = ["-when"]
        indexes = [
            models.Index(fields=["when", "user"], name="souvenirs_when_user"),
            models.Index(fields=["user", "when"], name="souvenirs_user_when"),
            FalseIndex(fields=["digested", "when", "user"], name="souvenirs_undigested"),
            SetIndex(fields=["seal"], name="souvenirs_sealed"),
        ]
        permissions = [
            ("view_usage", "Can view how many users are active"),
            ("view_people", "Can view which users are active"),
        ]

    def __str__(self) -> str:
        return f"user={self.user_id} when={self.when}"


class Usage(Souvenir):
    """The admin's entry for the dashboard; it has no rows of its own."""

    class Meta:
        proxy = True
        default_permissions = ()
        verbose_name = _("usage")
        verbose_name_plural = _("usage")


class Digest(models.Model):
    """The users of a bucket, a day or a month of UTC, or of a local day, as one set.

    The ``kind`` says what these users have in common. The digest of a day or a month is stale, and
    not read, from a change to one of its buckets until it is rebuilt from its parts. ``version``
    counts the changes.

    A row of the level ``INVENTORY_LEVEL`` is the inventory of a month, a set of its buckets.
    """

    #: The kind that souvenirs are folded into: users who were active.
    ACTIVE = "active"

    kind = models.CharField(max_length=16, default=ACTIVE)
    #: The length of the cell in seconds, or a code for it, see :mod:`souvenirs.calendar.grid`.
    level = models.PositiveIntegerField()
    #: The start of the cell, in seconds since 1970-01-01T00:00Z.
    start = models.BigIntegerField()
    version = models.PositiveBigIntegerField(default=0)
    count = models.PositiveBigIntegerField(default=0)
    #: The checksum of the count, which can be read without the body; 0 while the digest is stale.
    checksum = models.BigIntegerField(default=0)
    is_stale = models.BooleanField(default=True)
    #: Whether some of its souvenirs have been deleted.
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

    @property
    def cell(self) -> GridCell:
        return GridCell(self.level, self.start)

    @property
    def label(self) -> Label:
        return Label(self.kind, self.level, moment_of(self.start), self.version)

    def refresh_from_db(
        self, using: str | None = None, fields: Any = None, from_queryset: Any = None
    ) -> None:
        """Load fields, deferred ones too, from the database that the digest has been read from.

        Django would ask the router, which may name a replica that lags behind.
        """
        super().refresh_from_db(using or self._state.db, fields, from_queryset)

    def users(self) -> UserSet:
        """Return its users; raises CorruptDigest."""
        if self.is_stale and not self.version and not self.body:
            return UserSet()  # a new digest, without users
        return UserSet.from_bytes(self.body, self.label)

    @property
    def is_fresh(self) -> bool:
        """Whether a day or a month may be read."""
        return not self.is_stale and self.checksum == checksum_of(self.label, self.count)

    def put(self, users: UserSet) -> None:
        """Replace its users and increase its version, without saving it."""
        self.version += 1
        self.count = len(users)
        is_unread = self.is_stale and self.level >= DAY_LEVEL
        self.checksum = 0 if is_unread else checksum_of(self.label, self.count)
        self.body = users.to_bytes(self.label)


class UserNumber(models.Model):
    """The number that digests use for a user whose primary key does not fit into them."""

    number = models.AutoField(primary_key=True)
    user = models.OneToOneField(
        settings.AUTH_USER_MODEL,
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        related_name="+",
    )

    def __str__(self) -> str:
        return f"user={self.user_id} number={self.number}"


class Annotation(models.Model):
    """A note of the site's owner at a day, such as a release."""

    TEXT_LENGTH = 100

    day = models.DateField(_("day"))
    text = models.CharField(_("text"), max_length=TEXT_LENGTH)
    created = models.DateTimeField(_("created"), default=timezone.now, editable=False)

    class Meta:
        ordering = ["day", "pk"]
        constraints = [
            models.UniqueConstraint(fields=["day", "text"], name="souvenirs_annotation_of_day")
        ]
        verbose_name = _("annotation")
        verbose_name_plural = _("annotations")

    def __str__(self) -> str:
        return f"{self.day} {self.text}"
