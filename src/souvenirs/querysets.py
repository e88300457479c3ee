"""Users by when they were last seen, as querysets.

Every user is in just one of ``recently_seen(length)``, ``inactive(length)`` and ``never_seen()``.
The queryset can be filtered, ordered, counted and sliced further. Its cutoff is that of the moment
when it is made; the database is asked when it is read.

Where souvenirs have been pruned, a user counts as seen at the start of the bucket, mostly an hour,
as :func:`souvenirs.insights.last_seen` says.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, TypeVar

from django.contrib.auth import get_user_model
from django.db.models import Model, Q, QuerySet
from django.utils import timezone

from .calendar import checked, utc
from .counting import WasSeen

M = TypeVar("M", bound=Model)


def recently_seen(within: timedelta, queryset: QuerySet[Any] | None = None) -> QuerySet[Any]:
    """Return the users seen in the last ``within``: at that moment or later.

    ``queryset`` restricts it, here as below, to some users. Raises ValueError for a queryset of
    something else and a length that is not positive, and TypeError for what is no queryset or no
    timedelta.
    """
    return _users(queryset).filter(WasSeen(_cutoff(within, "within"), None))


def inactive(
    for_: timedelta = timedelta(days=90), queryset: QuerySet[Any] | None = None
) -> QuerySet[Any]:
    """Return the users who have been seen, but not in the last ``for_``.

    Who has never been seen is not inactive, whenever they registered: see :func:`never_seen`.
    Raises what :func:`recently_seen` raises.
    """
    cutoff = _cutoff(for_, "for_")
    return _users(queryset).filter(~Q(WasSeen(cutoff, None)), WasSeen(None, cutoff))


def never_seen(queryset: QuerySet[Any] | None = None) -> QuerySet[Any]:
    """Return the users of whom there is no souvenir and has been none, just registered or not."""
    return _users(queryset).exclude(WasSeen(None, None))


class ActivityQuerySet(QuerySet[M]):
    """A queryset of users with :func:`recently_seen`, :func:`inactive` and :func:`never_seen`.

    For the manager of a user model::

        class Manager(UserManager.from_queryset(ActivityQuerySet)):
            pass
    """

    def recently_seen(self, within: timedelta) -> QuerySet[M]:
        """See :func:`recently_seen`."""
        return recently_seen(within, self)

    def inactive(self, for_: timedelta = timedelta(days=90)) -> QuerySet[M]:
        """See :func:`inactive`."""
        return inactive(for_, self)

    def never_seen(self) -> QuerySet[M]:
        """See :func:`never_seen`."""
        return never_seen(self)


def _users(queryset: QuerySet[Any] | None) -> QuerySet[Any]:
    user_model = get_user_model()
    if queryset is None:
        return user_model._default_manager.all()
    if not isinstance(queryset, QuerySet):
        raise TypeError(f"queryset must be a queryset of users, not {queryset!r}.")
    if not issubclass(queryset.model, user_model):
        raise ValueError(
            f"queryset is one of {queryset.model._meta.label}: "
            f"give one of {user_model._meta.label}."
        )
    return queryset


def _cutoff(length: object, name: str) -> datetime:
    """The moment that lies so long ago, in UTC."""
    if not isinstance(length, timedelta):
        raise TypeError(f"{name} must be a timedelta, not {length!r}.")
    if length <= timedelta():
        raise ValueError(f"{name} must be longer than nothing, not {length!r}.")
    try:
        return utc(checked(timezone.now(), "now")) - length
    except OverflowError:
        raise ValueError(f"{name} reaches back before the year 1: {length!r}.") from None
