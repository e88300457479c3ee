"""Tables: souvenirs, digests, user numbers, annotations, figures, mails, statements."""

from __future__ import annotations

import json
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


class Figure(models.Model):
    """A published number: a metric of a period, of everyone or of a segment.

    Any SQL tool may read the table; only the app writes it. A figure is final if its period is over
    and everything that it depends on is digested. Whatever changes that afterwards clears the mark,
    see :mod:`souvenirs.stores.figures`.
    """

    metric = models.CharField(max_length=16)
    interval = models.CharField(max_length=8)
    #: The local days of the whole period, both inclusive.
    first_day = models.DateField()
    last_day = models.DateField()
    time_zone = models.CharField(max_length=64)
    #: The name of a segment; empty for everyone.
    segment = models.CharField(max_length=200, default="", blank=True)
    #: A whole number, or a ratio from 0 to 1; null if unknown.
    value = models.FloatField(null=True)
    is_final = models.BooleanField(default=False)
    #: When the value was written.
    computed = models.DateTimeField(default=timezone.now)
    #: The souvenirs that a figure of everyone depends on, ``[since, until)`` in seconds since
    #: 1970-01-01T00:00Z; without a start, all up to the end. Others depend on no souvenir here.
    since = models.BigIntegerField(null=True, editable=False)
    until = models.BigIntegerField(default=0, editable=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["segment", "time_zone", "interval", "metric", "first_day"],
                name="souvenirs_figure_of_period",
            )
        ]
        indexes = [models.Index(fields=["until"], name="souvenirs_figure_until")]

    def __str__(self) -> str:
        return f"{self.metric} {self.interval}={self.first_day} value={self.value}"


class FigureLock(models.Model):
    """One row, which is locked by whoever marks figures or makes them final."""

    ONLY = 1

    id = models.SmallIntegerField(primary_key=True)
    #: How many times figures have been marked, which nobody does without the lock.
    marks = models.PositiveBigIntegerField(default=0)
    #: What the figures there depend on: settings, and the offsets of time zones.
    laid_out_for = models.TextField(default="", blank=True)

    def __str__(self) -> str:
        return f"marks={self.marks}"


class Delivery(models.Model):
    """That a mail has been claimed for a recipient, before it was sent, and when that was.

    The key is a keyed hash of the mail and the address, which is not stored.
    """

    key = models.CharField(max_length=64, unique=True)
    interval = models.CharField(max_length=8)
    #: The first local day of the period that the mail is about.
    first_day = models.DateField()
    claimed = models.DateTimeField(default=timezone.now)
    #: Null from the claim until the mail server has accepted the mail.
    sent = models.DateTimeField(null=True)

    class Meta:
        verbose_name_plural = "deliveries"

    def __str__(self) -> str:
        return f"{self.interval}={self.first_day} sent={self.sent}"


class Statement(models.Model):
    """A statement: the active users of a customer, or of everyone, in a period that is over.

    The app never changes it. The users are in its leaves, from which they are erased; what then
    remains of a user is the hash, so that the root of the leaves stays the same.
    """

    #: The SHA-256 of what identifies the customer, in which case matters on every engine.
    customer = models.CharField(max_length=64, editable=False)
    #: The label of the customer; empty for everyone.
    name = models.CharField(_("customer"), max_length=200, blank=True, editable=False)
    #: The position among the statements of the customer, from 1.
    number = models.PositiveIntegerField(_("number"), editable=False)
    start = models.DateTimeField(_("start"), editable=False)
    end = models.DateTimeField(_("end"), editable=False)
    issued = models.DateTimeField(_("issued"), editable=False)
    #: The content in canonical JSON, see :mod:`souvenirs.statementfile`.
    body = models.TextField(editable=False)
    #: The SHA-256 of the body.
    hash = models.CharField(max_length=64, editable=False)
    #: The largest primary key of a souvenir when the statement was issued.
    last_souvenir = models.BigIntegerField(editable=False)

    class Meta:
        ordering = ["-issued", "-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["customer", "start", "end"], name="souvenirs_statement_of_period"
            ),
            models.UniqueConstraint(
                fields=["customer", "number"], name="souvenirs_statement_number"
            ),
        ]
        verbose_name = _("statement")
        verbose_name_plural = _("statements")

    def __str__(self) -> str:
        return f"Statement {self.number} of {self.name or 'everyone'}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        if not self._state.adding:
            raise TypeError("A statement cannot be changed: it has been issued.")
        super().save(*args, **kwargs)

    @property
    def content(self) -> dict[str, Any]:
        """The content, see :mod:`souvenirs.statementfile`."""
        found: dict[str, Any] = json.loads(self.body)
        return found


class StatementLeaf(models.Model):
    """An active user of a statement; of one who has been erased, only the hash."""

    statement = models.ForeignKey(Statement, on_delete=models.CASCADE, related_name="leaves")
    hash = models.BinaryField()
    salt = models.BinaryField(null=True)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        related_name="+",
    )

    class Meta:
        verbose_name_plural = "statement leaves"

    def __str__(self) -> str:
        return f"statement={self.statement_id} user={self.user_id}"


class StatementLock(models.Model):
    """One row, which is locked by whoever issues a statement or erases a user from statements."""

    ONLY = 1

    id = models.SmallIntegerField(primary_key=True)
    #: How many times it has been locked.
    times = models.PositiveBigIntegerField(default=0)

    def __str__(self) -> str:
        return f"times={self.times}"
