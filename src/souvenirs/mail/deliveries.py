"""Which mails have been sent to whom, so that nobody gets one twice.

A mail is claimed before it is sent, in a transaction of its own, and marked as sent when the mail
server has accepted it. A claim is released if the mail certainly was not sent. Of a process that
was killed in between, nobody knows: the claim stays, and the mail is sent at most once.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.conf import settings
from django.db import IntegrityError, models, router, transaction
from django.utils import timezone
from django.utils.crypto import salted_hmac

from ..models import Delivery
from ..stores import Contended, retried

#: How long deliveries are kept: longer than the mail of a year is the one of the last year.
KEPT = timedelta(days=400)

#: After this time, a run that has claimed a mail and not marked it has been killed.
OVERDUE = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Mailing:
    """What distinguishes the mail of a period from others, besides its recipient."""

    interval: str
    first_day: date
    time_zone: str
    segments: Sequence[str] = ()
    language: str = ""

    def key(self, address: str, secret: str | bytes | None = None) -> str:
        """Return a keyed hash of the mail and of an address, in which case does not matter."""
        named = [
            self.interval,
            self.first_day.isoformat(),
            self.time_zone,
            sorted(self.segments),
            self.language,
            address.lower(),
        ]
        return salted_hmac(
            "souvenirs.mail", json.dumps(named), secret=secret, algorithm="sha256"
        ).hexdigest()


@dataclass(frozen=True, slots=True)
class Claim:
    """A mail that nobody else may send."""

    pk: int
    #: When it was claimed and sent the last time; None if this is the first.
    before: tuple[datetime, datetime | None] | None = None


@dataclass(frozen=True, slots=True)
class Taken:
    """A mail that somebody else has claimed, or sent."""

    claimed: datetime
    #: None if it is not known to have been sent.
    sent: datetime | None

    @property
    def is_overdue(self) -> bool:
        return self.sent is None and self.claimed < timezone.now() - OVERDUE


class Deliveries:
    """The table of deliveries, in the database that a router names for it."""

    def __init__(self) -> None:
        self.alias = router.db_for_write(Delivery)

    def claim(self, mailing: Mailing, address: str, *, again: bool = False) -> Claim | Taken:
        """Claim a mail for an address, unless it has been claimed; with ``again``, in any case.

        Of several processes that claim the same mail at once, one gets it.
        """

        def work() -> Claim | Taken:
            there = self._find(mailing, address)
            if there is None:
                return Claim(self._create(mailing, address))
            if again and self._take(there):
                return Claim(there.pk, (there.claimed, there.sent))
            return Taken(there.claimed, there.sent)

        return retried(work)

    def mark_sent(self, claim: Claim) -> None:
        retried(lambda: self._all().filter(pk=claim.pk).update(sent=timezone.now()))

    def release(self, claim: Claim) -> None:
        """Undo a claim: the mail certainly was not sent."""
        rows = self._all().filter(pk=claim.pk)
        if claim.before is None:
            retried(rows.delete)
        else:
            claimed, sent = claim.before
            retried(lambda: rows.update(claimed=claimed, sent=sent))

    def forget(self, before: datetime) -> None:
        """Delete what was claimed before a moment."""
        retried(self._all().filter(claimed__lt=before).delete)

    def _all(self) -> models.QuerySet[Delivery]:
        return Delivery.objects.using(self.alias)

    def _find(self, mailing: Mailing, address: str) -> Delivery | None:
        secrets = (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)
        keys = [mailing.key(address, secret) for secret in secrets]
        return self._all().filter(key__in=keys).order_by("-claimed").first()

    def _create(self, mailing: Mailing, address: str) -> int:
        try:
            # Committed before the mail is sent: not within a transaction that may be rolled back.
            with transaction.atomic(using=self.alias, durable=True):
                created = self._all().create(
                    key=mailing.key(address),
                    interval=mailing.interval,
                    first_day=mailing.first_day,
                    claimed=timezone.now(),
                )
        except IntegrityError:
            raise Contended from None  # another process was faster: look again
        return created.pk

    def _take(self, there: Delivery) -> bool:
        same = self._all().filter(pk=there.pk, claimed=there.claimed)
        return bool(same.update(claimed=timezone.now(), sent=None))
