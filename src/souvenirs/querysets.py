"""Querysets of users by the time they were last seen.

Each user is in exactly one of ``recently_seen(length)``, ``inactive(length)`` and ``never_seen()``.
The querysets are lazy and can be filtered, ordered, counted and sliced further. The cutoff is set
when the queryset is created.

If souvenirs have been pruned, a user counts as seen at the start of the bucket, as in
:func:`souvenirs.insights.last_seen`.
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
    """Return the users last seen at most ``within`` ago.

    ``queryset`` restricts the result to some users. Raises ValueError if it is of another model or
    if the timedelta is not positive, and TypeError for arguments of other types.
    """
    return _users(queryset).filter(WasSeen(cutoff(within, "within"), None))


def inactive(
    for_: timedelta = timedelta(days=90), queryset: QuerySet[Any] | None = None
) -> QuerySet[Any]:
    """Return the users last seen more than ``for_`` ago.

    Users who have never been seen are not inactive, see :func:`never_seen`. ``queryset`` and errors
    are those of :func:`recently_seen`.
    """
    moment = cutoff(for_, "for_")
    return _users(queryset).filter(~Q(WasSeen(moment, None)), WasSeen(None, moment))


def never_seen(queryset: QuerySet[Any] | None = None) -> QuerySet[Any]:
    """Return the users who have never left a souvenir, whenever they registered."""
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
            f"queryset is a queryset of {queryset.model._meta.label}: "
            f"pass one of {user_model._meta.label}."
        )
    return queryset


def cutoff(length: object, name: str) -> datetime:
    """Return the moment that was ``length`` ago, in UTC.

    Raises TypeError, or ValueError if the length is not positive, with the ``name`` of it.
    """
    if not isinstance(length, timedelta):
        raise TypeError(f"{name} must be a timedelta, not {length!r}.")
    if length <= timedelta():
        raise ValueError(f"{name} must be positive, not {length!r}.")
    try:
        return utc(checked(timezone.now(), "now")) - length
    except OverflowError:
        raise ValueError(f"{name} reaches back before the year 1: {length!r}.") from None
